#include "net/lookup/deny.h"

bool deny_inner_ip4(const struct addr *addr, struct addr *ret_addr)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t compatible[12] = { 0 };
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	static const uint8_t six_to_four[2] = { 0x20, 0x02 };

	if (addr->sa.sa_family != AF_INET6)
		return false;
	const uint8_t *ip = addr->in6.sin6_addr.s6_addr;

	if (memcmp(ip, six_to_four, 2) == 0)
		ip += 2;
	else if (memcmp(ip, mapped, 12) == 0 || memcmp(ip, compatible, 12) == 0 || memcmp(ip, nat64, 12) == 0)
		ip += 12;
	else
		return false;
	*ret_addr = addr_from_ip4(ip, addr_port(addr));
	return true;
}

static bool any_contains(const struct addr_net *nets, unsigned count, const struct addr *addr)
{
	for (unsigned i = 0; i < count; i++)
		if (addr_net_contains(&nets[i], addr))
			return true;
	return false;
}

bool deny_has(const struct addr_net *nets, unsigned count, const struct addr *addr)
{
	struct addr inner;

	if (any_contains(nets, count, addr))
		return true;
	return deny_inner_ip4(addr, &inner) && any_contains(nets, count, &inner);
}
