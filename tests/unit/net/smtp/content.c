#include <errno.h>
#include <stdio.h>

#include "tests/test.h"
#include "tests/unit/net/mail/records_reference.h"

#include "core/err.h"
#include "core/xcall.h"
#include "net/smtp/content.h"

#define OUT_MAX MIB(2)
#define FILE_MAX KIB(64)

static struct reactor reactor;
static struct content_pool pool;
static const struct generic_conf generic = { .params = NULL };
static const struct message message;
static char flags[] = "";

#define CONTENT_PARAMS { .smtp_line_length_limit = 998, .mime_boundary_length_limit = 2048, .mime_nesting_limit = 100, \
		 .header_size_limit = 102400, .line_length_limit = 2048, .smtp_service_flags = flags }
static struct params params = CONTENT_PARAMS;

static int setup(void **state)
{
	const struct io_conf io = { .files_max = 16, .arena_size = MIB(1), .recv_bufs = 8 };

	(void)state;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &io), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

static void turn(void)
{
	assert_int_equal(reactor_turn(&reactor, 0), 0);
}

/* --- a source --------------------------------------------------------------------------------------------------- */

static struct source {
	struct body body;
	struct slice left;
	size_t piece_size;
	unsigned pieces;	/* a window */
	unsigned next;		/* the window to fill */
	unsigned released;
	bool ended;
	struct slice file;	/* what left is the rest of */
	unsigned seeks;
} source;

static void on_release(struct body *body, struct body_window *window)
{
	assert_true(window == &body->windows[source.released % 2]);
	assert_true(window->ready);
	/* Nobody may look at what has been given back. */
	for (unsigned i = 0; i < window->count; i++)
		window->pieces[i] = slice_of(NULL, 1);
	window->ready = false;
	source.released++;
}

static void source_init(struct slice content, size_t piece_size, unsigned pieces)
{
	source = (struct source){ .left = content, .piece_size = piece_size, .pieces = pieces };
	source.body.release = on_release;
}

/* As if released; and nobody looks at it again. */
static void on_seek(struct body *body, uint64_t offset)
{
	assert_ptr_equal(body, &source.body);
	assert_true(offset < source.file.len);
	for (unsigned i = 0; i < 2; i++)
		body->windows[i] = (struct body_window){ .pieces = { slice_of(NULL, 1) } };
	source.left = source.file;
	slice_skip(&source.left, (size_t)offset);
	source.next = 0;
	source.released = 0;
	source.ended = false;
	source.seeks++;
}

static void source_init_file(struct slice file, size_t offset, size_t piece_size, unsigned pieces)
{
	struct slice content = file;

	slice_skip(&content, offset);
	source_init(content, piece_size, pieces);
	source.file = file;
	source.body.records = (struct body_records){ .offset = offset, .file_size = file.len, .seek = on_seek };
}

/* Fills the next window, if it is empty. */
static bool source_fill(void)
{
	struct body_window *w = &source.body.windows[source.next];

	if (w->ready || source.ended)
		return false;
	for (w->count = 0; w->count < source.pieces && source.left.len > 0; w->count++) {
		w->pieces[w->count] = slice_head(source.left, source.piece_size);
		slice_skip(&source.left, w->pieces[w->count].len);
	}
	w->last = source.left.len == 0;
	w->ready = true;
	source.ended = w->last;
	source.next ^= 1;
	return true;
}

static const struct content_transfer transfer = { .msg = &message, .source = &source.body };

/* --- what should come ------------------------------------------------------------------------------------------- */

/* B 15.2, 15.3, one octet at a time: stored dots away, lines broken, dots again. */
static size_t reference(struct slice in, uint32_t limit, char *out)
{
	size_t n = 0, line = 0;

	for (size_t i = 0; i < in.len; i++) {
		const bool at_start = i == 0 || in.ptr[i - 1] == '\n';

		if (at_start && in.ptr[i] == '.')
			continue;
		if (limit > 0 && line == limit && in.ptr[i] != '\r' && in.ptr[i] != '\n') {
			memcpy(out + n, "\r\n ", 3);
			n += 3;
			line = 1;
		}
		if (line == 0 && in.ptr[i] == '.')
			out[n++] = '.';
		out[n++] = in.ptr[i];
		line = in.ptr[i] == '\n' ? 0 : line + (in.ptr[i] != '\r');
	}
	return n;
}

