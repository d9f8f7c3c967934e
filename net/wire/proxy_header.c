#include "net/wire/proxy_header.h"

#include "core/crc.h"
#include "core/err.h"

#define FIXED_LEN	16u	/* of version 2: what tells the length of the rest */
#define CHECKSUM_TYPE	3u

static const struct slice word = SLICE("PROXY ");
static const struct slice signature = SLICE("\r\n\r\n\0\r\nQUIT\n");

static unsigned u8_at(struct slice s, size_t at)
{
	return (unsigned char)s.ptr[at];
}

static unsigned u16_at(struct slice s, size_t at)
{
	return u8_at(s, at) << 8 | u8_at(s, at + 1);
}

/* --- version 1 ------------------------------------------------------------------------------------ */

static struct slice take_word(struct slice *line)
{
	const ptrdiff_t blank = slice_find_char(*line, 0, ' ');
	const struct slice taken = slice_head(*line, blank < 0 ? line->len : (size_t)blank);

	slice_skip(line, taken.len + (blank >= 0));
	return taken;
}

static int parse_port(struct slice text, uint16_t *ret_port)
{
	uint64_t port;

	if ((text.len > 1 && text.ptr[0] == '0') || slice_to_u64(text, UINT16_MAX, &port) < 0)
		return ERR_PROTO;
	*ret_port = (uint16_t)port;
	return 0;
}

static int parse_line(struct slice line, struct proxy_header *h)
{
	struct slice words[5];
	struct addr us;
	uint16_t ports[2];

	if (line.len < 2 || line.ptr[line.len - 2] != '\r')
		return ERR_PROTO;
	line.len -= 2;
	slice_skip(&line, word.len);
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		words[i] = take_word(&line);
		if (i == 0 && slice_eq(words[0], SLICE("UNKNOWN"))) {
			h->speaker = PROXY_UNKNOWN;
			return 0;
		}
	}
	const sa_family_t family = slice_eq(words[0], SLICE("TCP6")) ? AF_INET6 : AF_INET;

	if (line.len > 0 || (family == AF_INET && !slice_eq(words[0], SLICE("TCP4"))) ||
	    parse_port(words[3], &ports[0]) < 0 || parse_port(words[4], &ports[1]) < 0 ||
	    addr_parse_ip(words[1], ports[0], &h->client) < 0 || addr_parse_ip(words[2], ports[1], &us) < 0 ||
	    h->client.sa.sa_family != family || us.sa.sa_family != family)
		return ERR_PROTO;
	h->speaker = PROXY_CLIENT;
	return 0;
}

/* --- version 2 ------------------------------------------------------------------------------------ */

/* The checksum is that of the header with zeroes in its own place. */
static bool checksum_is_right(struct slice whole, size_t at)
{
	static const char zeroes[4];
	const uint32_t want = (uint32_t)u16_at(whole, at) << 16 | u16_at(whole, at + 2);
	uint32_t sum = crc32c(0, whole.ptr, at);

	sum = crc32c(sum, zeroes, sizeof(zeroes));
	return crc32c(sum, whole.ptr + at + 4, whole.len - at - 4) == want;
}

static int check_extras(struct slice whole, size_t at)
{
	while (at < whole.len) {
		if (whole.len - at < 3 || u16_at(whole, at + 1) > whole.len - at - 3)
			return ERR_PROTO;
		const size_t len = u16_at(whole, at + 1);

		if (u8_at(whole, at) == CHECKSUM_TYPE && (len != 4 || !checksum_is_right(whole, at + 3)))
			return ERR_PROTO;
		at += 3 + len;
	}
	return 0;
}

static struct addr client_of_ip6(struct slice octets, uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t ip[16];

	memcpy(ip, octets.ptr, sizeof(ip));
	return memcmp(ip, mapped, sizeof(mapped)) == 0 ? addr_from_ip4(ip + 12, port) : addr_from_ip6(ip, port);
}

static int parse_binary(struct slice whole, struct proxy_header *h)
{
	static const size_t lens[] = { 0, 12, 36, 216 };	/* of the addresses: unspecified, IPv4, IPv6, unix */
	const unsigned command = u8_at(whole, 12), family = u8_at(whole, 13) >> 4, transport = u8_at(whole, 13) & 0xf;
	const struct slice rest = slice_of(whole.ptr + FIXED_LEN, whole.len - FIXED_LEN);
	uint8_t ip4[4];

	if (command == 0x20) {		/* LOCAL: whatever follows says nothing */
		h->speaker = PROXY_ITSELF;
		return 0;
	}
	if (command != 0x21 || family >= ARRAY_LEN(lens) || transport > 2 || rest.len < lens[family])
		return ERR_PROTO;
	h->speaker = PROXY_UNKNOWN;
	if (family == 1 && transport == 1) {
		h->speaker = PROXY_CLIENT;
		memcpy(ip4, rest.ptr, sizeof(ip4));
		h->client = addr_from_ip4(ip4, (uint16_t)u16_at(rest, 8));
	} else if (family == 2 && transport == 1) {
		h->speaker = PROXY_CLIENT;
		h->client = client_of_ip6(rest, (uint16_t)u16_at(rest, 32));
	}
	return check_extras(whole, FIXED_LEN + lens[family]);
}

/* --- both ------------------------------------------------------------------------------------------ */

static bool begins_like(struct slice have, struct slice whole)
{
	const size_t len = MIN(have.len, whole.len);

	return slice_eq(slice_head(have, len), slice_head(whole, len));
}

/* How many octets have to be there for the next question; 0: they are all there; or ERR_PROTO. */
static int wanted(struct slice have)
{
	if (have.len == 0)
		return 1;
	if (begins_like(have, word)) {
		if (have.ptr[have.len - 1] == '\n')
			return 0;
		return have.len < PROXY_LINE_MAX ? (int)have.len + 1 : ERR_PROTO;
	}
	if (!begins_like(have, signature))
		return ERR_PROTO;
	if (have.len < FIXED_LEN)
		return FIXED_LEN;
	const size_t len = FIXED_LEN + u16_at(have, 14);

	if (len > PROXY_HEADER_MAX)
		return ERR_PROTO;
	return have.len < len ? (int)len : 0;
}

int proxy_header_feed(struct str *kept, struct slice *in, struct proxy_header *ret_header)
{
	struct proxy_header h = { 0 };
	int r;

	while ((r = wanted(str_slice(kept))) > 0 && in->len > 0) {
		const struct slice more = slice_head(*in, (size_t)r - kept->len);

		str_add(kept, more);
		ASSERT(!str_is_full(kept));
		slice_skip(in, more.len);
	}
	if (r != 0)
		return r > 0 ? 0 : r;
	r = kept->ptr[0] == word.ptr[0] ? parse_line(str_slice(kept), &h) : parse_binary(str_slice(kept), &h);
	if (r < 0)
		return r;
	*ret_header = h;
	return 1;
}
