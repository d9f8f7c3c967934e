/* hosts.h - the system's hosts file: what "native" lookups mean here (smtp_host_lookup,
 * disable_dns_lookups)
 *
 * The system's resolver blocks and reads files, so it cannot be asked after start. Of its sources we keep the one
 * that people put mail hosts into. Whoever owns the table reads it anew when the file has changed: ringpostd does so
 * within half a minute. Other name services (LDAP, NIS) are not consulted.
 *
 * memory   one block from malloc, start only; names are copied
 * bounds   HOSTS_MAX names; more are left out and counted
 */
#pragma once

#include "core/addr.h"
#include "core/slice.h"

#define HOSTS_MAX 65536u

struct hosts {
	unsigned count;
	unsigned left_out;
	/* private */
	struct host_entry {
		uint32_t name_at;
		uint32_t name_len;
		uint32_t order;		/* place in the file: answers keep it */
		struct addr addr;
	} *entries;
	char *names;
};

/* text is in the form of hosts(5); lines that do not parse are skipped. 0 or -ENOMEM. */
int hosts_init(struct hosts *h, struct slice text);
void hosts_done(struct hosts *h);

/* The index of the first entry for name (any case), or -1; the others follow it directly. */
int hosts_find(const struct hosts *h, struct slice name);

/* Does entry i exist and belong to name? */
bool hosts_is(const struct hosts *h, unsigned i, struct slice name);

/* The name of entry i, in lower case. */
struct slice hosts_name(const struct hosts *h, unsigned i);