static char expected[OUT_MAX], got[OUT_MAX];

/* Takes what there is, at most two windows at a time as a session does; returns whether that was the end. */
static bool drain(struct content *c, unsigned *window, size_t *len)
{
	struct body *b = content_body(c);

	for (;;) {
		struct body_window *w = &b->windows[*window];

		if (!w->ready)
			return false;
		assert_true(w->count <= 1);
		for (unsigned i = 0; i < w->count; i++) {
			assert_in_range(w->pieces[i].len, 1, CONTENT_WINDOW);
			memcpy(got + *len, w->pieces[i].ptr, w->pieces[i].len);
			*len += w->pieces[i].len;
		}
		const bool last = w->last;

		b->release(b, w);
		*window ^= 1;
		if (last)
			return true;
	}
}

static void run(struct slice in, uint32_t limit, size_t piece_size, unsigned pieces)
{
	struct content_waiter waiter = { .fn = NULL };
	const size_t want = reference(in, limit, expected);
	unsigned window = 0;
	size_t len = 0;

	list_init(&waiter.node);
	params.smtp_line_length_limit = limit;
	source_init(in, piece_size, pieces);
	struct content *c = content_take(&pool, &waiter);

	assert_non_null(c);
	content_begin(c, CONTENT_WRAP, &transfer);
	for (unsigned i = 0;; i++) {
		assert_true(i < 100000);
		if (i % 3 != 0)
			(void)source_fill();
		content_fill(c);
		if (drain(c, &window, &len))
			break;
	}
	content_fill(c);		/* after the end, nothing */
	assert_false(content_body(c)->windows[0].ready || content_body(c)->windows[1].ready);
	assert_int_equal(len, want);
	assert_memory_equal(got, expected, want);
	params.smtp_line_length_limit = 998;
	content_put(&c);
	assert_null(c);
}

static void every_cut_of_the_source_gives_the_same(void **state)
{
	static char text[KIB(3)];
	size_t len = 0;

	(void)state;
	assert_int_equal(content_pool_init(&pool, KIB(64), &params, &generic), 0);
	for (unsigned line = 0; len < sizeof(text) - 200; line++) {
		if (line % 3 == 0)
			text[len++] = '.', text[len++] = '.';
		for (unsigned i = 0; i < line * 7 % 130; i++)
			text[len++] = (char)('a' + (line + i) % 26);
		memcpy(text + len, "\r\n", 2);
		len += 2;
	}
	for (size_t piece = 1; piece < 70; piece++)
		for (unsigned pieces = 1; pieces <= BODY_PIECES; pieces += 2) {
			run(slice_of(text, len), 50, piece, pieces);
			run(slice_of(text, len), 998, piece, pieces);
		}
	run(slice_of(text, 0), 50, 10, 1);
	content_pool_done(&pool);
}

static void large_content_goes_through_two_windows(void **state)
{
	static char text[KIB(300)];

	(void)state;
	assert_int_equal(content_pool_init(&pool, KIB(64), &params, &generic), 0);
	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 2, "\r\n", 2);
	run(slice_of(text, sizeof(text)), 998, KIB(60), BODY_PIECES);
	run(slice_of(text, sizeof(text)), 2, KIB(60), 1);		/* four octets for each */
	content_pool_done(&pool);
}

static void one_window_is_enough(void **state)
{
	static char text[KIB(100)];

	(void)state;
	assert_int_equal(content_pool_init(&pool, CONTENT_WINDOW, &params, &generic), 0);
	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 2, "\r\n", 2);
	run(slice_of(text, sizeof(text)), 998, KIB(60), BODY_PIECES);
	content_pool_done(&pool);
}

