/* rewrite.h - headers and body lines on their way out: checks, then addresses (B 12, B 13)
 *
 *	smtp_header_checks, smtp_mime_header_checks, smtp_nested_header_checks, smtp_body_checks
 *		each header and each line is asked about, see net/mail/header_checks.h
 *	smtp_generic_maps
 *		addresses in the message's own From, To and the like (not in parts, nor in attached messages) are
 *		mapped, see net/mail/generic.h. A header of which one was changed is written anew: display names and
 *		comments stay, lines break behind commas only, and are filled up to 69 octets. A header of which none
 *		was changed stays as it is
 *
 *	smtp_service_flags = D
 *		a message that has been where it is going, by its Delivered-To (in any case), fails: it is in a loop
 *
 * Whoever looks at headers also takes the blanks out of "Name :value".
 *
 *	rewrite_init(&r, &conf, memory, rewrite_memory(params));
 *	mime_init(..., &r.hooks);
 *
 * memory   rewrite_memory octets of the caller's, of which only as much is touched as headers are long: six times
 *	    header_size_limit
 * bounds   a header beyond header_size_limit is not looked at; of one with more than header_address_token_limit words
 *	    and marks, what stands behind stays as it is, and so does what would make it larger than the memory
 * errors   ERR_TABLE: a table gave no answer; the message must not go out like this. It has been logged. -ELOOP
 * waits    MIME_WAIT when a table of another process has been asked
 */
#pragma once

#include "net/mail/generic.h"
#include "net/mail/header_checks.h"
#include "net/mail/mime.h"
#include "net/wire/header.h"

enum rewrite_phase { REWRITE_BEGIN, REWRITE_LOOP, REWRITE_ASK, REWRITE_MAP };

struct rewrite_conf {
	const struct params *params;
	const struct generic_conf *generic;
	struct asker *asker;		/* may be NULL when no table needs it */
	struct mail_log *log;
	struct slice delivered_to;	/* with D in smtp_service_flags: the only recipient, internal form; or empty */
};

/* A header that is being written anew. */
struct rewrite_list {
	struct header_list list;
	struct header_element element;
	bool has_element;		/* it is being mapped */
	char separator;			/* of the element before; 0: it is the first */
	size_t begin;			/* in the text that goes out */
	size_t line;			/* its last line begins there, without TAB */
	size_t piece;			/* and what stands behind its last comma there; 0: nothing does */
	const char *end;		/* of what is read */
	bool is_changed;
	bool is_cut;			/* not all of it could be mapped */
	struct generic generic;
	char internal_text[GENERIC_ADDR_MAX];
	char wire_text[GENERIC_KEY_MAX];
};

struct rewrite {
	struct mime_hooks hooks;
	/* private */
	struct rewrite_conf conf;
	enum rewrite_phase phase;
	const struct maps *checks;	/* for what is being looked at */
	const char *checks_name;
	bool is_primary;
	bool is_changed;
	struct str field;		/* what is looked at: a header with LF between its lines, or a body line */
	struct str value;		/* what the checks said */
	struct str out;
	struct slice subject;		/* the header as it is now, in field or value; len 0: it is gone */
	struct rewrite_list list;
};

/* Does any message have to pass? */
bool rewrite_is_wanted(const struct params *params);

/* Do parts and attached messages have to be told apart? Not for the message's own header alone (B 12). */
bool rewrite_wants_structure(const struct params *params);

size_t rewrite_memory(const struct params *params);

/* conf is copied; what it names has to stay. */
void rewrite_init(struct rewrite *r, const struct rewrite_conf *conf, void *memory, size_t size);
