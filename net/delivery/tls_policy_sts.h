/* tls_policy_sts.h - what somebody else's policy said, in attributes of smtp_tls_policy_maps (P 3.3; RFC 8461, 8460)
 *
 *	example.org	secure match=mx.example.org servername=hostname policy_type=sts policy_domain=example.org
 *			mx_host_pattern=*.example.org { policy_string = version: STSv1 } policy_string=...
 *
 * As plug-ins for MTA-STS write them. The patterns decide which servers may be asked; the rest is for TLS reports, but
 * for policy_failure, with which no certificate is good enough.
 *
 * bounds   TLS_POLICY_LINES strings, and as many patterns
 * memory   slices of the table's value
 */
#pragma once

#include "core/slice.h"
#include "net/wire/tlsrpt.h"

#define TLS_POLICY_LINES 32u

struct tls_policy_sts {
	bool has_type, has_domain, has_ttl, has_failure;
	enum tlsrpt_policy_type type;
	enum tlsrpt_result failure;	/* TLSRPT_SUCCESS: none */
	struct slice domain;
	unsigned string_count, pattern_count;
	struct slice strings[TLS_POLICY_LINES];
	struct slice patterns[TLS_POLICY_LINES];
};

/* One attribute. 0: it is none of these; 1: taken; ERR_SYNTAX: *ret_why. is_name: tells a host name. */
int tls_policy_sts_take(struct tls_policy_sts *sts, struct slice name, struct slice value,
			bool (*is_name)(struct slice name), const char **ret_why);

/* All have been taken: NULL, or what is wrong with them together. */
const char *tls_policy_sts_flaw(const struct tls_policy_sts *sts);

/* May mail go to this host (RFC 8461 4.1)? A "*." stands for exactly one label. */
bool tls_policy_sts_lists(const struct tls_policy_sts *sts, struct slice host);
