/* DNS answers as they should be, as they may be, and as nobody should send them (rows DNS-03 to DNS-07). */
#include "net/wire/dns_answer.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/err.h"

/* --- writing packets ------------------------------------------------------------------------------------------- */

static uint8_t packet[70000];
static size_t packet_len;
static struct dns_answer answer;

enum { ANSWERS = 6, AUTHORITIES = 8, ADDITIONALS = 10 };

static void put8(unsigned value)
{
	assert_true(packet_len < sizeof(packet));
	packet[packet_len++] = (uint8_t)value;
}

static void put16(unsigned value)
{
	put8(value >> 8);
	put8(value & 0xff);
}

static void put32(uint32_t value)
{
	put16(value >> 16);
	put16(value & 0xffff);
}

/* "a.b", or "@12" for a pointer, also behind labels: "a.@12". */
static void put_name(const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, ".");

		if (*text == '@') {
			put16(0xc000u | (unsigned)strtoul(text + 1, NULL, 10));
			return;
		}
		put8((unsigned)len);
		for (size_t i = 0; i < len; i++)
			put8((unsigned char)text[i]);
		text += len + (text[len] == '.');
	}
	put8(0);
}

static void begin(const char *name, enum dns_type type)
{
	packet_len = 0;
	put16(0x1234);
	put16(0x8180);		/* an answer, recursion desired and available */
	put16(1);
	put16(0);
	put16(0);
	put16(0);
	put_name(name);
	put16(type);
	put16(1);
}

static void count(unsigned section)
{
	unsigned n = (unsigned)(packet[section] << 8 | packet[section + 1]) + 1;

	packet[section] = (uint8_t)(n >> 8);
	packet[section + 1] = (uint8_t)n;
}

static size_t rr_begin(unsigned section, const char *owner, unsigned type, uint32_t ttl_s)
{
	count(section);
	put_name(owner);
	put16(type);
	put16(1);
	put32(ttl_s);
	put16(0);
	return packet_len;
}

static void rr_end(size_t rdata_at)
{
	size_t len = packet_len - rdata_at;

	packet[rdata_at - 2] = (uint8_t)(len >> 8);
	packet[rdata_at - 1] = (uint8_t)len;
}

static void put_mx(const char *owner, unsigned preference, const char *host, uint32_t ttl_s)
{
	size_t at = rr_begin(ANSWERS, owner, DNS_TYPE_MX, ttl_s);

	put16(preference);
	put_name(host);
	rr_end(at);
}

static void put_cname(const char *owner, const char *target, uint32_t ttl_s)
{
	size_t at = rr_begin(ANSWERS, owner, DNS_TYPE_CNAME, ttl_s);

	put_name(target);
	rr_end(at);
}

static void put_rdata(unsigned section, const char *owner, unsigned type, const char *octets, size_t len)
{
	size_t at = rr_begin(section, owner, type, 300);

	for (size_t i = 0; i < len; i++)
		put8((unsigned char)octets[i]);
	rr_end(at);
}

static void put_soa(uint32_t ttl_s, uint32_t minimum)
{
	size_t at = rr_begin(AUTHORITIES, "test", DNS_TYPE_SOA, ttl_s);

	put_name("ns.test");
	put_name("hostmaster.test");
	for (unsigned i = 0; i < 4; i++)
		put32(1);
	put32(minimum);
	rr_end(at);
}

/* From memory of exactly this size: the sanitizer sees the first octet read too many. */
static int decode_exact(size_t len, const char *name, enum dns_type type)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, packet, len);
	int r = dns_answer_decode(slice_of(copy, len), slice_of_str(name), type, &answer);

	free(copy);
	return r;
}

static int decode(const char *name, enum dns_type type)
{
	return decode_exact(packet_len, name, type);
}

static void expect_record(unsigned i, unsigned preference, const char *data)
{
	assert_true(i < answer.count);
	assert_int_equal(answer.records[i].preference, preference);
	assert_true(slice_eq(dns_record_data(&answer, &answer.records[i]), slice_of_str(data)));
}

/* --- questions ------------------------------------------------------------------------------------------------- */

