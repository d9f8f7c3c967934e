/* smuggling.c - one message in, one message out, whoever reads it (rows SMG-01, SMG-03)
 *
 * All strings over { CR, LF, '.', 'a' } up to 8 octets, 87,380 of them, go out in each of the ways below, cut at every
 * one and two places of the input and at every place between two stages. What is on the wire then is read by twelve
 * models of a receiver, eleven of which end a message where they should not. Each has to see one message, one end, and
 * content that is the canonical form: what the reference of net/mail/line_ends makes of the string.
 *
 *	text	string -> line_ends -> dot -> wire
 *	stored	string -> crlf, as DATA brings it -> what is stored -> wire, and also -> unstuff -> dot -> wire;
 *		of its cuts, those of up to 6 octets (tests/unit/net/mail/crlf.c has those on the way in)
 *	records	string, each cut of it a record that ends its line or does not -> line_ends -> dot -> wire;
 *		up to 5 octets, 1,364 strings
 *
 * The wire is compared octet by octet for every cut; so the models need to read it once for each string.
 */
#include "tests/unit/net/mail/scan_levels.h"
#include "tests/unit/net/mail/receivers.h"
#include "tests/unit/net/mail/stage_reference.h"
#include "tests/unit/net/mail/stage_run.h"
#include "tests/unit/net/mail/unstuff_reference.h"

#include "core/err.h"
#include "net/mail/crlf.h"
#include "net/mail/dot.h"
#include "net/mail/line_ends.h"
#include "net/mail/unstuff.h"

#define STRING_MAX	8u

/* A sanitizer takes ten times as long; the plain build does all of it. */
#ifdef TEST_ASAN
#define LENGTH_MAX	6u
#else
#define LENGTH_MAX	STRING_MAX
#endif

/* --- the ways out ------------------------------------------------------------------------------- */

/* Lets one octet through at a time: what is behind it sees every place between two stages as a cut. */
struct chopper {
	struct stage stage;
	bool chops;
};

static int chop_next(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	if (!container_of(s, struct chopper, stage)->chops || in->len == 0)
		return stage_pass(in, is_last, ret_span);
	*ret_span = slice_head(*in, 1);
	slice_skip(in, 1);
	return STAGE_SPAN;
}

/* The dot that is to be tested: ours, or one that is wrong on purpose. */
typedef void make_dot_fn(struct dot *d);

struct way {
	struct line_ends line_ends;
	struct unstuff unstuff;
	struct chopper chopper;
	struct dot dot;
	char memory[LINE_ENDS_MEMORY_MIN];
	make_dot_fn *make_dot;
	bool chops;
};

static void set_up_behind(struct way *w, struct stage *first, struct chain *c)
{
	w->chopper = (struct chopper){ { chop_next }, w->chops };
	w->make_dot(&w->dot);
	chain_add(c, first);
	chain_add(c, &w->chopper.stage);
	chain_add(c, &w->dot.stage);
}

static void set_up_text(void *context, struct chain *c)
{
	struct way *w = context;

	line_ends_init(&w->line_ends, LINE_ENDS_TEXT, w->memory, sizeof(w->memory));
	set_up_behind(w, &w->line_ends.stage, c);
}

static void set_up_stored(void *context, struct chain *c)
{
	struct way *w = context;

	unstuff_init(&w->unstuff);
	set_up_behind(w, &w->unstuff.stage, c);
}

static bool every_cut(struct way *w, void (*init)(void *context, struct chain *c), struct slice in, struct slice want)
{
	static struct text out;

	for (unsigned chops = 0; chops <= 1; chops++) {
		w->chops = chops;
		if (!stage_every_cut(&(struct stage_setup){ init, w }, in, STAGE_END, want, text_clear(&out)))
			return false;
	}
	return true;
}

/* --- text --------------------------------------------------------------------------------------- */

static const char *check_text(struct way *w, struct slice in)
{
	static struct text canonical, wire;

	line_ends_reference(in, text_clear(&canonical));
	(void)stage_run(&(struct stage_setup){ set_up_text, w }, in, NULL, 0, false, text_clear(&wire));
	const char *fooled = who_is_fooled(str_slice(&wire.str), str_slice(&canonical.str));

	if (fooled != NULL)
		return fooled;
	return every_cut(w, set_up_text, in, str_slice(&wire.str)) ? NULL : "a cut";
}

/* --- records ------------------------------------------------------------------------------------ */

