/* generic.h - an address of this site becomes one that is valid elsewhere (smtp_generic_maps, B 12)
 *
 *	user+ext@domain		asked first; tables of patterns hear this key only
 *	user@domain
 *	user+ext, user		when the domain is one of ours
 *	@domain
 *
 * The first key that is known decides. Each is asked as it stands on the wire, and where that differs once more as
 * it is (net/wire/address.h). What was found is an address, not mapped again; of several the first. "@other" keeps the
 * user and changes his domain. An extension that was not part of the key goes with it when
 * propagate_unmatched_extensions says so.
 *
 *	generic_begin(&g, conf, address);
 *	r = generic_next(&g, asker, &mapped);		again after ASKER_WAIT
 *
 * memory   the address is the caller's until the answer; the answer is the struct's, good until the next begin
 * bounds   GENERIC_ADDR_MAX octets an address: a longer one is not looked up; GENERIC_VALUE_MAX a table's answer
 * errors   of a table; ERR_TABLE: what it said is no address
 */
#pragma once

#include "net/mail/asker.h"
#include "net/mail/message.h"
#include "net/params.h"

#define GENERIC_ADDR_MAX	MESSAGE_ADDR_MAX
#define GENERIC_KEY_MAX		(2 * GENERIC_ADDR_MAX + 2)	/* a backslash before each octet, and the quotes */
#define GENERIC_VALUE_MAX	KIB(2)

struct generic_conf {
	const struct params *params;
	const struct addr *own;		/* inet_interfaces and proxy_interfaces: literals of these are ours */
	unsigned own_count;
};

struct generic {
	bool many;			/* the table gave several addresses */
	/* private */
	const struct generic_conf *conf;
	struct slice address;
	size_t local_len;		/* up to the last '@' */
	size_t user_len;		/* up to the extension */
	uint8_t step;			/* the key that is being asked for */
	bool unquoted;			/* in its second form */
	struct str key, value;
	char key_text[GENERIC_KEY_MAX];
	char value_text[GENERIC_VALUE_MAX];
	char mapped_text[GENERIC_ADDR_MAX];
};

/* Is there anything to ask? */
static inline bool generic_is_wanted(const struct generic_conf *conf)
{
	return conf->params->smtp_generic_maps != NULL;
}

/* address: internal form. */
void generic_begin(struct generic *g, const struct generic_conf *conf, struct slice address);

/* 1 and the new address in internal form, 0: it stays as it is, ASKER_WAIT, or a negative error. */
int generic_next(struct generic *g, struct asker *asker, struct slice *ret_address);

/* The same keys in other tables, local ones, for whoever wants what stands there: as maps_find. */
int generic_find_in(const struct generic_conf *conf, struct slice address, const struct maps *maps,
		    struct str *ret_value);
