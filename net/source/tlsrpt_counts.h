/* tlsrpt_counts.h - what TLS reports will say: connections, counted for each domain and period (RFC 8460 4)
 *
 *	report (domain, period) -> policies -> what went well, and rows: what did not, with whom and why
 *
 * A report with nothing in it is worth keeping, too: nobody has to ask again whether the domain wants one.
 *
 * bounds   TLSRPT_REPORTS_MAX and so on; of one report TLSRPT_POLICIES_EACH and TLSRPT_ROWS_EACH: what is beyond is
 *          counted in a row of its result that names nobody
 * memory   pools sized at start, touched when used
 * errors   -ENOBUFS: no room; ERR_CORRUPT: not what we write
 * never    looks at a clock, does I/O or logs
 */
#pragma once

#include "core/map.h"
#include "core/pool.h"
#include "net/delivery/tls_event.h"
#include "net/lookup/resolver.h"

#define TLSRPT_REPORTS_MAX	8192u
#define TLSRPT_POLICIES_MAX	8192u
#define TLSRPT_ROWS_MAX		16384u
#define TLSRPT_POLICIES_EACH	8u
#define TLSRPT_ROWS_EACH	64u
#define TLSRPT_PREFIX		"_smtp._tls."
#define TLSRPT_IP		48u
/* One report in either form, when every octet needs a backslash: 64 rows of 1.7 KiB, 80 about nobody of 0.3 KiB, and 8
 * policies of 13 KiB, whose lines are one octet long. */
#define TLSRPT_TEXT_MAX		KIB(256)

struct tlsrpt_row {
	struct list node;
	enum tlsrpt_result result;
	uint64_t count;
	char mx[TLS_EVENT_NAME], helo[TLS_EVENT_NAME];
	char sending_ip[TLSRPT_IP], receiving_ip[TLSRPT_IP];
	char reason[TLS_EVENT_REASON];
};

struct tlsrpt_policy {
	struct list node;
	enum tlsrpt_policy_type type;
	uint64_t good, bad;
	struct list rows;
	char domain[TLS_EVENT_NAME];
	char strings[TLS_EVENT_STRINGS];
	char patterns[TLS_EVENT_PATTERNS];
};

enum tlsrpt_state {
	TLSRPT_ASKING,		/* whether the domain wants reports is not known */
	TLSRPT_WANTED,
	TLSRPT_UNWANTED,	/* nothing is counted */
};

struct tlsrpt_report {
	struct map_node by_key;
	struct list node;		/* of all, the oldest first */
	struct list dirty_node;		/* the owner's */
	enum tlsrpt_state state;
	uint64_t start_s, end_s;	/* of the period, since 1970 */
	struct list policies;
	unsigned policy_count;
	unsigned row_count;		/* rows that name somebody */
	struct tlsrpt_record record;	/* WANTED: where to */
	struct query query;		/* the owner's */
	uint64_t save_at_ns;		/* the same: monotonic */
	uint64_t again_at_ns;		/* the same: UNWANTED, because nobody could tell; 0: it is certain */
	uint64_t retry_at_ns;		/* the same: it could not be sent before */
	bool is_saved;			/* the same: there is a file of it */
	void *owner;
	size_t name_len;
	char name[sizeof(TLSRPT_PREFIX) - 1 + TLS_EVENT_NAME];	/* TLSRPT_PREFIX and the domain */
};

struct tlsrpt_counts {
	struct pool reports, policies, rows;
	struct map by_key;
	struct list all;
};

/* Start only: 0 or -ENOMEM. */
int tlsrpt_counts_init(struct tlsrpt_counts *c);
void tlsrpt_counts_done(struct tlsrpt_counts *c);

static inline struct slice tlsrpt_report_domain(const struct tlsrpt_report *r)
{
	const size_t skip = sizeof(TLSRPT_PREFIX) - 1;

	return slice_of(r->name + skip, r->name_len - skip);
}

/* The domain's report for this period. NULL: there is none. */
struct tlsrpt_report *tlsrpt_counts_find(const struct tlsrpt_counts *c, struct slice domain, uint64_t start_s);

/* A new one, ASKING. NULL: no room. */
struct tlsrpt_report *tlsrpt_counts_add(struct tlsrpt_counts *c, struct slice domain, uint64_t start_s, uint64_t end_s);

/* Counts one connection. 0 or -ENOBUFS. */
int tlsrpt_counts_event(struct tlsrpt_counts *c, struct tlsrpt_report *r, const struct tls_event *e);

/* What has been counted is forgotten; then the report as well. */
void tlsrpt_counts_clear(struct tlsrpt_counts *c, struct tlsrpt_report *r);
void tlsrpt_counts_remove(struct tlsrpt_counts *c, struct tlsrpt_report **r);

/* --- tlsrpt_text.c ---------------------------------------------------------------------------- */

/* Adds the report as JSON (RFC 8460 4.4), in lines of less than 998 octets. */
void tlsrpt_counts_add_json(const struct tlsrpt_report *r, const char *organization, const char *contact,
			    struct slice id, struct str *out);

/* Adds the report as lines, with a checksum behind them. */
void tlsrpt_counts_write(const struct tlsrpt_report *r, struct str *out);

/* A new report, ASKING, of such a text. 0, -ENOBUFS, -EEXIST or ERR_CORRUPT. */
int tlsrpt_counts_read(struct tlsrpt_counts *c, struct slice text, struct tlsrpt_report **ret_report);

/* For it: the policy that e says, and so many failures like that one. NULL, -ENOBUFS: no room. */
struct tlsrpt_policy *tlsrpt_counts_take_policy(struct tlsrpt_counts *c, struct tlsrpt_report *r,
						const struct tls_event *e);
int tlsrpt_counts_add_row(struct tlsrpt_counts *c, struct tlsrpt_report *r, struct tlsrpt_policy *policy,
			  const struct tlsrpt_row *like, uint64_t count);
