/* envelope.h - what MAIL and RCPT say about a message to this server (B 10, 11, 20)
 *
 *	MAIL FROM:<sender> SIZE= BODY= ENVID= RET= SMTPUTF8 REQUIRETLS
 *	RCPT TO:<recipient> ORCPT= NOTIFY=
 *
 * A parameter is sent when the server offers its extension and the message has something to say. ORCPT is sent for
 * every recipient whose original address is known, whether or not reports were asked for: whoever writes a report
 * behind us, then writes it about the address that the sender knows.
 *
 *	REQUIRETLS	is sent where it is offered (inside TLS only: session_hello.c). Who asked for it is not to have
 *			his content come back in a stranger's report: where it is not offered RET becomes HDRS (RFC 8689
 *			5)
 *	AUTH=<>		needs AUTH, which we do not speak yet
 *	SIZE		is left out when the content has to be changed for this server: the size of what it becomes is
 *			not known beforehand
 *
 * memory   lines go to the caller's str, all or nothing
 * errors   those of net/wire/smtp_command.h: -EINVAL and -EMSGSIZE, an address that no line can carry
 * never    changes a domain: U-labels stay U-labels (case 613)
 */
#pragma once

#include "net/mail/message.h"
#include "net/params.h"
#include "net/wire/smtp_ehlo.h"

enum envelope_flag {
	ENVELOPE_CHANGED	= BIT(0),	/* the content is, on its way */
	ENVELOPE_REQUIRETLS	= BIT(1),	/* it is asked for, and that is honoured */
	ENVELOPE_AUTHENTICATED	= BIT(2),	/* AUTH has been successful */
};

/* sender: the message's, or what it has been mapped to. flags: enum envelope_flag. */
int envelope_add_mail(struct str *out, const struct message *msg, struct slice sender, const struct smtp_caps *caps,
		      const struct params *params, unsigned flags);
/* addr: the recipient's, or what it has been mapped to; then ORCPT says who it was. */
int envelope_add_rcpt(struct str *out, const struct message *msg, const struct rcpt *rcpt, struct slice addr,
		      const struct smtp_caps *caps, const struct params *params);

/* Was SMTPUTF8 asked for, and can the message not go to these recipients (those that are open) without it? */
bool envelope_needs_smtputf8(const struct message *msg, const struct rcpt *rcpts, uint32_t count);
