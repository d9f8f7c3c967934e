#include "net/lookup/dns_servers.h"

#include <errno.h>

#include "core/conf.h"
#include "core/err.h"

static int parse_one(struct slice text, struct addr *ret_server)
{
	if (addr_parse_ip(text, DNS_PORT, ret_server) < 0 && addr_parse_endpoint(text, ret_server) < 0)
		return ERR_SYNTAX;
	return ret_server->sa.sa_family == AF_UNIX || addr_port(ret_server) == 0 ? ERR_SYNTAX : 0;
}

int dns_servers_parse(struct slice list, struct addr *ret_servers, unsigned max)
{
	struct slice item;
	unsigned count = 0;

	while ((item = conf_list_next(&list)).len > 0) {
		if (count == max)
			return -E2BIG;
		int err = parse_one(item, &ret_servers[count]);

		if (err < 0)
			return err;
		count++;
	}
	return count > 0 ? (int)count : -EINVAL;
}