/* Cuts at a and b; bit 0 of ends: the first record ends its line, and so on. */
static const char *check_records_of(struct way *w, struct slice in, size_t a, size_t b, unsigned ends)
{
	static struct text canonical, wire;
	const size_t from[] = { 0, a, b, in.len };
	struct chain chain;

	text_clear(&canonical);
	text_clear(&wire);
	w->chops = a & 1;
	chain_init(&chain);
	line_ends_init(&w->line_ends, LINE_ENDS_RECORDS, w->memory, sizeof(w->memory));
	set_up_behind(w, &w->line_ends.stage, &chain);
	for (unsigned i = 0; i < 3; i++) {
		struct slice record = slice_of(in.ptr + from[i], from[i + 1] - from[i]);

		record_reference(record, ends >> i & 1, &canonical.str);
		(void)stage_feed(&chain, record, false, &wire.str);
		if (ends >> i & 1)
			line_ends_end_record(&w->line_ends);
	}
	reference_end(&canonical.str);
	(void)stage_feed(&chain, (struct slice){ 0 }, true, &wire.str);
	return who_is_fooled(str_slice(&wire.str), str_slice(&canonical.str));
}

static const char *check_records(struct way *w, struct slice in)
{
	const char *fooled = NULL;

	for (size_t a = 0; a <= in.len && fooled == NULL; a++)
		for (size_t b = a; b <= in.len && fooled == NULL; b++)
			for (unsigned ends = 0; ends < 8 && fooled == NULL; ends++)
				fooled = check_records_of(w, in, a, b, ends);
	return fooled;
}

/* --- as DATA brings it -------------------------------------------------------------------------- */

/* Returns whether it is accepted; the message then ends where the listener says. */
static bool inject(struct slice in, bool normalise, struct str *out)
{
	static struct text sent;
	struct slice span, rest;
	struct crlf c;
	int r;

	str_add(text_clear(&sent), in);
	str_add_cstr(&sent.str, "\r\n.\r\n");
	rest = str_slice(&sent.str);
	crlf_init(&c, CRLF_DATA, normalise);
	while ((r = crlf_feed(&c, &rest, &span)) == CRLF_SPAN)
		str_add(out, span);
	return r == CRLF_END;
}

static const char *check_stored(struct way *w, struct slice in, bool normalise)
{
	static struct text stored, content, wire;

	text_clear(&stored);
	if (!inject(in, normalise, &stored.str))
		return NULL;
	unstuff_reference(str_slice(&stored.str), text_clear(&content));
	const char *fooled = who_is_fooled(str_slice(&stored.str), str_slice(&content.str));

	if (fooled != NULL)
		return fooled;
	/* Not always what is stored: a client may stuff a line that does not need it. */
	(void)stage_run(&(struct stage_setup){ set_up_stored, w }, str_slice(&stored.str), NULL, 0, false,
			text_clear(&wire));
	return who_is_fooled(str_slice(&wire.str), str_slice(&content.str));
}

/* The stored form is short of what came in where a message ends early, and so has cuts of its own. */
static const char *check_stored_cuts(struct way *w, struct slice in)
{
	static struct text stored, content, wire;

	text_clear(&stored);
	if (!inject(in, true, &stored.str))
		return NULL;
	unstuff_reference(str_slice(&stored.str), text_clear(&content));
	dot_reference(str_slice(&content.str), text_clear(&wire));
	return every_cut(w, set_up_stored, str_slice(&stored.str), str_slice(&wire.str)) ? NULL : "a cut";
}

/* --- all strings -------------------------------------------------------------------------------- */

typedef const char *check_fn(struct way *w, struct slice in);

static const char *reject(struct way *w, struct slice in)
{
	return check_stored(w, in, false);
}

static const char *normalise(struct way *w, struct slice in)
{
	return check_stored(w, in, true);
}

/* Who is fooled first, by any string of len octets, which text then is. */
static const char *all_strings(make_dot_fn *make_dot, check_fn *check, size_t len, char *text)
{
	static const char alphabet[] = "\r\n.a";
	static struct way way;

	way.make_dot = make_dot;
	for (size_t n = 0; n < (size_t)1 << (2 * len); n++) {
		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[n >> (2 * i) & 3];
		const char *fooled = check(&way, slice_of(text, len));

		if (fooled != NULL)
			return fooled;
	}
	return NULL;
}

static const char *word_of(char c)
{
	return c == '\r' ? " CR" : c == '\n' ? " LF" : c == '.' ? " ." : " a";
}

static void expect_nobody_fooled(check_fn *check, size_t max)
{
	for (size_t len = 1; len <= max; len++) {
		char text[STRING_MAX], words_storage[4 * STRING_MAX];
		struct str words = STR(words_storage);
		const char *fooled = all_strings(dot_init, check, len, text);

		for (size_t i = 0; i < len; i++)
			str_add_cstr(&words, word_of(text[i]));
		if (fooled != NULL)
			fail_msg("%s is fooled by%.*s", fooled, SLICE_FMT(str_slice(&words)));
	}
}

static void text_fools_nobody(void **state)
{
	(void)state;
	expect_nobody_fooled(check_text, LENGTH_MAX);
}

static void records_fool_nobody(void **state)
{
	(void)state;
	expect_nobody_fooled(check_records, 5);
}

