#include "tests/sim/ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/content.h"
#include "tests/sim/net.h"

static struct offer offers[LEDGER_IDS];
static uint32_t offer_count;
static uint64_t lifetime_ns;
static bool domain_refuses[LEDGER_DOMAINS];

_Noreturn void ledger_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)fprintf(stderr, "storm: ");
	(void)vfprintf(stderr, fmt, args);
	(void)fprintf(stderr, " (after %.3f s)\n", (double)sim_now() / 1e9);
	va_end(args);
	abort();
}

void ledger_start(uint64_t lifetime)
{
	memset(offers, 0, offer_count * sizeof(*offers));
	offer_count = 0;
	lifetime_ns = lifetime;
	memset(domain_refuses, 0, sizeof(domain_refuses));
}

uint32_t ledger_offer(uint64_t seed, uint32_t size, const unsigned *domains, unsigned count)
{
	ASSERT(offer_count < LEDGER_IDS && count <= LEDGER_RCPTS);
	struct offer *o = &offers[offer_count];

	*o = (struct offer){ .state = OFFER_BEGUN, .seed = seed, .size = size, .at_ns = sim_now() };
	o->rcpt_count = count;
	for (unsigned i = 0; i < count; i++) {
		ASSERT(domains[i] < LEDGER_DOMAINS);
		o->rcpts[i].domain = domains[i];
	}
	return offer_count++;
}

struct offer *ledger_at(uint32_t id)
{
	ASSERT(id < offer_count);
	return &offers[id];
}

unsigned ledger_count(void)
{
	return offer_count;
}

void ledger_add_address(struct str *out, uint32_t id, unsigned rcpt)
{
	str_printf(out, "i%ur%u@d%u.test", id, rcpt, offers[id].rcpts[rcpt].domain);
}

static bool take_number(struct slice *text, char before, char after, uint64_t *ret)
{
	const ptrdiff_t end = slice_find_char(*text, 0, after);

	if (end < 1 || text->ptr[0] != before)
		return false;
	if (slice_to_u64(slice_of(text->ptr + 1, (size_t)end - 1), UINT32_MAX, ret) < 0)
		return false;
	slice_skip(text, (size_t)end);
	return true;
}

static bool parse(struct slice address, uint64_t *ret_id, uint64_t *ret_rcpt)
{
	return take_number(&address, 'i', 'r', ret_id) && take_number(&address, 'r', '@', ret_rcpt) &&
	       *ret_id < offer_count && *ret_rcpt < offers[*ret_id].rcpt_count;
}

struct ledger_rcpt *ledger_find(struct slice address)
{
	uint64_t id, rcpt;

	return parse(address, &id, &rcpt) ? &offers[id].rcpts[rcpt] : NULL;
}

/* --- content ----------------------------------------------------------------------------------- */

struct slice ledger_content(const struct offer *o, uint32_t id)
{
	return content_offered(o->seed, o->size, id);
}

static bool ends_with(struct slice content, struct slice end)
{
	return content.len >= end.len && memcmp(content.ptr + content.len - end.len, end.ptr, end.len) == 0;
}

/* Where they begin to differ, when both end together. */
static _Noreturn void fail_altered(struct slice address, struct slice content, struct slice expected)
{
	const struct slice end = slice_of(content.ptr + content.len - MIN(content.len, expected.len),
					  MIN(content.len, expected.len));
	size_t at = 0;

	while (at < end.len && end.ptr[at] == expected.ptr[at])
		at++;
	ledger_fail("altered: %.*s: %zu octets, of %zu those from %zu on: \"%.*s\" instead of \"%.*s\"", SLICE_FMT(address),
		    content.len, expected.len, at, SLICE_FMT(slice_head(slice_of(end.ptr + at, end.len - at), 60)),
		    SLICE_FMT(slice_head(slice_of(expected.ptr + at, expected.len - at), 60)));
}

static void check_content(struct slice address, const struct offer *o, uint32_t id, struct slice content,
			  enum ledger_server server)
{
	const bool takes_8bit = server != LEDGER_TAKES_7BIT;

	if (!slice_has_prefix(content, SLICE("Received: ")))
		ledger_fail("altered: %.*s: no trace in front", SLICE_FMT(address));
	if (ends_with(content, content_arrived(o->seed, o->size, id, takes_8bit)))
		return;
	if (server != LEDGER_TAKES_EITHER || !ends_with(content, content_arrived(o->seed, o->size, id, !takes_8bit)))
		fail_altered(address, content, content_arrived(o->seed, o->size, id, takes_8bit));
}

/* --- what others say ---------------------------------------------------------------------------- */

void ledger_commit(struct slice address, struct slice content, enum ledger_server server)
{
	uint64_t id, rcpt;

	if (!parse(address, &id, &rcpt) || offers[id].state == OFFER_BEGUN)
		ledger_fail("invented: %.*s is committed and was never offered", SLICE_FMT(address));
	check_content(address, &offers[id], (uint32_t)id, content, server);
	offers[id].rcpts[rcpt].commits++;
}