static void a_question_has_its_octets(void **state)
{
	static const uint8_t want[] = {
		0xab, 0xcd, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1,
		1, 'a', 4, 't', 'e', 's', 't', 0, 0, 15, 0, 1,
		0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0,
	};
	uint8_t out[DNS_QUESTION_MAX];

	(void)state;
	assert_int_equal(dns_question_write(SLICE("a.test"), DNS_TYPE_MX, 0xabcd, 1232, true, out, sizeof(out)),
			 sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	assert_int_equal(dns_question_write(SLICE("a.test"), DNS_TYPE_MX, 1, 0, false, out, sizeof(out)),
			 sizeof(want) - 11);
	assert_int_equal(dns_question_write(SLICE("a.test"), DNS_TYPE_MX, 1, 0, false, out, sizeof(out) - 1),
			 -EMSGSIZE);
}

static void names_without_wire_form_are_refused(void **state)	/* row DNS-05 */
{
	char name[300];
	uint8_t out[DNS_QUESTION_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(name); i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	assert_true(dns_question_write(slice_of(name, 253), DNS_TYPE_A, 1, 1232, false, out, sizeof(out)) > 0);
	assert_int_equal(dns_question_write(slice_of(name, 254), DNS_TYPE_A, 1, 0, false, out, sizeof(out)), -EINVAL);
	assert_int_equal(dns_question_write(SLICE(""), DNS_TYPE_A, 1, 0, false, out, sizeof(out)), -EINVAL);
	assert_int_equal(dns_question_write(SLICE("a..b"), DNS_TYPE_A, 1, 0, false, out, sizeof(out)), -EINVAL);
	assert_int_equal(dns_question_write(SLICE(".."), DNS_TYPE_A, 1, 0, false, out, sizeof(out)), -EINVAL);
	assert_int_equal(dns_question_write(SLICE("."), DNS_TYPE_NS, 1, 0, false, out, sizeof(out)), 12 + 1 + 4);
	assert_memory_equal(out + 12, "\0\0\2\0\1", 5);	/* the root */
	assert_int_equal(dns_question_write(SLICE("a."), DNS_TYPE_A, 1, 0, false, out, sizeof(out)), -EINVAL);
	memset(name, 'a', 64);
	assert_true(dns_question_write(slice_of(name, 63), DNS_TYPE_A, 1, 0, false, out, sizeof(out)) > 0);
	assert_int_equal(dns_question_write(slice_of(name, 64), DNS_TYPE_A, 1, 0, false, out, sizeof(out)), -EINVAL);
}

/* --- answers as they should be --------------------------------------------------------------------------------- */

static void records_arrive_with_everything(void **state)
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	put_mx("@12", 10, "mx1.@12", 300);
	put_mx("A.TEST", 65535, "MX2.other.test", 200);
	put_mx("elsewhere.test", 1, "not.ours", 1);
	packet[3] |= 0x20;		/* AD */
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.count, 2);
	expect_record(0, 10, "mx1.a.test");
	expect_record(1, 65535, "MX2.other.test");
	assert_int_equal(answer.ttl_s, 200);
	assert_true(answer.authentic);
	assert_int_equal(answer.hops, 0);
	assert_true(slice_eq(dns_answer_owner(&answer), SLICE("a.test")));
}

static void addresses_and_srv_and_tlsa_are_read(void **state)
{
	(void)state;
	begin("a.test", DNS_TYPE_A);
	put_rdata(ANSWERS, "@12", DNS_TYPE_A, "\xc0\x00\x02\x01", 4);
	assert_int_equal(decode("A.tEST", DNS_TYPE_A), 0);
	assert_true(slice_eq(dns_record_data(&answer, &answer.records[0]), SLICE("\xc0\x00\x02\x01")));
	begin("_submission._tcp.a.test", DNS_TYPE_SRV);
	put_rdata(ANSWERS, "@12", DNS_TYPE_SRV, "\0\1\0\2\2\x4b\1h\0", 9);
	assert_int_equal(decode("_submission._tcp.a.test", DNS_TYPE_SRV), 0);
	expect_record(0, 1, "h");
	assert_int_equal(answer.records[0].weight, 2);
	assert_int_equal(answer.records[0].port, 587);
	begin("_25._tcp.a.test", DNS_TYPE_TLSA);
	put_rdata(ANSWERS, "@12", DNS_TYPE_TLSA, "\3\1\1xyz", 6);
	assert_int_equal(decode("_25._tcp.a.test", DNS_TYPE_TLSA), 0);
	assert_true(slice_eq(dns_record_data(&answer, &answer.records[0]), SLICE("\3\1\1xyz")));
}

