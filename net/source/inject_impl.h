/* inject_impl.h - what inject_session.c, inject_commands.c and inject_content.c (what is behind DATA and BDAT) share
 *
 * never    included from outside of net/source/inject_*.c
 */
#pragma once

#include "core/log.h"
#include "core/metric.h"
#include "net/source/inject_session.h"

/* In which states a command may stand. */
#define ON_HELLO	BIT(INJECT_HELLO)
#define ON_READY	BIT(INJECT_READY)
#define ON_MAIL		BIT(INJECT_MAIL)
#define ON_RCPT		BIT(INJECT_RCPT)
#define ON_BDAT		BIT(INJECT_BDAT)
#define ON_ANY		(ON_HELLO | ON_READY | ON_MAIL | ON_RCPT | ON_BDAT | BIT(INJECT_BDAT_FAILED))

/* Why something was not accepted: one counter each. */
enum inject_cause {
	INJECT_REFUSED_SYNTAX,
	INJECT_REFUSED_ORDER,
	INJECT_REFUSED_RELAY,
	INJECT_REFUSED_RECIPIENTS,
	INJECT_REFUSED_SIZE,
	INJECT_REFUSED_ROOM,
	INJECT_REFUSED_FLAW,
	INJECT_REFUSED_HOPS,
	INJECT_CAUSE_COUNT
};

extern struct metric inject_metric_messages;
extern struct metric inject_metric_octets;
extern struct metric inject_metric_refused[INJECT_CAUSE_COUNT];

/* The only writer of s->state. */
void inject_enter(struct inject_session *s, enum inject_state next);

/* Adds a reply, given without CRLF. */
void inject_reply(struct inject_session *s, const char *text);

/* A refusal worth a line in the log: counts, logs, but does not answer. rcpt may be empty. */
void inject_refuse(struct inject_session *s, enum inject_cause cause, const char *verb, const char *reply,
	struct slice rcpt);

/* One more error of this client, which may be the last that it is forgiven. */
void inject_count_error(struct inject_session *s);

/* The same with a reply. */
void inject_refuse_syntax(struct inject_session *s, const char *reply);

/* Forgets sender, recipients and content; the state is the caller's to set. */
void inject_reset(struct inject_session *s);

/* --- inject_commands.c --- */

/* One that has been understood: does what it says, if it may stand here. */
void inject_run_command(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns);

/* --- inject_client.c --- */

/* XFORWARD with these arguments. 0; -EINVAL, -EMSGSIZE: and nothing of it is kept. */
int inject_client_forward(struct inject_session *s, struct slice argument);

/* What becomes message.client of the message with this id. */
void inject_client_describe(struct str *client, const struct inject_session *s, uint64_t id);

/* Adds ", orig_client=name[address]" to a log line, when XFORWARD has told. */
void inject_client_log(struct str *line, const struct inject_session *s);

/* --- inject_content.c --- */

void inject_content_init(struct inject_session *s);

/* Opens a draft, and our Received field begins it. 0, or what the spool says. */
int inject_content_begin(struct inject_session *s, enum crlf_source source, uint64_t wall_ns);

void inject_content_feed(struct inject_session *s, struct slice *in);

/* The chunk's size has come, and perhaps there is nothing more to it. */
void inject_content_chunk(struct inject_session *s, uint64_t size, bool last);

/* This message is lost, and will be answered so when its octets are over. */
void inject_content_fail(struct inject_session *s, enum inject_cause cause, const char *reply);

/* Drops the draft and everything that belongs to it. */
void inject_content_drop(struct inject_session *s);
