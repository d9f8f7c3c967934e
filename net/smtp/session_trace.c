/* session_trace.c - what is said, for those who want to read it: debug_peer_list, and reports to the postmaster */
#include "core/log.h"
#include "net/smtp/session_internal.h"

static void trace_line(struct session *s, bool ours, struct slice line)
{
	if (s->debug_level > 0)
		log_line(LOG_LEVEL_INFO, params_client_name(s->params), "%s %.*s: %.*s", ours ? ">" : "<", SLICE_FMT(session_peer(s)),
			 SLICE_FMT(line));
	if (s->transcript != NULL)
		transcript_add(s->transcript, ours, line);
}

void session_trace_lines(struct session *s, bool ours, struct slice text)
{
	struct slice line;

	while (smtp_reply_next_line(&text, &line)) {
		if (line.len > 0 && line.ptr[line.len - 1] == '\r')
			line.len--;
		trace_line(s, ours, line);
	}
}

void session_trace_state(const struct session *s)
{
	log_line(LOG_LEVEL_INFO, params_client_name(s->params), "%.*s: %s", SLICE_FMT(session_peer(s)), session_state_words(s->state));
}

/* Before there is a transaction, the owner knows whose session it is. */
void session_raise(struct session *s, uint32_t class)
{
	if (s->current == NULL || transcript_is_wanted(s->current->msg->sender))
		s->raised |= class;
}

void session_raise_by_reply(struct session *s, const struct smtp_reply *reply)
{
	if (reply->code < 400 || (reply->code >= 500 && reply->code <= 509) || reply->code == 555) {
		s->reusable = false;
		session_raise(s, NOTIFY_PROTOCOL);
	}
}
