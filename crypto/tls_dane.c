#include "crypto/tls_dane.h"

#include <errno.h>

#include "core/err.h"

/* --- digests ---------------------------------------------------------------------------------- */

static int known_matching(struct slice name)
{
	if (slice_eq_nocase(name, SLICE("sha256")))
		return TLS_DANE_SHA256;
	return slice_eq_nocase(name, SLICE("sha512")) ? TLS_DANE_SHA512 : -1;
}

static int parse_digest(struct slice word, struct tls_dane_digests *digests)
{
	ptrdiff_t equals = slice_find_char(word, 0, '=');
	struct slice name = slice_head(word, equals < 0 ? word.len : (size_t)equals);
	int digest = tls_digest_find(name), matching = known_matching(name);
	uint64_t number = (uint64_t)matching;

	if (equals >= 0)
		slice_skip(&word, (size_t)equals + 1);
	if (equals >= 0 && slice_to_u64(word, 254, &number) < 0)
		return ERR_SYNTAX;
	if (digest < 0 || number == 0 || number > 254 || digests->count == TLS_DANE_DIGESTS_MAX)
		return ERR_SYNTAX;
	/* What has a number keeps it. */
	if ((matching >= 0 && number != (uint64_t)matching) || (matching < 0 && number <= TLS_DANE_SHA512))
		return ERR_SYNTAX;
	for (unsigned i = 0; i < digests->count; i++)
		if (digests->best[i].matching == number || digests->best[i].digest == digest)
			return ERR_SYNTAX;
	digests->best[digests->count].matching = (uint8_t)number;
	digests->best[digests->count++].digest = (int8_t)digest;
	return 0;
}

int tls_dane_digests_parse(struct slice text, struct tls_dane_digests *ret_digests)
{
	struct tls_dane_digests digests = { 0 };
	size_t at = 0;

	while (at < text.len) {
		size_t end = at;

		while (end < text.len && strchr(" ,\t\r\n", text.ptr[end]) == NULL)
			end++;
		int r = end > at ? parse_digest(slice_of(text.ptr + at, end - at), &digests) : 0;

		if (r < 0)
			return r;
		at = end + 1;
	}
	*ret_digests = digests;
	return 0;
}

/* The lower, the better; negative: not in the list. */
static int rank_of(const struct tls_dane_digests *digests, uint8_t matching)
{
	for (unsigned i = 0; i < digests->count; i++)
		if (digests->best[i].matching == matching)
			return (int)i;
	return -1;
}

/* --- records ---------------------------------------------------------------------------------- */

struct rdata {
	uint8_t usage, selector, matching;
	int rank;			/* of its digest; -1: the whole */
	struct slice data;
};

/* One element and nothing behind it. */
static bool is_whole_element(struct slice der)
{
	struct slice all, content;

	return tls_der_take(&der, 0x30, &all, &content) == 0 && der.len == 0;
}

/* Certificate { { .. key .. } algorithm signature } (RFC 5280 4.1). One that the library cannot read still says who the
 * server is, and that nobody else is. */
static bool is_cert(struct slice der)
{
	struct slice all, content, inner, key;

	if (!is_whole_element(der) || tls_cert_public_key(der, &key) < 0 ||
	    tls_der_take(&der, 0x30, &all, &content) < 0)
		return false;
	return tls_der_take(&content, 0x30, &all, &inner) == 0 && tls_der_take(&content, 0x30, &all, &inner) == 0 &&
	       tls_der_take(&content, 0x03, &all, &inner) == 0 && content.len == 0;
}

/* SubjectPublicKeyInfo { { algorithm .. } bits } (RFC 5280 4.1) */
static bool is_key(struct slice der)
{
	struct slice all, content, algorithm, oid, bits;

	if (!is_whole_element(der) || tls_der_take(&der, 0x30, &all, &content) < 0)
		return false;
	return tls_der_take(&content, 0x30, &all, &algorithm) == 0 && tls_der_take(&algorithm, 0x06, &all, &oid) == 0 &&
	       tls_der_take(&content, 0x03, &all, &bits) == 0 && bits.len > 1 && content.len == 0;
}

