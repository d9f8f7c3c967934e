#include "net/wire/dns_answer.h"

#include <errno.h>

#include "core/err.h"

#define HEADER_SIZE	12u
#define CLASS_IN	1u
#define LABEL_MAX	63u
/* Each pointer leads strictly backward, so a name ends; this bounds the work for names made of nothing but pointers.
 * No honest name has more pointers than labels. */
#define POINTERS_MAX	127u
#define RR_FIXED_SIZE	10u
#define TLSA_RDATA_MIN	4u	/* usage, selector, matching type and one octet of data: RFC 6698 2.1 */

enum {
	FLAG_QR		= 0x8000,
	FLAG_OPCODE	= 0x7800,
	FLAG_TC		= 0x0200,
	FLAG_RD		= 0x0100,
	FLAG_AD		= 0x0020,
	FLAG_RCODE	= 0x000f
};

/* A name as on the wire but without compression, the root's octet included. */
struct wire_name {
	uint8_t octets[DNS_NAME_WIRE_MAX];
	size_t len;
};

struct rr {
	size_t owner_at;
	uint16_t type;
	uint16_t class;
	uint32_t ttl_s;
	size_t rdata_at;
	size_t rdata_len;
};

struct packet {
	const uint8_t *octets;
	size_t len;
	uint16_t flags;
	uint16_t answers;
	uint16_t authorities;
	uint16_t additionals;
	size_t answers_at;
	size_t authorities_at;
	size_t additionals_at;
};

static int name_from_text(struct slice text, struct wire_name *ret_name);
static int packet_open(struct slice octets, const struct wire_name *asked, enum dns_type type,
		       struct packet *ret_packet);
static int packet_measure(struct packet *p, struct dns_answer *a);
static int collect(const struct packet *p, const struct wire_name *asked, enum dns_type type, struct dns_answer *a);
static int find_negative_ttl(const struct packet *p, struct dns_answer *a);

/* --- questions ------------------------------------------------------------------------------------------------- */

static uint8_t *put16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return to + 2;
}

/* Root owner, type, our UDP size as class, rcode and version 0, flags, no options (RFC 6891 6.1.2). */
static uint8_t *put_opt(uint8_t *to, uint16_t udp_size, bool dnssec)
{
	*to++ = 0;
	to = put16(to, DNS_TYPE_OPT);
	to = put16(to, udp_size);
	to = put16(to, 0);
	to = put16(to, dnssec ? 0x8000 : 0);
	return put16(to, 0);
}

int dns_question_write(struct slice name, enum dns_type type, uint16_t id, uint16_t udp_size, bool dnssec,
		       uint8_t *ret_packet, size_t cap)
{
	struct wire_name wire;
	uint8_t *to = ret_packet;

	if (cap < DNS_QUESTION_MAX)
		return -EMSGSIZE;
	if (name_from_text(name, &wire) < 0)
		return -EINVAL;
	to = put16(to, id);
	to = put16(to, FLAG_RD | FLAG_AD);
	to = put16(to, 1);
	to = put16(to, 0);
	to = put16(to, 0);
	to = put16(to, udp_size > 0 ? 1 : 0);
	memcpy(to, wire.octets, wire.len);
	to = put16(to + wire.len, (uint16_t)type);
	to = put16(to, CLASS_IN);
	if (udp_size > 0)
		to = put_opt(to, udp_size, dnssec);
	return (int)(to - ret_packet);
}

/* --- answers --------------------------------------------------------------------------------------------------- */

int dns_answer_decode(struct slice packet, struct slice name, enum dns_type type, struct dns_answer *ret_answer)
{
	struct wire_name asked;
	struct packet p;

	if (name_from_text(name, &asked) < 0)
		return ERR_PROTO;
	if (packet_open(packet, &asked, type, &p) < 0)
		return ERR_PROTO;
	dns_answer_start(ret_answer, name);
	ret_answer->rcode = p.flags & FLAG_RCODE;
	ret_answer->authentic = (p.flags & FLAG_AD) != 0;
	if (packet_measure(&p, ret_answer) < 0)
		return ERR_PROTO;
	ret_answer->ttl_s = UINT32_MAX;
	if (collect(&p, &asked, type, ret_answer) < 0)
		return ERR_PROTO;
	if (ret_answer->count == 0 && find_negative_ttl(&p, ret_answer) < 0)
		return ERR_PROTO;
	return 0;
}

void dns_answer_start(struct dns_answer *a, struct slice owner)
{
	memset(a, 0, offsetof(struct dns_answer, records));
	dns_answer_set_owner(a, owner);
}

