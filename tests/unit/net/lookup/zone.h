/* zone.h - a zone table in place of the resolver, and what tests of mx.h say about a lookup */
#pragma once

#include "net/lookup/mx.h"

#define ZONE_MAX 256

extern struct zone_entry {
	char name[256];
	enum dns_type type;
	enum answer_class class;
	uint16_t preference, weight, port;
	char data[256];		/* host name or address */
	char owner[256];	/* at the end of aliases; empty: name */
} zone[ZONE_MAX];
extern unsigned zone_count;
extern bool mx_is_authentic, host_is_authentic;
extern char asked_log[KIB(256)];	/* "MX example.org;A mx.test;" */
extern unsigned warnings;
extern char warning[512];	/* the latest */

extern struct mx_conf conf;
extern struct nexthop_conf syntax;
extern struct mx_lookup lookup;
extern unsigned answers;
extern bool had_error;

int zone_setup(void **state);	/* an empty table, and a configuration without chance */

void zone_put(const char *name, enum dns_type type, enum answer_class class, uint16_t preference, const char *data);
void zone_mx(const char *name, uint16_t preference, const char *host);
void zone_srv(const char *name, uint16_t priority, uint16_t weight, uint16_t port, const char *host);
void zone_address(const char *name, const char *text);
void zone_trouble(const char *name, enum dns_type type, enum answer_class class);

void start(const char *nexthop, bool from_recipient);	/* asked_log begins anew */
void run(void);						/* until nothing is left to do */
void look_up(const char *nexthop);
void expect_list(const char *nexthop, const char *want);	/* "192.0.2.1 2001:db8::1" */
void expect_ports(const char *want);				/* of that list */
void expect_error(const char *nexthop, unsigned class, unsigned subject, unsigned detail);
bool was_asked(const char *question);
