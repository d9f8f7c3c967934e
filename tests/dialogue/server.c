#include "tests/dialogue/server.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/dialogue/text.h"

#define INPUT_LINE_MAX	KIB(16)

enum step { STEP_DONE, STEP_WAIT };	/* WAIT: for octets, for a time, or for good */

void server_init(struct server *s, struct play *play, const struct script_session *session, unsigned number)
{
	*s = (struct server){ .play = play, .session = session, .number = number };
}

static const struct script_item *item_at(const struct server *s, unsigned i)
{
	return i < s->session->count ? &play_of(s->play)->items[s->session->first + i] : NULL;
}

bool server_is_over(const struct server *s)
{
	return s->begun && s->gone && s->next == s->session->count;
}

bool server_is_busy(const struct server *s)
{
	return s->has_spoken && !s->gone && s->next < s->session->count;
}

static void mismatch(struct server *s, const struct script_item *item, const char *got, struct slice octets)
{
	play_fail(s->play, item->line, "expected %s\n        %s %s", script_show_item(item), got,
		  script_show(octets));
}

/* --- input ------------------------------------------------------------------------------------ */

static void take_input(struct server *s, size_t n)
{
	ASSERT(n <= s->input_len);
	if (n == 0)
		return;		/* also when nothing has come yet */
	s->input_len -= n;
	memmove(s->input, s->input + n, s->input_len);
}

static void add_input(struct server *s, struct slice data)
{
	if (data.len == 0)
		return;		/* nothing yet: there may be no memory either */
	if (s->input_len + data.len > s->input_cap) {
		s->input_cap = (s->input_len + data.len) * 2;
		s->input = realloc(s->input, s->input_cap);
		ASSERT(s->input != NULL);
	}
	memcpy(s->input + s->input_len, data.ptr, data.len);
	s->input_len += data.len;
}

/* A whole line without its end, or nothing yet. */
static bool whole_line(const struct server *s, struct slice *ret_line)
{
	const char *end = s->input_len > 0 ? memchr(s->input, '\n', s->input_len) : NULL;

	if (end == NULL && s->input_len < INPUT_LINE_MAX)
		return false;
	*ret_line = slice_of(s->input, end != NULL ? (size_t)(end - s->input) + 1 : s->input_len);
	return true;
}

/* "BDAT 100 LAST": what C <chunk> will take. */
static void note_command(struct server *s, struct slice line)
{
	struct slice rest = line;
	struct slice verb = text_word(&rest);
	uint64_t n;

	if (slice_eq(verb, SLICE("MAIL")) || slice_eq(verb, SLICE("RSET")))
		s->chunk_at = 0;
	if (slice_eq(verb, SLICE("BDAT")) && text_number(text_word(&rest), &n))
		s->chunk_left = n;
}

static enum step expect_line(struct server *s, const struct script_item *item)
{
	struct slice line;

	if (!whole_line(s, &line))
		return STEP_WAIT;
	size_t size = line.len;

	if (line.len < 2 || line.ptr[line.len - 2] != '\r' || line.ptr[line.len - 1] != '\n') {
		mismatch(s, item, "got no CRLF at the end of", line);
		return STEP_WAIT;
	}
	line.len -= 2;
	play_tell(s->play, "%u C %s", s->number, script_show(line));
	if (!pattern_matches(&item->pattern, line)) {
		mismatch(s, item, "got      C", line);
		return STEP_WAIT;
	}
	note_command(s, line);
	char *heard = text_alloc(line.len + 1);

	memcpy(heard, line.ptr, line.len);
	s->heard = slice_of(heard, line.len);
	take_input(s, size);
	return STEP_DONE;
}

/* As far as there is input: does it agree with expected, from *at on? */
static bool agrees(struct server *s, const struct script_item *item, struct slice expected, size_t *at, size_t most)
{
	size_t n = MIN(s->input_len, MIN(most, expected.len - *at));

	if (n > 0 && memcmp(s->input, expected.ptr + *at, n) != 0) {
		size_t i = 0;

		while (s->input[i] == expected.ptr[*at + i])
			i++;
		play_fail(s->play, item->line, "octet %zu of the message differs\n        expected %s\n        got      %s",
			  *at + i, script_show(slice_of(expected.ptr + *at + i, MIN(expected.len - *at - i, 60u))),
			  script_show(slice_of(s->input + i, MIN(s->input_len - i, (size_t)60))));
		return false;
	}
	*at += n;
	take_input(s, n);
	return true;
}

