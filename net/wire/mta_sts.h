/* mta_sts.h - MTA-STS (RFC 8461): the record in DNS that says that there is a policy, and the policy
 *
 *	record	"v=STSv1" 1*( ";" name "=" value ), one of them id=, of letters and digits
 *	policy	lines of name ":" value, ended by LF or CRLF, the last one perhaps by nothing:
 *		version: STSv1, mode: none | testing | enforce, max_age: seconds, and mx: as often as there are servers
 *
 * Names that are not known are passed over; of one that is there twice the first counts, but for mx. What breaks the
 * grammar breaks all of it: half a policy is none.
 *
 * bounds   MTA_STS_POLICY_MAX octets, MTA_STS_ID_MAX of an id, max_age up to MTA_STS_AGE_MAX
 * memory   what is returned points into the text
 * errors   ERR_PROTO: no policy; -ENOENT: no record, or more than one, or one that is none
 * never    decides which server a pattern means: net/delivery/tls_policy_sts.h
 */
#pragma once

#include "core/slice.h"

#define MTA_STS_POLICY_MAX	KIB(64)		/* RFC 8461 3.3 suggests it */
#define MTA_STS_ID_MAX		32u
#define MTA_STS_AGE_MAX		31557600u	/* a year */

enum mta_sts_mode { MTA_STS_NONE, MTA_STS_TESTING, MTA_STS_ENFORCE };

struct mta_sts_policy {
	enum mta_sts_mode mode;
	uint32_t max_age_s;
	unsigned mx_count;
	struct slice text;		/* all of it: mta_sts_next_mx */
};

/* texts: TXT records of _mta-sts.domain, the strings of each joined. Those that do not begin as ours are somebody
 * else's. 0 with *ret_id, or -ENOENT. */
int mta_sts_record_find(const struct slice *texts, unsigned count, struct slice *ret_id);

int mta_sts_policy_parse(struct slice text, struct mta_sts_policy *ret_policy);

/* *rest begins as policy.text. The next pattern, "mx.example.org" or "*.example.org", or an empty slice. */
struct slice mta_sts_next_mx(struct slice *rest);
