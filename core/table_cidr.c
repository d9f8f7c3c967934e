/* table_cidr.c - cidr: networks in the order of the file, as in cidr_table(5)
 *
 *	192.0.2.0/24		result
 *	!2001:db8::/32		result
 */
#include <errno.h>
#include <stdlib.h>

#include "core/addr.h"
#include "core/err.h"
#include "core/table_rules.h"

static int take_network(struct slice *line, void **ret_pattern, const char **ret_what)
{
	size_t len = 0;

	while (len < line->len && line->ptr[len] != ' ' && line->ptr[len] != '\t')
		len++;
	struct addr_net *net = malloc(sizeof(*net));
	int r = net != NULL ? addr_net_parse(slice_head(*line, len), net) : -ENOMEM;

	if (r == 0) {
		slice_skip(line, len);
		*ret_pattern = net;
		return 0;
	}
	free(net);
	if (r != -ENOMEM)
		*ret_what = r == -ERANGE ? "a network with bits set behind its prefix"
					 : "not a network; expected address or address/bits";
	return r == -ENOMEM ? r : ERR_SYNTAX;
}

static int match_network(const void *pattern, void *context)
{
	return addr_net_contains(pattern, context);
}

static int load_cidr(struct table_set *set, struct slice path, struct str *why, void **ret_data)
{
	static const struct rules_kind kind = { .take = take_network, .drop = free };

	(void)set;
	return rules_load(&kind, path, why, (struct rules **)ret_data);
}

/* What is no address is in no network, and an error of nobody. */
static int find_cidr(const void *data, struct slice key, struct str *ret_value)
{
	struct addr address;
	const void *net;
	struct slice result;

	if (addr_parse_ip(key, 0, &address) < 0)
		return 0;
	int r = rules_find(data, match_network, &address, &net, &result);

	if (r > 0)
		str_add(ret_value, result);
	return r;
}

static void unload_cidr(void *data)
{
	rules_free(data);
}

const struct table_type table_type_cidr = {
	.name = "cidr",
	.load = load_cidr,
	.find = find_cidr,
	.unload = unload_cidr,
	.suffix = "",
	.is_pattern = true,
};