static enum step expect_message(struct server *s, const struct script_item *item)
{
	const struct slice *wire = play_wire(s->play, item->text);

	if (wire == NULL) {
		play_fail(s->play, item->line, "no message is called %.*s", SLICE_FMT(item->text));
		return STEP_WAIT;
	}
	if (!agrees(s, item, *wire, &s->message_at, SIZE_MAX) || s->message_at < wire->len)
		return STEP_WAIT;
	play_tell(s->play, "%u C <message> (%zu octets)", s->number, wire->len);
	s->message_at = 0;
	return STEP_DONE;
}

static enum step expect_chunk(struct server *s, const struct script_item *item)
{
	const struct slice *content = play_content(s->play, item->text);

	if (content == NULL || s->chunk_left > content->len - s->chunk_at) {
		play_fail(s->play, item->line, "chunks are longer than the message, or there is none");
		return STEP_WAIT;
	}
	size_t before = s->chunk_at;

	if (!agrees(s, item, *content, &s->chunk_at, s->chunk_left))
		return STEP_WAIT;
	s->chunk_left -= s->chunk_at - before;
	if (s->chunk_left > 0)
		return STEP_WAIT;
	play_tell(s->play, "%u C <chunk> (up to octet %zu)", s->number, s->chunk_at);
	return STEP_DONE;
}

static enum step expect_exactly(struct server *s, const struct script_item *item)
{
	if (!agrees(s, item, item->text, &s->message_at, SIZE_MAX) || s->message_at < item->text.len)
		return STEP_WAIT;
	play_tell(s->play, "%u C %s", s->number, script_show(slice_head(item->text, 60)));
	s->message_at = 0;
	return STEP_DONE;
}

static enum step expect_octets(struct server *s, const struct script_item *item)
{
	size_t n = MIN((uint64_t)s->input_len, item->number - s->message_at);

	take_input(s, n);
	s->message_at += n;
	if (s->message_at < item->number)
		return STEP_WAIT;
	play_tell(s->play, "%u C <octets %zu>", s->number, s->message_at);
	s->message_at = 0;
	return STEP_DONE;
}

/* --- TLS -------------------------------------------------------------------------------------- */

/* What TLS has to say itself, and what has been said in it. */
static void flush_tls(struct server *s)
{
	if (s->conn == NULL || s->closed || s->tls->out_len == 0)
		return;
	sim_send(s->conn, slice_of(s->tls->out, s->tls->out_len));
	tls_server_sent(s->tls, s->tls->out_len);
}

static void say(struct server *s, struct slice text)
{
	if (s->tls == NULL) {
		sim_send(s->conn, text);
		return;
	}
	tls_server_say(s->tls, text);
	flush_tls(s);
}

/* Once the client has said by which name it knows the server. */
static void check_tls_name(struct server *s)
{
	char storage[256];
	struct slice name;

	if (s->tls_as.len == 0 || !s->tls->is_open)
		return;
	name = tls_server_name(s->tls, storage, sizeof(storage));
	if (!slice_eq(name, slice_eq(s->tls_as, SLICE("nobody")) ? SLICE("") : s->tls_as))
		play_fail(s->play, s->tls_line, "the client asks for \"%.*s\"", SLICE_FMT(name));
	s->tls_as.len = 0;
}

static void hear(struct server *s, struct slice data)
{
	char plain[KIB(16)];
	size_t n;

	if (s->tls == NULL) {
		add_input(s, data);
		return;
	}
	/* More is in there than fits at once: ask again, without anything new. */
	while ((n = tls_server_feed(s->tls, data, plain, sizeof(plain))) > 0) {
		add_input(s, slice_of(plain, n));
		data = s->tls->in;
	}
	check_tls_name(s);
	flush_tls(s);
}

/* Whoever shows the same certificate is the same server, and knows its sessions again. A process plays one script. */
static struct tls_server_home *home_of(struct slice name)
{
	static struct {
		char name[64];
		struct tls_server_home home;
	} homes[8];

