/* session_states.h - what a session can be doing, how long it may take, and what we say when it does not come to an end
 *
 * The first group are states of the session itself; the second are steps of a transaction, of which several can be
 * under way at once: then the oldest unanswered one sets the deadline.
 */
#pragma once

#include "core/base.h"

/*	  name       timeout (main.cf)            if the peer fails us, we were ...                   */
#define SESSION_STATES(X)											\
	X(CLOSED,    NONE,                        "closed")							\
	X(CONNECT,   smtp_connect_timeout_ns,     "connecting")							\
	X(GREETING,  smtp_helo_timeout_ns,        "receiving the initial server greeting")			\
	X(EHLO,      smtp_helo_timeout_ns,        "performing the EHLO handshake")				\
	X(HELO,      smtp_helo_timeout_ns,        "performing the HELO handshake")				\
	X(LHLO,      smtp_helo_timeout_ns,        "performing the LHLO handshake")				\
	X(STARTTLS,  smtp_starttls_timeout_ns,    "sending STARTTLS")						\
	X(TLS,       smtp_starttls_timeout_ns,    "performing the TLS handshake")				\
	X(AUTH,      smtp_helo_timeout_ns,        "performing SASL authentication")				\
	X(OPEN,      NONE,                        "waiting for mail to send")					\
	X(QUIT,      smtp_quit_timeout_ns,        "sending QUIT")						\
	/* steps */												\
	X(XFORWARD_CLIENT, smtp_xforward_timeout_ns, "sending XFORWARD name/address")				\
	X(XFORWARD_DIALOGUE, smtp_xforward_timeout_ns, "sending XFORWARD protocol/helo_name")			\
	X(MAIL,      smtp_mail_timeout_ns,        "sending MAIL FROM")						\
	X(RCPT,      smtp_rcpt_timeout_ns,        "sending RCPT TO")						\
	X(DATA,      smtp_data_init_timeout_ns,   "sending DATA command")					\
	X(BODY,      smtp_data_xfer_timeout_ns,   "sending message body")					\
	X(PAUSE,     smtp_pix_workaround_delay_time_ns, "waiting before the final dot")				\
	X(CHUNK,     smtp_data_done_timeout_ns,   "sending a chunk of the message")			\
	X(FINAL_DOT, smtp_data_done_timeout_ns,   "sending end of data -- message may be sent more than once")	\
	X(RSET,      smtp_rset_timeout_ns,        "sending RSET")

enum session_state {
#define X(name, timeout, words) SESSION_##name,
	SESSION_STATES(X)
#undef X
	SESSION_COUNT
};

/* "MAIL", "FINAL_DOT" */
const char *session_state_name(enum session_state state);
/* "sending MAIL FROM" */
const char *session_state_words(enum session_state state);
/* What a peer's reply was an answer to, for "(in reply to MAIL FROM command)"; NULL for a state that is none. */
const char *session_state_command(enum session_state state);
