#include "tests/dialogue/play.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/dialogue/letter.h"
#include "tests/dialogue/server.h"
#include "tests/dialogue/text.h"
#include "tests/peers/tls_server.h"
#include "tests/sim/world.h"

#define TRANSCRIPT_MAX	MIB(1)
/* A sanitizer walks through every pool at the start, so they are small. */
#define SESSIONS_MAX	256u
#define DESTINATIONS_MAX 256u
#define PLAY_LIMIT_NS	(8 * 86400 * NS_PER_SEC)	/* longer than any queue lifetime */
#define AFTERWARDS_NS	NS_PER_SEC			/* time for what should not come any more */
#define DRAIN_LIMIT_NS	(86400 * NS_PER_SEC)
#define LATE_NS		(3 * NS_PER_SEC / 2)		/* "after 5s" */

struct play {
	struct script *script;
	struct server *servers;
	struct letter *letters;
	uint64_t begin_ns;
	unsigned tried;
	unsigned busiest;
	unsigned letter_next;		/* the first one not yet offered */
	bool failed;
	bool over;			/* all has been seen: the rest is cleaning up */
	bool verbose;
	struct str transcript;
	struct slice *log;
	unsigned log_count;
};

/* --- telling ---------------------------------------------------------------------------------- */

const struct script *play_of(const struct play *play)
{
	return play->script;
}

bool play_has_failed(const struct play *play)
{
	return play->failed;
}

void play_tell(struct play *play, const char *fmt, ...)
{
	char line[2048];
	double now = (double)(sim_now() - play->begin_ns) / (double)NS_PER_SEC;
	int head = snprintf(line, sizeof(line), "  %9.3f  ", now);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line + head, sizeof(line) - (size_t)head, fmt, args); /* cut is good enough */
	va_end(args);
	if (play->verbose)
		puts(line);
	else if (play->transcript.len + strlen(line) + 1 < play->transcript.cap)
		str_printf(&play->transcript, "%s\n", line);
}

__attribute__((format(printf, 3, 0)))
static void fail_at(struct play *play, unsigned line, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));

static void fail_at(struct play *play, unsigned line, const char *fmt, va_list args)
{
	play->failed = true;
	(void)fwrite(play->transcript.ptr, 1, play->transcript.len, stdout);
	str_clear(&play->transcript);
	printf("%s:%u: ", play->script->path, line);
	vprintf(fmt, args);
	printf("\n");
}

void play_fail(struct play *play, unsigned line, const char *fmt, ...)
{
	va_list args;

	if (play->failed)
		return;
	va_start(args, fmt);
	fail_at(play, line, fmt, args);
	va_end(args);
}

const struct slice *play_wire(const struct play *play, struct slice name)
{
	const struct letter *letter = letter_named(play->letters, play->script->message_count, name);

	return letter != NULL ? &letter->wire_dot : NULL;
}

const struct slice *play_content(const struct play *play, struct slice name)
{
	const struct letter *letter = letter_named(play->letters, play->script->message_count, name);

	return letter != NULL ? &letter->script->content : NULL;
}

void play_count_busy(struct play *play)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < play->script->session_count; i++)
		busy += server_is_busy(&play->servers[i]);
	play->busiest = MAX(play->busiest, busy);
}

/* --- connections ------------------------------------------------------------------------------ */

static const char *show_addr(const struct addr *a)
{
	static char text[ADDR_TEXT_MAX];
	struct str out = STR(text);

	if (a->sa.sa_family == AF_UNSPEC)
		return "wherever its kernel chooses";
	addr_add_ip(&out, a);
	if (a->sa.sa_family != AF_UNIX)
		str_printf(&out, " port %u", addr_port(a));
	return str_cstr(&out);
}

/* The session that a connection to this address begins, or NULL. */
static struct server *server_for(struct play *play, const struct addr *addr)
{
	for (unsigned i = 0; i < play->script->session_count; i++) {
		struct server *s = &play->servers[i];

		if (s->begun)
			continue;
		if (s->session->any_address || addr_eq(&s->session->addr, addr))
			return s;
		if (!s->session->any_order)
			return NULL;
	}
	return NULL;
}

static void check_tried(struct play *play, const struct addr *addr)
{
	const struct script *script = play->script;

	if (script->tried_count == 0)
		return;
	if (play->tried == script->tried_count)
		play_fail(play, script->tried[play->tried - 1].line, "one more address is tried: %s", show_addr(addr));
	else if (!addr_eq(&script->tried[play->tried].addr, addr))
		play_fail(play, script->tried[play->tried].line, "address %u to be tried is another one: %s",
			  play->tried + 1, show_addr(addr));
	play->tried++;
}

