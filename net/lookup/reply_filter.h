/* reply_filter.h - smtp_dns_reply_filter: records that we had rather not seen (P 2.1)
 *
 * Every record is looked up in the form of a zone file, with dots at the ends of names, and is left out when a table
 * says IGNORE:
 *
 *	example.org. 3600 IN MX 10 mx.example.org.
 *	mx.example.org. 300 IN AAAA 2001:db8::1
 *	_submission._tcp.example.org. 60 IN SRV 10 5 587 mx.example.org.
 *	_25._tcp.mx.example.org. 60 IN TLSA 3 1 1 8BD1DA95272F7FA4FFB24137FC0ED03AAE67E5C4D8B3C50734E1050A7920B922
 *	_smtp._tls.example.org. 60 IN TXT v=TLSRPTv1; rua=mailto:tls@example.org
 *
 * The name is that of the record: behind aliases it is not the one that was asked for.
 *
 * errors   negative: a table failed, or says something else than IGNORE; whoever asks defers
 * never    sees what came from the hosts file
 */
#pragma once

#include "core/maps.h"
#include "net/wire/dns_answer.h"

/* The longest owner, an SRV record's numbers and the longest host; of a TLSA record, what there is room for. */
#define REPLY_FILTER_TEXT_MAX KIB(8)

static_assert(REPLY_FILTER_TEXT_MAX >= 2 * DNS_NAME_TEXT_MAX + 64, "names are never cut");

/* The records to leave out, by their index in the answer. */
struct reply_filter_bits {
	uint64_t words[(DNS_RECORDS_MAX + 63) / 64];
};

/* Returns how many records are left. maps may be NULL: all of them. */
int reply_filter_apply(const struct maps *maps, enum dns_type type, const struct dns_answer *dns,
		       struct reply_filter_bits *ret_ignored);

static inline bool reply_filter_ignores(const struct reply_filter_bits *ignored, unsigned i)
{
	return ignored->words[i / 64] >> (i % 64) & 1;
}

/* The text of one record. */
void reply_filter_write(struct str *out, enum dns_type type, const struct dns_answer *dns, unsigned i);