static void a_source_that_fails_fails_us(void **state)
{
	struct content_waiter waiter = { .fn = NULL };

	(void)state;
	assert_int_equal(content_pool_init(&pool, KIB(64), &params, &generic), 0);
	list_init(&waiter.node);
	source_init(SLICE("abc\r\ndef\r\n"), 5, 1);
	struct content *c = content_take(&pool, &waiter);

	content_begin(c, CONTENT_WRAP, &transfer);
	(void)source_fill();
	content_fill(c);
	assert_int_equal(content_body(c)->err, 0);
	source.body.err = ERR_CORRUPT;
	content_fill(c);
	assert_int_equal(content_body(c)->err, ERR_CORRUPT);
	content_put(&c);
	content_pool_done(&pool);
}

/* --- the line --------------------------------------------------------------------------------------------------- */

struct taker {
	struct content_waiter waiter;
	struct content_pool *pool;
	struct content *content;
	unsigned served;
};

static unsigned serving;

static void on_turn(struct content_waiter *waiter)
{
	struct taker *t = container_of(waiter, struct taker, waiter);

	t->served = ++serving;
	t->content = content_take(t->pool, &t->waiter);
	assert_non_null(t->content);
}

static void who_finds_none_waits_in_line(void **state)
{
	struct taker takers[5];

	(void)state;
	assert_int_equal(content_pool_init(&pool, 2 * CONTENT_WINDOW - 1, &params, &generic), 0);	/* one */
	serving = 0;
	for (unsigned i = 0; i < 5; i++) {
		takers[i] = (struct taker){ .pool = &pool, .waiter = { .fn = on_turn } };
		list_init(&takers[i].waiter.node);
		takers[i].content = content_take(&pool, &takers[i].waiter);
		assert_int_equal(takers[i].content != NULL, i == 0);
	}
	assert_null(content_take(&pool, &takers[3].waiter));	/* asking again does not change the order */
	content_put(&takers[0].content);
	/* Who comes now does not pass those in line, though one is free. */
	assert_null(content_take(&pool, &takers[0].waiter));
	content_wait_cancel(&pool, &takers[2].waiter);
	turn();
	assert_non_null(takers[1].content);
	assert_int_equal(takers[1].served, 1);
	for (unsigned i = 1; i < 5; i++) {
		content_put(&takers[i].content);
		content_wait_cancel(&pool, &takers[i].waiter);	/* who is not in line any more */
		turn();
	}
	assert_int_equal(takers[2].served, 0);
	assert_int_equal(takers[3].served, 2);
	assert_int_equal(takers[4].served, 3);
	assert_int_equal(takers[0].served, 4);
	content_put(&takers[0].content);
	content_pool_done(&pool);
}

/* It left the line when it was its turn: the next one gets it. */
static void who_leaves_lets_the_next_one_have_it(void **state)
{
	struct taker takers[3];

	(void)state;
	assert_int_equal(content_pool_init(&pool, CONTENT_WINDOW, &params, &generic), 0);
	serving = 0;
	for (unsigned i = 0; i < 3; i++) {
		takers[i] = (struct taker){ .pool = &pool, .waiter = { .fn = on_turn } };
		list_init(&takers[i].waiter.node);
		takers[i].content = content_take(&pool, &takers[i].waiter);
	}
	content_put(&takers[0].content);
	content_wait_cancel(&pool, &takers[1].waiter);
	turn();
	assert_non_null(takers[2].content);
	content_put(&takers[2].content);
	content_pool_done(&pool);
}

static unsigned ready_count(struct content *c)
{
	return content_body(c)->windows[0].ready + content_body(c)->windows[1].ready;
}

