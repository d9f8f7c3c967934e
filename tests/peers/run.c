#include "tests/peers/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/str.h"
#include "tests/sim/world.h"

#define RCPTS_MAX	5u
#define RUN_CPU_S	60
#define FINISH_LIMIT_NS	(6 * 86400 * NS_PER_SEC)
#define BETWEEN_NS	(500 * NS_PER_MS)
#define TAKEN_MAX	KIB(64)

struct letter {
	struct world_mail mail;
	struct rcpt rcpts[RCPTS_MAX];
	char addrs[RCPTS_MAX][32];
	char outcome[RCPTS_MAX + 1];	/* first answers */
	char dsn[24];			/* of the first that is not sent */
	unsigned answers;		/* first ones */
	bool sent[RCPTS_MAX];
	bool bounced[RCPTS_MAX];
	unsigned maybe[RCPTS_MAX];	/* ambiguous answers */
	uint64_t offered_ns;
	uint64_t answered_ns;		/* the last of the first answers */
};

/* One row, one size, with or without a second host. */
struct run {
	const struct family_row *row;
	struct run_way way;
	bool failed;
	struct peer hostile;
	struct peer honest;
	struct sim_host *host;
	unsigned attempts;
	unsigned rcpt_count;
	char *content;
	size_t content_len;
	uint64_t digest;
	struct letter letters[2];
	unsigned status_lines;
	unsigned outcomes;
};