static struct script_host *script_host(struct play *play, const struct addr *addr)
{
	for (unsigned i = 0; i < play->script->host_count; i++)
		if (addr_eq(&play->script->hosts[i].addr, addr))
			return &play->script->hosts[i];
	return NULL;
}

static enum sim_answer answer_of(struct play *play, struct script_host *host)
{
	host->tried = true;
	switch (host->manner) {
	case HOST_REFUSE:
		return SIM_REFUSE;
	case HOST_BLACKHOLE:
		return SIM_BLACKHOLE;
	case HOST_UNREACHABLE:
		return SIM_UNREACHABLE;
	case HOST_NEVER:
		play_fail(play, host->line, "there is a connection to this address");
		return SIM_REFUSE;
	}
	UNREACHABLE();
}

static void check_from(struct play *play, const struct script_session *session, const struct addr *from)
{
	bool same = session->from.sa.sa_family == from->sa.sa_family &&
		    (from->sa.sa_family == AF_UNSPEC || addr_eq_ip(&session->from, from));

	if (session->is_from && !same)
		play_fail(play, session->line, "this connection comes from %s", show_addr(from));
}

static enum sim_answer on_connect(struct sim_host *sim, struct sim_conn *c)
{
	struct play *play = sim->context;
	struct script_host *host = script_host(play, &sim->addr);
	struct server *s;

	if (play->over || play->failed)
		return SIM_REFUSE;
	play_tell(play, "  connect to %s", show_addr(&sim->addr));
	check_tried(play, &sim->addr);
	if (host != NULL)
		return answer_of(play, host);
	s = server_for(play, &sim->addr);
	if (s == NULL) {
		play_fail(play, 1, "no session of the script is due at %s", show_addr(&sim->addr));
		return SIM_REFUSE;
	}
	check_from(play, s->session, sim_engine_addr(c));
	s->begun = true;
	*sim_link_of(c) = s->session->link;
	if (sim->link.segment_to_engine != 0) {
		sim_link_of(c)->segment_to_engine = sim->link.segment_to_engine;
		sim_link_of(c)->segment_to_peer = sim->link.segment_to_peer;
	}
	sim_set_context(c, s);
	return SIM_ACCEPT;
}

static void add_host(struct play *play, const struct addr *addr, uint32_t segment)
{
	char text[ADDR_TEXT_MAX];
	struct str out = STR(text);
	struct sim_host *host;

	addr_add_ip(&out, addr);
	if (sim_host_at(str_cstr(&out), addr_port(addr)) != NULL)
		return;
	host = sim_host_add(str_cstr(&out), addr_port(addr), &server_program, play);
	host->on_connect = on_connect;
	host->link.segment_to_engine = segment;
	host->link.segment_to_peer = segment;
}

/* Everywhere DNS leads, and wherever else the script is. */
static void add_hosts(struct play *play, uint32_t segment)
{
	const struct script *script = play->script;
	struct addr addr;

	for (unsigned i = 0; i < script->record_count; i++)
		if (slice_has_prefix(script->records[i].type, SLICE("A")) &&
		    addr_parse_ip(script->records[i].data, 25, &addr) == 0)
			add_host(play, &addr, segment);
	for (unsigned i = 0; i < script->session_count; i++)
		if (!script->sessions[i].any_address)
			add_host(play, &script->sessions[i].addr, segment);
	for (unsigned i = 0; i < script->host_count; i++)
		add_host(play, &script->hosts[i].addr, segment);
}

/* "3 1 1 server": of that certificate; "-31" behind it leaves so many octets. Otherwise the octets in hex. */
static bool add_tlsa(const char *name, const char *text)
{
	char path[256], hex[2 * 67 + 1], data[64], file[64];
	unsigned usage, selector, matching, cut = sizeof(data);
	struct str out = STR(hex);

	if (sscanf(text, "%u %u %u %63[^-]-%u", &usage, &selector, &matching, file, &cut) < 4)
		return zone_add(name, "TLSA", text);
	(void)snprintf(path, sizeof(path), "%s/%s.pem", TEST_PKI, file);
	size_t len = tls_server_tlsa(path, selector, matching, data, MIN(cut, sizeof(data)));

	str_add_hex(&out, usage << 16 | selector << 8 | matching, 6);
	for (size_t i = 0; i < len; i++)
		str_add_hex(&out, (unsigned char)data[i], 2);
	return len > 0 && zone_add(name, "TLSA", str_cstr(&out));
}

