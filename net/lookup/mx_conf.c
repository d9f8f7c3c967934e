#include "net/lookup/mx.h"

struct mx_conf mx_conf_from_params(const struct params *p)
{
	return (struct mx_conf){
		.dns = p->smtp_dns_support_level != DNS_SUPPORT_DISABLED,
		.host_dns = p->smtp_host_lookup & HOST_LOOKUP_DNS,
		.host_native = p->smtp_host_lookup & HOST_LOOKUP_NATIVE,
		.ipv4 = p->inet_protocols & INET_PROTOCOL_IPV4,
		.ipv6 = p->inet_protocols & INET_PROTOCOL_IPV6,
		.ignore_mx_lookup_error = p->ignore_mx_lookup_error,
		.defer_if_no_mx_address_found = p->smtp_defer_if_no_mx_address_found,
		.randomize_addresses = p->smtp_randomize_addresses,
		.balance_inet_protocols = p->smtp_balance_inet_protocols,
		.cname_overrides_servername = p->smtp_cname_overrides_servername,
		.address_preference = (enum mx_family_preference)p->smtp_address_preference,
		.address_limit = p->smtp_mx_address_limit,
		.myhostname = p->myhostname,
		.srv_services = slice_of_str(p->use_srv_lookup),
		.ignore_srv_lookup_error = p->ignore_srv_lookup_error,
		.allow_srv_lookup_fallback = p->allow_srv_lookup_fallback,
		.idna2003 = p->enable_idna2003_compatibility,
		.reply_filter = p->smtp_dns_reply_filter,
		.tls_from_start = p->smtp_tls_wrappermode,
		.record_limit = p->dns_rr_list_limit,
		.deny = p->smtp_deny_networks.list,
		.deny_count = p->smtp_deny_networks.count,
	};
}