static void complain(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void complain(struct run *run, const char *fmt, ...)
{
	va_list args;

	printf("#   %s%ssegments of %u: ", run->way.tls ? "in TLS, " : "", run->way.second ? "with a second host, " : "",
	       run->way.segment);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	run->failed = true;
}

/* --- mail ------------------------------------------------------------------------------------- */

static void make_content(struct run *run)
{
	size_t size = run->row->content != 0 ? run->row->content : 200;
	char *p = malloc(size + 120);
	size_t len = 0;

	ASSERT(p != NULL);
	while (len < size)
		len += (size_t)snprintf(p + len, 100, "%zu: the quick brown fox jumps over the lazy dog, and so on.\r\n", len);
	run->content = p;
	run->content_len = len;
	run->digest = peer_digest(PEER_DIGEST_START, slice_of(p, len));
}

static void on_rcpt(struct world_mail *mail, const struct attempt *a, const struct rcpt *rcpt,
		    enum maillog_status status)
{
	struct letter *l = container_of(mail, struct letter, mail);
	struct run *run = mail->context;
	size_t i = (size_t)(rcpt - l->rcpts);

	(void)a;
	run->outcomes++;
	if (run->way.verbose)
		printf("#   %9.3f %s %d %u.%u.%u (%.*s)%s\n", (double)sim_now() / (double)NS_PER_SEC, l->addrs[i], status,
		       rcpt->dsn.class, rcpt->dsn.subject, rcpt->dsn.detail, SLICE_FMT(rcpt->text),
		       rcpt->ambiguous ? " ambiguous" : "");
	l->sent[i] |= status == MAILLOG_SENT;
	l->bounced[i] |= status == MAILLOG_BOUNCED;
	l->maybe[i] += rcpt->ambiguous;
	if (l->outcome[i] != ' ')
		return;
	l->outcome[i] = status == MAILLOG_SENT ? 's' : status == MAILLOG_BOUNCED ? 'b' : rcpt->ambiguous ? 'a' : 'd';
	if (status != MAILLOG_SENT && l->dsn[0] == '\0')
		(void)snprintf(l->dsn, sizeof(l->dsn), "%u.%u.%u", rcpt->dsn.class, rcpt->dsn.subject,
			       rcpt->dsn.detail); /* fits */
	l->answers++;
	l->answered_ns = sim_now();
}

static void offer(struct run *run, unsigned number)
{
	struct letter *l = &run->letters[number];

	for (unsigned i = 0; i < run->rcpt_count; i++) {
		(void)snprintf(l->addrs[i], sizeof(l->addrs[i]), "m%u-r%u@example.org", number + 1, i + 1); /* fits */
		l->rcpts[i].addr = slice_of_str(l->addrs[i]);
		l->outcome[i] = ' ';
	}
	l->mail.msg.sender = SLICE("s@client.test");
	l->mail.msg.rcpts = l->rcpts;
	l->mail.msg.rcpt_count = run->rcpt_count;
	l->mail.content = slice_of(run->content, run->content_len);
	l->mail.on_rcpt = on_rcpt;
	l->mail.context = run;
	l->offered_ns = sim_now();
	world_offer(&l->mail);
}

/* --- the world -------------------------------------------------------------------------------- */

static enum sim_answer on_connect(struct sim_host *host, struct sim_conn *c)
{
	struct run *run = container_of((struct peer *)host->context, struct run, hostile);
	bool first = run->attempts++ == 0;

	sim_link_of(c)->segment_to_engine = run->way.segment;
	sim_link_of(c)->segment_to_peer = run->way.segment;
	if (run->attempts <= run->row->refused)
		return SIM_REFUSE;
	if (!first)
		return SIM_ACCEPT;
	*sim_link_of(c) = run->row->link;
	sim_link_of(c)->segment_to_engine = run->way.segment;
	sim_link_of(c)->segment_to_peer = run->way.segment;
	return run->row->answer;
}

/* What a server said stays one line, and printable. */
static void on_log(void *context, const char *level, const char *program, struct slice text)
{
	struct run *run = context;

	if (run->way.verbose)
		printf("#   %9.3f %s %s %.*s\n", (double)sim_now() / (double)NS_PER_SEC, level, program, SLICE_FMT(text));
	if (strcmp(level, "panic") == 0 || strcmp(level, "fatal") == 0)
		complain(run, "the log says %s: %.*s", level, SLICE_FMT(text));
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
			complain(run, "octet %02x in a line of the log", (unsigned char)text.ptr[i]);
	if (memmem(text.ptr, text.len, FAMILY_SECRET, strlen(FAMILY_SECRET)) != NULL)
		complain(run, "the secret is in the log: %.*s", SLICE_FMT(text));
	run->status_lines += memmem(text.ptr, text.len, ": to=<m", 7) != NULL;
}

static void open_peers(struct run *run)
{
	const struct family_row *row = run->row;
	uint32_t offers = SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_ENHANCEDSTATUSCODES;

	if (row->flags & FAMILY_NO_PIPELINING)
		offers &= ~(uint32_t)SMTP_CAP_PIPELINING;
	if (row->flags & FAMILY_BDAT)
		offers |= SMTP_CAP_CHUNKING;
	if (row->flags & FAMILY_AUTH)
		offers |= SMTP_CAP_AUTH;
	peer_init(&run->hostile, "mx1", offers);
	run->hostile.secret = FAMILY_SECRET;
	peer_init(&run->honest, "mx2", offers);
	run->hostile.lmtp = run->honest.lmtp = row->flags & FAMILY_LMTP;
	run->hostile.tls = run->honest.tls = run->way.tls;
	run->hostile.no_ehlo = row->flags & FAMILY_NO_EHLO;
	run->hostile.tricks = row->tricks;
	while (run->hostile.trick_count < FAMILY_TRICKS_MAX && row->tricks[run->hostile.trick_count].connection != 0)
		run->hostile.trick_count++;
	run->host = sim_host_add("192.0.2.1", 25, &peer_program, &run->hostile);
	run->host->on_connect = on_connect;
	(void)sim_host_add("192.0.2.2", 25, &peer_program, &run->honest);
	(void)zone_add("example.org", "MX", "10 mx1");
	(void)zone_add("mx1", "A", "192.0.2.1");
	if (run->way.second) {
		(void)zone_add("example.org", "MX", "20 mx2");
		(void)zone_add("mx2", "A", "192.0.2.2");
	}
}

static bool is_answered(void *context)
{
	const struct run *run = context;

	return run->letters[0].answers == run->rcpt_count;
}

/* --- what has to be true ---------------------------------------------------------------------- */

/* d and a move on to the second host, where they are sent; ? may have been either. */
static bool fits(const struct run *run, unsigned i, char outcome)
{
	char wanted = run->row->outcome[i];

	if (run->way.second && wanted == '?')
		return true;
	if (run->way.second && (wanted == 'd' || wanted == 'a'))
		wanted = 's';
	if (wanted == '?')
		return outcome != 's';
	return wanted == '*' ? outcome != 'b' : wanted == outcome;
}

static void check_answers(struct run *run)
{
	const struct letter *l = &run->letters[0];
	uint64_t took = l->answered_ns - l->offered_ns;
	uint32_t limit_s = run->row->limit_s != 0 ? run->row->limit_s : 2;
	bool no_handshake = run->way.tls && (run->row->flags & FAMILY_NO_HANDSHAKE);
	const char *wanted = no_handshake ? "4.7.5" : run->row->dsn;
	bool as_wanted = true;

	for (unsigned i = 0; i < run->rcpt_count; i++)
		as_wanted &= fits(run, i, l->outcome[i]);
	if (!as_wanted)
		complain(run, "outcome %s%s, expected %s, dsn %s", l->outcome, run->way.second ? " (with the second host)" : "",
			 run->row->outcome, l->dsn);
	else if (wanted != NULL && !run->way.second && strcmp(wanted, l->dsn) != 0)
		complain(run, "dsn %s, expected %s", l->dsn, wanted);
	if (took > (limit_s + 1) * NS_PER_SEC)
		complain(run, "took %.3f s, of %u", (double)took / (double)NS_PER_SEC, limit_s);
}

static uint64_t digest_of(const struct peer *peer, struct slice rcpt, bool *ret_all_equal, uint64_t digest)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < peer->commits; i++) {
		if (!slice_eq(peer->ledger[i].rcpt, rcpt))
			continue;
		n++;
		*ret_all_equal &= peer->ledger[i].digest == digest;
	}
	return n;
}

