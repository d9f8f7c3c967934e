#include "net/lookup/srv_order.h"

#include "core/conf.h"
#include "core/random.h"

static void swap(struct mx_host *a, struct mx_host *b)
{
	struct mx_host kept = *a;

	*a = *b;
	*b = kept;
}

static void shuffle(struct mx_host *hosts, unsigned count)
{
	for (unsigned left = count; left > 1; left--)
		swap(&hosts[left - 1], &hosts[random_below(left)]);
}

/* By priority, and within it those without weight first: RFC 2782 gives them "a very small chance" by drawing from 0
 * to the sum, both included. Stable, so that a shuffle before decides among equals. */
static bool comes_before(const struct mx_host *a, const struct mx_host *b)
{
	if (a->preference != b->preference)
		return a->preference < b->preference;
	return a->weight == 0 && b->weight > 0;
}

static void sort_stable(struct mx_host *hosts, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct mx_host moving = hosts[i];
		unsigned at = i;

		for (; at > 0 && comes_before(&moving, &hosts[at - 1]); at--)
			hosts[at] = hosts[at - 1];
		hosts[at] = moving;
	}
}

/* The one whose share holds the number that was drawn. */
static unsigned draw(const struct mx_host *hosts, unsigned count)
{
	uint64_t sum = 0, running = 0;
	unsigned i = 0;

	for (unsigned k = 0; k < count; k++)
		sum += hosts[k].weight;
	uint64_t drawn = random_below(sum + 1);

	while ((running += hosts[i].weight) < drawn)
		i++;
	ASSERT(i < count);
	return i;
}

/* Draws all of one priority, one after the other. Those that are left keep their order. */
static void draw_all(struct mx_host *hosts, unsigned count)
{
	for (unsigned at = 0; at + 1 < count; at++) {
		unsigned i = at + draw(hosts + at, count - at);
		struct mx_host drawn = hosts[i];

		for (; i > at; i--)
			hosts[i] = hosts[i - 1];
		hosts[at] = drawn;
	}
}

void srv_order(struct mx_host *hosts, unsigned count)
{
	unsigned first = 0;

	shuffle(hosts, count);
	sort_stable(hosts, count);
	for (unsigned i = 1; i <= count; i++) {
		if (i < count && hosts[i].preference == hosts[first].preference)
			continue;
		draw_all(hosts + first, i - first);
		first = i;
	}
}

bool srv_is_wanted(struct slice list, struct slice service)
{
	struct slice word;

	while (service.len > 0 && (word = conf_list_next(&list)).len > 0)
		if (slice_eq_nocase(word, service))
			return true;
	return false;
}

bool srv_question(struct str *out, struct slice service, struct slice domain)
{
	if (service.len > SRV_LABEL_MAX || domain.len > NEXTHOP_HOST_MAX)
		return false;
	str_add_char(out, '_');
	str_add(out, service);
	str_add_cstr(out, "._tcp.");
	str_add(out, domain);
	return !str_is_full(out) && out->len <= DNS_NAME_WIRE_MAX - 2;
}
