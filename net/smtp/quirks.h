/* quirks.h - work-arounds for servers, each with a name and a reason
 *
 *	disable_esmtp	Cisco PIX firewalls with "smtp fixup" let no extension pass, and some drop the connection at
 *			EHLO: say HELO
 *	delay_dotcrlf	some of them lose a message whose <CR><LF>.<CR><LF> is spread over two packets: let the last
 *			octet of the body arrive alone, wait, then send the dot. It costs seconds a message, so only
 *			messages that have already waited get it
 *
 * The firewall gives itself away: it writes asterisks over all of the server's greeting but some digits.
 *
 * never    logs
 */
#pragma once

#include "net/params.h"

enum quirk {
	QUIRK_DISABLE_ESMTP = BIT(0),
	QUIRK_DELAY_DOTCRLF = BIT(1),
};

/* greeting: a reply's text, codes included. */
bool quirks_greeting_is_masked(struct slice greeting);

/* A list of names; those we do not know are passed over. */
uint32_t quirks_of_list(struct slice list);
void quirks_add_names(struct str *out, uint32_t quirks);

/* Those of a server with such a greeting: found and value are what smtp_pix_workaround_maps has said of its address;
 * else smtp_pix_workarounds. */
uint32_t quirks_of_answer(const struct params *p, int found, struct slice value);

/* Keywords of an EHLO reply to be ignored, as bits (net/wire/smtp_ehlo.h). */
struct quirks_discard {
	uint32_t caps;
	bool silent;		/* not worth a line in the log */
};

/* The words of smtp_discard_ehlo_keywords. */
struct quirks_discard quirks_discard_of_list(struct slice list);

/* For a server: found (1 or 0) and value are what smtp_discard_ehlo_keyword_address_maps has said of its address; else
 * smtp_discard_ehlo_keywords. */
struct quirks_discard quirks_discard_of_answer(const struct params *p, int found, struct slice value);