void ledger_refuse(struct slice address)
{
	struct ledger_rcpt *r = ledger_find(address);

	if (r != NULL)
		r->refused = true;
}

void ledger_refuse_sender(struct slice sender)
{
	uint64_t id;

	if (!take_number(&sender, 's', '@', &id) || id >= offer_count)
		ledger_fail("invented: MAIL FROM:<%.*s>", SLICE_FMT(sender));
	for (unsigned i = 0; i < offers[id].rcpt_count; i++)
		offers[id].rcpts[i].refused = true;
}

void ledger_domain_refuses(unsigned domain)
{
	ASSERT(domain < LEDGER_DOMAINS);
	domain_refuses[domain] = true;
}

static struct slice address_in(struct slice text)
{
	const char *at = memmem(text.ptr, text.len, "to=<", 4);

	if (at == NULL)
		return (struct slice){ 0 };
	slice_skip(&text, (size_t)(at + 4 - text.ptr));
	const ptrdiff_t end = slice_find_char(text, 0, '>');

	return end > 0 ? slice_head(text, (size_t)end) : (struct slice){ 0 };
}

static bool says(struct slice text, const char *words)
{
	return memmem(text.ptr, text.len, words, strlen(words)) != NULL;
}

/* The first such word: what a server says stands behind it, and may look the same. */
static bool has_status(struct slice text, const char *status)
{
	const char *at = memmem(text.ptr, text.len, ", status=", 9);

	if (at == NULL)
		return false;
	slice_skip(&text, (size_t)(at + 9 - text.ptr));
	return slice_has_prefix(text, slice_of_str(status));
}

/* One end for each, and one line for it; only a life that begins anew may repeat what the last one has said. */
static void on_end(struct slice address, struct ledger_rcpt *r, unsigned life, unsigned *count, unsigned other)
{
	if (other > 0)
		ledger_fail("twice: %.*s is both sent and bounced", SLICE_FMT(address));
	if (*count > 0 && r->last_life == life)
		ledger_fail("twice: %.*s has two ends in one life", SLICE_FMT(address));
	(*count)++;
	r->last_life = life;
}

void ledger_log(unsigned life, struct slice text)
{
	const struct slice address = address_in(text);
	struct ledger_rcpt *r = ledger_find(address);

	if (address.len == 0)
		return;
	if (r == NULL)
		ledger_fail("invented: a log line about %.*s", SLICE_FMT(address));
	if (says(text, "may be delivered twice")) {
		r->announced++;
	} else if (has_status(text, "sent ")) {
		on_end(address, r, life, &r->sent, r->bounced);
		if (r->commits == 0)
			ledger_fail("false-sent: %.*s", SLICE_FMT(text));
	} else if (has_status(text, "bounced ")) {
		uint64_t id, rcpt;

		on_end(address, r, life, &r->bounced, r->sent);
		if (parse(address, &id, &rcpt) && !r->refused && !domain_refuses[r->domain] &&
		    sim_now() - offers[id].at_ns < lifetime_ns)
			ledger_fail("unfounded: %.*s", SLICE_FMT(text));
	} else if (has_status(text, "deferred ")) {
		r->deferred++;
	}
}

/* --- the end ------------------------------------------------------------------------------------ */

/* That it was sent is durable before it is logged; the line may go down with the process, and is not said again. */
static bool has_end(const struct ledger_rcpt *r)
{
	return r->commits + r->bounced > 0;
}

bool ledger_is_settled(void)
{
	for (uint32_t id = 0; id < offer_count; id++)
		for (unsigned i = 0; offers[id].state == OFFER_ACCEPTED && i < offers[id].rcpt_count; i++)
			if (!has_end(&offers[id].rcpts[i]))
				return false;
	return true;
}

static unsigned check_rcpt(uint32_t id, unsigned i, bool may_be_uninvited)
{
	const struct offer *o = &offers[id];
	const struct ledger_rcpt *r = &o->rcpts[i];

	if (o->state == OFFER_ACCEPTED && !has_end(r))
		ledger_fail("lost: i%ur%u was accepted", id, i);
	if (r->commits > 0 && r->commits - 1 > r->announced)
		ledger_fail("unexplained: i%ur%u has %u copies, and %u were announced", id, i, r->commits,
			    r->announced + 1);
	if (o->state != OFFER_REFUSED || r->commits == 0)
		return 0;
	if (!may_be_uninvited)
		ledger_fail("uninvited: i%ur%u was refused, and is there", id, i);
	return 1;
}

unsigned ledger_check(bool may_be_uninvited)
{
	unsigned uninvited = 0;

	for (uint32_t id = 0; id < offer_count; id++)
		for (unsigned i = 0; i < offers[id].rcpt_count; i++)
			uninvited += check_rcpt(id, i, may_be_uninvited);
	return uninvited;
}