static void a_null_mx_is_an_empty_name(void **state)	/* case 52; RFC 7505 */
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	put_mx("@12", 0, "", 300);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.count, 1);
	expect_record(0, 0, "");
}

static void duplicates_are_dropped(void **state)	/* row DNS-04 */
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	for (unsigned i = 0; i < 20; i++)
		put_mx("@12", 10 + (i & 1), "mx.test", 300);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.dropped, 0);
}

static void a_hundred_records_are_kept(void **state)	/* case 89; row DNS-04 */
{
	char host[32];

	(void)state;
	begin("a.test", DNS_TYPE_MX);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(host, sizeof(host), "mx%u.test", i);
		put_mx("@12", 65535, host, 300);
	}
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.count, DNS_RECORDS_MAX);
	assert_int_equal(answer.dropped, 900);
}

static void the_largest_packet_there_is_works(void **state)	/* row DNS-04 */
{
	unsigned n = 0;

	(void)state;
	begin("a.test", DNS_TYPE_A);
	for (; packet_len + 16 <= DNS_PACKET_MAX; n++) {
		char ip[4] = { 10, 0, (char)(n >> 8), (char)n };

		put_rdata(ANSWERS, "@12", DNS_TYPE_A, ip, 4);
	}
	assert_int_equal(decode("a.test", DNS_TYPE_A), 0);
	assert_int_equal(answer.count + answer.dropped, n);
	while (packet_len <= DNS_PACKET_MAX)
		put8(0);
	assert_int_equal(decode("a.test", DNS_TYPE_A), ERR_PROTO);
}

/* --- aliases --------------------------------------------------------------------------------------------------- */

static void chain(unsigned steps)
{
	char from[32], to[32];

	begin("n0.test", DNS_TYPE_A);
	/* Backwards, so that the order of the records cannot help. */
	for (unsigned i = steps; i > 0; i--) {
		snprintf(from, sizeof(from), "n%u.test", i - 1);
		snprintf(to, sizeof(to), "n%u.test", i);
		put_cname(from, to, 100 + i);
	}
	snprintf(to, sizeof(to), "n%u.test", steps);
	put_rdata(ANSWERS, to, DNS_TYPE_A, "\xc0\x00\x02\x01", 4);
}

static void ten_aliases_are_followed_and_eleven_are_not(void **state)	/* case 64; row DNS-03 */
{
	(void)state;
	for (unsigned steps = 0; steps <= DNS_HOPS_MAX; steps++) {
		chain(steps);
		assert_int_equal(decode("n0.test", DNS_TYPE_A), 0);
		assert_int_equal(answer.count, 1);
		assert_int_equal(answer.hops, steps);
		assert_int_equal(answer.ttl_s, steps > 0 ? 101 : 300);
	}
	assert_true(slice_eq(dns_answer_owner(&answer), SLICE("n10.test")));
	chain(11);
	assert_int_equal(decode("n0.test", DNS_TYPE_A), 0);
	assert_int_equal(answer.count, 0);
	assert_true(answer.hops_exceeded);
	chain(1000);
	assert_int_equal(decode("n0.test", DNS_TYPE_A), 0);
	assert_true(answer.hops_exceeded);
}

static void circles_end(void **state)	/* row DNS-03 */
{
	static const char *const names[] = { "a.test", "b.test", "c.test" };

	(void)state;
	for (unsigned n = 1; n <= 3; n++) {
		begin("a.test", DNS_TYPE_MX);
		for (unsigned i = 0; i < n; i++)
			put_cname(names[i], names[(i + 1) % n], 60);
		assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
		assert_true(answer.hops_exceeded);
		assert_int_equal(answer.count, 0);
	}
}

static void records_win_over_an_alias_beside_them(void **state)	/* row DNS-03 */
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	put_cname("a.test", "b.test", 60);
	put_mx("a.test", 10, "mx.test", 60);
	put_mx("b.test", 10, "other.test", 60);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.count, 1);
	expect_record(0, 10, "mx.test");
}