static bool add_signature(const char *name, bool is_signed)
{
	if (strcmp(name, "*") == 0)
		zone_authentic(is_signed);
	else if (!is_signed)
		zone_insecure(name);
	return strcmp(name, "*") == 0 || !is_signed;
}

static void check_unasked(struct play *play)
{
	for (unsigned i = 0; i < play->script->record_count; i++) {
		const struct script_record *r = &play->script->records[i];

		if (slice_eq(r->data, SLICE("never")) && zone_asked(text_cstr(r->name), text_cstr(r->type)) > 0)
			play_fail(play, r->line, "it has been asked for");
	}
}

static void add_records(struct play *play)
{
	static const char *const troubles[] = { "NXDOMAIN", "NODATA", "SERVFAIL", "REFUSED", "FORMERR",
						"NOTIMP",   "YXDOMAIN", "TIMEOUT", "DAMAGED", "LOOP" };

	for (unsigned i = 0; i < play->script->record_count; i++) {
		const struct script_record *r = &play->script->records[i];
		const char *name = text_cstr(r->name), *type = text_cstr(r->type), *data = text_cstr(r->data);
		bool trouble = false, ok;
		uint64_t ns;

		for (unsigned t = 0; t < ARRAY_LEN(troubles); t++)
			trouble |= strcmp(data, troubles[t]) == 0;
		if (strcmp(type, "signed") == 0 || strcmp(type, "unsigned") == 0) {
			ok = add_signature(name, strcmp(type, "signed") == 0);
		} else if (strcmp(data, "never") == 0) {
			ok = true;
		} else if (strcmp(type, "TLSA") == 0 && !trouble) {
			ok = add_tlsa(name, data);
		} else if (strcmp(type, "delay") == 0) {
			ok = text_time(r->data, &ns);
			if (ok)
				zone_delay(name, ns);
		} else {
			ok = trouble ? zone_fail(name, type, data) : zone_add(name, type, data);
		}
		if (!ok)
			play_fail(play, r->line, "no such record: %s %s %s", name, type, data);
	}
}

/* --- mail ------------------------------------------------------------------------------------- */

static bool text_has_all(struct slice text, const struct slice *quoted, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!text_has(text, quoted[i]))
			return false;
	return true;
}

static const char *const status_words[] = { [MAILLOG_SENT] = "sent", [MAILLOG_DEFERRED] = "deferred",
					    [MAILLOG_BOUNCED] = "bounced" };

static void check_outcome(struct play *play, const struct letter *letter, struct script_outcome *o,
			  const struct rcpt *rcpt, enum maillog_status status)
{
	static const enum maillog_status wanted[] = {
		[STATUS_SENT] = MAILLOG_SENT, [STATUS_DEFERRED] = MAILLOG_DEFERRED, [STATUS_BOUNCED] = MAILLOG_BOUNCED,
	};
	char dsn[24];
	uint64_t took = sim_now() - letter->offered_ns;

	(void)snprintf(dsn, sizeof(dsn), "%u.%u.%u", rcpt->dsn.class, rcpt->dsn.subject, rcpt->dsn.detail); /* fits */
	if (wanted[o->status] != status)
		play_fail(play, o->line, "expected %.*s %s, got %s %s (%.*s)", SLICE_FMT(o->rcpt),
			  status_words[wanted[o->status]], status_words[status], dsn, SLICE_FMT(rcpt->text));
	else if ((o->class != 0 && o->class != dsn[0]) || (o->dsn.len > 0 && !slice_eq(o->dsn, slice_of_str(dsn))))
		play_fail(play, o->line, "the status is another: %s (%.*s)", dsn, SLICE_FMT(rcpt->text));
	else if (!text_has_all(rcpt->text, o->quoted, o->quoted_count))
		play_fail(play, o->line, "the reason is another: %.*s", SLICE_FMT(rcpt->text));
	else if (status != MAILLOG_SENT && o->may_be_duplicate != rcpt->ambiguous)
		play_fail(play, o->line, rcpt->ambiguous ? "it is marked as perhaps delivered" :
							    "it is not marked as perhaps delivered");
	else if (o->timed && (took < o->after_ns || took > o->after_ns_max + LATE_NS))
		play_fail(play, o->line, "this came after %.3f s", (double)took / (double)NS_PER_SEC);
}

