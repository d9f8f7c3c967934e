#include "net/smtp/session_states.h"

const char *session_state_name(enum session_state state)
{
	static const char *const names[] = {
#define X(name, timeout, words) #name,
		SESSION_STATES(X)
#undef X
	};

	return names[state];
}

const char *session_state_words(enum session_state state)
{
	static const char *const phrases[] = {
#define X(name, timeout, words) words,
		SESSION_STATES(X)
#undef X
	};

	return phrases[state];
}

const char *session_state_command(enum session_state state)
{
	static const char *const commands[SESSION_COUNT] = {
		[SESSION_EHLO] = "EHLO command",	[SESSION_HELO] = "HELO command",
		[SESSION_LHLO] = "LHLO command",	[SESSION_STARTTLS] = "STARTTLS command",
		[SESSION_AUTH] = "AUTH command",
		[SESSION_XFORWARD_CLIENT] = "XFORWARD command", [SESSION_XFORWARD_DIALOGUE] = "XFORWARD command",
		[SESSION_MAIL] = "MAIL FROM command",	[SESSION_RCPT] = "RCPT TO command",
		[SESSION_DATA] = "DATA command",	[SESSION_FINAL_DOT] = "end of DATA command",
		[SESSION_CHUNK] = "BDAT command",
		[SESSION_BODY] = "end of DATA command",	[SESSION_RSET] = "RSET command",
	};

	return commands[state];
}
