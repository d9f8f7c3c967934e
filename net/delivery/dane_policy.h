/* dane_policy.h - what the levels dane and dane-only come to at one server (B 7.3; RFC 7672 2)
 *
 * The table, from top to bottom:
 *
 *	what is known						dane			dane-only
 *	DANE cannot be had with these parameters		may, told		4.7.5
 *	the list of hosts is not secure, policy may		may			4.7.5
 *	the list of hosts is not secure				(goes on)		4.7.5
 *	nobody knows the TLSA records				4.7.5			4.7.5
 *	there are none, or none that are secure			may			4.7.5
 *	none of them can be used				encrypt, told		4.7.5
 *	they are, list not secure, policy encrypt		encrypt			-
 *	they are, list not secure, policy dane			dane, not "Verified"	-
 *	they are						dane			dane-only
 *
 * The policy is smtp_tls_dane_insecure_mx_policy. A host that was written between brackets, and a domain that is its
 * own mail server, have no list.
 *
 * thread   any core
 */
#pragma once

#include "net/lookup/tlsa.h"
#include "net/params.h"

struct dane_facts {
	bool has_list, list_is_secure;		/* of MX or SRV records */
	struct slice list_owner;		/* the name at the end of the destination's aliases; empty: none */
	const struct tlsa_lookup *tlsa;		/* NULL: it has not been asked for */
};

enum dane_outcome {
	DANE_ASK,		/* for the TLSA records, and then again */
	DANE_FALLS_TO_MAY,
	DANE_FALLS_TO_ENCRYPT,
	DANE_HALF,		/* as DANE_WHOLE, but who chose this host is not known */
	DANE_WHOLE,
	DANE_WAITS		/* 4.7.5 */
};

/* level: dane or dane-only. *ret_why: a constant; *ret_is_told: the operator ought to hear of it. */
enum dane_outcome dane_decide(const struct params *p, enum param_tls_level level, const struct dane_facts *facts,
			      const char **ret_why, bool *ret_is_told);