static bool is_whole(uint8_t selector, struct slice der)
{
	return selector == TLS_DANE_CERT ? is_cert(der) : is_key(der);
}

/* Can it match anything at all? */
static bool is_usable(struct slice octets, const struct tls_dane_digests *digests, struct rdata *ret)
{
	if (octets.len < 4)
		return false;
	*ret = (struct rdata){
		.usage = (uint8_t)octets.ptr[0],
		.selector = (uint8_t)octets.ptr[1],
		.matching = (uint8_t)octets.ptr[2],
		.rank = -1,
		.data = slice_of(octets.ptr + 3, octets.len - 3),
	};
	if ((ret->usage != TLS_DANE_ISSUER && ret->usage != TLS_DANE_SERVER) || ret->selector > TLS_DANE_KEY)
		return false;
	if (ret->matching == TLS_DANE_WHOLE)
		return ret->data.len <= TLS_DANE_DATA_MAX && is_whole(ret->selector, ret->data);
	ret->rank = rank_of(digests, ret->matching);
	return ret->rank >= 0 && ret->data.len == tls_digest_size(digests->best[ret->rank].digest);
}

/* Short ones first, so that there is room for many; and the same set always in the same order. */
static int compare(const struct tls_dane *dane, const struct tls_dane_record *a, const struct rdata *b)
{
	if (a->len != b->data.len)
		return a->len < b->data.len ? -1 : 1;
	if (a->usage != b->usage)
		return a->usage < b->usage ? -1 : 1;
	if (a->selector != b->selector)
		return a->selector < b->selector ? -1 : 1;
	if (a->matching != b->matching)
		return a->matching < b->matching ? -1 : 1;
	return memcmp(dane->data + a->at, b->data.ptr, a->len);
}

/* Gives up the last record and its octets, which are not the last in data: those behind them move up. */
static void drop_last(struct tls_dane *dane)
{
	const struct tls_dane_record last = dane->records[--dane->count];

	memmove(dane->data + last.at, dane->data + last.at + last.len, (size_t)(dane->data_len - last.at - last.len));
	dane->data_len = (uint16_t)(dane->data_len - last.len);
	for (unsigned i = 0; i < dane->count; i++)
		if (dane->records[i].at > last.at)
			dane->records[i].at = (uint16_t)(dane->records[i].at - last.len);
	dane->dropped++;
}

static bool has_room(const struct tls_dane *dane, size_t len)
{
	return dane->count < TLS_DANE_RECORDS_MAX && len <= TLS_DANE_DATA_MAX - dane->data_len;
}

static void insert(struct tls_dane *dane, const struct rdata *r, int digest)
{
	unsigned at = 0;

	while (at < dane->count && compare(dane, &dane->records[at], r) < 0)
		at++;
	if (at < dane->count && compare(dane, &dane->records[at], r) == 0)
		return;		/* twice the same */
	while (!has_room(dane, r->data.len) && dane->count > at)
		drop_last(dane);
	if (!has_room(dane, r->data.len)) {
		dane->dropped++;
		return;
	}
	memmove(&dane->records[at + 1], &dane->records[at], (dane->count - at) * sizeof(dane->records[0]));
	dane->records[at] = (struct tls_dane_record){
		.usage = r->usage,
		.selector = r->selector,
		.matching = r->matching,
		.digest = (int8_t)digest,
		.at = dane->data_len,
		.len = (uint16_t)r->data.len,
	};
	memcpy(dane->data + dane->data_len, r->data.ptr, r->data.len);
	dane->data_len = (uint16_t)(dane->data_len + r->data.len);
	dane->count++;
}

/* The best rank among the records of each usage and selector. */
struct best {
	int rank[2][2];
};

static int *best_of(struct best *best, const struct rdata *r)
{
	return &best->rank[r->usage - TLS_DANE_ISSUER][r->selector];
}

static void find_best(const struct tls_dane_digests *digests, const struct slice *rdatas, unsigned count,
		      struct best *ret_best)
{
	struct rdata r;

