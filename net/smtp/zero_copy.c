#include "net/smtp/zero_copy.h"

#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "core/map.h"
#include "core/metric.h"
#include "core/random.h"

static struct metric metric_sends =
	METRIC_COUNTER("ringpost_zero_copy_sends_total", "sends begun without a copy");
static struct metric metric_copied =
	METRIC_COUNTER("ringpost_zero_copy_copied_total", "of them, those that the kernel copied all the same");
static struct metric metric_off =
	METRIC_COUNTER("ringpost_zero_copy_off_total", "times a peer was found to be sent copies, and gets them at once");
static struct metric metric_refused =
	METRIC_COUNTER("ringpost_zero_copy_refused_total", "times the kernel did not take a send without a copy");
static struct metric metric_pinned =
	METRIC_GAUGE("ringpost_zero_copy_pinned_octets", "octets that the kernel holds for sends without a copy");

static bool forced;

void zero_copy_force(void)
{
	forced = true;
}

void zero_copy_init(struct zero_copy *z, size_t threshold, size_t limit)
{
	metric_register(&metric_sends);
	metric_register(&metric_copied);
	metric_register(&metric_off);
	metric_register(&metric_refused);
	metric_register(&metric_pinned);
	memset(z, 0, sizeof(*z));
	z->threshold = threshold;
	z->limit = limit;
	random_fill(z->seed, sizeof(z->seed));
}

struct zero_copy_peer *zero_copy_peer(struct zero_copy *z, const struct addr *remote)
{
	struct slice key;

	if (z == NULL || z->threshold == 0)
		return NULL;
	if (remote->sa.sa_family == AF_INET)
		key = slice_of(&remote->in.sin_addr, sizeof(remote->in.sin_addr));
	else if (remote->sa.sa_family == AF_INET6)
		key = slice_of(&remote->in6.sin6_addr, sizeof(remote->in6.sin6_addr));
	else
		return NULL;
	return &z->peers[map_siphash(z->seed, key) % ZERO_COPY_PEERS];
}

bool zero_copy_may(struct zero_copy *z, struct zero_copy_peer *p, size_t len, uint64_t now_ns)
{
	if (p == NULL || len < z->threshold || now_ns < z->refused_until_ns)
		return false;
	if (z->pinned + len > z->limit || p->pinned + len > z->limit / ZERO_COPY_PEER_SHARE)
		return false;
	if (p->word == ZERO_COPY_COPIES && now_ns >= p->until_ns)
		p->word = ZERO_COPY_UNKNOWN;
	return p->word == ZERO_COPY_UNKNOWN || p->word == ZERO_COPY_WORKS || forced;
}

void zero_copy_begin(struct zero_copy *z, struct zero_copy_peer *p, size_t size)
{
	z->pinned += size;
	p->pinned += size;
	if (p->word == ZERO_COPY_UNKNOWN)
		p->word = ZERO_COPY_ASKED;
	metric_add(&metric_sends, 1);
	metric_add(&metric_pinned, (int64_t)size);
}

static void hear(struct zero_copy_peer *p, bool copied, uint64_t now_ns)
{
	if (!copied) {
		p->word = ZERO_COPY_WORKS;
		return;
	}
	metric_add(&metric_copied, 1);
	if (p->word != ZERO_COPY_COPIES)
		metric_add(&metric_off, 1);
	p->word = ZERO_COPY_COPIES;
	p->until_ns = now_ns + ZERO_COPY_AGAIN_NS;
}

void zero_copy_end(struct zero_copy *z, struct zero_copy_peer *p, size_t size, bool told, bool copied, uint64_t now_ns)
{
	ASSERT(z->pinned >= size && p->pinned >= size);
	z->pinned -= size;
	p->pinned -= size;
	metric_add(&metric_pinned, -(int64_t)size);
	if (told)
		hear(p, copied, now_ns);
	else if (p->word == ZERO_COPY_ASKED)
		p->word = ZERO_COPY_UNKNOWN;
}

bool zero_copy_refused(struct zero_copy *z, int err, uint64_t now_ns)
{
	/* -EINVAL: the kernel cannot tell whether it copies (before Linux 6.2). */
	if (err != -ENOMEM && err != -EOPNOTSUPP && err != -EINVAL)
		return false;
	metric_add(&metric_refused, 1);
	if (now_ns >= z->refused_until_ns)
		log_line(LOG_LEVEL_INFO, "smtp", "the kernel does not send without copying now: %s", err_text(err));
	z->refused_until_ns = now_ns + ZERO_COPY_AGAIN_NS;
	return true;
}