/* A second window is for whoever wants it while nobody waits for his first. */
static void second_windows_are_given_up_for_those_in_line(void **state)
{
	static char text[4 * CONTENT_WINDOW];
	struct taker takers[2];

	(void)state;
	assert_int_equal(content_pool_init(&pool, 2 * CONTENT_WINDOW, &params, &generic), 0);
	serving = 0;
	for (unsigned i = 0; i < 2; i++) {
		takers[i] = (struct taker){ .pool = &pool, .waiter = { .fn = on_turn } };
		list_init(&takers[i].waiter.node);
	}
	memset(text, 'x', sizeof(text));
	source_init(slice_of(text, sizeof(text)), sizeof(text) / 2, 2);
	(void)source_fill();
	struct content *first = content_take(&pool, &takers[0].waiter);

	content_begin(first, CONTENT_WRAP, &transfer);
	content_fill(first);
	assert_int_equal(ready_count(first), 2);
	assert_null(content_take(&pool, &takers[1].waiter));
	content_body(first)->release(content_body(first), &content_body(first)->windows[0]);
	turn();
	assert_non_null(takers[1].content);
	content_fill(first);
	assert_int_equal(ready_count(first), 1);
	/* The one it keeps is enough to go on with. */
	content_body(first)->release(content_body(first), &content_body(first)->windows[1]);
	content_fill(first);
	assert_int_equal(ready_count(first), 1);
	content_put(&takers[1].content);
	content_fill(first);
	assert_int_equal(ready_count(first), 2);
	content_put(&first);
	assert_int_equal(pool_free(&pool.windows), 2);
	content_pool_done(&pool);
}

/* --- what is to be done ----------------------------------------------------------------------------------------- */

static void facts_and_limits_decide(void **state)
{
	static const struct {
		const char *claim;
		uint32_t facts;
		uint32_t caps;
		uint32_t limit;
		bool sent_raw;
		uint32_t needs;
	} cases[] = {
		{ "nothing is known to be wrong with it", 0, SMTP_CAP_8BITMIME, 998, false, 0 },
		{ "dots are stored as they are sent", MESSAGE_STUFFED, SMTP_CAP_8BITMIME, 998, false, 0 },
		{ "a long line", MESSAGE_LONG_LINE, SMTP_CAP_8BITMIME, 998, false, CONTENT_WRAP },
		{ "a long line, and no limit (case 478)", MESSAGE_LONG_LINE, SMTP_CAP_8BITMIME, 0, false, 0 },
		{ "no long line, and a limit above 998", 0, SMTP_CAP_8BITMIME, 2000, false, 0 },
		{ "lines up to 998, and a limit of 990", 0, SMTP_CAP_8BITMIME, 990, false, CONTENT_WRAP },
		{ "8bit, and a server that takes it (case 494)", MESSAGE_8BIT | MESSAGE_BODY_8BITMIME, SMTP_CAP_8BITMIME,
		  998, false, 0 },
		{ "8bit, and one that does not", MESSAGE_8BIT | MESSAGE_BODY_8BITMIME, 0, 998, false, CONTENT_CONVERT },
		{ "the same, disable_mime_output_conversion (case 495)", MESSAGE_8BIT | MESSAGE_BODY_8BITMIME, 0, 998,
		  true, 0 },
		{ "labelled 7bit (case 496)", MESSAGE_BODY_7BIT, 0, 998, false, 0 },
		{ "nobody knows what it is", MESSAGE_8BIT, 0, 998, false, CONTENT_CONVERT },
		{ "both", MESSAGE_8BIT | MESSAGE_LONG_LINE, 0, 998, false, CONTENT_CONVERT | CONTENT_WRAP },
		{ "a queue file may have long lines", MESSAGE_RECORDS, SMTP_CAP_8BITMIME, 998, false,
		  CONTENT_RECORDS | CONTENT_WRAP },
		{ "and is always made of records", MESSAGE_RECORDS, SMTP_CAP_8BITMIME, 0, false, CONTENT_RECORDS },
		{ "its label counts: 8bit, or none", MESSAGE_RECORDS, 0, 0, false, CONTENT_RECORDS | CONTENT_CONVERT },
		{ "its label counts: 7bit", MESSAGE_RECORDS | MESSAGE_BODY_7BIT, 0, 0, false, CONTENT_RECORDS },
	};
	struct params p;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct message msg = { .facts = cases[i].facts };
		const struct smtp_caps caps = { .bits = cases[i].caps };

		p = (struct params){ .smtp_line_length_limit = cases[i].limit, .smtp_service_flags = flags,
				     .disable_mime_output_conversion = cases[i].sent_raw };
		if (content_needs(&msg, &caps, &p) != cases[i].needs)
			fail_msg("%s", cases[i].claim);
	}
}

