/* maps.h - parameter values made of tables: "type:name type:name", and match lists
 *
 * Maps are tables in an order: the first that knows the key answers, and the first error ends the search.
 *
 * A match list has items separated by commas or white space, tried in order; the first that matches decides:
 *
 *	word		the same word, in any ASCII case; host lists: see mlist_match_host
 *	/path		the items of that file stand here; its '#' lines count for nothing
 *	type:name	a table has the key; its value does not matter
 *	!item		as the item, but the answer is no; in front of a /path it turns every item of the file around
 *
 * memory   malloc at start only; a NULL list is an empty one
 * cores    read-only after opening: every core may ask
 * errors   opening: *why says what is wrong; it may hold a warning after success, too
 */
#pragma once

#include "core/addr.h"
#include "core/table.h"

#define MAPS_MAX	64u	/* tables in one value */
#define MLIST_MAX	65536u	/* items of one match list, with those of its files */

struct maps {
	unsigned count;
	struct table *tables[];
};

struct mlist;

/* *ret_maps is NULL for an empty value. 0, or ERR_SYNTAX or a negative errno. */
int maps_open(struct table_set *set, struct slice value, struct str *why, struct maps **ret_maps);
void maps_free(struct maps **maps);

/* Each of them as table_hide, as far as it can be. */
void maps_hide(const struct maps *m);

/* As table_find. */
int maps_find(const struct maps *m, struct slice key, unsigned flags, struct str *ret_value);

/* Some table in it cannot be asked with maps_find. */
bool maps_need_io(const struct maps *m);

int mlist_open(struct table_set *set, struct slice value, struct str *why, struct mlist **ret_list);
void mlist_free(struct mlist **list);

/* Each returns 1 (match), 0 (none) or a negative error of a table. */
int mlist_match(const struct mlist *l, struct slice word);

/* A host by name, by address, or both (an empty name, a NULL address: not known). Items are here, too: address/bits, a
 * single address with or without brackets, and .domain for what is below a domain. With subdomains, "domain" stands for
 * what is below it, too, and tables are asked for parent domains "b.c"; without, for ".b.c". */
int mlist_match_host(const struct mlist *l, struct slice name, const struct addr *address, bool subdomains);

/* Is this very word an item that does not say no? What tables have does not count. */
bool mlist_names(const struct mlist *l, struct slice word);

bool mlist_needs_io(const struct mlist *l);
