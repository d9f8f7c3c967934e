/* What a load balancer says of a client: whole, in pieces, and wrong. */
#include "tests/test.h"

#include <string.h>

#include "core/crc.h"
#include "core/err.h"
#include "net/wire/proxy_header.h"

#define SIGNATURE	"\r\n\r\n\0\r\nQUIT\n"
#define IP4		"\xc0\x00\x02\x07" "\x7f\x00\x00\x01" "\x30\x39" "\x00\x19"
#define IP6_ADDR	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define IP6		IP6_ADDR IP6_ADDR "\x30\x39" "\x00\x19"
#define MAPPED		"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07" IP6_ADDR "\x30\x39" "\x00\x19"

struct header_case {
	const char *claim;
	struct slice text;
	int result;
	enum proxy_speaker speaker;
	const char *client;
	uint16_t port;
};

static const struct header_case cases[] = {
	{ "1: IPv4", SLICE("PROXY TCP4 192.0.2.7 127.0.0.1 12345 25\r\n"), 1, PROXY_CLIENT, "192.0.2.7", 12345 },
	{ "1: IPv6", SLICE("PROXY TCP6 2001:db8::7 ::1 12345 25\r\n"), 1, PROXY_CLIENT, "2001:db8::7", 12345 },
	{ "1: unknown", SLICE("PROXY UNKNOWN\r\n"), 1, PROXY_UNKNOWN, NULL, 0 },
	{ "1: unknown, with more", SLICE("PROXY UNKNOWN ffff::1 x\r\n"), 1, PROXY_UNKNOWN, NULL, 0 },
	{ "1: of another family", SLICE("PROXY TCP4 2001:db8::7 ::1 1 25\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: of two families", SLICE("PROXY TCP4 192.0.2.7 ::1 1 25\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: a family in small letters", SLICE("PROXY tcp4 192.0.2.7 127.0.0.1 1 25\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: a port too high", SLICE("PROXY TCP4 192.0.2.7 127.0.0.1 65536 25\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: a port with a zero", SLICE("PROXY TCP4 192.0.2.7 127.0.0.1 025 25\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: a port too few", SLICE("PROXY TCP4 192.0.2.7 127.0.0.1 25\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: a port too many", SLICE("PROXY TCP4 192.0.2.7 127.0.0.1 25 25 25\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: two blanks", SLICE("PROXY TCP4  192.0.2.7 127.0.0.1 25 25\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: octal", SLICE("PROXY TCP4 0300.0.2.7 127.0.0.1 25 25\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: LF alone", SLICE("PROXY UNKNOWN\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: nothing", SLICE("PROXY \r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "1: without an end", SLICE("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "2: IPv4", SLICE(SIGNATURE "\x21\x11\x00\x0c" IP4), 1, PROXY_CLIENT, "192.0.2.7", 12345 },
	{ "2: IPv6", SLICE(SIGNATURE "\x21\x21\x00\x24" IP6), 1, PROXY_CLIENT, "2001:db8::7", 12345 },
	{ "2: IPv4 in IPv6", SLICE(SIGNATURE "\x21\x21\x00\x24" MAPPED), 1, PROXY_CLIENT, "192.0.2.7", 12345 },
	{ "2: the proxy itself", SLICE(SIGNATURE "\x20\x00\x00\x00"), 1, PROXY_ITSELF, NULL, 0 },
	{ "2: itself, and an address all the same", SLICE(SIGNATURE "\x20\x11\x00\x0c" IP4), 1, PROXY_ITSELF, NULL, 0 },
	{ "2: of no family", SLICE(SIGNATURE "\x21\x00\x00\x00"), 1, PROXY_UNKNOWN, NULL, 0 },
	{ "2: of no stream", SLICE(SIGNATURE "\x21\x12\x00\x0c" IP4), 1, PROXY_UNKNOWN, NULL, 0 },
	{ "2: extras", SLICE(SIGNATURE "\x21\x11\x00\x14" IP4 "\x01\x00\x02" "h2" "\x04\x00\x00"), 1, PROXY_CLIENT,
	  "192.0.2.7", 12345 },
	{ "2: an extra beyond the end", SLICE(SIGNATURE "\x21\x11\x00\x11" IP4 "\x01\x00\x03" "h2"), ERR_PROTO, 0, NULL, 0 },
	{ "2: half an extra", SLICE(SIGNATURE "\x21\x11\x00\x0e" IP4 "\x01\x00"), ERR_PROTO, 0, NULL, 0 },
	{ "2: a wrong checksum", SLICE(SIGNATURE "\x21\x11\x00\x13" IP4 "\x03\x00\x04" "abcd"), ERR_PROTO, 0, NULL, 0 },
	{ "2: a short checksum", SLICE(SIGNATURE "\x21\x11\x00\x11" IP4 "\x03\x00\x02" "ab"), ERR_PROTO, 0, NULL, 0 },
	{ "2: addresses cut short", SLICE(SIGNATURE "\x21\x21\x00\x0c" IP4), ERR_PROTO, 0, NULL, 0 },
	{ "2: version 3", SLICE(SIGNATURE "\x31\x11\x00\x0c" IP4), ERR_PROTO, 0, NULL, 0 },
	{ "2: another command", SLICE(SIGNATURE "\x22\x11\x00\x0c" IP4), ERR_PROTO, 0, NULL, 0 },
	{ "2: another family", SLICE(SIGNATURE "\x21\x41\x00\x0c" IP4), ERR_PROTO, 0, NULL, 0 },
	{ "2: longer than we read", SLICE(SIGNATURE "\x21\x11\x07\xf1"), ERR_PROTO, 0, NULL, 0 },
	{ "2: a signature that is not quite", SLICE("\r\n\r\n\0\r\nQUIT\r"), ERR_PROTO, 0, NULL, 0 },
	{ "a command", SLICE("EHLO x\r\n"), ERR_PROTO, 0, NULL, 0 },
	{ "TLS", SLICE("\x16\x03\x01"), ERR_PROTO, 0, NULL, 0 },
	{ "nearly the word", SLICE("PROXYTCP4"), ERR_PROTO, 0, NULL, 0 },
};

/* In pieces of step octets, the first up to cut; *ret_left: what was not taken. */
static int feed(struct slice text, size_t cut, size_t step, struct proxy_header *ret, size_t *ret_left)
{
	char storage[PROXY_HEADER_MAX];
	struct str kept = STR(storage);
	int r = 0;

	while (r == 0 && text.len > 0) {
		struct slice piece = slice_head(text, cut);
		const size_t len = piece.len;

		r = proxy_header_feed(&kept, &piece, ret);
		slice_skip(&text, len - piece.len);
		assert_true(r != 0 || piece.len == 0);
		cut = step;
	}
	*ret_left = text.len;
	return r;
}

static void check(const struct header_case *c, size_t cut, size_t step)
{
	char storage[KIB(1)], ip[ADDR_TEXT_MAX];
	struct str text = STR(storage), said = STR(ip);
	struct proxy_header h;
	size_t left;

	str_add(&text, c->text);
	str_add(&text, SLICE("EHLO x\r\n"));
	if (feed(str_slice(&text), cut, step, &h, &left) != c->result)
		fail_msg("%s", c->claim);
	if (c->result < 0)
		return;
	assert_int_equal(left, strlen("EHLO x\r\n"));
	assert_int_equal(h.speaker, c->speaker);
	if (c->client == NULL)
		return;
	addr_add_ip(&said, &h.client);
	assert_string_equal(str_cstr(&said), c->client);
	assert_int_equal(addr_port(&h.client), c->port);
}

static void headers_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check(&cases[i], SIZE_MAX, SIZE_MAX);
		check(&cases[i], 1, 1);
		for (size_t cut = 1; cut < cases[i].text.len; cut++)
			check(&cases[i], cut, SIZE_MAX);
	}
}

static void a_header_that_goes_on_is_waited_for(void **state)
{
	struct proxy_header h;
	size_t left;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t len = 0; cases[i].result == 1 && len < cases[i].text.len; len++)
			assert_int_equal(feed(slice_head(cases[i].text, len), len, 1, &h, &left), 0);
}

static void put_u32(char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(value >> (24 - 8 * i));
}

static void a_checksum_is_checked(void **state)
{
	static const char text[] = SIGNATURE "\x21\x11\x00\x18" IP4 "\x03\x00\x04\0\0\0\0" "\x05\x00\x02" "ab";
	char copy[sizeof(text)];
	struct proxy_header h;
	size_t left;

	(void)state;
	memcpy(copy, text, sizeof(text));
	put_u32(copy + 31, crc32c(0, text, sizeof(text) - 1));
	const struct slice whole = slice_of(copy, sizeof(text) - 1);

	assert_int_equal(feed(whole, SIZE_MAX, 1, &h, &left), 1);
	/* Any octet that differs is noticed, but for two that hide the checksum: the family, and its type. */
	for (size_t i = 0; i < whole.len; i += i == 12 || i == 27 ? 2 : 1) {
		copy[i] ^= 0x10;
		assert_int_not_equal(feed(whole, SIZE_MAX, 1, &h, &left), 1);
		copy[i] ^= 0x10;
	}
}

static void the_longest_header_is_read(void **state)
{
	static char text[PROXY_HEADER_MAX + 4];
	static const char head[] = SIGNATURE "\x21\x11\x07\xf0" IP4 "\x30\x07\xe1";
	struct proxy_header h;
	size_t left;

	(void)state;
	memcpy(text, head, sizeof(head) - 1);
	assert_int_equal(feed(slice_of(text, sizeof(text)), SIZE_MAX, 1, &h, &left), 1);
	assert_int_equal(left, 4);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("headers are read whole, octet by octet and at every cut, and what is none is refused", headers_are_read),
		CLAIM("the beginning of a header is no header", a_header_that_goes_on_is_waited_for),
		CLAIM("a checksum that is there is checked", a_checksum_is_checked),
		CLAIM("the longest header that we read is read", the_longest_header_is_read),
	};

	return cmocka_run_group_tests_name("net/wire/proxy_header", claims, NULL, NULL);
}
