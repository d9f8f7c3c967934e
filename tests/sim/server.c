#include "tests/sim/server.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/fault.h"
#include "tests/sim/ledger.h"
#include "tests/sim/tape.h"

#define LINE_MAX_OCTETS	2048u
#define CONTENT_MAX	KIB(512)
#define INPUT_MAX	MIB(1)
#define PATIENCE_NS	NS_PER_SEC
#define LMTP_PORT	24u

enum keyword { KEYWORD_PIPELINING = 1, KEYWORD_8BITMIME = 2, KEYWORD_SIZE = 4, KEYWORD_CHUNKING = 8 };

enum stage { STAGE_COMMANDS, STAGE_DATA, STAGE_BDAT };

struct octets {
	char *ptr;
	size_t len, cap;
};

struct dialogue {
	struct list node;
	struct sim_conn *c;
	const struct server_host *host;
	enum stage stage;
	struct octets input;
	struct octets content;
	size_t chunk_left;
	bool chunk_last;
	bool takes_8bit;		/* has been said */
	bool has_sender;
	char rcpts[LEDGER_RCPTS][64];	/* those we took */
	unsigned rcpt_count;
	char reply[512];		/* waits for its time */
	const char *what;		/* to which command */
	bool thinking;
	bool behind_dot;		/* content has ended, its reply has not left */
	bool over;			/* nothing is said any more */
	bool told_to_quit;
	bool spoiled;			/* we have said something that is no SMTP: the client owes us nothing */
	uint64_t silent_since_ns, silent_limit_ns;
};

struct server_host {
	unsigned keywords;
	bool lmtp;
	const struct params *params;
};

static struct server_host servers[SERVERS_MAX];
static unsigned server_count;
static struct list dialogues = { &dialogues, &dialogues };
static unsigned commits;

static void forget_dialogue(struct dialogue *d)
{
	list_remove(&d->node);
	free(d->input.ptr);
	free(d->content.ptr);
	free(d);
}

/* The world may end before the last octets have arrived. */
void servers_forget(void)
{
	while (!list_is_empty(&dialogues))
		forget_dialogue(list_entry(dialogues.next, struct dialogue, node));
	server_count = 0;
	commits = 0;
}

static void add_octets(struct octets *to, struct slice data, size_t max)
{
	const size_t len = to->len + data.len;

	ASSERT(len <= max);
	if (len > to->cap) {
		to->cap = MAX(len, 2 * to->cap);
		to->ptr = realloc(to->ptr, to->cap);
		ASSERT(to->ptr != NULL);
	}
	if (data.len > 0)
		memcpy(to->ptr + to->len, data.ptr, data.len);
	to->len = len;
}

unsigned server_commits(void)
{
	return commits;
}

/* --- saying something ---------------------------------------------------------------------------- */

