#include "net/mail/received.h"

#include "net/mail/message.h"
#include "net/wire/utf8.h"

/* --- writing ---------------------------------------------------------------------------------- */

/* A name inside of a header field: nothing that could be taken for its end, a comment, or the next word. */
static void add_name(struct str *out, struct slice name)
{
	name = slice_head(name, RECEIVED_NAME_MAX);
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool plain = c > ' ' && c < 0x7f && strchr("()<>\\\";,", c) == NULL;

		str_add_char(out, plain ? c : '?');
	}
}

static void add_peer(struct str *out, const struct addr *peer)
{
	if (peer->sa.sa_family == AF_UNIX) {
		str_add(out, SLICE("local"));
		return;
	}
	str_add(out, peer->sa.sa_family == AF_INET6 ? SLICE("unknown [IPv6:") : SLICE("unknown ["));
	addr_add_ip(out, peer);
	str_add_char(out, ']');
}

void received_add_field(struct str *out, const struct received *r)
{
	str_add(out, SLICE("Received: from "));
	add_name(out, r->helo);
	str_add(out, SLICE(" ("));
	add_peer(out, r->peer);
	str_add(out, SLICE(")\r\n\tby "));
	add_name(out, r->hostname);
	str_add(out, SLICE(" (ringpost) with "));
	str_add_cstr(out, r->esmtp ? "ESMTP" : "SMTP");
	if (r->esmtp && r->in_tls)
		str_add_char(out, 'S');
	if (r->esmtp && r->authenticated)
		str_add_char(out, 'A');
	str_add(out, SLICE(" id "));
	message_id_text(out, r->id);
	str_add(out, SLICE(";\r\n\t"));
	received_add_date(out, r->wall_ns);
	str_add(out, SLICE("\r\n"));
}

struct civil {
	uint64_t year;
	unsigned month;		/* 0..11 */
	unsigned day;		/* 1..31 */
};

/* The calendar repeats every 400 years, 146,097 days. Years are counted from March here, so that the leap day is the
 * last of its year and the months' lengths follow one line: (153 m + 2) / 5 days before month m. */
static struct civil civil_of_days(uint64_t days_since_1970)
{
	uint64_t day = days_since_1970 + 719468;	/* since 1 March of year 0 */
	uint64_t era = day / 146097;
	uint64_t of_era = day % 146097;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * of_year + 2) / 153;

	return (struct civil){
		.year = era * 400 + year + (month >= 10),
		.month = (unsigned)((month + 2) % 12),
		.day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
	};
}

static void add_two(struct str *out, uint64_t value)
{
	str_add_char(out, (char)('0' + value / 10 % 10));
	str_add_char(out, (char)('0' + value % 10));
}

static void add_time_of_day(struct str *out, uint64_t seconds)
{
	add_two(out, seconds / 3600 % 24);
	str_add_char(out, ':');
	add_two(out, seconds / 60 % 60);
	str_add_char(out, ':');
	add_two(out, seconds % 60);
}

void received_add_date(struct str *out, uint64_t wall_ns)
{
	static const char days[][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char months[][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
	};
	uint64_t seconds = wall_ns / NS_PER_SEC;
	struct civil date = civil_of_days(seconds / 86400);

	str_add_cstr(out, days[seconds / 86400 % 7]);	/* 1 January 1970 was a Thursday */
	str_add(out, SLICE(", "));
	str_add_u64(out, date.day);
	str_add_char(out, ' ');
	str_add_cstr(out, months[date.month]);
	str_add_char(out, ' ');
	str_add_u64(out, date.year);
	str_add_char(out, ' ');
	add_time_of_day(out, seconds);
	str_add(out, SLICE(" +0000"));
}

void received_add_stamp(struct str *out, uint64_t wall_ns)
{
	uint64_t seconds = wall_ns / NS_PER_SEC;
	struct civil date = civil_of_days(seconds / 86400);

	str_add_u64(out, date.year);
	str_add_char(out, '-');
	add_two(out, date.month + 1);
	str_add_char(out, '-');
	add_two(out, date.day);
	str_add_char(out, 'T');
	add_time_of_day(out, seconds);
	str_add_char(out, 'Z');
}

/* --- reading ---------------------------------------------------------------------------------- */

enum { FIELD_RECEIVED, FIELD_TLS_REQUIRED, FIELD_COUNT };

static const struct slice field_names[FIELD_COUNT] = {
	[FIELD_RECEIVED] = SLICE("received"),
	[FIELD_TLS_REQUIRED] = SLICE("tls-required"),
};

#define NAME_MAX_LEN	12u	/* of them; more is no name of ours */

static void begin_name(struct received_counter *counter)
{
	counter->state = RECEIVED_NAME;
	counter->name_len = 0;
	counter->candidates = BIT(FIELD_COUNT) - 1;
	counter->in_tls_field = false;
}

static void take_name_char(struct received_counter *counter, char c)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		if (counter->name_len >= field_names[i].len ||
		    ascii_lower(c) != field_names[i].ptr[counter->name_len])
			counter->candidates &= (uint8_t)~BIT(i);
	if (counter->name_len < NAME_MAX_LEN)
		counter->name_len++;
}