	*ret_best = (struct best){ { { INT8_MAX, INT8_MAX }, { INT8_MAX, INT8_MAX } } };
	for (unsigned i = 0; i < count; i++)
		if (is_usable(rdatas[i], digests, &r) && r.rank >= 0)
			*best_of(ret_best, &r) = MIN(*best_of(ret_best, &r), r.rank);
}

unsigned tls_dane_take(struct tls_dane *dane, const struct tls_dane_digests *digests, const struct slice *rdatas,
		       unsigned count)
{
	struct best best;
	struct rdata r;

	memset(dane, 0, offsetof(struct tls_dane, records));
	find_best(digests, rdatas, count, &best);
	for (unsigned i = 0; i < count; i++) {
		if (!is_usable(rdatas[i], digests, &r) || (r.rank >= 0 && r.rank != *best_of(&best, &r)))
			continue;
		insert(dane, &r, r.rank < 0 ? -1 : digests->best[r.rank].digest);
	}
	for (unsigned i = 0; i < dane->count; i++)
		dane->has_issuers |= dane->records[i].usage == TLS_DANE_ISSUER;
	return dane->count;
}

int tls_dane_add_anchor(struct tls_dane *dane, struct slice der, enum tls_dane_selector selector)
{
	const struct rdata r = { .usage = TLS_DANE_ISSUER, .selector = (uint8_t)selector, .data = der };

	if (!is_whole(r.selector, der))
		return ERR_PROTO;
	if (!has_room(dane, der.len))
		return -ENOBUFS;
	dane->is_local = true;
	dane->has_issuers = true;
	insert(dane, &r, -1);
	return 0;
}

void tls_dane_print(const struct tls_dane *dane, struct tls_print *ret_print)
{
	char storage[TLS_DANE_DATA_MAX + TLS_DANE_RECORDS_MAX * 5 + 1];
	struct str all = STR(storage);

	str_add_char(&all, dane->is_local ? 1 : 0);
	for (unsigned i = 0; i < dane->count; i++) {
		const struct tls_dane_record *r = &dane->records[i];
		const char head[5] = { (char)r->usage, (char)r->selector, (char)r->matching, (char)(r->len >> 8),
				       (char)r->len };

		str_add(&all, slice_of(head, sizeof(head)));
		str_add(&all, tls_dane_data(dane, i));
	}
	ASSERT(!str_is_full(&all));
	tls_print_make(tls_digest_find(SLICE("sha256")), str_slice(&all), ret_print);
}

void tls_dane_describe(const struct tls_dane *dane, unsigned i, struct str *s)
{
	static const char digits[] = "0123456789ABCDEF";
	const struct tls_dane_record *r = &dane->records[i];

	str_printf(s, "%u %u %u ", r->usage, r->selector, r->matching);
	for (unsigned k = 0; k < r->len; k++) {
		str_add_char(s, digits[dane->data[r->at + k] >> 4]);
		str_add_char(s, digits[dane->data[r->at + k] & 15]);
	}
}

/* --- matching --------------------------------------------------------------------------------- */

static bool record_matches(const struct tls_dane *dane, unsigned i, struct slice octets)
{
	const struct tls_dane_record *r = &dane->records[i];
	struct tls_print print;

	if (r->matching == TLS_DANE_WHOLE)
		return slice_eq(octets, tls_dane_data(dane, i));
	tls_print_make(r->digest, octets, &print);
	return slice_eq(slice_of(print.octets, print.len), tls_dane_data(dane, i));
}

bool tls_dane_matches(const struct tls_dane *dane, enum tls_dane_usage usage, struct slice cert)
{
	struct slice key;
	bool has_key = tls_cert_public_key(cert, &key) == 0;

	for (unsigned i = 0; i < dane->count; i++) {
		bool is_of_key = dane->records[i].selector == TLS_DANE_KEY;

		if (dane->records[i].usage == usage && (!is_of_key || has_key) &&
		    record_matches(dane, i, is_of_key ? key : cert))
			return true;
	}
	return false;
}

/* --- a bare key as a certificate -------------------------------------------------------------- */