static void what_is_stored_fools_nobody(void **state)
{
	(void)state;
	expect_nobody_fooled(reject, LENGTH_MAX);
	expect_nobody_fooled(normalise, LENGTH_MAX);
	expect_nobody_fooled(check_stored_cuts, 6);
}

static void every_level_fools_nobody(void **state)
{
	enum scan_level best = scan_level();

	(void)state;
	for (unsigned level = 0; level < SCAN_LEVELS; level++)
		if (scan_use((enum scan_level)level)) {
			expect_nobody_fooled(check_text, 5);
			expect_nobody_fooled(check_stored_cuts, 5);
		}
	assert_true(scan_use(best));
}

/* --- can it fail? ------------------------------------------------------------------------------- */

static int never_stuff(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	(void)s;
	return stage_pass(in, is_last, ret_span);
}

/* Each of these asks the right one, and spoils what that one knows. */
static int (*right_next)(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span);

static int forget_the_line_start(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct dot *d = container_of(s, struct dot, stage);

	if (!d->is_doubled)
		d->in_line = true;
	return right_next(s, in, is_last, ret_span);
}

static int forget_the_line(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	container_of(s, struct dot, stage)->in_line = false;
	return right_next(s, in, is_last, ret_span);
}

static int stuff_whole_lines_only(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct dot *d = container_of(s, struct dot, stage);
	bool is_line = in->len > 1 && in->ptr[0] == '.' && in->ptr[1] == '\r';

	if (!is_line)
		d->in_line = true;
	return right_next(s, in, is_last, ret_span);
}

#define WRONG_DOT(name)						\
	static void make_##name(struct dot *d)			\
	{							\
		dot_init(d);					\
		right_next = d->stage.next;			\
		d->stage.next = name;				\
	}

WRONG_DOT(never_stuff)
WRONG_DOT(forget_the_line_start)
WRONG_DOT(forget_the_line)
WRONG_DOT(stuff_whole_lines_only)

static void wrong_dots_are_caught(void **state)
{
	static make_dot_fn *const wrong[] = {
		make_never_stuff, make_forget_the_line_start, make_forget_the_line, make_stuff_whole_lines_only,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		const char *fooled = NULL;

		for (size_t len = 1; len <= 4 && fooled == NULL; len++) {
			char text[STRING_MAX];

			fooled = all_strings(wrong[i], check_text, len, text);
		}
		assert_non_null(fooled);
	}
}

/* With line ends as they come, and the lone dot stuffed only: that is what the eleven are for. 0 is a NUL. */
static bool raw_fools(const struct receiver *r, const char *in)
{
	static struct reading strict;
	struct text wire, sent;

	text_clear(&wire);
	for (size_t i = 0; in[i] != '\0'; i++) {
		if (i > 1 && stands_at(slice_of_str(in), i - 2, SLICE("\r\n.\r\n")))
			str_add_char(&wire.str, '.');
		str_add_char(&wire.str, in[i] == '0' ? '\0' : in[i]);
	}
	str_add(text_clear(&sent), str_slice(&wire.str));
	str_add_cstr(&sent.str, ".\r\n");
	receive(&receivers[0], str_slice(&sent.str), &strict);
	assert_int_equal(strict.size, sent.str.len);
	return is_fooled(r, str_slice(&wire.str), str_slice(&strict.content.str));
}

static void every_receiver_can_be_fooled(void **state)
{
	static const char *const texts[ARRAY_LEN(receivers)] = {
		NULL, "a\n.\nb\r\n", "a\n.\r\nb\r\n", "a\r\n.\nb\r\n", "a\r.\rb\r\n", "a\r.\nb\r\n", "a\n.\rb\r\n",
		"a\r.\r\nb\r\n", "a\r\n.\rb\r\n", "a\r\r\n.\r\r\nb\r\n", "a\r\n0.\r\nb\r\n", "a\r\n.0\r\nb\r\n",
	};

	(void)state;
	for (unsigned i = 1; i < ARRAY_LEN(receivers); i++)
		if (!raw_fools(&receivers[i], texts[i]))
			fail_msg("%s is not fooled", receivers[i].name);
	assert_false(raw_fools(&receivers[0], "a\r\n.\r\nb.\r\n"));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("each of 87,380 strings is one message for twelve receivers, at every cut (row SMG-01)",
		      text_fools_nobody),
		CLAIM("so is what was accepted over SMTP, and stored (row SMG-01)", what_is_stored_fools_nobody),
		CLAIM("so is what a queue file has in records (row SMG-03)", records_fool_nobody),
		CLAIM("whatever the processor has", every_level_fools_nobody),
		CLAIM("dots that are stuffed wrongly are caught", wrong_dots_are_caught),
		CLAIM("every receiver but the strict one can be fooled", every_receiver_can_be_fooled),
	};

	return cmocka_run_group_tests_name("net/mail/smuggling", claims, NULL, NULL);
}
