/* tls_dane.h - what DNS says of a server's certificate: TLSA records (RFC 6698, 7671, 7672 3)
 *
 *	rdata of an answer --tls_dane_take--> the records that count --tls_check.dane--> tls_chain_judge
 *
 * Usage 3 is the server's own certificate or key: no name is looked at, and no date. Usage 2 is somebody above it: in
 * the chain that the server sends, or, when the record has the certificate or key as a whole, also when the server
 * leaves it out; names and dates count. Usages 0 and 1 do not count (RFC 7672 3.1.3), nor does what can match nothing:
 * digests of the wrong length, unknown selectors and matching types, octets that are no certificate or no key. Of
 * several digests for one usage and selector only the best counts (RFC 7671 9); whole certificates and keys always do.
 *
 * The anchors of smtp_tls_trust_anchor_file are judged in the same way, but for their dates, which do not count, and
 * the server's own certificate, which may be among them.
 *
 * bounds   TLS_DANE_RECORDS_MAX records and TLS_DANE_DATA_MAX octets of them are kept, the short ones first
 * memory   the caller's
 * never    allocates
 */
#pragma once

#include "crypto/tls_verify.h"

#define TLS_DANE_RECORDS_MAX	20u
#define TLS_DANE_DATA_MAX	KIB(6)
#define TLS_DANE_DIGESTS_MAX	8u
#define TLS_DANE_MADE_MAX	KIB(8)	/* a stand-in for a bare key */

enum tls_dane_usage { TLS_DANE_ISSUER = 2, TLS_DANE_SERVER = 3 };
enum tls_dane_selector { TLS_DANE_CERT = 0, TLS_DANE_KEY = 1 };
enum tls_dane_matching { TLS_DANE_WHOLE = 0, TLS_DANE_SHA256 = 1, TLS_DANE_SHA512 = 2 };

/* tls_dane_digests, the best first. */
struct tls_dane_digests {
	unsigned count;
	struct {
		uint8_t matching;	/* the type's number in DNS */
		int8_t digest;		/* of tls_digest_find */
	} best[TLS_DANE_DIGESTS_MAX];
};

struct tls_dane_record {
	uint8_t usage, selector, matching;
	int8_t digest;			/* -1: the whole */
	uint16_t at, len;		/* in data */
};

struct tls_dane {
	bool is_local;			/* anchors from a file */
	bool has_issuers;		/* some record has usage 2 */
	uint16_t count;
	uint16_t dropped;		/* would count, but there was no room */
	uint16_t data_len;
	struct tls_dane_record records[TLS_DANE_RECORDS_MAX];
	uint8_t data[TLS_DANE_DATA_MAX];
};

/* "sha512 sha256": names, also name=number for a matching type that has no name yet. 0, or ERR_SYNTAX: not known, twice,
 * or too many. */
int tls_dane_digests_parse(struct slice text, struct tls_dane_digests *ret_digests);

/* Of all records of an answer those that count, always in the same order. Returns how many; 0: none can be used. */
unsigned tls_dane_take(struct tls_dane *dane, const struct tls_dane_digests *digests, const struct slice *rdatas,
		       unsigned count);

/* An anchor from a file, a certificate or a bare key (DER): 0, ERR_PROTO (it is neither), -ENOBUFS. dane is all zeroes
 * at first. */
int tls_dane_add_anchor(struct tls_dane *dane, struct slice der, enum tls_dane_selector selector);

/* Does a record of this usage say so of the certificate? */
bool tls_dane_matches(const struct tls_dane *dane, enum tls_dane_usage usage, struct slice cert);

static inline struct slice tls_dane_data(const struct tls_dane *dane, unsigned i)
{
	return slice_of(dane->data + dane->records[i].at, dane->records[i].len);
}

/* Is the record an issuer as a whole: a certificate, or a key, that the server need not send? */
static inline bool tls_dane_is_whole_issuer(const struct tls_dane *dane, unsigned i, enum tls_dane_selector selector)
{
	const struct tls_dane_record *r = &dane->records[i];

	return r->usage == TLS_DANE_ISSUER && r->selector == selector && r->matching == TLS_DANE_WHOLE;
}

/* A certificate that says of the bare key: whoever issued cert has it. It proves nothing by itself, and exists only so
 * that the library can be asked. key_id: 20 octets by which cert knows its issuer, or empty. The result is in storage;
 * 0, ERR_PROTO (cert is none), -ENOBUFS. */
int tls_dane_make_issuer(struct slice key, struct slice cert, struct slice key_id,
			 uint8_t storage[static TLS_DANE_MADE_MAX], struct slice *ret_der);

/* As in a zone file: "3 1 1 8BD1DA95..." */
void tls_dane_describe(const struct tls_dane *dane, unsigned i, struct str *s);

/* Two sets that are not the same have different ones: for whoever keeps a verdict. */
void tls_dane_print(const struct tls_dane *dane, struct tls_print *ret_print);
