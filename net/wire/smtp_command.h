/* smtp_command.h - SMTP commands in both directions (RFC 5321 4.1.1 and its extensions)
 *
 *	mail = "MAIL FROM:" *SP "<" [ path ] ">" *( SP parameter )
 *	rcpt = "RCPT TO:"   *SP "<" path ">"     *( SP parameter )
 *	bdat = "BDAT" SP size [ SP "LAST" ]
 *	parameter = keyword [ "=" value ]
 *
 * Reading is strict, but for blanks behind the colon and at the end of a line. Writing trusts
 * nobody: a finished line is looked at once more, and one that holds CR, LF or NUL before its end,
 * or whose path does not end where we meant it to, is an error and never leaves (rows INJ-01,
 * INJ-03).
 *
 * bounds   SMTP_COMMAND_SEND_MAX octets a line we write; smtp_command_line bounds what we read
 * memory   parsed slices point into the line; written lines go to the caller's str, all or nothing
 * errors   reading: enum smtp_command_error, each with the reply it deserves; writing: -EINVAL,
 *          -EMSGSIZE, -ENOBUFS (str full)
 * never    keeps state: which command may follow which is the listener's and the session's business
 */
#pragma once

#include "core/str.h"
#include "net/wire/address.h"
#include "net/wire/smtp_ehlo.h"

/* RFC 5321 gives a line 512 octets, the extensions we speak 653 more to MAIL and 500 to RCPT. We do
 * not judge in the peer's place (case 402): the bound is for lines that no address can explain. */
#define SMTP_COMMAND_SEND_MAX	2048u

#define SMTP_ENVID_MAX		100u	/* in xtext, RFC 3461 4.4 */
#define SMTP_ORCPT_MAX		500u	/* in xtext, RFC 3461 4.2 */

enum smtp_body { SMTP_BODY_UNKNOWN, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };

enum smtp_notify {
	SMTP_NOTIFY_NEVER	= BIT(0),
	SMTP_NOTIFY_SUCCESS	= BIT(1),
	SMTP_NOTIFY_FAILURE	= BIT(2),
	SMTP_NOTIFY_DELAY	= BIT(3),
};

/* --- writing ---------------------------------------------------------------------------------- */

/* What is zero or empty is not sent. */
struct smtp_mail {
	struct slice sender;		/* wire form; empty: the null sender */
	bool has_size;
	bool smtputf8;
	bool requiretls;
	bool auth_empty;		/* AUTH=<> */
	uint64_t size;
	enum smtp_body body;
	enum smtp_ret ret;
	/* decoded; left out when its xtext is over SMTP_ENVID_MAX */
	struct slice envid;
};

struct smtp_rcpt {
	struct slice rcpt;		/* wire form */
	/* decoded, "type;address"; left out when over SMTP_ORCPT_MAX or "utf-8;" and no UTF-8 */
	struct slice orcpt;
	uint32_t notify;		/* enum smtp_notify */
};

enum smtp_verb {
	SMTP_VERB_NONE,
	SMTP_VERB_HELO, SMTP_VERB_EHLO, SMTP_VERB_MAIL, SMTP_VERB_RCPT, SMTP_VERB_DATA,
	SMTP_VERB_BDAT, SMTP_VERB_RSET, SMTP_VERB_NOOP, SMTP_VERB_QUIT, SMTP_VERB_VRFY,
	SMTP_VERB_EXPN, SMTP_VERB_HELP, SMTP_VERB_STARTTLS, SMTP_VERB_AUTH, SMTP_VERB_XFORWARD,
	SMTP_VERB_LHLO,			/* of LMTP (RFC 2033): written, and unknown when read */
	SMTP_VERB_COUNT
};

/* Each adds one line with its CRLF, or leaves out as it was. */
int smtp_command_add_mail(struct str *out, const struct smtp_mail *mail);
int smtp_command_add_rcpt(struct str *out, const struct smtp_rcpt *rcpt);
/* verb: EHLO, HELO or LHLO. */
int smtp_command_add_hello(struct str *out, enum smtp_verb verb, struct slice name);
int smtp_command_add_bdat(struct str *out, uint64_t size, bool last);
/* A verb that takes nothing: DATA, RSET, QUIT... */
int smtp_command_add_plain(struct str *out, enum smtp_verb verb);

/* "MAIL", "BDAT"... */
const char *smtp_verb_name(enum smtp_verb verb);

/* --- reading ---------------------------------------------------------------------------------- */

enum smtp_command_error {
	SMTP_COMMAND_OK,
	SMTP_COMMAND_UNKNOWN,		/* 500: no such verb, or octets no command has */
	/* the verb of another protocol (HTTP): close at once (row LIS-03) */
	SMTP_COMMAND_FOREIGN,
	SMTP_COMMAND_NOT_OFFERED,	/* 502: of an extension that was not announced */
	SMTP_COMMAND_SYNTAX,		/* 501 */
	SMTP_COMMAND_SENDER,		/* 501 5.1.7: the path of MAIL */
	SMTP_COMMAND_RCPT,		/* 501 5.1.3: the path of RCPT */
	SMTP_COMMAND_NEEDS_UTF8,	/* 553 5.6.7: an address beyond ASCII without SMTPUTF8 */
	SMTP_COMMAND_PARAM,		/* 501: a parameter's value, or given twice */
	SMTP_COMMAND_PARAM_VALUE,	/* 504: a value of an extension that was not announced */
	SMTP_COMMAND_PARAM_UNKNOWN,	/* 555: no such parameter, or not announced */
	SMTP_COMMAND_ERROR_COUNT
};

enum smtp_param {
	SMTP_PARAM_SIZE		= BIT(0),
	SMTP_PARAM_BODY		= BIT(1),
	SMTP_PARAM_ENVID	= BIT(2),
	SMTP_PARAM_RET		= BIT(3),
	SMTP_PARAM_SMTPUTF8	= BIT(4),
	SMTP_PARAM_REQUIRETLS	= BIT(5),
	SMTP_PARAM_AUTH		= BIT(6),
	SMTP_PARAM_ORCPT	= BIT(7),
	SMTP_PARAM_NOTIFY	= BIT(8),
};

struct smtp_command {
	enum smtp_verb verb;
	/* everything behind the verb, without blanks at both ends */
	struct slice argument;
	/* MAIL, RCPT: path.mailbox is empty for "<>"; "Postmaster" may stand without domain */
	struct address path;
	uint32_t params;		/* enum smtp_param: what was given */
	uint64_t size;			/* more than fits is UINT64_MAX: too big in any case */
	enum smtp_body body;
	enum smtp_ret ret;
	uint32_t notify;		/* enum smtp_notify */
	struct slice envid;		/* xtext, safe to decode */
	struct slice orcpt;		/* "type;" and xtext, safe to decode with smtp_orcpt_decode */
	struct slice auth;		/* xtext or "<>", not believed by anyone without a policy */
	/* BDAT */
	uint64_t chunk_size;
	bool chunk_last;
};

/* line: without its CRLF. offered: what we announced (enum smtp_cap). *ret_command is set also on
 * failure, as far as it was understood: verb tells what failed. */
enum smtp_command_error smtp_command_parse(
	struct slice line, uint32_t offered, struct smtp_command *ret_command);

/* Adds "type;address", decoded: from xtext, or with "utf-8;" from utf-8-addr-xtext (RFC 6533 3). */
void smtp_orcpt_decode(struct str *out, struct slice orcpt);

/* The reply to a command that did not parse, without CRLF: "500 5.5.2 Command not recognised". */
const char *smtp_command_error_reply(enum smtp_command_error error);
