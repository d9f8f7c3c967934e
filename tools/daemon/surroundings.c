/* surroundings.c - what of this machine may change while we run: its addresses, and its hosts file
 *
 * Both are read by the main thread, which may block, and handed to the cores when they have changed: an address that
 * has been added to an interface is ours within SURROUNDINGS_S (row NET-01).
 */
#include "tools/daemon/daemon.h"

#include <ifaddrs.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"

#define HOSTS_FILE	"/etc/hosts"
#define SURROUNDINGS_S	30u

static bool add_own(struct surroundings *s, const struct addr *a)
{
	struct addr *more = realloc(s->own, (s->own_count + 1) * sizeof(*more));

	if (more == NULL)
		return false;
	s->own = more;
	s->own[s->own_count++] = *a;
	return true;
}

/* inet_interfaces = all: every address this machine has now (RFC 5321 5.1: mail must not loop back to us). */
static bool add_interfaces(struct surroundings *s)
{
	struct ifaddrs *list, *i;
	bool ok = true;

	if (getifaddrs(&list) < 0)
		return false;
	for (i = list; ok && i != NULL; i = i->ifa_next) {
		struct addr a = { 0 };

		if (i->ifa_addr == NULL)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			a.len = sizeof(a.in);
		else if (i->ifa_addr->sa_family == AF_INET6)
			a.len = sizeof(a.in6);
		else
			continue;
		memcpy(&a.sa, i->ifa_addr, a.len);
		ok = add_own(s, &a);
	}
	freeifaddrs(list);
	return ok;
}

static bool add_all_own(struct surroundings *s, const struct params *p)
{
	struct addr loopback;
	bool ok = true;

	if (p->inet_interfaces.all)
		ok = add_interfaces(s);
	if (p->inet_interfaces.loopback_only)
		ok = addr_parse_ip(SLICE("127.0.0.1"), 0, &loopback) == 0 && add_own(s, &loopback) &&
		     addr_parse_ip(SLICE("::1"), 0, &loopback) == 0 && add_own(s, &loopback);
	for (unsigned i = 0; ok && i < p->inet_interfaces.count; i++)
		ok = add_own(s, &p->inet_interfaces.list[i]);
	for (unsigned i = 0; ok && i < p->proxy_interfaces.count; i++)
		ok = add_own(s, &p->proxy_interfaces.list[i].base);
	return ok;
}

/* Containers often have no such file: it is only an addition. */
static int read_hosts(struct hosts *hosts)
{
	char *text = NULL;
	size_t len = 0;

	if (file_read(HOSTS_FILE, MIB(16), &text, &len) < 0)
		return hosts_init(hosts, (struct slice){ 0 });
	int r = hosts_init(hosts, slice_of(text, len));

	free(text);
	return r;
}

void surroundings_free(struct surroundings **s)
{
	if (*s == NULL)
		return;
	hosts_done(&(*s)->hosts);
	free((*s)->own);
	free(*s);
	*s = NULL;
}

struct surroundings *surroundings_read(const struct params *p)
{
	struct surroundings *s = calloc(1, sizeof(*s));

	if (s == NULL || read_hosts(&s->hosts) < 0 || !add_all_own(s, p))
		surroundings_free(&s);
	return s;
}

static bool hosts_eq(const struct hosts *a, const struct hosts *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (!hosts_is(b, i, hosts_name(a, i)) || !addr_eq_ip(&a->entries[i].addr, &b->entries[i].addr))
			return false;
	return true;
}

static bool surroundings_eq(const struct surroundings *a, const struct surroundings *b)
{
	if (a->own_count != b->own_count || !hosts_eq(&a->hosts, &b->hosts))
		return false;
	for (unsigned i = 0; i < a->own_count; i++)
		if (!addr_eq_ip(&a->own[i], &b->own[i]))
			return false;
	return true;
}

void surroundings_watch(struct daemon *d)
{
	static uint64_t next_ns;
	static bool failing;

	if (clock_mono_ns() < next_ns)
		return;
	next_ns = clock_mono_ns() + SURROUNDINGS_S * NS_PER_SEC;
	struct surroundings *now = surroundings_read(&d->params);

	if ((now == NULL) != failing)
		log_line(LOG_LEVEL_WARNING, "ringpostd", "the addresses of this machine's interfaces %s",
			 now == NULL ? "cannot be read: those of before count" : "can be read again");
	failing = now == NULL;
	if (now == NULL)
		return;
	/* The cores use what main has given them, and main may look at it: nobody writes to it. */
	if (surroundings_eq(now, d->surroundings) || !engine_surroundings(now)) {
		surroundings_free(&now);
		return;
	}
	d->surroundings = now;
	log_line(LOG_LEVEL_INFO, "ringpostd", "the addresses of this machine or its hosts file have changed");
}