static void check_rcpt(struct run *run, const struct letter *l, unsigned i)
{
	struct slice rcpt = slice_of_str(l->addrs[i]);
	bool all_equal = true;
	uint64_t commits = digest_of(&run->hostile, rcpt, &all_equal, run->digest) +
			   digest_of(&run->honest, rcpt, &all_equal, run->digest);

	if (l->sent[i] && l->bounced[i])
		complain(run, "%s is sent and bounced", l->addrs[i]);
	else if (!l->sent[i] && !l->bounced[i])
		complain(run, "%s is never settled", l->addrs[i]);
	if (l->sent[i] && commits == 0)
		complain(run, "%s is sent, and nobody has it", l->addrs[i]);
	if (!all_equal)
		complain(run, "%s got other octets than were offered", l->addrs[i]);
	/* With a second host, the first one's answer is not told to us. */
	if (commits > 1 + l->maybe[i] && run->row->outcome[i] != '?' &&
	    !(run->way.second && run->row->outcome[i] == 'a'))
		complain(run, "%s is committed %u times", l->addrs[i], (unsigned)commits);
}

static void check_reuse(struct run *run)
{
	unsigned connections = run->hostile.connections + run->honest.connections;

	if (run->way.second)
		return;
	if (run->row->flags & FAMILY_REUSE && connections != 1)
		complain(run, "%u connections for two mails", connections);
	if (run->row->flags & FAMILY_NO_REUSE && connections < 2)
		complain(run, "the connection is used again");
}

static void check_all(struct run *run)
{
	for (unsigned m = 0; m < 2; m++)
		for (unsigned i = 0; i < run->rcpt_count; i++)
			check_rcpt(run, &run->letters[m], i);
	check_reuse(run);
	if (run->status_lines != run->outcomes)
		complain(run, "%u lines of the log for %u outcomes", run->status_lines, run->outcomes);
	if (!(run->row->flags & FAMILY_UNRULY) && run->hostile.violation_count > 0)
		complain(run, "the client: %s", run->hostile.violations[0]);
	if (run->hostile.octets_taken > (run->row->taken_max != 0 ? run->row->taken_max : TAKEN_MAX))
		complain(run, "%llu octets were taken", (unsigned long long)run->hostile.octets_taken);
	if ((run->row->flags & FAMILY_NO_SECRET) && (run->hostile.secret_heard & BIT(0)))
		complain(run, "the hostile server has heard the secret");
	if (run->honest.violation_count > 0)
		complain(run, "the client, to the second host: %s", run->honest.violations[0]);
}

static const char in_tls[] =
	"smtp_tls_security_level = encrypt\nsmtp_tls_wrappermode = yes\nsmtp_tls_connection_reuse = yes\n"
	"smtp_tls_session_cache_database = btree:scache\n"
	"lmtp_tls_security_level = encrypt\nlmtp_tls_wrappermode = yes\nlmtp_tls_connection_reuse = yes\n";

bool run_row(const struct family_row *row, const struct run_way *way)
{
	struct run *run = calloc(1, sizeof(*run));
	char conf_text[2048];
	struct world_conf conf = { .on_log = on_log, .context = run, .main_cf = conf_text,
				   .sessions_max = 64, .destinations_max = 64,
				   .tls_ca = way->tls ? TEST_PKI "/root.pem" : NULL };

	ASSERT(run != NULL);
	*run = (struct run){ .row = row, .way = *way };
	run->rcpt_count = (unsigned)strlen(row->outcome);
	(void)snprintf(conf_text, sizeof(conf_text), "%s\n%s", row->conf != NULL	     ? row->conf :
		       row->flags & FAMILY_LMTP ? "default_transport = lmtp:inet:mx1:25\n"
						  "lmtp_connection_cache_destinations = inet:mx1:25\n" :
						  "smtp_connection_cache_destinations = example.org\n",
		       way->tls ? in_tls : ""); /* fits */
	make_content(run);
	tape_record(1);
	if (world_start(&conf) > 0)
		complain(run, "main.cf is wrong");
	open_peers(run);
	offer(run, 0);
	if (!world_run(FINISH_LIMIT_NS, is_answered, run))
		complain(run, "no answer in six days");
	check_answers(run);
	(void)world_run(BETWEEN_NS, NULL, NULL);
	offer(run, 1);
	if (!world_run_finished(FINISH_LIMIT_NS))
		complain(run, "mail is left after six days");
	(void)world_run(30 * NS_PER_SEC, NULL, NULL);
	check_all(run);
	if (!run->failed && !world_stop(FINISH_LIMIT_NS))
		complain(run, "the engine does not come to an end");
	bool ok = !run->failed;

	peer_done(&run->hostile);
	peer_done(&run->honest);
	free(run->content);
	free(run);
	return ok;
}

bool run_alone(bool fn(const void *context, bool verbose), const void *context, bool verbose)
{
	int status = 0;

	(void)fflush(stdout);
	pid_t child = fork();

	if (child == 0) {
		(void)alarm(RUN_CPU_S);
		bool ok = fn(context, verbose);

		(void)fflush(stdout);
		_exit(ok ? 0 : 1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	if (WIFSIGNALED(status))
		printf("#   ended by signal %d\n", WTERMSIG(status));
	return status == 0;
}