	for (size_t i = 0; i < ARRAY_LEN(homes); i++) {
		if (homes[i].name[0] == '\0')
			(void)snprintf(homes[i].name, sizeof(homes[i].name), "%.*s", SLICE_FMT(name));
		if (slice_eq(name, slice_of_str(homes[i].name)))
			return &homes[i].home;
	}
	return NULL;
}

/* "server" or "server2 with inter": certificates of tests/unit/crypto/pki. */
static enum step begin_tls(struct server *s, const struct script_item *item)
{
	struct slice rest = item->text, name = text_word(&rest);
	const size_t suffix = strlen("_chain");
	const bool is_chain = name.len > suffix && slice_eq(slice_of(name.ptr + name.len - suffix, suffix), SLICE("_chain"));
	struct slice of = slice_head(name, name.len - (is_chain ? suffix : 0));
	char chain[256], key[256];

	if (s->input_len > 0) {
		mismatch(s, item, "before TLS, the client said", slice_of(s->input, s->input_len));
		return STEP_WAIT;
	}
	s->tls = text_alloc(sizeof(*s->tls));
	(void)snprintf(chain, sizeof(chain), "%s/%.*s.pem", TEST_PKI, SLICE_FMT(name));
	(void)snprintf(key, sizeof(key), "%s/%.*s.key", TEST_PKI, SLICE_FMT(of));
	const struct tls_server_conf conf = { .chain = chain, .key = key, .home = home_of(name) };

	if (!tls_server_open(s->tls, &conf)) {
		play_fail(s->play, item->line, "no certificate and key: %s", chain);
		return STEP_WAIT;
	}
	if (slice_eq(text_word(&rest), SLICE("as"))) {
		s->tls_as = slice_trim(rest);
		s->tls_line = item->line;
	}
	play_tell(s->play, "%u S <tls %.*s>", s->number, SLICE_FMT(item->text));
	return STEP_DONE;
}

/* --- time ------------------------------------------------------------------------------------- */

static bool has_slept(struct server *s, uint64_t ns)
{
	if (s->awake) {
		s->awake = false;
		return true;
	}
	if (!s->asleep && s->conn != NULL && ns != UINT64_MAX) {
		s->asleep = true;
		sim_wake_in(s->conn, ns);
	}
	return false;
}

static enum step expect_nothing(struct server *s, const struct script_item *item)
{
	if (s->input_len > 0) {
		mismatch(s, item, "got      C", slice_of(s->input, s->input_len));
		return STEP_WAIT;
	}
	return has_slept(s, item->number) ? STEP_DONE : STEP_WAIT;
}

static enum step expect_close(struct server *s, const struct script_item *item)
{
	if (s->input_len > 0) {
		mismatch(s, item, "got      C", slice_of(s->input, s->input_len));
		return STEP_WAIT;
	}
	return s->finished || s->gone ? STEP_DONE : STEP_WAIT;
}

/* --- the server's part ------------------------------------------------------------------------ */

static bool is_clients(enum item_kind kind)
{
	return kind <= ITEM_CLIENT_CLOSE;
}

/* What is said in answer to something is said when nothing else has come with it. */
static bool must_be_quiet(const struct server *s)
{
	const struct script_item *before = s->next > 0 ? item_at(s, s->next - 1) : NULL;

	return before != NULL && before->kind <= ITEM_EXACTLY && s->send_at == 0 && s->sent_times == 0 &&
	       !play_of(s->play)->relaxed;
}

static bool is_quiet(struct server *s, const struct script_item *item)
{
	if (s->input_len > 0) {
		mismatch(s, item, "before that, the client said", slice_of(s->input, s->input_len));
		return false;
	}
	return has_slept(s, SERVER_QUIET_NS);
}

static bool cannot_speak(struct server *s, const struct script_item *item)
{
	if (s->conn != NULL && !s->closed)
		return false;
	play_fail(s->play, item->line, "cannot be said, for the connection is closed: %s",
		  script_show_item(item));
	return true;
}

static enum step send_paced(struct server *s, const struct script_item *item)
{
	if (s->send_at > 0 && !has_slept(s, s->pace_ns))
		return STEP_WAIT;
	say(s, slice_of(item->text.ptr + s->send_at, 1));
	if (++s->send_at < item->text.len) {
		(void)has_slept(s, s->pace_ns);
		return STEP_WAIT;
	}
	s->send_at = 0;
	return STEP_DONE;
}

