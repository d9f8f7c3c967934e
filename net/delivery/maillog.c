#include "net/delivery/maillog.h"

#include "core/log.h"
#include "core/reactor.h"

#define RESOLUTION_MAX 6u

static unsigned resolution_digits = 2;
static bool is_internal;
static const char *program = "smtp";

void maillog_start(const char *client_name, unsigned resolution, bool internal_addresses)
{
	ASSERT(resolution <= RESOLUTION_MAX);
	resolution_digits = resolution;
	is_internal = internal_addresses;
	program = client_name;
}

static void add_decimals(struct str *out, uint64_t us, unsigned digits)
{
	char text[RESOLUTION_MAX];
	unsigned used = 0;
	uint64_t rest = us % 1000000;
	uint64_t unit = 100000;

	for (unsigned i = 0; i < digits; i++, unit /= 10) {
		text[i] = (char)('0' + rest / unit);
		rest %= unit;
		if (text[i] != '0')
			used = i + 1;
	}
	str_add_u64(out, us / 1000000);
	if (used > 0) {
		str_add_char(out, '.');
		str_add(out, slice_of(text, used));
	}
}

static uint64_t unit_us(unsigned digits)
{
	uint64_t unit = 1000000;

	while (digits-- > 0)
		unit /= 10;
	return unit;
}

void maillog_add_delay(struct str *out, uint64_t delay_ns, unsigned resolution)
{
	uint64_t us = delay_ns / NS_PER_US;
	unsigned digits = 0;

	if (us < unit_us(resolution)) {
		str_add_char(out, '0');
		return;
	}
	/* Two significant digits: none behind the point from 10 s on, one from 1 s, two from 0.1 s, three below ... */
	for (uint64_t limit = 10000000; digits < resolution && us < limit; limit /= 10)
		digits++;
	add_decimals(out, us + unit_us(digits) / 2, digits);
}

static uint64_t since(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;	/* times of another process, before a crash */
}

static void add_delays(struct str *out, const struct attempt *a)
{
	const struct attempt_times *t = &a->times;
	uint64_t arrival = a->job->msg->arrival_ns;
	uint64_t mail = t->mail_ns != 0 ? t->mail_ns : t->done_ns;
	const uint64_t parts[] = {
		since(arrival, t->active_ns),
		since(t->active_ns, t->handoff_ns),
		since(t->handoff_ns, mail),
		since(mail, t->done_ns),
	};

	str_add_cstr(out, ", delay=");
	maillog_add_delay(out, since(arrival, t->done_ns), resolution_digits);
	str_add_cstr(out, ", delays=");
	for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
		if (i > 0)
			str_add_char(out, '/');
		maillog_add_delay(out, parts[i], resolution_digits);
	}
}

static void add_address(struct str *line, struct slice addr)
{
	if (is_internal)
		str_add_printable(line, addr, LOG_FIELD_MAX);
	else
		message_log_addr(line, addr, LOG_FIELD_MAX);
	line->full = false;
}

void maillog_rcpt(const struct attempt *a, const struct rcpt *r, enum maillog_status status)
{
	static const char *const words[] = {
		[MAILLOG_SENT] = "sent",
		[MAILLOG_DEFERRED] = "deferred",
		[MAILLOG_SOFTBOUNCE] = "SOFTBOUNCE",
		[MAILLOG_BOUNCED] = "bounced",
	};
	bool is_probe = a->job->msg->facts & MESSAGE_PROBE;
	const char *word = !is_probe ? words[status] : status == MAILLOG_SENT ? "deliverable" : "undeliverable";
	/* Addresses, reason; the relay is 320 octets at most, the rest less. */
	NOT_ZEROED char storage[3 * LOG_FIELD_MAX + 1024];
	struct str line = STR(storage);

	message_id_text(&line, a->job->msg->id);
	str_add_cstr(&line, ": to=<");
	add_address(&line, r->addr);
	struct slice original = rcpt_facts(r).original;

	if (original.len > 0 && !slice_eq_nocase(original, r->addr)) {
		str_add_cstr(&line, ">, orig_to=<");
		add_address(&line, original);
	}
	str_add_cstr(&line, ">, relay=");
	str_add(&line, slice_of(a->relay, a->relay_len));
	if (a->conn_use > 1) {
		str_add_cstr(&line, ", conn_use=");
		str_add_u64(&line, a->conn_use);
	}
	add_delays(&line, a);
	if (a->tls_len > 0) {
		str_add_cstr(&line, ", tls=");
		str_add(&line, slice_of(a->tls, a->tls_len));
	}
	str_printf(&line, ", dsn=%u.%u.%u, status=%s (", r->dsn.class, r->dsn.subject, r->dsn.detail, word);
	str_add_cut(&line, r->text, LOG_FIELD_MAX);
	line.full = false;
	str_add_char(&line, ')');
	log_put(LOG_LEVEL_INFO, program, str_slice(&line));
}