static uint64_t patience(const struct params *p, const char *what)
{
	const struct { const char *what; uint64_t ns; } all[] = {
		{ "greeting", p->smtp_helo_timeout_ns }, { "EHLO", p->smtp_helo_timeout_ns },
		{ "MAIL", p->smtp_mail_timeout_ns }, { "RCPT", p->smtp_rcpt_timeout_ns },
		{ "DATA", p->smtp_data_init_timeout_ns }, { "dot", p->smtp_data_done_timeout_ns },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (strcmp(all[i].what, what) == 0)
			return all[i].ns;
	return 0;
}

/* From now on silence: how long will the client take it? Where the way may have swallowed an earlier reply, it is that
 * one's time that counts, and nobody here knows which it is. */
static void fall_silent(struct dialogue *d, const char *what)
{
	d->over = true;
	if (sim_link_of(d->c)->cut_to_engine.kind == SIM_CUT_SILENCE)
		return;
	d->silent_since_ns = sim_now();
	d->silent_limit_ns = patience(d->host->params, what);
}

static void hang_up(struct dialogue *d)
{
	d->over = true;
	if (tape_below(2) == 0)
		sim_close(d->c);
	else
		sim_reset(d->c);
}

/* What the client has sent without waiting for what we are about to say to `what`. */
static void check_manners(const struct dialogue *d, const char *what)
{
	const struct slice ahead = slice_of(d->input.ptr, d->input.len);
	const struct slice shown = slice_head(ahead, 40);

	if (ahead.len == 0 || d->spoiled)
		return;
	if (d->behind_dot && ahead.len >= 4 && !slice_has_prefix_nocase(ahead, SLICE("MAIL")))
		ledger_fail("manners: \"%.*s\" behind the dot", SLICE_FMT(shown));
	if (!(d->host->keywords & (KEYWORD_PIPELINING | KEYWORD_CHUNKING)) || strcmp(what, "DATA") == 0)
		ledger_fail("manners: \"%.*s\" ahead of the reply to %s", SLICE_FMT(shown), what);
}

static void trace(const struct dialogue *d, const char *who, struct slice text)
{
	if (getenv("SIM_VERBOSE") != NULL)
		(void)fprintf(stderr, "%12.6f   %u %s %.*s\n", (double)sim_now() / 1e9, sim_conn_number(d->c), who,
			      (int)(text.len >= 2 ? text.len - 2 : text.len), text.ptr);
}

static void let_go(struct dialogue *d)
{
	check_manners(d, d->what);
	d->thinking = false;
	d->behind_dot = false;
	trace(d, "S", slice_of_str(d->reply));
	sim_send_text(d->c, d->reply);
	if (d->told_to_quit) {
		d->over = true;
		sim_close(d->c);
	}
}

/* No reply, for none begins so; what comes behind may look like one. */
static void add_garbage(struct str *out)
{
	static const char *const firsts[] = { "What?\r\n", "\xff\xfe 2x0\r\n", "x", "99", "-", " " };
	const unsigned first = tape_below(ARRAY_LEN(firsts));
	const unsigned count = first < 2 ? 0 : tape_below(40);

	str_add_cstr(out, firsts[first]);
	for (unsigned i = 0; i < count; i++)
		str_add_char(out, (char)(1 + (uint8_t)('w' + tape_below(255)) % 255));
	str_add_cstr(out, "\r\n");
}

/* In a greeting and after EHLO what is said means something. */
static bool may_be_odd(const char *what)
{
	return strcmp(what, "greeting") != 0 && strcmp(what, "EHLO") != 0;
}

/* More lines than one expects, with any text. */
static void add_odd_lines(struct str *out, const char *reply)
{
	const unsigned lines = 1 + tape_below(3);

	for (unsigned i = 0; i < lines; i++) {
		const unsigned count = tape_below(24);

		str_add(out, slice_of(reply, 3));
		str_add_char(out, '-');
		for (unsigned k = 0; k < count; k++)
			str_add_char(out, (char)(' ' + tape_below(95)));
		str_add_cstr(out, "\r\n");
	}
}

/* The reply to `what`, which somebody may prevent. */
static void say(struct dialogue *d, const char *what, const char *reply)
{
	struct str out = STR(d->reply);

	if (fault_strikes(FAULT_TARPIT)) {
		fall_silent(d, what);
		return;
	}
	if (fault_strikes(FAULT_HANG_UP)) {
		hang_up(d);
		return;
	}
	d->what = what;
	if (fault_strikes(FAULT_GARBAGE)) {
		d->spoiled = true;
		add_garbage(&out);
	} else {
		if (may_be_odd(what) && fault_strikes(FAULT_ODD_REPLY))
			add_odd_lines(&out, reply);
		str_add_cstr(&out, reply);
	}
	(void)str_cstr(&out);
	ASSERT(!str_is_full(&out));
	if (fault_strikes(FAULT_SLOW_REPLY)) {
		d->thinking = true;
		sim_wake_in(d->c, tape_range(0, 8 * NS_PER_SEC));
		return;
	}
	let_go(d);
}

/* 4xx, 5xx or what was meant. */
static const char *or_no(const char *reply, bool *ret_soft, bool *ret_hard)
{
	*ret_soft = fault_strikes(FAULT_SOFT_NO);
	*ret_hard = !*ret_soft && fault_strikes(FAULT_HARD_NO);
	if (*ret_soft)
		return "450 4.2.0 later\r\n";
	return *ret_hard ? "550 5.1.1 never\r\n" : reply;
}

/* --- what a message is --------------------------------------------------------------------------- */

static void forget_transaction(struct dialogue *d)
{
	d->has_sender = false;
	d->rcpt_count = 0;
	d->content.len = 0;
	d->stage = STAGE_COMMANDS;
}

static void refuse_all(struct dialogue *d)
{
	for (unsigned i = 0; i < d->rcpt_count; i++)
		ledger_refuse(slice_of_str(d->rcpts[i]));
}

static void commit(const struct dialogue *d, unsigned rcpt)
{
	ledger_commit(slice_of_str(d->rcpts[rcpt]), slice_of(d->content.ptr, d->content.len),
		      d->takes_8bit ? LEDGER_TAKES_8BIT : LEDGER_TAKES_7BIT);
	commits++;
}

static void commit_all(struct dialogue *d)
{
	for (unsigned i = 0; i < d->rcpt_count; i++)
		commit(d, i);
}

/* Each recipient has its own fate; it may become known to us alone. */
static void end_content_lmtp(struct dialogue *d)
{
	char text[256];
	struct str out = STR(text);

	d->behind_dot = true;
	for (unsigned i = 0; i < d->rcpt_count; i++) {
		bool soft, hard;
		const char *reply = or_no("250 2.0.0 taken\r\n", &soft, &hard);

		if (hard)
			ledger_refuse(slice_of_str(d->rcpts[i]));
		if (!soft && !hard)
			commit(d, i);
		if (!soft && !hard && fault_strikes(FAULT_REPLY_LOST)) {
			sim_send(d->c, str_slice(&out));
			hang_up(d);
			return;
		}
		str_add_cstr(&out, reply);
	}
	forget_transaction(d);
	say(d, "dot", str_cstr(&out));
}

static void end_content(struct dialogue *d)
{
	bool soft, hard;

	if (d->host->lmtp) {
		end_content_lmtp(d);
		return;
	}
	const char *reply = or_no("250 2.0.0 taken\r\n", &soft, &hard);

	d->behind_dot = true;
	if (hard)
		refuse_all(d);
	if (!soft && !hard) {
		commit_all(d);
		if (fault_strikes(FAULT_REPLY_LOST)) {
			hang_up(d);
			return;
		}
	}
	forget_transaction(d);
	say(d, "dot", reply);
}

static void add_content(struct dialogue *d, struct slice octets)
{
	add_octets(&d->content, octets, CONTENT_MAX);
}

static void take_content_line(struct dialogue *d, struct slice line)
{
	if (slice_eq(line, SLICE(".\r\n"))) {
		end_content(d);
		return;
	}
	if (line.ptr[0] == '.')
		slice_skip(&line, 1);
	add_content(d, line);
	if (fault_strikes(FAULT_NOT_READING)) {
		sim_read(d->c, false);
		d->over = true;
		d->silent_since_ns = 0;		/* data time-outs count from the last octet that went through */
	}
}

/* --- commands ------------------------------------------------------------------------------------ */

static void say_hello(struct dialogue *d, bool extended)
{
	char text[256];
	struct str out = STR(text);
	const unsigned k = d->host->keywords;

	d->takes_8bit = extended && (k & KEYWORD_8BITMIME);
	if (!extended) {
		say(d, "EHLO", "250 mx.test\r\n");
		return;
	}
	str_add_cstr(&out, "250-mx.test\r\n");
	str_add_cstr(&out, k & KEYWORD_PIPELINING ? "250-PIPELINING\r\n" : "");
	str_add_cstr(&out, k & KEYWORD_8BITMIME ? "250-8BITMIME\r\n" : "");
	str_add_cstr(&out, k & KEYWORD_SIZE ? "250-SIZE 1000000\r\n" : "");
	str_add_cstr(&out, k & KEYWORD_CHUNKING ? "250-CHUNKING\r\n" : "");
	str_add_cstr(&out, "250 HELP\r\n");
	say(d, "EHLO", str_cstr(&out));
}

static struct slice path_in(struct slice line)
{
	const ptrdiff_t from = slice_find_char(line, 0, '<'), to = slice_find_char(line, 0, '>');

	return from >= 0 && to > from ? slice_of(line.ptr + from + 1, (size_t)(to - from - 1)) : (struct slice){ 0 };
}

static void copy_text(char to[64], struct slice from)
{
	ASSERT(from.len < 64);
	memcpy(to, from.ptr, from.len);
	to[from.len] = '\0';
}

static void on_mail(struct dialogue *d, struct slice line)
{
	bool soft, hard;
	const char *reply = or_no("250 ok\r\n", &soft, &hard);

	if (d->has_sender)
		ledger_fail("manners: MAIL within a transaction");
	d->has_sender = !soft && !hard;
	d->told_to_quit = false;
	d->content.len = 0;
	d->rcpt_count = 0;
	if (hard)
		ledger_refuse_sender(path_in(line));
	say(d, "MAIL", reply);
}

static void on_rcpt(struct dialogue *d, struct slice line)
{
	const struct slice address = path_in(line);
	bool soft, hard;
	const char *reply = or_no("250 ok\r\n", &soft, &hard);

	if (ledger_find(address) == NULL)
		ledger_fail("invented: RCPT %.*s", SLICE_FMT(address));
	if (!d->has_sender) {
		say(d, "RCPT", "503 5.5.1 MAIL first\r\n");
		return;
	}
	if (hard)
		ledger_refuse(address);
	if (!soft && !hard) {
		ASSERT(d->rcpt_count < LEDGER_RCPTS);
		copy_text(d->rcpts[d->rcpt_count++], address);
	}
	say(d, "RCPT", reply);
}

static void on_data(struct dialogue *d)
{
	bool soft, hard;
	const char *reply;

	if (d->rcpt_count == 0) {
		say(d, "DATA", "554 5.5.1 no valid recipients\r\n");
		return;
	}
	reply = or_no("354 go\r\n", &soft, &hard);
	if (hard)
		refuse_all(d);
	if (!soft && !hard)
		d->stage = STAGE_DATA;
	say(d, "DATA", reply);
}

static void on_bdat(struct dialogue *d, struct slice line)
{
	struct slice number = line;
	uint64_t size;

	slice_skip(&number, 5);
	const ptrdiff_t blank = slice_find_char(number, 0, ' ');

	d->chunk_last = blank > 0;
	number = slice_head(number, blank > 0 ? (size_t)blank : number.len - 2);
	if (!(d->host->keywords & KEYWORD_CHUNKING) || slice_to_u64(number, CONTENT_MAX, &size) < 0)
		ledger_fail("manners: %.*s", (int)line.len - 2, line.ptr);
	d->chunk_left = (size_t)size;
	d->stage = STAGE_BDAT;
}

static void end_chunk(struct dialogue *d)
{
	d->stage = STAGE_COMMANDS;
	if (d->rcpt_count == 0)
		say(d, "BDAT", "554 5.5.1 no valid recipients\r\n");
	else if (d->chunk_last)
		end_content(d);
	else
		say(d, "BDAT", "250 ok\r\n");
}

static void take_command(struct dialogue *d, struct slice line)
{
	if (slice_has_prefix_nocase(line, d->host->lmtp ? SLICE("LHLO") : SLICE("EHLO"))) {
		say_hello(d, true);
	} else if (!d->host->lmtp && slice_has_prefix_nocase(line, SLICE("HELO"))) {
		say_hello(d, false);
	} else if (slice_has_prefix_nocase(line, SLICE("MAIL FROM:"))) {
		on_mail(d, line);
	} else if (slice_has_prefix_nocase(line, SLICE("RCPT TO:"))) {
		on_rcpt(d, line);
	} else if (slice_has_prefix_nocase(line, SLICE("DATA"))) {
		on_data(d);
	} else if (slice_has_prefix_nocase(line, SLICE("BDAT "))) {
		on_bdat(d, line);
	} else if (slice_has_prefix_nocase(line, SLICE("RSET"))) {
		forget_transaction(d);
		say(d, "RSET", "250 ok\r\n");
	} else if (slice_has_prefix_nocase(line, SLICE("QUIT"))) {
		d->told_to_quit = true;
		say(d, "QUIT", "221 bye\r\n");
	} else if (!d->spoiled) {
		ledger_fail("manners: %.*s", (int)line.len - 2, line.ptr);
	} else {
		say(d, "what?", "500 5.5.2 what?\r\n");
	}
}

/* --- octets to lines ----------------------------------------------------------------------------- */

static size_t take_chunk(struct dialogue *d)
{
	const size_t n = MIN(d->chunk_left, d->input.len);

	if (d->rcpt_count > 0)
		add_content(d, slice_of(d->input.ptr, n));
	d->chunk_left -= n;
	return n;
}

static void check_line(const struct dialogue *d, struct slice line)
{
	const bool bare = line.len < 2 || line.ptr[line.len - 2] != '\r' ||
			  memchr(line.ptr, '\r', line.len - 2) != NULL;

	if (bare && !d->spoiled)
		ledger_fail("manners: a bare CR or LF");
}

/* Takes one line or chunk off the input; false: there is none. */
static bool step(struct dialogue *d)
{
	const char *end;
	struct slice line;
	size_t n;

	if (d->stage == STAGE_BDAT) {
		n = take_chunk(d);
		memmove(d->input.ptr, d->input.ptr + n, d->input.len -= n);
		if (d->chunk_left > 0)
			return false;
		end_chunk(d);
		return true;
	}
	end = d->input.len > 0 ? memchr(d->input.ptr, '\n', d->input.len) : NULL;
	if (end == NULL)
		return false;
	char copy[LINE_MAX_OCTETS];

	n = (size_t)(end + 1 - d->input.ptr);
	ASSERT(n <= sizeof(copy));
	memcpy(copy, d->input.ptr, n);
	line = slice_of(copy, n);
	check_line(d, line);
	trace(d, d->stage == STAGE_DATA ? "|" : "C", line);
	memmove(d->input.ptr, d->input.ptr + n, d->input.len -= n);
	if (d->stage == STAGE_DATA)
		take_content_line(d, line);
	else
		take_command(d, line);
	return true;
}

static void work(struct dialogue *d)
{
	while (!d->over && !d->thinking && step(d))
		;
}

/* --- the program --------------------------------------------------------------------------------- */

static void on_open(struct sim_conn *c)
{
	struct dialogue *d = calloc(1, sizeof(*d));

	ASSERT(d != NULL);
	d->host = sim_context(c);
	d->c = c;
	d->stage = STAGE_COMMANDS;
	list_init(&d->node);
	list_push_back(&dialogues, &d->node);
	sim_set_context(c, d);
	say(d, "greeting", fault_strikes(FAULT_SOFT_NO) ? "421 4.3.2 busy\r\n" : "220 mx.test ESMTP\r\n");
}

static void on_octets(struct sim_conn *c, struct slice data)
{
	struct dialogue *d = sim_context(c);

	add_octets(&d->input, data, INPUT_MAX);
	if (d->over)
		d->input.len = 0;
	else
		work(d);
}

static void on_time(struct sim_conn *c)
{
	struct dialogue *d = sim_context(c);

	let_go(d);
	work(d);
}

/* A core that does not get its CPU, and results that come late, are nobody's impatience: each of the turns between the
 * deadline and our hearing of it may be one of them. */
static uint64_t lateness(void)
{
	const uint64_t late = BIT(FAULT_LATE_CORE) | BIT(FAULT_LATE_RESULT);

	return fault_seen & late ? PATIENCE_NS : 0;
}

static void check_patience(const struct dialogue *d)
{
	const uint64_t limit = d->silent_limit_ns + PATIENCE_NS + lateness() +
			       4 * MAX(sim_link_of(d->c)->latency_ns, NS_PER_MS);

	if (d->silent_since_ns != 0 && d->silent_limit_ns != 0 && sim_now() - d->silent_since_ns > limit)
		ledger_fail("patience: %.1f s of silence, of %.1f", (double)(sim_now() - d->silent_since_ns) / 1e9,
			    (double)d->silent_limit_ns / 1e9);
}

static void on_finish(struct sim_conn *c)
{
	check_patience(sim_context(c));
	sim_close(c);
}

static void on_reset(struct sim_conn *c)
{
	check_patience(sim_context(c));
}

static void on_gone(struct sim_conn *c)
{
	forget_dialogue(sim_context(c));
}

static const struct sim_program program = {
	.on_open = on_open, .on_data = on_octets, .on_time = on_time,
	.on_finish = on_finish, .on_reset = on_reset, .on_gone = on_gone,
};

enum sim_answer server_draw_way(struct sim_conn *c)
{
	static const enum fault cuts[] = { FAULT_CUT_FINISH, FAULT_CUT_RESET, FAULT_CUT_SILENCE };
	static const enum sim_cut_kind kinds[] = { SIM_CUT_FINISH, SIM_CUT_RESET, SIM_CUT_SILENCE };
	struct sim_link *link = sim_link_of(c);

	if (fault_strikes(FAULT_REFUSE))
		return SIM_REFUSE;
	if (fault_strikes(FAULT_BLACKHOLE))
		return SIM_BLACKHOLE;
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		if (!fault_strikes(cuts[i]))
			continue;
		if (tape_below(2) == 0)
			link->cut_to_engine = (struct sim_cut){ kinds[i], tape_range(0, 400) };
		else
			link->cut_to_peer = (struct sim_cut){ kinds[i] == SIM_CUT_FINISH ? SIM_CUT_RESET : kinds[i],
							      tape_range(0, 4000) };
	}
	if (fault_strikes(FAULT_SLOW_LINK)) {
		link->latency_ns = tape_range(NS_PER_MS, 300 * NS_PER_MS);
		link->octets_per_s = tape_below(2) == 0 ? 0 : tape_range(2000, 100000);
	}
	if (fault_strikes(FAULT_SMALL_SEGMENTS)) {
		link->segment_to_engine = (uint32_t)tape_range(1, 7);
		link->segment_to_peer = (uint32_t)tape_range(1, 64);
	}
	return SIM_ACCEPT;
}

static enum sim_answer on_connect(struct sim_host *host, struct sim_conn *c)
{
	(void)host;
	return server_draw_way(c);
}

static struct sim_host *add(const char *address, uint16_t port, unsigned keywords, const struct params *params)
{
	ASSERT(server_count < SERVERS_MAX);
	struct server_host *s = &servers[server_count++];

	*s = (struct server_host){ .keywords = keywords, .lmtp = port == LMTP_PORT, .params = params };
	struct sim_host *h = sim_host_add(address, port, &program, s);

	h->on_connect = on_connect;
	return h;
}

struct sim_host *server_add(const char *address, unsigned keywords, const struct params *params)
{
	return add(address, 25, keywords, params);
}

struct sim_host *server_add_lmtp(const char *address, unsigned keywords, const struct params *params)
{
	return add(address, LMTP_PORT, keywords, params);
}