static enum step send_item(struct server *s, const struct script_item *item)
{
	if (must_be_quiet(s) && !is_quiet(s, item))
		return STEP_WAIT;
	if (s->send_at > 0 && (s->finished || s->gone)) {
		s->send_at = 0;		/* in mid-trickle, as with a silence */
		return STEP_DONE;
	}
	if (cannot_speak(s, item))
		return STEP_WAIT;
	if (s->tls != NULL && !s->tls->is_open)
		return STEP_WAIT;	/* for the handshake */
	if (s->send_at == 0)
		play_tell(s->play, "%u S %s", s->number, script_show(item->text));
	if (!s->has_spoken) {
		s->has_spoken = true;
		play_count_busy(s->play);
	}
	if (s->pace_ns > 0 && item->text.len > 0)
		return send_paced(s, item);
	for (unsigned i = 0; i < item->times; i++)
		say(s, item->text);
	return STEP_DONE;
}

/* The line before is "AUTH SCRAM-SHA-256 response", or a response alone. */
static enum step scram_item(struct server *s, const struct script_item *item)
{
	char text[512];
	struct str challenge = STR(text);
	struct slice response = s->heard;
	ptrdiff_t blank = slice_find_last_char(response, ' ');

	if (cannot_speak(s, item) || (must_be_quiet(s) && !is_quiet(s, item)))
		return STEP_WAIT;
	if (blank >= 0)
		slice_skip(&response, (size_t)blank + 1);
	str_add_cstr(&challenge, "334 ");
	bool ok;

	if (item->text.len > 0) {
		char *password = text_alloc(item->text.len + 1);

		memcpy(password, item->text.ptr, item->text.len);
		s->scram = (struct scram_server){
			.is_sha1 = slice_has_prefix(s->heard, SLICE("AUTH SCRAM-SHA-1 ")), .password = password,
		};
		ok = scram_first(&s->scram, response, &challenge);
	} else {
		ok = scram_final(&s->scram, response, item->number == 1, &challenge);
	}
	str_add_cstr(&challenge, "\r\n");
	if (!ok) {
		play_fail(s->play, item->line, "that is no SCRAM, or the password is another: %s", script_show(s->heard));
		return STEP_WAIT;
	}
	play_tell(s->play, "%u S %s", s->number, script_show(str_slice(&challenge)));
	say(s, str_slice(&challenge));
	return STEP_DONE;
}

static enum step read_item(struct server *s, const struct script_item *item)
{
	if (cannot_speak(s, item))
		return STEP_WAIT;
	sim_read(s->conn, item->number > 0);
	sim_link_of(s->conn)->octets_per_s = item->number == UINT64_MAX ? 0 : item->number;
	return STEP_DONE;
}

static enum step close_item(struct server *s, const struct script_item *item)
{
	const char *how = item->kind == ITEM_CLOSE ? "close" : item->kind == ITEM_RESET ? "reset" : "half-close";

	if (must_be_quiet(s) && !is_quiet(s, item))
		return STEP_WAIT;
	if (cannot_speak(s, item))
		return STEP_WAIT;
	play_tell(s->play, "%u S <%s>", s->number, how);
	if (item->kind == ITEM_HALF_CLOSE) {
		sim_finish(s->conn);
		return STEP_DONE;
	}
	s->closed = true;
	s->next++;	/* before the connection goes, and tells us */
	if (item->kind == ITEM_CLOSE)
		sim_close(s->conn);
	else
		sim_reset(s->conn);
	return STEP_WAIT;
}

/* --- the story -------------------------------------------------------------------------------- */

