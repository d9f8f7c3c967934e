#include "net/delivery/dane_policy.h"

/* As smtp_tls_dane_insecure_mx_policy counts its words. */
enum { INSECURE_MX_MAY, INSECURE_MX_ENCRYPT, INSECURE_MX_DANE };

/* Why DANE cannot be had at all; NULL: it can. */
static const char *trouble_of(const struct params *p)
{
	struct tls_dane_digests digests;

	if (p->smtp_dns_support_level != DNS_SUPPORT_DNSSEC)
		return "smtp_dns_support_level is not dnssec";
	if (!(p->smtp_host_lookup & HOST_LOOKUP_DNS))
		return "smtp_host_lookup has no dns";
	if (p->ignore_mx_lookup_error)
		return "ignore_mx_lookup_error is on";
	if (p->smtp_dns_resolver_options != 0)
		return "smtp_dns_resolver_options is set";
	if (tls_dane_digests_parse(slice_of_str(p->tls_dane_digests), &digests) < 0)
		return "tls_dane_digests is no list of digests";
	return NULL;
}

static enum dane_outcome fall(enum param_tls_level level, enum dane_outcome to)
{
	return level == TLS_LEVEL_DANE_ONLY ? DANE_WAITS : to;
}

static enum dane_outcome decide_usable(const struct params *p, bool list_is_insecure)
{
	if (!list_is_insecure)
		return DANE_WHOLE;
	return p->smtp_tls_dane_insecure_mx_policy == INSECURE_MX_ENCRYPT ? DANE_FALLS_TO_ENCRYPT : DANE_HALF;
}

enum dane_outcome dane_decide(const struct params *p, enum param_tls_level level, const struct dane_facts *facts,
			      const char **ret_why, bool *ret_is_told)
{
	bool list_is_insecure = facts->has_list && !facts->list_is_secure;
	const struct tlsa_lookup *tlsa = facts->tlsa;

	*ret_why = trouble_of(p);
	*ret_is_told = *ret_why != NULL;
	if (*ret_why != NULL)
		return fall(level, DANE_FALLS_TO_MAY);
	*ret_why = "its MX records are not secure";
	if (list_is_insecure &&
	    (level == TLS_LEVEL_DANE_ONLY || p->smtp_tls_dane_insecure_mx_policy == INSECURE_MX_MAY))
		return fall(level, DANE_FALLS_TO_MAY);
	if (tlsa == NULL)
		return DANE_ASK;
	*ret_is_told = tlsa->verdict == TLSA_UNUSABLE;
	if (tlsa->verdict != TLSA_USABLE)
		*ret_why = tlsa->why;
	switch (tlsa->verdict) {
	case TLSA_UNKNOWN:
		return DANE_WAITS;
	case TLSA_NONE:
		return fall(level, DANE_FALLS_TO_MAY);
	case TLSA_UNUSABLE:
		return fall(level, DANE_FALLS_TO_ENCRYPT);
	case TLSA_USABLE:
		return decide_usable(p, list_is_insecure);
	}
	UNREACHABLE();
}
