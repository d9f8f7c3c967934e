/* zone.h - what the simulated DNS says: the resolver's stand-in answers from this table
 *
 *	zone_add("example.org", "MX", "10 mx.example.org");
 *	zone_add("mx.example.org", "A", "192.0.2.1");
 *	zone_fail("broken.org", "MX", "SERVFAIL");
 *
 * A name that has any row exists; asking it for another type is "no such records", asking another name NXDOMAIN.
 * CNAME rows are followed as the real decoder follows them. Names compare in any case.
 *
 * bounds   ZONE_ROWS_MAX rows
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ZONE_ROWS_MAX 16384u

/* type: A, AAAA, MX ("10 host", host "." is the null MX), SRV ("prio weight port host"), CNAME, TXT, TLSA (hex).
 * False: the text does not parse, or the table is full. */
bool zone_add(const char *name, const char *type, const char *data);

/* what: NXDOMAIN, NODATA, SERVFAIL, REFUSED, FORMERR, NOTIMP, YXDOMAIN (an rcode that means "fail"), TIMEOUT (as long as
 * the real one asks, then "nobody answers"), DAMAGED, LOOP (aliases without end). Replaces rows of that name and type;
 * type "*" is every type. False: unknown. */
bool zone_fail(const char *name, const char *type, const char *what);

/* The answers about this name take so long (default: 1 ms). */
void zone_delay(const char *name, uint64_t delay_ns);

/* All records are as if validated (AD), and then all but those at this name: an answer is when all of its steps are. */
void zone_authentic(bool on);
void zone_insecure(const char *name);

/* Forgets rows of name and type; "*" is every type. */
void zone_remove(const char *name, const char *type);
void zone_clear(void);

/* How often has name been asked for type (NULL: any)? What the engine's cache would have answered counts, too. */
unsigned zone_asked(const char *name, const char *type);
