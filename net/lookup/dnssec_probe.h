/* dnssec_probe.h - does the DNS server that we ask validate? (P 2.1)
 *
 * Asked once, when the first records that should have been validated were not: many zones are not signed, but what
 * dnssec_probe names is. If that is not validated either, the operator hears of it in one line.
 *
 * thread   one core; the answer comes from the reactor
 * never    logs: tell hears the line
 */
#pragma once

#include "net/lookup/resolver.h"

#define DNSSEC_PROBE_TEXT_MAX	280u	/* "type:name" */

typedef void dnssec_probe_fn(void *context, const char *line);

struct dnssec_probe {
	bool begun;
	enum dns_type type;
	struct slice name;		/* in text */
	char text[DNSSEC_PROBE_TEXT_MAX];
	dnssec_probe_fn *tell;
	void *context;
	struct query query;
};

/* text: type:name, the type one of a, aaaa, mx, ns, soa, txt; empty: nothing will be asked. 0 or ERR_SYNTAX. */
int dnssec_probe_init(struct dnssec_probe *p, struct slice text, dnssec_probe_fn *tell, void *context);

/* Asks; the first time only. */
void dnssec_probe_begin(struct dnssec_probe *p, struct resolver *r);
