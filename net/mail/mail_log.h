/* mail_log.h - lines for those who do not log themselves
 *
 * net/mail says what there is to say; who asked for it knows the message, and writes the line behind its queue id.
 */
#pragma once

#include "core/str.h"

#define MAIL_LOG_ABOUT_MAX 60u	/* octets of what it is about, as Postfix */

struct mail_log {
	void (*line)(struct mail_log *log, bool is_warning, struct slice text);
};

/* A warning: what, and the beginning of what it is about, made printable. */
static inline void mail_log_warn(struct mail_log *log, const char *what, struct slice about)
{
	char storage[256];
	struct str line = STR(storage);

	str_add_cstr(&line, what);
	str_add_printable(&line, about, MAIL_LOG_ABOUT_MAX);
	log->line(log, true, str_slice(&line));
}