static void an_alias_that_leads_out_of_the_answer_is_told(void **state)
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	put_cname("a.test", "b.test", 60);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.count, 0);
	assert_int_equal(answer.hops, 1);
	assert_false(answer.negative_ttl);
	assert_true(slice_eq(dns_answer_owner(&answer), SLICE("b.test")));
}

/* --- nothing there --------------------------------------------------------------------------------------------- */

static void the_soa_says_how_long_nothing_lasts(void **state)	/* RFC 2308 5 */
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	put_soa(900, 60);
	packet[3] |= DNS_RCODE_NXDOMAIN;
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.rcode, DNS_RCODE_NXDOMAIN);
	assert_true(answer.negative_ttl);
	assert_int_equal(answer.ttl_s, 60);
	begin("a.test", DNS_TYPE_MX);
	put_soa(30, 60);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.ttl_s, 30);
	begin("a.test", DNS_TYPE_MX);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_false(answer.negative_ttl);
	assert_int_equal(answer.ttl_s, 0);
}

static void a_negative_ttl_counts_as_zero(void **state)	/* row DNS-08; RFC 2181 8 */
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	put_mx("@12", 10, "mx.test", 0x80000000u);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.ttl_s, 0);
}

static void the_upper_rcode_bits_come_from_opt(void **state)
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	size_t at = rr_begin(ADDITIONALS, "", DNS_TYPE_OPT, 0x01000000u);

	rr_end(at);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.rcode, 16);
}

/* --- as nobody should send them -------------------------------------------------------------------------------- */

static void every_cut_is_refused(void **state)	/* row DNS-05 */
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	put_cname("@12", "b.@14", 60);
	put_mx("b.test", 10, "mx.@14", 60);
	put_soa(60, 60);
	put_rdata(ADDITIONALS, "mx.test", DNS_TYPE_A, "\xc0\x00\x02\x01", 4);
	for (size_t len = 0; len < packet_len; len++)
		assert_int_equal(decode_exact(len, "a.test", DNS_TYPE_MX), ERR_PROTO);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	expect_record(0, 10, "mx.test");
}

static void every_changed_octet_is_survived(void **state)	/* row DNS-05 */
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	put_cname("@12", "b.@14", 60);
	put_mx("b.test", 10, "mx.@14", 60);
	put_soa(60, 60);
	for (size_t i = 0; i < packet_len; i++) {
		uint8_t good = packet[i];

		for (unsigned value = 0; value < 256; value++) {
			packet[i] = (uint8_t)value;
			int r = decode("a.test", DNS_TYPE_MX);

			assert_true(r == 0 || r == ERR_PROTO);
		}
		packet[i] = good;
	}
}

static void answers_to_other_questions_are_refused(void **state)	/* rows DNS-05, DNS-07 */
{
	(void)state;
	begin("b.test", DNS_TYPE_MX);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), ERR_PROTO);
	begin("a.test", DNS_TYPE_A);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), ERR_PROTO);
	begin("a.test", DNS_TYPE_MX);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	packet[packet_len - 1] = 3;	/* class CH */
	assert_int_equal(decode("a.test", DNS_TYPE_MX), ERR_PROTO);
	begin("a.test", DNS_TYPE_MX);
	packet[2] &= 0x7f;		/* a question */
	assert_int_equal(decode("a.test", DNS_TYPE_MX), ERR_PROTO);
	begin("a.test", DNS_TYPE_MX);
	packet[2] |= 0x02;		/* truncated */
	assert_int_equal(decode("a.test", DNS_TYPE_MX), ERR_PROTO);
	for (unsigned questions = 0; questions <= 2; questions += 2) {
		begin("a.test", DNS_TYPE_MX);
		packet[5] = (uint8_t)questions;
		assert_int_equal(decode("a.test", DNS_TYPE_MX), ERR_PROTO);
	}
}

struct rdata_case {
	const char *claim;
	enum dns_type type;
	const char *octets;
	size_t len;
	int err;
};

