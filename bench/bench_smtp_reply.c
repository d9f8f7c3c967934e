/* bench_smtp_reply.c - what reading a server's answers costs
 *
 * One message on a kept session brings about four replies: MAIL, RCPT, DATA, final dot. At 50,000
 * messages a second and core a reply may take 100 ns and still cost 2 % of that core.
 */
#include "bench/gbench.h"
#include "core/base.h"
#include "net/wire/smtp_reply.h"

static const char short_reply[] = "250 ok\r\n";

static const char usual_reply[] =
	"250 2.0.0 Ok: queued as 4XkJ3n5Qv2z1Rf\r\n";

static const char ehlo_reply[] =
	"250-mx1.mail.example.test Hello client.example.test [192.0.2.17]\r\n"
	"250-SIZE 52428800\r\n"
	"250-8BITMIME\r\n"
	"250-PIPELINING\r\n"
	"250-STARTTLS\r\n"
	"250-ENHANCEDSTATUSCODES\r\n"
	"250-CHUNKING\r\n"
	"250 SMTPUTF8\r\n";

/* A whole transaction's answers as pipelining brings them: in one piece. */
static const char group_of_replies[] =
	"250 2.1.0 Ok\r\n"
	"250 2.1.5 Ok\r\n"
	"354 End data with <CR><LF>.<CR><LF>\r\n"
	"250 2.0.0 Ok: queued as 4XkJ3n5Qv2z1Rf\r\n";

static const char refusal[] =
	"550-5.7.1 [192.0.2.17] Our system has detected that this message is\r\n"
	"550-5.7.1 likely unsolicited mail. To reduce the amount of spam sent,\r\n"
	"550 5.7.1 this message has been blocked. https://example.test/blocked\r\n";

static const struct {
	const char *name;
	const char *text;
	int replies;
} cases[] = {
	{ "smtp_reply/short",	short_reply,		1 },
	{ "smtp_reply/usual",	usual_reply,		1 },
	{ "smtp_reply/ehlo",	ehlo_reply,		1 },
	{ "smtp_reply/group",	group_of_replies,	4 },
	{ "smtp_reply/refusal",	refusal,		1 },
};

/* Returns how many whole replies text holds, or a negative error. */
static int feed_all(struct smtp_reply_parser *parser, const char *text, size_t len, size_t cut)
{
	int replies = 0;

	for (size_t done = 0; done < len; done += cut) {
		struct slice in = slice_of(text + done, MIN(cut, len - done));

		while (in.len > 0) {
			struct smtp_reply reply;
			int r = smtp_reply_feed(parser, &in, &reply);

			if (r < 0)
				return r;
			replies += r;
			gbench_keep(&reply);
		}
	}
	return replies;
}

static void run_case(struct gbench *b, int64_t which, size_t cut)
{
	static struct smtp_reply_parser parser;
	size_t len = strlen(cases[which].text);

	smtp_reply_parser_init(&parser);
	while (gbench_next(b)) {
		if (feed_all(&parser, cases[which].text, len, cut) != cases[which].replies) {
			gbench_fail(b, "the parser sees something else than we wrote");
			return;
		}
	}
	gbench_set_bytes(b, (int64_t)len);
	gbench_set_items(b, cases[which].replies);
}

static void bench_whole(struct gbench *b, int64_t which)
{
	run_case(b, which, strlen(cases[which].text));
}

/* The worst that a peer can do to us: a segment for every octet. */
static void bench_octets(struct gbench *b, int64_t which)
{
	run_case(b, which, 1);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		gbench_register_case(cases[i].name, bench_whole, (int64_t)i);
	gbench_register_case("smtp_reply/ehlo_by_octets", bench_octets, 2);
	return gbench_main(argc, argv);
}
