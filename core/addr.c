#include "core/addr.h"

#include <arpa/inet.h>
#include <errno.h>

static struct addr addr_ip4(struct in_addr ip, uint16_t port)
{
	struct addr a = { .len = sizeof(a.in) };

	a.in.sin_family = AF_INET;
	a.in.sin_port = htons(port);
	a.in.sin_addr = ip;
	return a;
}

static struct addr addr_ip6(struct in6_addr ip, uint16_t port)
{
	struct addr a = { .len = sizeof(a.in6) };

	a.in6.sin6_family = AF_INET6;
	a.in6.sin6_port = htons(port);
	a.in6.sin6_addr = ip;
	return a;
}

struct addr addr_from_ip4(const uint8_t ip[4], uint16_t port)
{
	struct in_addr in;

	memcpy(&in, ip, sizeof(in));
	return addr_ip4(in, port);
}

struct addr addr_from_ip6(const uint8_t ip[16], uint16_t port)
{
	struct in6_addr in6;

	memcpy(&in6, ip, sizeof(in6));
	return addr_ip6(in6, port);
}

/* inet_pton reads what RFC 4291 and dotted decimal allow and nothing else: four numbers, no leading zeros, no
 * octal, no hex (row NET-02). It wants a terminator, and a NUL inside the slice must not pass for one. */
int addr_parse_ip(struct slice text, uint16_t port, struct addr *ret_addr)
{
	char copy[INET6_ADDRSTRLEN];
	struct in_addr in;
	struct in6_addr in6;

	if (text.len == 0 || text.len >= sizeof(copy) || slice_find_char(text, 0, '\0') >= 0)
		return -EINVAL;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, &in) == 1)
		*ret_addr = addr_ip4(in, port);
	else if (inet_pton(AF_INET6, copy, &in6) == 1)
		*ret_addr = addr_ip6(in6, port);
	else
		return -EINVAL;
	return 0;
}

static int parse_unix(struct slice path, struct addr *ret_addr)
{
	struct addr a = { 0 };

	/* The kernel takes a path without terminator, other programs do not: keep one. */
	if (path.len == 0 || path.len >= sizeof(a.un.sun_path) || slice_find_char(path, 0, '\0') >= 0)
		return -EINVAL;
	a.un.sun_family = AF_UNIX;
	memcpy(a.un.sun_path, path.ptr, path.len);
	a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
	*ret_addr = a;
	return 0;
}

int addr_parse_endpoint(struct slice text, struct addr *ret_addr)
{
	ptrdiff_t colon = slice_find_last_char(text, ':');
	struct addr a;
	uint64_t port;

	if (slice_has_prefix(text, SLICE("unix:"))) {
		slice_skip(&text, 5);
		return parse_unix(text, ret_addr);
	}
	if (colon <= 0)
		return -EINVAL;
	struct slice host = slice_head(text, (size_t)colon);

	slice_skip(&text, (size_t)colon + 1);
	if (slice_to_u64(text, UINT16_MAX, &port) < 0)
		return -EINVAL;
	bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';

	if (bracketed)
		host = slice_of(host.ptr + 1, host.len - 2);
	if (addr_parse_ip(host, (uint16_t)port, &a) < 0)
		return -EINVAL;
	if (bracketed != (a.sa.sa_family == AF_INET6))	/* 2001:db8::1:25 could be read in two ways */
		return -EINVAL;
	*ret_addr = a;
	return 0;
}

uint16_t addr_port(const struct addr *a)
{
	switch (a->sa.sa_family) {
	case AF_INET:
		return ntohs(a->in.sin_port);
	case AF_INET6:
		return ntohs(a->in6.sin6_port);
	default:
		return 0;
	}
}

void addr_set_port(struct addr *a, uint16_t port)
{
	ASSERT(a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6);
	if (a->sa.sa_family == AF_INET)
		a->in.sin_port = htons(port);
	else
		a->in6.sin6_port = htons(port);
}

