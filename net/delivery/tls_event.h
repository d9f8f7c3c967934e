/* tls_event.h - how TLS went on one connection, for TLS reports (RFC 8460, B 7.9)
 *
 *	session is about to be opened -> tls_event_take: what policy there is -> ready, or failed -> tls_event_tell
 *
 * One for each connection that came so far that TLS was decided; none for one that carries another message later. Not
 * told: literals, messages that do without TLS (TLS-Required: no) and the reports themselves.
 *
 * bounds   texts are cut; of lines, only whole ones are kept
 * memory   a pool with one for each session; whoever was told gives it back by its note
 * thread   the session's core takes and tells; then it is the listener's
 */
#pragma once

#include "core/addr.h"
#include "core/xcall.h"
#include "net/smtp/session.h"
#include "net/wire/tlsrpt.h"

#define TLS_EVENT_MAGIC		UINT32_C(0x74657674)
#define TLS_EVENT_NAME		256u
#define TLS_EVENT_REASON	128u
#define TLS_EVENT_STRINGS	1024u
#define TLS_EVENT_PATTERNS	512u
#define TLS_EVENT_LINE		400u	/* of either: in JSON, each octet may become two, and a line of mail has 998 */

/* All texts are printable ASCII and end in NUL. */
struct tls_event {
	uint32_t magic;
	struct note note;
	unsigned core;			/* where it is taken and put */
	uint64_t wall_ns;
	char domain[TLS_EVENT_NAME];	/* that the mail goes to: A-labels, lower case */
	enum tlsrpt_policy_type policy_type;
	char policy_domain[TLS_EVENT_NAME];
	char strings[TLS_EVENT_STRINGS];	/* of the policy, a line each */
	char patterns[TLS_EVENT_PATTERNS];	/* the same: names of servers */
	enum tlsrpt_result result;
	char reason[TLS_EVENT_REASON];	/* empty: the result says it all */
	char mx[TLS_EVENT_NAME];
	char helo[TLS_EVENT_NAME];	/* as the server called itself; empty: it has not */
	char sending_ip[ADDR_TEXT_MAX];	/* empty: the system chose */
	char receiving_ip[ADDR_TEXT_MAX];
};

struct delivery;
struct session_tls;
struct tls_policy;
struct tls_policy_peer;

/* NULL: it is not to be told, or no memory is left. t: what is asked, or NULL. */
struct tls_event *tls_event_take(struct delivery *d, const struct tls_policy_peer *peer,
				 const struct tls_policy *policy, const struct session_tls *t,
				 const struct message *msg);

/* The session is ready, or has failed. Clears *event, which may be NULL. */
void tls_event_tell(struct delivery *d, struct tls_event **event, const struct session *s);

/* For the note, once it has been read. */
void tls_event_back(struct note *note);
