/* fuzz_nexthop.c - nexthop lists, services and hosts files from whoever writes configuration
 *
 * First octet: which of the three, its highest bit: for LMTP; the rest is its text.
 */
#include "core/err.h"
#include "net/lookup/hosts.h"
#include "net/lookup/nexthop.h"

static struct services services;

static void fuzz_nexthop(struct slice text, bool lmtp)
{
	struct nexthop_conf conf = { .services = &services, .default_port = 25, .lmtp = lmtp, .utf8 = true };
	struct destination_name d;
	const char *why = NULL;
	struct slice rest = text;
	size_t before = rest.len;
	int r;

	while ((r = nexthop_next(&conf, &rest, &d, &why)) != 0) {
		ASSERT(rest.len < before);	/* it always gets on */
		before = rest.len;
		ASSERT(d.text.len > 0);
		if (r == ERR_SYNTAX) {
			ASSERT(why != NULL);
			continue;
		}
		ASSERT(r == 1 && d.is_lmtp == lmtp && (d.port > 0) == !d.is_unix);
		ASSERT(d.host.len > 0 && d.host.len <= NEXTHOP_HOST_MAX);
		if (d.is_literal)
			ASSERT(addr_port(&d.addr) == d.port);
		for (size_t i = 0; i < d.host.len; i++)
			ASSERT((unsigned char)d.host.ptr[i] > ' ');
	}
}

static void fuzz_hosts(struct slice text)
{
	struct hosts hosts;

	if (hosts_init(&hosts, text) < 0)
		return;
	for (unsigned i = 0; i < hosts.count; i++) {
		struct slice name = slice_of(hosts.names + hosts.entries[i].name_at, hosts.entries[i].name_len);

		ASSERT(hosts_find(&hosts, name) >= 0);
	}
	hosts_done(&hosts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct slice text = slice_of(data + 1, size - 1);

	services.count = 0;
	switch (data[0] % 3) {
	case 0:
		ASSERT(services_add(&services, SLICE("smtp"), 25) == 0);
		fuzz_nexthop(text, data[0] & 0x80);
		break;
	case 1:
		(void)services_add_file(&services, text);
		break;
	case 2:
		fuzz_hosts(text);
		break;
	}
	ASSERT(services.count <= SERVICES_MAX);
	return 0;
}
