/* added.h - headers on top of a message, for programs behind an LMTP server or a last hop (smtp_service_flags, B 14)
 *
 *	R	Return-Path: <sender>
 *	O	X-Original-To: the address before anything rewrote it
 *	D	Delivered-To: recipient
 *
 * In this order, in front of all that is there; addresses mapped (net/mail/generic.h) and quoted. A stage that gives on
 * what comes behind as it is, so it stands behind the one that looks at headers: these are not looked at.
 *
 * errors   ERR_TABLE: a table gave no answer. It has been logged
 */
#pragma once

#include "net/mail/generic.h"
#include "net/mail/mail_log.h"
#include "net/mail/stage.h"

#define ADDED_LINE_MAX (GENERIC_KEY_MAX + 32u)

struct added_conf {
	const struct generic_conf *generic;
	struct asker *asker;		/* may be NULL when no table needs it */
	struct mail_log *log;
	struct slice sender;		/* internal forms; they have to stay */
	const struct rcpt *rcpt;	/* the only one; NULL: O and D have nothing to say */
};

struct added {
	struct stage stage;
	/* private */
	struct added_conf conf;
	unsigned line;			/* the one to be written next */
	bool is_begun;			/* its address is being mapped */
	struct generic generic;
	char text[ADDED_LINE_MAX];
};

static inline bool added_is_wanted(const struct params *p)
{
	return params_service_flag(p, 'R') || params_service_flag(p, 'O') || params_service_flag(p, 'D');
}

/* conf is copied. */
void added_init(struct added *a, const struct added_conf *conf);
