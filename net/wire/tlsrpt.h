/* tlsrpt.h - the record that asks for TLS reports (RFC 8460 3), and the words of those reports (4.3)
 *
 *	record = "v=TLSRPTv1" 1*( delim field ) [ delim ]	delim = *WSP ";" *WSP
 *	field  = "rua=" uri *( *WSP "," *WSP uri ) / name "=" value
 *
 * Of the URIs, mailto: ones become addresses; the others are counted. Fields that nobody knows are passed over.
 *
 * bounds   TLSRPT_TXT_MAX octets of text, TLSRPT_RUA_MAX addresses; what is beyond counts as not usable
 * memory   addresses live in the record
 * errors   none: what is no such record is none
 * never    gives out an address that is no mailbox, or has a control character in it
 */
#pragma once

#include "core/slice.h"

#define TLSRPT_TXT_MAX	KIB(2)
#define TLSRPT_RUA_MAX	4u

struct tlsrpt_record {
	unsigned mail_count;
	unsigned https_count;
	unsigned other_count;		/* URIs of another kind, and those that are none */
	uint16_t mail_len[TLSRPT_RUA_MAX];
	char mail[TLSRPT_RUA_MAX][256];	/* in wire form */
};

/* rdata: of a TXT record, its strings with their lengths in front. */
bool tlsrpt_record_read(struct slice rdata, struct tlsrpt_record *ret_record);

/* Address i < mail_count. */
static inline struct slice tlsrpt_record_mail(const struct tlsrpt_record *record, unsigned i)
{
	return slice_of(record->mail[i], record->mail_len[i]);
}

/* How a connection went. */
enum tlsrpt_result {
	TLSRPT_SUCCESS,
	TLSRPT_STARTTLS_NOT_SUPPORTED,
	TLSRPT_CERTIFICATE_HOST_MISMATCH,
	TLSRPT_CERTIFICATE_EXPIRED,
	TLSRPT_CERTIFICATE_NOT_TRUSTED,
	TLSRPT_VALIDATION_FAILURE,
	TLSRPT_TLSA_INVALID,
	TLSRPT_STS_POLICY_FETCH_ERROR,
	TLSRPT_STS_POLICY_INVALID,
	TLSRPT_STS_WEBPKI_INVALID,
	TLSRPT_RESULT_COUNT
};

enum tlsrpt_policy_type { TLSRPT_NO_POLICY, TLSRPT_STS, TLSRPT_TLSA, TLSRPT_POLICY_TYPE_COUNT };

/* "starttls-not-supported", "no-policy-found"; of TLSRPT_SUCCESS: empty. */
const char *tlsrpt_result_word(enum tlsrpt_result result);
const char *tlsrpt_policy_type_word(enum tlsrpt_policy_type type);
/* In any case; -1: no such word. */
int tlsrpt_result_find(struct slice word);
int tlsrpt_policy_type_find(struct slice word);
