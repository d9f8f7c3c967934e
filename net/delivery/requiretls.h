/* requiretls.h - what a message asks of TLS by itself (RFC 8689), and how far it is held to that (B 7.10)
 *
 * memory   none
 * errors   a table that fails, or says what nobody understands, is REQUIRETLS_ERROR, and a line in the log
 * thread   any core
 */
#pragma once

#include "net/mail/message.h"
#include "net/params.h"
#include "net/smtp/session.h"

/* Sessions that were opened for one of them carry no other. */
enum tls_demand {
	TLS_DEMAND_NONE,
	TLS_DEMAND_LESS,	/* TLS-Required: no */
	TLS_DEMAND_MORE,	/* REQUIRETLS, which wins when both are there (case 324) */
};

static inline enum tls_demand tls_demand_of(const struct params *p, const struct message *msg)
{
	if (p->requiretls_enable && (msg->facts & MESSAGE_REQUIRETLS))
		return TLS_DEMAND_MORE;
	return p->tls_required_enable && (msg->facts & MESSAGE_TLS_OPTIONAL) ? TLS_DEMAND_LESS : TLS_DEMAND_NONE;
}

/* What became of it, for the log, behind what became of TLS: "/requiretls", "/!requiretls:nostarttls",
 * "/requiretls:none", "/requiretls?" (B 22.3); nothing where it was not asked for. */
void requiretls_status(const struct session *s, struct str *out);

/* smtp_requiretls_policy for one nexthop without brackets and port. */
enum param_requiretls requiretls_policy(const struct params *p, struct slice domain);
