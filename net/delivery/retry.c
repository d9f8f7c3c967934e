#include "net/delivery/retry.h"

uint64_t retry_wait_ns(const struct params *p, uint32_t attempts, uint64_t chance)
{
	uint64_t wait = p->minimal_backoff_time_ns;
	uint64_t most = p->maximal_backoff_time_ns;

	for (uint32_t i = 1; i < attempts && wait < most; i++)
		wait *= 2;
	wait = min_u64(wait, most);
	uint64_t swing = wait / 100 * RETRY_JITTER_PERCENT;

	return wait - swing + (swing > 0 ? chance % (2 * swing) : 0);
}

bool retry_is_expired(const struct params *p, const struct message *msg, uint64_t now_ns)
{
	uint64_t lifetime = msg->sender.len == 0 ? p->bounce_queue_lifetime_ns : p->maximal_queue_lifetime_ns;

	return now_ns >= msg->arrival_ns && now_ns - msg->arrival_ns >= lifetime;
}