void dns_answer_set_owner(struct dns_answer *a, struct slice owner)
{
	ASSERT(owner.len <= DNS_NAME_TEXT_MAX);
	/* Names passed on the way stay behind as dead text: at most DNS_HOPS_MAX of them. */
	ASSERT(owner.len <= DNS_DATA_MAX - a->data_len);
	a->owner_at = a->data_len;
	a->owner_len = (uint32_t)owner.len;
	if (owner.len > 0)
		memcpy(a->data + a->data_len, owner.ptr, owner.len);
	a->data_len += (uint32_t)owner.len;
}

static bool is_same_record(const struct dns_answer *a, const struct dns_record *have, const struct dns_record *like,
			   struct slice data)
{
	return have->preference == like->preference && have->weight == like->weight && have->port == like->port &&
	       slice_eq(dns_record_data(a, have), data);
}

void dns_answer_add(struct dns_answer *a, const struct dns_record *like, struct slice data)
{
	for (unsigned i = 0; i < a->count; i++)
		if (is_same_record(a, &a->records[i], like, data))
			return;
	if (a->count == DNS_RECORDS_MAX || data.len > DNS_DATA_MAX - a->data_len || data.len > UINT16_MAX) {
		if (a->dropped < UINT16_MAX)
			a->dropped++;
		return;
	}
	struct dns_record *record = &a->records[a->count++];

	*record = *like;
	record->len = (uint16_t)data.len;
	record->at = a->data_len;
	if (data.len > 0)
		memcpy(a->data + a->data_len, data.ptr, data.len);
	a->data_len += (uint32_t)data.len;
}

/* --- octets ---------------------------------------------------------------------------------------------------- */

static uint16_t get16(const struct packet *p, size_t at)
{
	ASSERT(at + 2 <= p->len);
	return (uint16_t)(p->octets[at] << 8 | p->octets[at + 1]);
}

static uint32_t get32(const struct packet *p, size_t at)
{
	return (uint32_t)get16(p, at) << 16 | get16(p, at + 2);
}

/* RFC 2181 8: a TTL with its highest bit set counts as zero. */
static uint32_t get_ttl(const struct packet *p, size_t at)
{
	uint32_t ttl_s = get32(p, at);

	return ttl_s > INT32_MAX ? 0 : ttl_s;
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static int name_from_text(struct slice text, struct wire_name *ret_name)
{
	size_t label_at = 0, len = 1;

	if (slice_eq(text, SLICE("."))) {	/* the root itself, for those who mean it */
		ret_name->octets[0] = 0;
		ret_name->len = 1;
		return 0;
	}
	if (text.len == 0 || text.len > DNS_NAME_WIRE_MAX - 2)
		return -EINVAL;
	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && text.ptr[i] != '.') {
			ret_name->octets[len++] = (uint8_t)text.ptr[i];
			continue;
		}
		size_t label_len = len - label_at - 1;

		if (label_len == 0 || label_len > LABEL_MAX)
			return -EINVAL;
		ret_name->octets[label_at] = (uint8_t)label_len;
		label_at = len++;
	}
	/* The octet reserved for one more label becomes the root. */
	ret_name->octets[label_at] = 0;
	ret_name->len = len;
	return 0;
}

/* Reads the name at *at and moves *at behind it. Pointers lead strictly backward (RFC 1035 4.1.4: "a prior
 * occurrence"). */
static int name_read(const struct packet *p, size_t *at, struct wire_name *ret_name)
{
	size_t from = *at, floor = *at, len = 0;
	unsigned pointers = 0;

	for (;;) {
		if (from >= p->len)
			return ERR_PROTO;
		unsigned head = p->octets[from];

		if ((head & 0xc0) == 0xc0) {
			if (p->len - from < 2 || ++pointers > POINTERS_MAX)
				return ERR_PROTO;
			size_t target = get16(p, from) & 0x3fffu;

			if (target >= floor || target < HEADER_SIZE)
				return ERR_PROTO;
			if (pointers == 1)
				*at = from + 2;
			from = floor = target;
			continue;
		}
		if (head > LABEL_MAX || p->len - from < 1 + head || len + 1 + head > DNS_NAME_WIRE_MAX)
			return ERR_PROTO;
		memcpy(ret_name->octets + len, p->octets + from, 1 + head);
		len += 1 + head;
		from += 1 + head;
		if (head == 0)
			break;
	}
	if (pointers == 0)
		*at = from;
	ret_name->len = len;
	return 0;
}

/* Length octets are at most 63 and so never look like letters: one comparison serves both. */
static bool name_eq(const struct wire_name *a, const struct wire_name *b)
{
	return slice_eq_nocase(slice_of(a->octets, a->len), slice_of(b->octets, b->len));
}

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static char digit(unsigned value)
{
	return (char)('0' + value);
}

