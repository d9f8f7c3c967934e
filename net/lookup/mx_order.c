#include "net/lookup/mx_order.h"

#include "core/random.h"

static bool is_ip4(const struct mx_address *a)
{
	return a->addr.sa.sa_family == AF_INET;
}

/* 0 for the family to try first among equals, 1 for the other; all the same without a preference. */
static int family_rank(enum mx_family_preference preference, const struct mx_address *a)
{
	switch (preference) {
	case MX_PREFER_IPV4:
		return !is_ip4(a);
	case MX_PREFER_IPV6:
		return is_ip4(a);
	case MX_PREFER_ANY:
		break;
	}
	return 0;
}

static bool comes_before(enum mx_family_preference preference, const struct mx_address *a, const struct mx_address *b)
{
	if (a->preference != b->preference)
		return a->preference < b->preference;
	return family_rank(preference, a) < family_rank(preference, b);
}

/* Insertion keeps equals in order; with at most 100 elements it is as good as any. */
static void sort_stable(enum mx_family_preference preference, struct mx_address *addresses, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct mx_address moving = addresses[i];
		unsigned at = i;

		for (; at > 0 && comes_before(preference, &moving, &addresses[at - 1]); at--)
			addresses[at] = addresses[at - 1];
		addresses[at] = moving;
	}
}

/* Fisher and Yates: every order is equally likely (cases 42, 43). */
static void shuffle(struct mx_address *addresses, unsigned count)
{
	for (unsigned left = count; left > 1; left--) {
		unsigned pick = (unsigned)random_below(left);
		struct mx_address picked = addresses[pick];

		addresses[pick] = addresses[left - 1];
		addresses[left - 1] = picked;
	}
}

void mx_order_for_delivery(const struct mx_conf *conf, struct mx_address *addresses, unsigned count)
{
	if (conf->randomize_addresses)
		shuffle(addresses, count);
	sort_stable(conf->address_preference, addresses, count);
}

/* How many IPv4 addresses may stay when limit are to be kept: a family that is short keeps all it has, else the
 * families share, and the odd one goes to the family of the first address. */
static unsigned quota_ip4(unsigned count4, unsigned count6, unsigned limit, bool first_is_ip4)
{
	if (count6 <= limit / 2)
		return limit - count6;
	if (count4 <= limit / 2)
		return count4;
	return (limit + first_is_ip4) / 2;
}

unsigned mx_order_balance(const struct mx_conf *conf, struct mx_address *addresses, unsigned count)
{
	unsigned limit = MIN(conf->address_limit, MX_ADDRESSES_MAX);
	unsigned count4 = 0, kept = 0;

	for (unsigned i = 0; i < count; i++)
		count4 += is_ip4(&addresses[i]);
	if (!conf->balance_inet_protocols || limit == 0 || count <= limit || count4 == 0 || count4 == count)
		return count;
	unsigned left4 = quota_ip4(count4, count - count4, limit, is_ip4(&addresses[0]));
	unsigned left6 = limit - left4;

	for (unsigned i = 0; i < count; i++) {
		unsigned *left = is_ip4(&addresses[i]) ? &left4 : &left6;

		if (*left == 0)
			continue;
		--*left;
		addresses[kept++] = addresses[i];
	}
	return kept;
}

void mx_order_mark_last(struct mx_address *addresses, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		addresses[i].last_of_preference =
			i + 1 == count || addresses[i + 1].preference != addresses[i].preference;
}