/* The next outcome that the script has for this recipient of this message. */
static struct script_outcome *outcome_due(struct play *play, const struct letter *letter, struct slice rcpt)
{
	for (unsigned i = 0; i < play->script->outcome_count; i++) {
		struct script_outcome *o = &play->script->outcomes[i];
		const struct letter *meant = letter;

		if (o->used || !slice_eq(o->rcpt, rcpt))
			continue;
		if (o->message.len > 0)
			meant = letter_named(play->letters, play->script->message_count, o->message);
		else
			meant = letter_to(play->letters, play->script->message_count, rcpt);
		if (meant == letter)
			return o;
	}
	return NULL;
}

static void on_rcpt(struct world_mail *mail, const struct attempt *a, const struct rcpt *rcpt,
		    enum maillog_status status)
{
	struct letter *letter = container_of(mail, struct letter, mail);
	struct play *play = mail->context;
	struct script_outcome *o = outcome_due(play, letter, rcpt->addr);

	(void)a;
	if (play->over || play->failed)
		return;
	if (status == MAILLOG_SOFTBOUNCE)
		status = MAILLOG_DEFERRED;	/* the word itself is the log's */
	play_tell(play, "= %.*s %s %u.%u.%u (%.*s)%s", SLICE_FMT(rcpt->addr), status_words[status], rcpt->dsn.class,
		  rcpt->dsn.subject, rcpt->dsn.detail, SLICE_FMT(rcpt->text), rcpt->ambiguous ? " may_be_duplicate" : "");
	letter_answered(letter, rcpt);
	if (o == NULL) {
		play_fail(play, letter->script->line, "the script has no (further) outcome for %.*s: %s (%.*s)",
			  SLICE_FMT(rcpt->addr), status_words[status], SLICE_FMT(rcpt->text));
		return;
	}
	o->used = true;
	check_outcome(play, letter, o, rcpt, status);
}

/* Offers what is due: at its time, or when the one before has all its first answers. */
static void offer_letters(struct play *play)
{
	while (play->letter_next < play->script->message_count) {
		struct letter *letter = &play->letters[play->letter_next];
		uint64_t since = sim_now() - play->begin_ns;

		if (letter->script->timed ? since < letter->script->at_ns :
					    play->letter_next > 0 && !letter_has_answers(letter - 1))
			return;
		play->letter_next++;
		letter->offered_ns = sim_now();
		if (letter->script->age_ns > 0)
			letter->mail.msg.arrival_ns = world_wall() - letter->script->age_ns;
		letter->mail.on_rcpt = on_rcpt;
		letter->mail.context = play;
		world_offer(&letter->mail);
	}
}

static void on_due(struct sim_alarm *alarm)
{
	(void)alarm;	/* that time has come is enough: is_done looks */
}

static void set_alarms(struct play *play)
{
	struct sim_alarm *alarms = text_alloc(play->script->message_count * sizeof(*alarms));

	for (unsigned i = 0; i < play->script->message_count; i++) {
		alarms[i].fn = on_due;
		if (play->script->messages[i].timed)
			sim_alarm_in(&alarms[i], play->script->messages[i].at_ns);
	}
}

static void on_log(void *context, const char *level, const char *program, struct slice text)
{
	struct play *play = context;
	struct slice line;
	size_t size = text.len + strlen(level) + strlen(program) + 8;
	struct str copy = str_over(text_alloc(size), size);

	str_printf(&copy, "%s: %s: %.*s", program, level, SLICE_FMT(text));
	line = str_slice(&copy);
	if (!play->over)
		play_tell(play, "log %s", script_show(line));
	play->log = text_grow(play->log, play->log_count, sizeof(line));
	play->log[play->log_count++] = line;
}

/* In the order in which they stand in the script; one that does not is one too many. */
static void on_report(void *context, struct slice peer, struct slice text)
{
	struct play *play = context;
	struct script *script = play->script;
	unsigned i = 0;

	play_tell(play, "report about %.*s: %s", SLICE_FMT(peer), script_show(text));
	if (play->over)
		return;
	while (i < script->report_count && script->reports[i].used)
		i++;
	if (i == script->report_count) {
		play_fail(play, 1, "one more report to the postmaster than the script has");
		return;
	}
	script->reports[i].used = true;
	if (!text_has_all(text, script->reports[i].quoted, script->reports[i].quoted_count))
		play_fail(play, script->reports[i].line, "the report is another: %s", script_show(text));
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool is_done(void *context)
{
	struct play *play = context;

	if (play->failed)
		return true;
	offer_letters(play);
	if (play->letter_next < play->script->message_count)
		return false;
	for (unsigned i = 0; i < play->script->outcome_count; i++)
		if (!play->script->outcomes[i].used)
			return false;
	for (unsigned i = 0; i < play->script->session_count; i++)
		if (!server_is_over(&play->servers[i]))
			return false;
	return true;
}

static void check_sessions(struct play *play)
{
	for (unsigned i = 0; i < play->script->session_count; i++) {
		const struct server *s = &play->servers[i];
		const struct script_session *session = s->session;

		if (!s->begun)
			play_fail(play, session->line, "nobody connected for this session");
		else if (s->next < session->count)
			play_fail(play, play->script->items[session->first + s->next].line, "the play never came to %s",
				  script_show_item(&play->script->items[session->first + s->next]));
		else if (!s->gone)
			play_fail(play, session->line, "this connection is never closed");
	}
}

/* As often as it wants? */
static bool log_is_right(const struct play *play, const struct script_log *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < play->log_count; i++)
		n += text_has_all(play->log[i], l->quoted, l->quoted_count);
	return l->never ? n == 0 : n > 0 && (!l->once || n == 1);
}

