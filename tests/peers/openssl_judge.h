/* openssl_judge.h - what OpenSSL would say of a chain: the second opinion of tests, over memory
 *
 * The same calls as in "openssl verify -partial_chain" and "openssl s_client -dane_tlsa_domain", as Postfix makes them
 * too, but for the handshake around them.
 */
#pragma once

#include "core/slice.h"

struct openssl_question {
	const struct slice *certs;	/* DER; the server's own first */
	unsigned count;
	const struct slice *anchors;	/* DER; without TLSA records */
	unsigned anchor_count;
	bool has_dane;
	const struct slice *rdatas;	/* of TLSA records */
	unsigned rdata_count;
	struct slice name;		/* that the server has to have */
	uint64_t now_s;
};

struct openssl_verdict {
	bool is_good;			/* chain, name and all */
	unsigned usable;		/* TLSA records that it takes */
	int err;			/* X509_V_ERR_... */
	const char *why;		/* a constant */
};

void openssl_judge(const struct openssl_question *q, struct openssl_verdict *ret_verdict);

/* Before the process ends: what the library keeps goes. */
void openssl_judge_done(void);