static void the_size_of_what_is_changed_is_not_announced(void **state)
{
	(void)state;
	assert_true(content_size_holds(0));
	assert_true(content_size_holds(CONTENT_RECORDS | CONTENT_WRAP));	/* the queue manager's */
	assert_false(content_size_holds(CONTENT_WRAP));
	assert_false(content_size_holds(CONTENT_CONVERT));
	assert_false(content_size_holds(CONTENT_RECORDS | CONTENT_CONVERT));
	assert_false(content_size_holds(CONTENT_RECORDS | CONTENT_REWRITE));
	assert_false(content_size_holds(CONTENT_RECORDS | CONTENT_ADD));
}

/* --- conversion ------------------------------------------------------------------------------------------------- */

/* All that the source has, a window at a time, and not each time. Returns the body's error. */
static int send_source(uint32_t needs, size_t *ret_len, struct mime_failure *ret_failure)
{
	struct content_waiter waiter = { .fn = NULL };
	unsigned window = 0;

	list_init(&waiter.node);
	struct content *c = content_take(&pool, &waiter);

	content_begin(c, needs, &transfer);
	*ret_len = 0;
	for (unsigned i = 0; content_body(c)->err == 0; i++) {
		assert_true(i < 1000000);
		if (i % 3 != 0)
			(void)source_fill();
		content_fill(c);
		if (drain(c, &window, ret_len))
			break;
	}
	const int err = content_body(c)->err;

	if (err == ERR_CONTENT)
		*ret_failure = content_failure(c);
	content_put(&c);
	return err;
}

static int convert(struct slice in, size_t piece_size, size_t *ret_len, struct mime_failure *ret_failure)
{
	source_init(in, piece_size, 2);
	return send_source(CONTENT_CONVERT, ret_len, ret_failure);
}

static void what_is_8bit_becomes_quoted_printable(void **state)
{
	static const char in[] = "Content-Transfer-Encoding: 8bit\r\nSubject: x\r\n\r\n..\xc3\xa9\r\n";
	static const char out[] = "Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n..=C3=A9\r\n";
	struct mime_failure failure;
	size_t len;

	(void)state;
	assert_int_equal(content_pool_init(&pool, KIB(64), &params, &generic), 0);
	for (size_t piece = 1; piece < sizeof(in); piece++) {
		assert_int_equal(convert(slice_of(in, sizeof(in) - 1), piece, &len, &failure), 0);
		assert_int_equal(len, sizeof(out) - 1);
		assert_memory_equal(got, out, len);
	}
	content_pool_done(&pool);
}

static void what_cannot_be_converted_fails_with_its_reason(void **state)
{
	static const char in[] = "Content-Type: message/partial\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9\r\n";
	struct mime_failure failure = { 0 };
	size_t len;

	(void)state;
	assert_int_equal(content_pool_init(&pool, KIB(64), &params, &generic), 0);
	assert_int_equal(convert(slice_of(in, sizeof(in) - 1), 10, &len, &failure), ERR_CONTENT);
	assert_int_equal(failure.dsn.class, 5);
	assert_int_equal(failure.dsn.subject, 6);
	assert_int_equal(failure.dsn.detail, 1);
	assert_non_null(failure.words);
	content_pool_done(&pool);
}

/* --- a queue file ----------------------------------------------------------------------------------------------- */

static char file_storage[FILE_MAX];
static char canonical[2 * FILE_MAX], wrapped[2 * FILE_MAX], stuffed[2 * FILE_MAX];

static struct slice file_wire(struct slice file, size_t offset, size_t limit)
{
	struct str content = STR(canonical), lines = STR(wrapped), wire = STR(stuffed);

	assert_int_equal(records_reference(file, offset, &content), 0);
	wrap_reference(str_slice(&content), limit, &lines);
	dot_reference(str_slice(&lines), &wire);
	return str_slice(&wire);
}

static int send_file(struct slice file, size_t offset, uint32_t needs, size_t piece_size, unsigned pieces,
		     size_t *ret_len, struct mime_failure *ret_failure)
{
	source_init_file(file, offset, piece_size, pieces);
	return send_source(CONTENT_RECORDS | needs, ret_len, ret_failure);
}

