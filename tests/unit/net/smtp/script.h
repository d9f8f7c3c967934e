/* script.h - words for scripts of a puppet, and questions that tests of sessions ask in common */
#pragma once

#include "tests/unit/net/smtp/stage.h"

#define GREET		{ NULL, "220 mx.test ESMTP\r\n", PUPPET_GO_ON }
#define EHLO(caps)	{ "EHLO client.test\r\n", caps, PUPPET_GO_ON }
#define PIPE		EHLO("250-mx.test\r\n250 PIPELINING\r\n")
#define PLAIN		EHLO("250 mx.test\r\n")
#define BYE		{ "QUIT\r\n", "221 bye\r\n", PUPPET_CLOSE }
#define RSET_BYE		{ "RSET\r\nQUIT\r\n", OK "221 bye\r\n", PUPPET_CLOSE } /* one group */
#define RSET		SAY("RSET\r\n", OK)
#define SAY(in, out)	{ in, out, PUPPET_GO_ON }
#define END		{ NULL, NULL, PUPPET_GO_ON }

#define MAIL		"MAIL FROM:<s@client.test>\r\n"
#define RCPT(who)	"RCPT TO:<" who "@example.org>\r\n"
#define DATA		"DATA\r\n"
#define TEXT		"Subject: x\r\n\r\nhello\r\n"
#define OK		"250 2.0.0 ok\r\n"
#define GO		"354 go on\r\n"

static inline struct mail *simple(const char *rcpts)
{
	return stage_mail("s@client.test", rcpts, TEXT);
}

static inline void assert_wire(unsigned conn, const char *octets)
{
	struct slice got = puppet_got(&stage.puppet, conn);

	if (!slice_eq(got, slice_of_str(octets)))
		fail_msg("the client sent\n\"%.*s\"\nand not\n\"%s\"", SLICE_FMT(got), octets);
}

static inline void assert_dsn(const struct mail *m, unsigned i, unsigned class, unsigned subject, unsigned detail)
{
	assert_int_equal(m->rcpts[i].dsn.class, class);
	assert_int_equal(m->rcpts[i].dsn.subject, subject);
	assert_int_equal(m->rcpts[i].dsn.detail, detail);
}