/* Every line of the script has played its part. */
static void check_script(struct play *play)
{
	const struct script *script = play->script;

	for (unsigned i = 0; i < script->outcome_count; i++)
		if (!script->outcomes[i].used)
			play_fail(play, script->outcomes[i].line, "nothing was said about %.*s",
				  SLICE_FMT(script->outcomes[i].rcpt));
	check_sessions(play);
	for (unsigned i = 0; i < script->host_count; i++)
		if (!script->hosts[i].tried && script->hosts[i].manner != HOST_NEVER)
			play_fail(play, script->hosts[i].line, "nobody tried this host");
	if (play->tried < script->tried_count)
		play_fail(play, script->tried[play->tried].line, "nobody tried %s",
			  show_addr(&script->tried[play->tried].addr));
	if (script->busiest_line > 0 && play->busiest != script->busiest)
		play_fail(play, script->busiest_line, "at the busiest moment there were %u sessions", play->busiest);
	for (unsigned i = 0; i < script->report_count; i++)
		if (!script->reports[i].used)
			play_fail(play, script->reports[i].line, "nothing was reported to the postmaster");
	for (unsigned i = 0; i < script->log_count; i++)
		if (!log_is_right(play, &script->logs[i]))
			play_fail(play, script->logs[i].line, script->logs[i].never ? "the log has such a line" :
							      script->logs[i].once  ? "the log has not one such line" :
										      "the log has no such line");
}

static void prepare(struct play *play)
{
	const struct script *script = play->script;

	play->servers = text_alloc(script->session_count * sizeof(*play->servers));
	for (unsigned i = 0; i < script->session_count; i++)
		server_init(&play->servers[i], play, &script->sessions[i], i + 1);
	play->letters = text_alloc(script->message_count * sizeof(*play->letters));
	for (unsigned i = 0; i < script->message_count; i++)
		letter_write(&play->letters[i], &script->messages[i]);
	play->transcript = str_over(text_alloc(TRANSCRIPT_MAX), TRANSCRIPT_MAX);
}

static void run(struct play *play)
{
	if (!world_run(PLAY_LIMIT_NS, is_done, play) && !play->failed)
		check_script(play);
	if (!play->failed)
		(void)world_run(AFTERWARDS_NS, NULL, NULL);
	if (!play->failed)
		check_script(play);
	play->over = true;
	check_unasked(play);
	if (!play->failed && !world_stop(DRAIN_LIMIT_NS))
		play_fail(play, 1, "the engine does not come to an end");
}

bool play_script(struct script *script, uint32_t segment, uint64_t seed, bool verbose)
{
	struct play *play = text_alloc(sizeof(*play));
	const struct world_conf conf = {
		.main_cf = text_cstr(script->conf),
		.hosts = text_cstr(script->hosts_file),
		.sessions_max = SESSIONS_MAX,
		.destinations_max = DESTINATIONS_MAX,
		.tls_ca = strstr(text_cstr(script->conf), "_tls") != NULL ? TEST_PKI "/root.pem" : NULL,
		.on_log = on_log,
		.on_report = on_report,
		.context = play,
	};

	*play = (struct play){ .script = script, .verbose = verbose };
	prepare(play);
	tape_record(seed);
	if (world_start(&conf) > 0)
		play_fail(play, 1, "the conf lines are wrong");
	play->begin_ns = sim_now();
	add_records(play);
	add_hosts(play, segment);
	for (unsigned i = 0; i < script->local_count; i++) {
		char text[ADDR_TEXT_MAX];
		struct str out = STR(text);

		addr_add_ip(&out, &script->locals[i].addr);
		sim_net_allow_local(str_cstr(&out));
	}
	set_alarms(play);
	if (!play->failed)
		run(play);
	return !play->failed;
}