static enum step play_item(struct server *s, const struct script_item *item)
{
	switch (item->kind) {
	case ITEM_LINE:
		return expect_line(s, item);
	case ITEM_MESSAGE:
		return expect_message(s, item);
	case ITEM_CHUNK:
		return expect_chunk(s, item);
	case ITEM_OCTETS:
		return expect_octets(s, item);
	case ITEM_EXACTLY:
		return expect_exactly(s, item);
	case ITEM_NOTHING:
		return expect_nothing(s, item);
	case ITEM_CLIENT_CLOSE:
		return expect_close(s, item);
	case ITEM_SEND:
		return send_item(s, item);
	case ITEM_SILENCE:
		return s->finished || s->gone || has_slept(s, item->number) ? STEP_DONE : STEP_WAIT;
	case ITEM_PACE:
		s->pace_ns = item->number;
		return STEP_DONE;
	case ITEM_READ_RATE:
		return read_item(s, item);
	case ITEM_SCRAM:
		return scram_item(s, item);
	case ITEM_TLS:
		return begin_tls(s, item);
	case ITEM_CLOSE:
	case ITEM_HALF_CLOSE:
	case ITEM_RESET:
		return close_item(s, item);
	}
	UNREACHABLE();
}

/* Behind the script's last line a client may take its leave, and nothing else. */
static void after_the_end(struct server *s)
{
	const struct script_item *last = item_at(s, s->session->count - 1);
	struct slice line;

	if (s->closed || s->conn == NULL)
		return;
	/* Nobody said how it ends, or that we are still there. */
	if (last != NULL && last->kind == ITEM_SILENCE)
		s->input_len = 0;
	if (whole_line(s, &line)) {
		play_tell(s->play, "%u C %s", s->number, script_show(slice_trim(line)));
		if (!slice_eq(line, SLICE("QUIT\r\n"))) {
			play_fail(s->play, last != NULL ? last->line : s->session->line,
				  "after this the client said %s", script_show(line));
			return;
		}
		say(s, SLICE("221 2.0.0 bye\r\n"));
	} else if (!s->finished) {
		return;
	}
	s->closed = true;
	sim_close(s->conn);
}

static void go(struct server *s)
{
	const struct script_item *item;

	while ((item = item_at(s, s->next)) != NULL && !play_has_failed(s->play)) {
		if (play_item(s, item) == STEP_WAIT)
			break;
		s->next++;
		if (s->asleep && s->conn != NULL)
			sim_wake_cancel(s->conn);
		s->asleep = false;
		s->awake = false;
	}
	if (item == NULL && !play_has_failed(s->play))
		after_the_end(s);
}

static void left_alone(struct server *s, const char *how)
{
	const struct script_item *item = item_at(s, s->next);

	play_tell(s->play, "%u C <%s>", s->number, how);
	go(s);
	item = item_at(s, s->next);
	if (item == NULL || s->closed || play_has_failed(s->play))
		return;
	if (is_clients(item->kind))
		mismatch(s, item, "but the client", slice_of_str(how));
}

static void on_open(struct sim_conn *c)
{
	struct server *s = sim_context(c);

	s->conn = c;
	go(s);
}

static void on_data(struct sim_conn *c, struct slice data)
{
	struct server *s = sim_context(c);

	if (s->closed || play_has_failed(s->play))
		return;
	hear(s, data);
	go(s);
}

static void on_finish(struct sim_conn *c)
{
	struct server *s = sim_context(c);

	s->finished = true;
	left_alone(s, "closes");
}

static void on_reset(struct sim_conn *c)
{
	struct server *s = sim_context(c);

	s->finished = true;
	s->closed = true;
	play_tell(s->play, "%u C <resets>", s->number);
}

static void on_time(struct sim_conn *c)
{
	struct server *s = sim_context(c);

	s->asleep = false;
	s->awake = true;
	go(s);
}

static void on_gone(struct sim_conn *c)
{
	struct server *s = sim_context(c);
	const struct script_item *item;

	s->gone = true;
	s->finished = true;
	s->conn = NULL;
	go(s);
	item = item_at(s, s->next);
	if (item != NULL && !play_has_failed(s->play))
		mismatch(s, item, "but the connection is", SLICE("gone"));
	if (s->tls != NULL)
		tls_server_close(s->tls);
	free(s->tls);
	s->tls = NULL;
	free(s->input);
	s->input = NULL;
	s->input_len = 0;
	s->input_cap = 0;
}

const struct sim_program server_program = {
	.on_open = on_open,
	.on_data = on_data,
	.on_finish = on_finish,
	.on_reset = on_reset,
	.on_time = on_time,
	.on_gone = on_gone,
};