static void expect_file(struct slice file, size_t offset, uint32_t limit, size_t piece_size, unsigned pieces)
{
	const struct slice want = file_wire(file, offset, limit);
	struct mime_failure failure;
	size_t len;

	params.smtp_line_length_limit = limit;
	assert_int_equal(send_file(file, offset, CONTENT_WRAP, piece_size, pieces, &len, &failure), 0);
	params.smtp_line_length_limit = 998;
	assert_int_equal(len, want.len);
	assert_memory_equal(got, want.ptr, len);
	assert_false(source.body.records.is_damaged);
}

#define PLACES 6u

static void put_record(struct str *out, char type, struct slice data)
{
	str_add_char(out, type);
	if (data.len > 127)
		str_add_char(out, (char)((data.len & 127) | 128));
	str_add_char(out, (char)(data.len > 127 ? data.len >> 7 : data.len));
	str_add(out, data);
}

static void put_random_text(struct str *out, uint64_t *seed, size_t end)
{
	static const char alphabet[] = "\r\n\0\x80......xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	char data[1100];

	while (out->len < end) {
		const uint64_t r = test_random(seed);
		const size_t len = r % 29 == 0 ? 900 + (r >> 8) % 200 : (r >> 8) % 60;

		for (size_t i = 0; i < len; i++)
			data[i] = alphabet[test_random(seed) % (sizeof(alphabet) - 1)];
		put_record(out, "NNNLw"[(r >> 32) % 5], slice_of(data, len));
	}
}

/* A message whose parts lie about in the file in any order, as after many edits; in front of it, an envelope. */
static struct slice scattered_file(uint64_t seed, size_t part, size_t *ret_offset)
{
	size_t offsets[PLACES], order[PLACES];
	struct str out = STR(file_storage);
	size_t ends[PLACES];

	for (size_t i = 0; i < PLACES; i++) {
		const size_t other = test_random(&seed) % (i + 1);

		order[i] = order[other];
		order[other] = i;
	}
	str_add_cstr(&out, "an envelope");
	for (size_t i = 0; i < PLACES; i++) {
		offsets[order[i]] = out.len;
		put_random_text(&out, &seed, out.len + test_random(&seed) % part);
		ends[order[i]] = out.len;
		str_add_cstr(&out, "pointer...: garbage, too");	/* 17 octets, and some */
	}
	assert_false(str_is_full(&out));
	for (size_t i = 0; i < PLACES; i++) {
		char number[16];
		struct str pointer = str_over(file_storage + ends[i], 17);

		(void)snprintf(number, sizeof(number), "%15zu", i + 1 < PLACES ? offsets[i + 1] : 0);	/* fits */
		put_record(&pointer, i + 1 < PLACES ? 'p' : 'X', slice_of(number, i + 1 < PLACES ? 15 : 0));
	}
	*ret_offset = offsets[0];
	return str_slice(&out);
}

static void every_cut_of_a_queue_file_gives_the_same(void **state)
{
	size_t offset;

	(void)state;
	assert_int_equal(content_pool_init(&pool, KIB(64), &params, &generic), 0);
	for (uint64_t seed = 1; seed < 40; seed++) {
		const struct slice file = scattered_file(seed, seed < 20 ? 60 : 3000, &offset);

		for (size_t piece = 1; piece < 70; piece += seed < 20 ? 1 : 23)
			for (unsigned pieces = 1; pieces <= BODY_PIECES; pieces += 2) {
				expect_file(file, offset, 998, piece, pieces);
				expect_file(file, offset, 20, piece, pieces);
			}
		expect_file(file, offset, 0, KIB(1), 1);
		expect_file(file, offset, 998, KIB(32), 3);
	}
	content_pool_done(&pool);
}