static bool name_is(const struct received_counter *counter, unsigned field)
{
	return (counter->candidates & BIT(field)) && counter->name_len == field_names[field].len;
}

static void end_name(struct received_counter *counter)
{
	counter->count += name_is(counter, FIELD_RECEIVED);
	counter->state = RECEIVED_REST;
	if (!name_is(counter, FIELD_TLS_REQUIRED))
		return;
	counter->state = RECEIVED_TLS_VALUE;
	counter->in_tls_field = true;
	counter->value_len = 0;
	counter->value_matches = true;
}

/* A field name is of printable ASCII (RFC 5322 3.6.8); blanks before the colon are obsolete, but legal (4.5). */
static void take_octet(struct received_counter *counter, char c)
{
	bool blank = c == ' ' || c == '\t';

	if (counter->state == RECEIVED_LINE_START) {
		if (blank) {				/* the last field goes on */
			counter->state = counter->in_tls_field ? RECEIVED_TLS_VALUE : RECEIVED_REST;
			return;
		}
		begin_name(counter);
	}
	if (c == ':') {
		end_name(counter);
	} else if (blank) {
		counter->state = RECEIVED_NAME_ENDED;
	} else if (c > ' ' && c < 0x7f && counter->state == RECEIVED_NAME) {
		take_name_char(counter, c);
	} else {
		counter->state = RECEIVED_OVER;
	}
}

/* "No" in any case and among blanks, and nothing else (RFC 8689 3). What is true until more of the value comes is said
 * at once: behind the last field, nothing comes any more. */
static void take_tls_value(struct received_counter *counter, struct slice text)
{
	static const char no[] = "no";

	for (size_t i = 0; i < text.len; i++) {
		const char c = text.ptr[i];

		if (c == ' ' || c == '\t' || c == '\r')
			continue;
		if (counter->value_len >= 2 || ascii_lower(c) != no[counter->value_len])
			counter->value_matches = false;
		else
			counter->value_len++;
	}
	if (counter->value_matches && counter->value_len == 2)
		counter->facts |= MESSAGE_TLS_OPTIONAL;
	else
		counter->facts &= ~(uint32_t)MESSAGE_TLS_OPTIONAL;
}

void received_counter_feed(struct received_counter *counter, struct slice text)
{
	while (text.len > 0 && counter->state != RECEIVED_OVER) {
		if (counter->state != RECEIVED_REST && counter->state != RECEIVED_TLS_VALUE) {
			take_octet(counter, text.ptr[0]);
			slice_skip(&text, 1);
			continue;
		}
		ptrdiff_t lf = slice_find_char(text, 0, '\n');
		const struct slice rest = lf < 0 ? text : slice_head(text, (size_t)lf);

		if (!(counter->facts & MESSAGE_HEADER_UTF8) && !utf8_is_ascii(rest))
			counter->facts |= MESSAGE_HEADER_UTF8;
		if (counter->state == RECEIVED_TLS_VALUE)
			take_tls_value(counter, rest);
		if (lf < 0)
			return;
		slice_skip(&text, (size_t)lf + 1);
		counter->state = RECEIVED_LINE_START;
	}
}
