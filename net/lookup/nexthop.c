#include "net/lookup/nexthop.h"

#include <errno.h>

#include "core/conf.h"
#include "core/err.h"
#include "net/wire/address.h"

/* --- services -------------------------------------------------------------------------------------------------- */

int services_add(struct services *s, struct slice name, uint16_t port)
{
	if (name.len == 0 || name.len > SERVICE_NAME_MAX)
		return ERR_SYNTAX;
	if (s->count == SERVICES_MAX)
		return -ENOSPC;
	struct service *entry = &s->entries[s->count++];

	memcpy(entry->name, name.ptr, name.len);
	entry->name[name.len] = '\0';
	entry->port = port;
	return 0;
}

static int port_number(struct slice text, uint16_t *ret_port)
{
	uint64_t port;

	if (slice_to_u64(text, UINT16_MAX, &port) < 0 || port == 0)
		return ERR_SYNTAX;
	*ret_port = (uint16_t)port;
	return 0;
}

/* "smtp  25/tcp  mail": a name, a port with protocol, aliases. Returns names added. */
static unsigned add_file_line(struct services *s, struct slice line)
{
	ptrdiff_t comment = slice_find_char(line, 0, '#');
	unsigned added = 0;
	uint16_t port;

	if (comment >= 0)
		line.len = (size_t)comment;
	struct slice name = conf_list_next(&line);
	struct slice where = conf_list_next(&line);
	ptrdiff_t slash = slice_find_char(where, 0, '/');

	if (slash < 0 || port_number(slice_head(where, (size_t)slash), &port) < 0)
		return 0;
	if (!slice_eq(slice_of(where.ptr + slash, where.len - (size_t)slash), SLICE("/tcp")))
		return 0;
	for (; name.len > 0; name = conf_list_next(&line))
		if (services_add(s, name, port) == 0)
			added++;
	return added;
}

unsigned services_add_file(struct services *s, struct slice text)
{
	unsigned added = 0;

	while (text.len > 0) {
		ptrdiff_t end = slice_find_char(text, 0, '\n');
		size_t len = end < 0 ? text.len : (size_t)end;

		added += add_file_line(s, slice_head(text, len));
		slice_skip(&text, end < 0 ? len : len + 1);
	}
	return added;
}

struct slice services_name(const struct services *s, uint16_t port)
{
	for (unsigned i = 0; s != NULL && i < s->count; i++)
		if (s->entries[i].port == port)
			return slice_of_str(s->entries[i].name);
	return SLICE("");
}

int services_port(const struct services *s, struct slice text, uint16_t *ret_port)
{
	if (text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9')
		return port_number(text, ret_port);
	for (unsigned i = 0; s != NULL && i < s->count; i++) {
		if (!slice_eq_nocase(slice_of_str(s->entries[i].name), text))
			continue;
		*ret_port = s->entries[i].port;
		return 0;
	}
	return ERR_SYNTAX;
}

/* --- destinations ---------------------------------------------------------------------------------------------- */

static int bad(const char **ret_why, const char *why)
{
	*ret_why = why;
	return ERR_SYNTAX;
}

/* Cuts text into host and service. */
static int split(struct slice text, struct destination_name *d, const char **ret_why)
{
	ptrdiff_t colon;

	d->bracketed = text.len > 0 && text.ptr[0] == '[';
	if (d->bracketed) {
		ptrdiff_t end = slice_find_char(text, 1, ']');

		if (end < 0)
			return bad(ret_why, "missing ']'");
		d->host = slice_of(text.ptr + 1, (size_t)end - 1);
		slice_skip(&text, (size_t)end + 1);
		if (text.len > 0 && text.ptr[0] != ':')
			return bad(ret_why, "text after ']'");
		colon = text.len > 0 ? 0 : -1;
	} else {
		colon = slice_find_last_char(text, ':');
		d->host = colon < 0 ? text : slice_head(text, (size_t)colon);
	}
	if (colon >= 0)
		d->service = slice_of(text.ptr + colon + 1, text.len - (size_t)colon - 1);
	return 0;
}

/* A number, or a name that is a name. */
static int judge_host(const struct nexthop_conf *conf, struct destination_name *d, const char **ret_why)
{
	bool wants_ip6 = d->bracketed && slice_has_prefix_nocase(d->host, SLICE("ipv6:"));

	if (wants_ip6)
		slice_skip(&d->host, 5);
	if (d->host.len == 0)
		return bad(ret_why, "no host");
	if (d->host.len > NEXTHOP_HOST_MAX)
		return bad(ret_why, "host name too long");
	d->is_literal = addr_parse_ip(d->host, d->port, &d->addr) == 0;
	/* A bare IPv6 address cannot be written: its last group has been taken as the port (case 29). */
	if (d->is_literal && d->addr.sa.sa_family == AF_INET6 && !d->bracketed)
		return bad(ret_why, "an IPv6 address needs brackets");
	if (wants_ip6 && (!d->is_literal || d->addr.sa.sa_family != AF_INET6))
		return bad(ret_why, "not an IPv6 address");
	if (!d->is_literal && !address_domain_is_valid(d->host, conf->utf8))
		return bad(ret_why, "not a host name or address");
	return 0;
}

static int parse_unix(struct destination_name *d, const char **ret_why)
{
	if (addr_parse_endpoint(d->text, &d->addr) < 0)
		return bad(ret_why, "not a path of 1 to 107 octets");
	for (size_t i = 0; i < d->text.len; i++)	/* paths are logged as they are */
		if ((unsigned char)d->text.ptr[i] < ' ' || d->text.ptr[i] == 0x7f)
			return bad(ret_why, "a control character in a path");
	d->host = d->text;
	slice_skip(&d->host, strlen("unix:"));
	d->is_unix = true;
	return 0;
}

static int parse_one(const struct nexthop_conf *conf, struct destination_name *d, const char **ret_why)
{
	struct slice text = d->text;

	d->is_lmtp = conf->lmtp;
	if (conf->lmtp && slice_has_prefix(text, SLICE("unix:")))
		return parse_unix(d, ret_why);
	if (conf->lmtp && slice_has_prefix(text, SLICE("inet:")))
		slice_skip(&text, strlen("inet:"));
	int r = split(text, d, ret_why);

	if (r < 0)
		return r;
	d->port = conf->default_port;
	if (d->service.len > 0 && services_port(conf->services, d->service, &d->port) < 0)
		return bad(ret_why, "not a port number from 1 to 65535 or a known service name");
	if (d->service.len == 0)
		d->service = conf->default_service;
	d->wants_loop_check = d->port == 25 && !conf->lmtp;
	d->wants_tls_hint = d->port == 465;
	return judge_host(conf, d, ret_why);
}

int nexthop_next(const struct nexthop_conf *conf, struct slice *rest, struct destination_name *ret_dest,
		 const char **ret_why)
{
	struct destination_name d = { .text = conf_list_next(rest) };

	if (d.text.len == 0)
		return 0;
	int r = parse_one(conf, &d, ret_why);

	*ret_dest = d;
	return r < 0 ? r : 1;
}