static void a_pointer_is_followed_where_its_octets_are(void **state)
{
	size_t offset;

	(void)state;
	assert_int_equal(content_pool_init(&pool, KIB(64), &params, &generic), 0);
	const struct slice file = scattered_file(7, 2000, &offset);

	expect_file(file, offset, 998, 100, 1);
	assert_in_range(source.seeks, 2, PLACES - 1);
	expect_file(file, offset, 998, FILE_MAX, 1);
	assert_in_range(source.seeks, 0, 2);		/* to what lies in front of the first window, and back */
	content_pool_done(&pool);
}

static void a_damaged_queue_file_is_nobodys_mail(void **state)
{
	static const struct slice files[] = {
		SLICE("N\1aM\0"), SLICE("N\1a"), SLICE("N\5a"), SLICE(""), SLICE("N\1ap\2 9"), SLICE("w\0N\1ap\1" "2"),
	};
	struct mime_failure failure;
	size_t len;

	(void)state;
	assert_int_equal(content_pool_init(&pool, KIB(64), &params, &generic), 0);
	for (unsigned i = 0; i < ARRAY_LEN(files); i++)
		for (size_t piece = 1; piece < 10; piece++) {
			failure = (struct mime_failure){ .words = NULL };
			assert_int_equal(send_file(files[i], 0, CONTENT_WRAP, piece, 2, &len, &failure), ERR_CONTENT);
			assert_true(source.body.records.is_damaged);
			assert_int_equal(failure.dsn.class, 5);
			assert_int_equal(failure.dsn.subject, 3);
			assert_int_equal(failure.dsn.detail, 0);
			assert_string_equal(failure.words, "unreadable mail queue entry");
		}
	content_pool_done(&pool);
}

static void a_queue_file_is_converted_like_anything_else(void **state)
{
	static const char want[] = "Content-Transfer-Encoding: quoted-printable\r\n\r\n..=C3=A9=20\r\n";
	struct str file = STR(file_storage);
	struct mime_failure failure;
	size_t len;

	(void)state;
	put_record(&file, 'L', SLICE("Content-T"));
	put_record(&file, 'N', SLICE("ransfer-Encoding: 8bit"));
	put_record(&file, 'N', SLICE(""));
	put_record(&file, 'N', SLICE(".\xc3\xa9\r"));
	put_record(&file, 'X', SLICE(""));
	assert_int_equal(content_pool_init(&pool, KIB(64), &params, &generic), 0);
	for (size_t piece = 1; piece < file.len; piece++) {
		const uint32_t needs = CONTENT_CONVERT | CONTENT_WRAP;

		assert_int_equal(send_file(str_slice(&file), 0, needs, piece, 2, &len, &failure), 0);
		assert_int_equal(len, sizeof(want) - 1);
		assert_memory_equal(got, want, len);
	}
	content_pool_done(&pool);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("every cut of the source gives the same octets", every_cut_of_the_source_gives_the_same),
		CLAIM("large content goes through two windows", large_content_goes_through_two_windows),
		CLAIM("and through one", one_window_is_enough),
		CLAIM("a source that fails fails us", a_source_that_fails_fails_us),
		CLAIM("who finds no transfer waits in line", who_finds_none_waits_in_line),
		CLAIM("who leaves the line lets the next one have it", who_leaves_lets_the_next_one_have_it),
		CLAIM("second windows are given up for those in line", second_windows_are_given_up_for_those_in_line),
		CLAIM("facts and limits decide what is to be done", facts_and_limits_decide),
		CLAIM("the size of what is changed is not announced", the_size_of_what_is_changed_is_not_announced),
		CLAIM("what is 8bit becomes quoted-printable, at every cut", what_is_8bit_becomes_quoted_printable),
		CLAIM("what cannot be converted fails with its reason", what_cannot_be_converted_fails_with_its_reason),
		CLAIM("a queue file is one message, however its windows are cut (row SMG-03)",
		      every_cut_of_a_queue_file_gives_the_same),
		CLAIM("a pointer is followed where its octets are", a_pointer_is_followed_where_its_octets_are),
		CLAIM("a damaged queue file is 5.3.0 for everybody", a_damaged_queue_file_is_nobodys_mail),
		CLAIM("a queue file is converted like anything else", a_queue_file_is_converted_like_anything_else),
	};

	return cmocka_run_group_tests_name("smtp/content", claims, setup, teardown);
}