static struct slice name_to_text(const struct wire_name *name, char text[static DNS_NAME_TEXT_MAX])
{
	struct str s = str_over(text, DNS_NAME_TEXT_MAX);

	for (size_t at = 0; name->octets[at] != 0; at += 1u + name->octets[at]) {
		if (at > 0)
			str_add_char(&s, '.');
		for (size_t i = 1; i <= name->octets[at]; i++) {
			uint8_t c = name->octets[at + i];
			char escaped[4] = { '\\', digit(c / 100), digit(c / 10 % 10), digit(c % 10) };

			if (is_plain(c))
				str_add_char(&s, (char)c);
			else
				str_add(&s, slice_of(escaped, 4));
		}
	}
	ASSERT(!str_is_full(&s));
	return str_slice(&s);
}

/* --- sections -------------------------------------------------------------------------------------------------- */

static int packet_open(struct slice octets, const struct wire_name *asked, enum dns_type type,
		       struct packet *ret_packet)
{
	struct packet p = { .octets = (const uint8_t *)octets.ptr, .len = octets.len };
	struct wire_name question;
	size_t at = HEADER_SIZE;

	if (p.len < HEADER_SIZE || p.len > DNS_PACKET_MAX)
		return ERR_PROTO;
	p.flags = get16(&p, 2);
	if (!(p.flags & FLAG_QR) || (p.flags & FLAG_OPCODE) || (p.flags & FLAG_TC) || get16(&p, 4) != 1)
		return ERR_PROTO;
	if (name_read(&p, &at, &question) < 0 || p.len - at < 4)
		return ERR_PROTO;
	if (!name_eq(&question, asked) || get16(&p, at) != type || get16(&p, at + 2) != CLASS_IN)
		return ERR_PROTO;
	p.answers = get16(&p, 6);
	p.authorities = get16(&p, 8);
	p.additionals = get16(&p, 10);
	p.answers_at = at + 4;
	*ret_packet = p;
	return 0;
}

static int rr_read(const struct packet *p, size_t *at, struct rr *ret_rr)
{
	struct wire_name owner;
	struct rr rr = { .owner_at = *at };

	if (name_read(p, at, &owner) < 0 || p->len - *at < RR_FIXED_SIZE)
		return ERR_PROTO;
	rr.type = get16(p, *at);
	rr.class = get16(p, *at + 2);
	rr.ttl_s = get_ttl(p, *at + 4);
	rr.rdata_len = get16(p, *at + 8);
	rr.rdata_at = *at + RR_FIXED_SIZE;
	if (p->len - rr.rdata_at < rr.rdata_len)
		return ERR_PROTO;
	*at = rr.rdata_at + rr.rdata_len;
	*ret_rr = rr;
	return 0;
}

/* A name that must fill RDATA from skip octets on to its end. */
static int rdata_name(const struct packet *p, const struct rr *rr, size_t skip, struct wire_name *ret_name)
{
	size_t at = rr->rdata_at + skip;

	if (rr->rdata_len <= skip || name_read(p, &at, ret_name) < 0)
		return ERR_PROTO;
	return at == rr->rdata_at + rr->rdata_len ? 0 : ERR_PROTO;
}

/* Is RDATA of the types we use what it must be? One damaged record spoils the whole answer (row DNS-05): half an MX
 * list is not an answer to act upon. */
static int rr_check(const struct packet *p, const struct rr *rr)
{
	struct wire_name name;

	if (rr->class != CLASS_IN)
		return 0;
	switch (rr->type) {
	case DNS_TYPE_A:
		return rr->rdata_len == 4 ? 0 : ERR_PROTO;
	case DNS_TYPE_AAAA:
		return rr->rdata_len == 16 ? 0 : ERR_PROTO;
	case DNS_TYPE_CNAME:
		return rdata_name(p, rr, 0, &name);
	case DNS_TYPE_MX:
		return rdata_name(p, rr, 2, &name);
	case DNS_TYPE_SRV:
		return rdata_name(p, rr, 6, &name);
	case DNS_TYPE_TLSA:
		return rr->rdata_len >= TLSA_RDATA_MIN ? 0 : ERR_PROTO;
	default:
		return 0;
	}
}

