/* smtp_ehlo.h - the reply to EHLO as capabilities (RFC 5321 4.1.1.1)
 *
 *	250-mx.test hello		line 1: the server's name, never a keyword (row EHL-03)
 *	250-SIZE 10240000		keyword up to a blank, tab, '=' or the end; any case
 *	250 LIMITS RCPTMAX=100
 *
 * A keyword stands right behind the code; what does not is no keyword. Unknown ones are nobody's
 * business.
 *
 * bounds   EHLO_NAME_MAX octets of name; the reply parser bounds the rest
 * memory   the name is copied: capabilities outlive the reply
 * errors   none: what cannot be understood is not offered
 * never    decides whether an offer is used: STARTTLS inside TLS and REQUIRETLS outside of it are
 *          told as they stand
 */
#pragma once

#include "net/wire/smtp_reply.h"

enum smtp_cap {
	SMTP_CAP_PIPELINING	= BIT(0),	/* RFC 2920 */
	SMTP_CAP_8BITMIME	= BIT(1),	/* RFC 6152 */
	SMTP_CAP_SIZE		= BIT(2),	/* RFC 1870 */
	SMTP_CAP_DSN		= BIT(3),	/* RFC 3461 */
	SMTP_CAP_SMTPUTF8	= BIT(4),	/* RFC 6531 */
	SMTP_CAP_STARTTLS	= BIT(5),	/* RFC 3207 */
	SMTP_CAP_CHUNKING	= BIT(6),	/* RFC 3030 */
	SMTP_CAP_BINARYMIME	= BIT(7),	/* RFC 3030 */
	SMTP_CAP_ENHANCEDSTATUSCODES = BIT(8),	/* RFC 2034 */
	SMTP_CAP_REQUIRETLS	= BIT(9),	/* RFC 8689 */
	SMTP_CAP_LIMITS		= BIT(10),	/* RFC 9422 */
	SMTP_CAP_AUTH		= BIT(11),	/* RFC 4954 */
	SMTP_CAP_XFORWARD	= BIT(12),	/* Postfix */
};

#define EHLO_NAME_MAX	255u
#define EHLO_LIMIT_MAX	999999u		/* RFC 9422: six digits; more is taken as this */

struct smtp_caps {
	uint32_t bits;			/* enum smtp_cap */
	uint32_t discarded;		/* offered, but in the discard set: for the log */
	/* not offered, but SMTPUTF8 cannot do without (row EHL-06): for the log */
	bool implied_8bitmime;
	uint64_t size_limit;		/* octets; 0: unknown or without limit */
	uint32_t rcpt_max;		/* LIMITS; 0: not given */
	uint32_t mail_max;
	uint32_t rcpt_domain_max;
	uint32_t xforward;		/* attributes of XFORWARD, bits of enum xforward_attr */
	uint32_t auth;			/* mechanisms of AUTH that we know, BIT(enum auth_mech): of all its lines */
	uint8_t name_len;
	char name[EHLO_NAME_MAX];
};

/* The first word of line 1; empty when there is none. */
static inline struct slice smtp_caps_name(const struct smtp_caps *caps)
{
	return slice_of(caps->name, caps->name_len);
}

/* reply: a positive reply to EHLO. discard: capabilities to treat as not offered (enum smtp_cap).
 */
void smtp_ehlo_parse(const struct smtp_reply *reply, uint32_t discard, struct smtp_caps *ret_caps);

/* The bit of a keyword in any case, 0 for one we do not know: smtp_discard_ehlo_keywords is a list
 * of these. */
uint32_t smtp_cap_of(struct slice keyword);

/* The keyword of one bit. */
const char *smtp_cap_name(enum smtp_cap cap);
