#include "net/mail/received.h"

#include "net/mail/message.h"

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
	str_add(out, r->esmtp ? SLICE(" (ringpost) with ESMTP id ") : SLICE(" (ringpost) with SMTP id "));
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
	add_two(out, seconds / 3600 % 24);
	str_add_char(out, ':');
	add_two(out, seconds / 60 % 60);
	str_add_char(out, ':');
	add_two(out, seconds % 60);
	str_add(out, SLICE(" +0000"));
}

/* --- counting --------------------------------------------------------------------------------- */

static const char field_name[] = "received";

#define FIELD_NAME_LEN (sizeof(field_name) - 1)

static void begin_name(struct received_counter *counter)
{
	counter->state = RECEIVED_NAME;
	counter->matched = 0;
	counter->matches = true;
}

static void take_name_char(struct received_counter *counter, char c)
{
	if (counter->matched < FIELD_NAME_LEN && ascii_lower(c) == field_name[counter->matched])
		counter->matched++;
	else
		counter->matches = false;
}

/* A field name is of printable ASCII (RFC 5322 3.6.8); blanks before the colon are obsolete, but legal (4.5). */
static void take_octet(struct received_counter *counter, char c)
{
	bool blank = c == ' ' || c == '\t';

	if (counter->state == RECEIVED_LINE_START) {
		if (blank) {
			counter->state = RECEIVED_REST;		/* the last field goes on */
			return;
		}
		begin_name(counter);
	}
	if (c == ':') {
		counter->count += counter->matches && counter->matched == FIELD_NAME_LEN;
		counter->state = RECEIVED_REST;
	} else if (blank) {
		counter->state = RECEIVED_NAME_ENDED;
	} else if (c > ' ' && c < 0x7f && counter->state == RECEIVED_NAME) {
		take_name_char(counter, c);
	} else {
		counter->state = RECEIVED_OVER;
	}
}

void received_counter_feed(struct received_counter *counter, struct slice text)
{
	while (text.len > 0 && counter->state != RECEIVED_OVER) {
		if (counter->state != RECEIVED_REST) {
			take_octet(counter, text.ptr[0]);
			slice_skip(&text, 1);
			continue;
		}
		ptrdiff_t lf = slice_find_char(text, 0, '\n');

		if (lf < 0)
			return;
		slice_skip(&text, (size_t)lf + 1);
		counter->state = RECEIVED_LINE_START;
	}
}