/* Walks the whole packet once: every record lies inside, the sections begin where we believe they do. */
static int packet_measure(struct packet *p, struct dns_answer *a)
{
	size_t at = p->answers_at;
	struct rr rr;

	for (unsigned i = 0; i < p->answers; i++)
		if (rr_read(p, &at, &rr) < 0 || rr_check(p, &rr) < 0)
			return ERR_PROTO;
	p->authorities_at = at;
	for (unsigned i = 0; i < p->authorities; i++)
		if (rr_read(p, &at, &rr) < 0)
			return ERR_PROTO;
	p->additionals_at = at;
	for (unsigned i = 0; i < p->additionals; i++) {
		if (rr_read(p, &at, &rr) < 0)
			return ERR_PROTO;
		/* The upper eight bits of the rcode are where a TTL would be (RFC 6891 6.1.3). */
		if (rr.type == DNS_TYPE_OPT)
			a->rcode |= (uint16_t)(get16(p, rr.rdata_at - 6) >> 8 << 4);
	}
	return 0;
}

static bool rr_is_at(const struct packet *p, const struct rr *rr, uint16_t type, const struct wire_name *owner)
{
	struct wire_name name;
	size_t at = rr->owner_at;

	if (rr->type != type || rr->class != CLASS_IN)
		return false;
	return name_read(p, &at, &name) == 0 && name_eq(&name, owner);
}

static int keep(const struct packet *p, const struct rr *rr, struct dns_answer *a)
{
	struct dns_record like = { .ttl_s = rr->ttl_s };
	char text[DNS_NAME_TEXT_MAX];
	struct wire_name name;
	struct slice data = slice_of(p->octets + rr->rdata_at, rr->rdata_len);

	if (rr->type == DNS_TYPE_MX || rr->type == DNS_TYPE_SRV || rr->type == DNS_TYPE_CNAME) {
		size_t skip = rr->type == DNS_TYPE_SRV ? 6 : rr->type == DNS_TYPE_MX ? 2 : 0;

		if (skip >= 2)
			like.preference = get16(p, rr->rdata_at);
		if (skip == 6) {
			like.weight = get16(p, rr->rdata_at + 2);
			like.port = get16(p, rr->rdata_at + 4);
		}
		if (rdata_name(p, rr, skip, &name) < 0)
			return ERR_PROTO;
		data = name_to_text(&name, text);
	}
	a->ttl_s = MIN(a->ttl_s, rr->ttl_s);
	dns_answer_add(a, &like, data);
	return 0;
}

/* Keeps what stands at owner. Returns 1 when there was something, or when there is an alias sets *ret_alias and
 * returns 2; 0 when there is neither. Records win over an alias beside them, which RFC 1034 3.6.2 forbids anyway. */
static int collect_at(const struct packet *p, const struct wire_name *owner, enum dns_type type, struct dns_answer *a,
		      struct rr *ret_alias)
{
	size_t at = p->answers_at;
	bool has_alias = false;
	struct rr rr;

	for (unsigned i = 0; i < p->answers; i++) {
		if (rr_read(p, &at, &rr) < 0)
			return ERR_PROTO;
		if (rr_is_at(p, &rr, (uint16_t)type, owner)) {
			if (keep(p, &rr, a) < 0)
				return ERR_PROTO;
		} else if (!has_alias && rr_is_at(p, &rr, DNS_TYPE_CNAME, owner)) {
			*ret_alias = rr;
			has_alias = true;
		}
	}
	return a->count > 0 || a->dropped > 0 ? 1 : has_alias ? 2 : 0;
}

static int collect(const struct packet *p, const struct wire_name *asked, enum dns_type type, struct dns_answer *a)
{
	struct wire_name owner = *asked;
	char text[DNS_NAME_TEXT_MAX];
	struct rr alias = { 0 };
	int r;

	while ((r = collect_at(p, &owner, type, a, &alias)) == 2) {
		if (a->hops == DNS_HOPS_MAX) {
			a->hops_exceeded = true;
			return 0;
		}
		if (rdata_name(p, &alias, 0, &owner) < 0)
			return ERR_PROTO;
		a->hops++;
		a->ttl_s = MIN(a->ttl_s, alias.ttl_s);
		dns_answer_set_owner(a, name_to_text(&owner, text));
	}
	return r < 0 ? r : 0;
}

/* RFC 2308 5: the lesser of the SOA's own TTL and its last field, MINIMUM. */
static int find_negative_ttl(const struct packet *p, struct dns_answer *a)
{
	size_t at = p->authorities_at;
	struct rr rr;

	a->ttl_s = 0;
	for (unsigned i = 0; i < p->authorities; i++) {
		if (rr_read(p, &at, &rr) < 0)
			return ERR_PROTO;
		if (rr.type != DNS_TYPE_SOA || rr.class != CLASS_IN || rr.rdata_len < 22)
			continue;
		a->ttl_s = MIN(rr.ttl_s, get_ttl(p, rr.rdata_at + rr.rdata_len - 4));
		a->negative_ttl = true;
		return 0;
	}
	return 0;
}