/* DER is written from its end, for lengths stand in front. */
struct back {
	uint8_t *storage;
	size_t at;
	bool full;
};

static void put(struct back *b, struct slice octets)
{
	if (octets.len > b->at) {
		b->full = true;
		return;
	}
	b->at -= octets.len;
	memcpy(b->storage + b->at, octets.ptr, octets.len);
}

/* Everything from here to end becomes one element. */
static void wrap(struct back *b, uint8_t tag, size_t end)
{
	size_t len = end - b->at;
	const uint8_t small[] = { tag, (uint8_t)len };
	const uint8_t medium[] = { tag, 0x81, (uint8_t)len };
	const uint8_t large[] = { tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len };

	put(b, len < 0x80  ? slice_of(small, sizeof(small)) :
	       len < 0x100 ? slice_of(medium, sizeof(medium)) : slice_of(large, sizeof(large)));
}

/* [3] { { SubjectKeyIdentifier, { key_id } } { BasicConstraints, critical, { CA } } } */
static void put_extensions(struct back *b, struct slice key_id)
{
	static const uint8_t is_ca[] = { 0x30, 0x0f, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x05,
					 0x30, 0x03, 0x01, 0x01, 0xff };
	static const uint8_t key_id_oid[] = { 0x06, 0x03, 0x55, 0x1d, 0x0e };
	size_t end = b->at;

	if (key_id.len > 0) {
		put(b, key_id);
		wrap(b, 0x04, end);
		wrap(b, 0x04, end);
		put(b, slice_of(key_id_oid, sizeof(key_id_oid)));
		wrap(b, 0x30, end);
	}
	put(b, slice_of(is_ca, sizeof(is_ca)));
	wrap(b, 0x30, end);
	wrap(b, 0xa3, end);
}

static int find_issuer_name(struct slice der, struct slice *ret_name)
{
	struct slice all, tbs, content;
	int r = tls_der_take(&der, 0x30, &all, &content);

	if (r == 0)
		r = tls_der_take(&content, 0x30, &all, &tbs);
	if (r == 0)
		(void)tls_der_take(&tbs, 0xa0, &all, &content);		/* the version, which the first one has not */
	if (r == 0)
		r = tls_der_take(&tbs, 0x02, &all, &content);
	if (r == 0)
		r = tls_der_take(&tbs, 0x30, &all, &content);
	return r < 0 ? r : tls_der_take(&tbs, 0x30, ret_name, &content);
}

int tls_dane_make_issuer(struct slice key, struct slice cert, struct slice key_id,
			 uint8_t storage[static TLS_DANE_MADE_MAX], struct slice *ret_der)
{
	/* ecdsa-with-SHA256, whatever the key is: nobody looks at this signature. */
	static const uint8_t algorithm[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
	static const uint8_t signature[] = { 0x03, 0x09, 0x00, 0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01 };
	static const uint8_t version_and_serial[] = { 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01 };
	static const char validity[] = "\x30\x22\x18\x0f" "19700101000000Z" "\x18\x0f" "99991231235959Z";
	struct back b = { .storage = storage, .at = TLS_DANE_MADE_MAX };
	struct slice name;
	int r = find_issuer_name(cert, &name);

	if (r < 0)
		return r;
	put(&b, slice_of(signature, sizeof(signature)));
	put(&b, slice_of(algorithm, sizeof(algorithm)));
	size_t tbs_end = b.at;

	put_extensions(&b, key_id);
	put(&b, key);
	put(&b, name);		/* as subject */
	put(&b, slice_of(validity, sizeof(validity) - 1));
	put(&b, name);		/* as issuer */
	put(&b, slice_of(algorithm, sizeof(algorithm)));
	put(&b, slice_of(version_and_serial, sizeof(version_and_serial)));
	wrap(&b, 0x30, tbs_end);
	wrap(&b, 0x30, TLS_DANE_MADE_MAX);
	if (b.full)
		return -ENOBUFS;
	*ret_der = slice_of(storage + b.at, TLS_DANE_MADE_MAX - b.at);
	return 0;
}