void addr_add_ip(struct str *out, const struct addr *a)
{
	char text[INET6_ADDRSTRLEN];
	const void *ip = a->sa.sa_family == AF_INET ? (const void *)&a->in.sin_addr : &a->in6.sin6_addr;

	if (a->sa.sa_family == AF_UNIX) {
		str_add_cstr(out, a->un.sun_path);
		return;
	}
	ASSERT(a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6);
	ASSERT(inet_ntop(a->sa.sa_family, ip, text, sizeof(text)) != NULL);
	str_add_cstr(out, text);
}

/* The address in network order, without port; for unix, the path. */
static struct slice ip_octets(const struct addr *a)
{
	switch (a->sa.sa_family) {
	case AF_INET:
		return slice_of(&a->in.sin_addr, sizeof(a->in.sin_addr));
	case AF_INET6:
		return slice_of(&a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
	case AF_UNIX:
		return slice_of_str(a->un.sun_path);
	default:
		return slice_of(NULL, 0);
	}
}

bool addr_eq_ip(const struct addr *a, const struct addr *b)
{
	return a->sa.sa_family == b->sa.sa_family && slice_eq(ip_octets(a), ip_octets(b));
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return addr_eq_ip(a, b) && addr_port(a) == addr_port(b);
}

bool addr_is_loopback(const struct addr *a)
{
	const uint8_t *ip = (const uint8_t *)ip_octets(a).ptr;

	switch (a->sa.sa_family) {
	case AF_INET:
		return ip[0] == 127;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr) && ip[12] == 127);
	default:
		return a->sa.sa_family == AF_UNIX;
	}
}

bool addr_is_unspecified(const struct addr *a)
{
	struct slice ip = ip_octets(a);

	if (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6)
		return false;
	for (size_t i = 0; i < ip.len; i++)
		if (ip.ptr[i] != 0)
			return false;
	return true;
}

/* --- networks --------------------------------------------------------------------------------- */

static unsigned bit_at(struct slice ip, size_t bit)
{
	return (unsigned)(unsigned char)ip.ptr[bit / 8] >> (7 - bit % 8) & 1u;
}

/* "[2001:db8::]/32", "[2001:db8::/32]" or without brackets, to the text inside and the text after the slash, if any. */
static bool split_net(struct slice text, struct slice *ret_ip, struct slice *ret_bits)
{
	ptrdiff_t slash;

	if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
		text = slice_of(text.ptr + 1, text.len - 2);
	slash = slice_find_char(text, 0, '/');
	*ret_ip = slash < 0 ? text : slice_head(text, (size_t)slash);
	slice_skip(&text, ret_ip->len);
	*ret_bits = text;
	if (ret_ip->len > 2 && ret_ip->ptr[0] == '[' && ret_ip->ptr[ret_ip->len - 1] == ']')
		*ret_ip = slice_of(ret_ip->ptr + 1, ret_ip->len - 2);
	return slash != 0;
}

int addr_net_parse(struct slice text, struct addr_net *ret_net)
{
	struct addr_net net = { 0 };
	struct slice ip_text;
	struct slice bits_text;
	uint64_t bits;

	if (!split_net(text, &ip_text, &bits_text) || addr_parse_ip(ip_text, 0, &net.base) < 0)
		return -EINVAL;
	struct slice ip = ip_octets(&net.base);

	bits = ip.len * 8;
	if (bits_text.len > 0) {
		slice_skip(&bits_text, 1);
		if (slice_to_u64(bits_text, ip.len * 8, &bits) < 0)
			return -EINVAL;
	}
	for (size_t bit = bits; bit < ip.len * 8; bit++)
		if (bit_at(ip, bit))
			return -ERANGE;
	net.bits = (unsigned)bits;
	*ret_net = net;
	return 0;
}

bool addr_net_contains(const struct addr_net *net, const struct addr *a)
{
	struct slice base = ip_octets(&net->base);
	struct slice ip = ip_octets(a);

	if (a->sa.sa_family != net->base.sa.sa_family)
		return false;
	for (size_t bit = 0; bit < net->bits; bit++)
		if (bit_at(base, bit) != bit_at(ip, bit))
			return false;
	return true;
}