#define RDATA(text) text, sizeof(text) - 1
static const struct rdata_case rdata_cases[] = {
	{ "an A of 3 octets",                    DNS_TYPE_A,    RDATA("\xc0\x00\x02"), ERR_PROTO },
	{ "an A of 5 octets",                    DNS_TYPE_A,    RDATA("\xc0\x00\x02\x01\x00"), ERR_PROTO },
	{ "an A of nothing",                     DNS_TYPE_A,    RDATA(""), ERR_PROTO },
	{ "an AAAA of 4 octets",                 DNS_TYPE_AAAA, RDATA("\xc0\x00\x02\x01"), ERR_PROTO },
	{ "an MX of nothing",                    DNS_TYPE_MX,   RDATA(""), ERR_PROTO },
	{ "an MX of 1 octet",                    DNS_TYPE_MX,   RDATA("\0"), ERR_PROTO },
	{ "an MX of 2 octets",                   DNS_TYPE_MX,   RDATA("\0\x0a"), ERR_PROTO },
	{ "an MX with octets behind its name",   DNS_TYPE_MX,   RDATA("\0\x0a\1a\0x"), ERR_PROTO },
	{ "an MX whose name has no end",         DNS_TYPE_MX,   RDATA("\0\x0a\1a"), ERR_PROTO },
	{ "an MX with a label of 64 by its length octet", DNS_TYPE_MX, RDATA("\0\x0a\x40" "a\0"), ERR_PROTO },
	{ "an MX with a reserved label type",    DNS_TYPE_MX,   RDATA("\0\x0a\x80" "a\0"), ERR_PROTO },
	{ "an MX pointing at itself",            DNS_TYPE_MX,   RDATA("\0\x0a\xc0\x26"), ERR_PROTO },
	{ "an MX pointing forward",              DNS_TYPE_MX,   RDATA("\0\x0a\xc0\xff"), ERR_PROTO },
	{ "an MX pointing into the header",      DNS_TYPE_MX,   RDATA("\0\x0a\xc0\x04"), ERR_PROTO },
	{ "an MX with half a pointer",           DNS_TYPE_MX,   RDATA("\0\x0a\xc0"), ERR_PROTO },
	{ "an SRV of 3 octets",                  DNS_TYPE_SRV,  RDATA("\0\1\0"), ERR_PROTO },
	{ "an SRV of 6 octets",                  DNS_TYPE_SRV,  RDATA("\0\1\0\2\0\3"), ERR_PROTO },
	{ "an SRV with the root",                DNS_TYPE_SRV,  RDATA("\0\1\0\2\0\3\0"), 0 },
	{ "a TLSA of nothing",                   DNS_TYPE_TLSA, RDATA(""), ERR_PROTO },
	{ "a TLSA of 3 octets",                  DNS_TYPE_TLSA, RDATA("\3\1\1"), ERR_PROTO },
	{ "a TLSA of 19 octets",                 DNS_TYPE_TLSA, RDATA("\3\1\1" "0123456789abcdef"), 0 },
	{ "a TXT of nothing",                    DNS_TYPE_TXT,  RDATA(""), 0 },
};

static void damaged_rdata_spoils_the_answer(void **state)	/* row DNS-05 */
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rdata_cases); i++) {
		const struct rdata_case *c = &rdata_cases[i];

		begin("a.test", c->type);
		put_rdata(ANSWERS, "@12", c->type, c->octets, c->len);
		int r = decode("a.test", c->type);

		if (r != c->err)
			fail_msg("%s: %d", c->claim, r);
		if (r == 0)
			assert_int_equal(answer.count, 1);
	}
}

static void counts_that_lie_are_refused(void **state)	/* row DNS-05 */
{
	static const unsigned sections[] = { ANSWERS, AUTHORITIES, ADDITIONALS };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(sections); i++) {
		begin("a.test", DNS_TYPE_MX);
		put_mx("@12", 10, "mx.test", 60);
		packet[sections[i]] = 0xff;
		assert_int_equal(decode("a.test", DNS_TYPE_MX), ERR_PROTO);
	}
	begin("a.test", DNS_TYPE_MX);
	put_mx("@12", 10, "mx.test", 60);
	packet[packet_len - 13] = 0xff;		/* RDLENGTH */
	assert_int_equal(decode("a.test", DNS_TYPE_MX), ERR_PROTO);
}

