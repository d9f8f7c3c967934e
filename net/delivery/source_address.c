#include "net/delivery/source_address.h"

const struct addr *source_address(const struct params *p, const struct addr *remote)
{
	bool v6 = remote->sa.sa_family == AF_INET6;
	const struct addr *bind = v6 ? &p->smtp_bind_address6 : &p->smtp_bind_address;
	const struct addr *only = NULL;

	if (remote->sa.sa_family == AF_UNIX)
		return NULL;
	if (bind->len > 0)
		return addr_is_unspecified(bind) ? NULL : bind;
	if (p->inet_interfaces.all || p->inet_interfaces.loopback_only)
		return NULL;
	for (unsigned i = 0; i < p->inet_interfaces.count; i++) {
		const struct addr *a = &p->inet_interfaces.list[i];

		if (a->sa.sa_family != remote->sa.sa_family)
			continue;
		if (only != NULL || addr_is_loopback(a))
			return NULL;
		only = a;
	}
	return only;
}