/* Labels, each followed by a pointer to the one before: a name that grows with every record. */
static void names_end_at_255_octets(void **state)	/* row DNS-05; RFC 9267 */
{
	unsigned accepted = 0;
	size_t last = 12;

	(void)state;
	begin("a.test", DNS_TYPE_MX);
	for (unsigned i = 0; i < 20; i++) {
		size_t at = rr_begin(ANSWERS, "@12", DNS_TYPE_MX, 60);
		char name[80];

		put16(i);
		snprintf(name, sizeof(name), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.@%zu", last);
		last = packet_len;
		put_name(name);
		rr_end(at);
		if (decode("a.test", DNS_TYPE_MX) < 0)
			break;
		accepted++;
	}
	/* 8 octets of "a.test", 41 for each label: 8 + 6 * 41 = 254. */
	assert_int_equal(accepted, 6);
}

static void a_long_way_of_pointers_is_refused(void **state)	/* row DNS-05 */
{
	(void)state;
	begin("a.test", DNS_TYPE_TXT);
	size_t at = rr_begin(ANSWERS, "@12", DNS_TYPE_TXT, 60), target = 12;

	for (unsigned i = 0; i < 5000; i++) {
		size_t here = packet_len;

		put16(0xc000u | (unsigned)target);
		target = here;
	}
	rr_end(at);
	at = rr_begin(ANSWERS, "", DNS_TYPE_TXT, 60);
	rr_end(at);
	assert_int_equal(decode("a.test", DNS_TYPE_TXT), 0);
	char name[16];

	snprintf(name, sizeof(name), "@%zu", target);
	rr_end(rr_begin(ANSWERS, name, DNS_TYPE_TXT, 60));
	assert_int_equal(decode("a.test", DNS_TYPE_TXT), ERR_PROTO);
}

static void odd_octets_in_names_are_written_as_numbers(void **state)	/* case 50; row DNS-06 */
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	size_t at = rr_begin(ANSWERS, "@12", DNS_TYPE_MX, 60);

	put16(10);
	put8(9);
	for (unsigned i = 0; i < 9; i++)
		put8((unsigned char)"a b\0\n;.\\\xff"[i]);
	put_name("X-y_Z");
	rr_end(at);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	expect_record(0, 10, "a\\032b\\000\\010\\059\\046\\092\\255.X-y_Z");
}

static void the_longest_name_in_text_fits(void **state)
{
	(void)state;
	begin("a.test", DNS_TYPE_MX);
	size_t at = rr_begin(ANSWERS, "@12", DNS_TYPE_MX, 60);

	put16(10);
	for (unsigned len = 63, left = 254; left > 1; left -= len + 1) {
		len = MIN(63u, left - 1);
		put8(len);
		for (unsigned i = 0; i < len; i++)
			put8(1);
	}
	put8(0);
	rr_end(at);
	assert_int_equal(decode("a.test", DNS_TYPE_MX), 0);
	assert_int_equal(answer.records[0].len, 250 * 4 + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_has_its_octets),
		cmocka_unit_test(names_without_wire_form_are_refused),
		cmocka_unit_test(records_arrive_with_everything),
		cmocka_unit_test(addresses_and_srv_and_tlsa_are_read),
		cmocka_unit_test(a_null_mx_is_an_empty_name),
		cmocka_unit_test(duplicates_are_dropped),
		cmocka_unit_test(a_hundred_records_are_kept),
		cmocka_unit_test(the_largest_packet_there_is_works),
		cmocka_unit_test(ten_aliases_are_followed_and_eleven_are_not),
		cmocka_unit_test(circles_end),
		cmocka_unit_test(records_win_over_an_alias_beside_them),
		cmocka_unit_test(an_alias_that_leads_out_of_the_answer_is_told),
		cmocka_unit_test(the_soa_says_how_long_nothing_lasts),
		cmocka_unit_test(a_negative_ttl_counts_as_zero),
		cmocka_unit_test(the_upper_rcode_bits_come_from_opt),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(every_changed_octet_is_survived),
		cmocka_unit_test(answers_to_other_questions_are_refused),
		cmocka_unit_test(damaged_rdata_spoils_the_answer),
		cmocka_unit_test(counts_that_lie_are_refused),
		cmocka_unit_test(names_end_at_255_octets),
		cmocka_unit_test(a_long_way_of_pointers_is_refused),
		cmocka_unit_test(odd_octets_in_names_are_written_as_numbers),
		cmocka_unit_test(the_longest_name_in_text_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
