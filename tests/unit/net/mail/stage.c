#include "net/mail/stage.h"

#include <errno.h>

#include "tests/test.h"
#include "tests/unit/net/mail/stage_run.h"

/* --- stages with one habit each ----------------------------------------------------------------- */

enum habit { PASS, SPLIT, DOUBLE, HOLD, DROP, WAIT, TAIL, FAIL, HABITS };

struct toy {
	struct stage stage;
	enum habit habit;
	bool has_waited;
	bool is_second;		/* DOUBLE: its octet was given once */
	bool has_held;
	char held;
	unsigned tail_given;
	char own[4];		/* spoilt at each call: nobody may still be looking at it */
	bool is_last;
	bool has_ended;
};

static int toy_give_own(struct toy *t, char c, struct slice *ret_span)
{
	t->own[0] = c;
	*ret_span = slice_of(t->own, 1);
	return STAGE_SPAN;
}

static int toy_take(struct slice *in, size_t len, struct slice *ret_span)
{
	*ret_span = slice_head(*in, len);
	slice_skip(in, len);
	return STAGE_SPAN;
}

static int toy_end(struct toy *t, bool is_last)
{
	t->has_ended = is_last;
	return is_last ? STAGE_END : STAGE_MORE;
}

static int double_next(struct toy *t, struct slice *in, struct slice *ret_span)
{
	t->is_second = !t->is_second;
	if (!t->is_second)
		return toy_take(in, 1, ret_span);
	return toy_give_own(t, in->ptr[0], ret_span);
}

static int hold_next(struct toy *t, struct slice *in, bool is_last, struct slice *ret_span)
{
	if (t->has_held && (in->len > 0 || is_last)) {
		t->has_held = false;
		return toy_give_own(t, t->held, ret_span);
	}
	if (in->len > 1)
		return toy_take(in, in->len - 1, ret_span);
	if (in->len == 1) {
		t->held = in->ptr[0];
		t->has_held = true;
		slice_skip(in, 1);
		return is_last ? hold_next(t, in, is_last, ret_span) : STAGE_MORE;
	}
	return toy_end(t, is_last);
}

static int drop_next(struct toy *t, struct slice *in, bool is_last, struct slice *ret_span)
{
	size_t len = 0;

	while (in->len > 0 && in->ptr[0] == 'd')
		slice_skip(in, 1);
	while (len < in->len && in->ptr[len] != 'd')
		len++;
	return len > 0 ? toy_take(in, len, ret_span) : toy_end(t, is_last);
}

static int tail_next(struct toy *t, struct slice *ret_span)
{
	if (t->tail_given == 3)
		return toy_end(t, true);
	return toy_give_own(t, "END"[t->tail_given++], ret_span);
}

static int toy_next(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct toy *t = container_of(s, struct toy, stage);

	memset(t->own, '!', sizeof(t->own));
	ASSERT(is_last || !t->is_last);
	ASSERT(!t->has_ended || in->len == 0);
	t->is_last = is_last;
	if (t->habit == HOLD)
		return hold_next(t, in, is_last, ret_span);
	if (t->habit == DROP)
		return drop_next(t, in, is_last, ret_span);
	if (t->habit == WAIT && (in->len > 0 || is_last)) {
		t->has_waited = !t->has_waited;
		if (t->has_waited)
			return STAGE_WAIT;
	}
	if (in->len == 0)
		return t->habit == TAIL && is_last ? tail_next(t, ret_span) : toy_end(t, is_last);
	if (t->habit == SPLIT)
		return toy_take(in, 1, ret_span);
	if (t->habit == DOUBLE)
		return double_next(t, in, ret_span);
	if (t->habit == FAIL && memchr(in->ptr, 'F', in->len) != NULL)
		return -EBADMSG;
	return toy_take(in, in->len, ret_span);
}

/* The same for a whole text, in place. Returns false when it fails. */
static bool toy_reference(enum habit habit, struct str *text)
{
	char storage[512];
	struct str out = STR(storage);
	struct slice in = str_slice(text);

	for (size_t i = 0; i < in.len; i++) {
		if (habit == FAIL && in.ptr[i] == 'F')
			return false;
		if (habit != DROP || in.ptr[i] != 'd')
			str_add_char(&out, in.ptr[i]);
		if (habit == DOUBLE)
			str_add_char(&out, in.ptr[i]);
	}
	if (habit == TAIL)
		str_add_cstr(&out, "END");
	str_clear(text);
	str_add(text, str_slice(&out));
	return true;
}

struct row {
	struct toy toys[STAGES_MAX];
	enum habit habits[STAGES_MAX];
	unsigned count;
};

static void row_init(void *context, struct chain *c)
{
	struct row *row = context;

	for (unsigned i = 0; i < row->count; i++) {
		row->toys[i] = (struct toy){ .stage = { toy_next }, .habit = row->habits[i] };
		chain_add(c, &row->toys[i].stage);
	}
}

/* --- claims ------------------------------------------------------------------------------------- */

static void check_row(struct row *row, const char *in)
{
	const struct stage_setup setup = { row_init, row };
	char want_storage[512], out_storage[512];
	struct str want = STR(want_storage), out = STR(out_storage);
	bool passes = true;

	str_add_cstr(&want, in);
	for (unsigned i = 0; passes && i < row->count; i++)
		passes = toy_reference(row->habits[i], &want);
	if (!stage_every_cut(&setup, slice_of_str(in), passes ? STAGE_END : -EBADMSG, str_slice(&want), &out))
		fail_msg("\"%s\" through %d %d %d gave \"%.*s\"", in, row->habits[0], row->habits[1], row->habits[2],
			SLICE_FMT(str_slice(&out)));
}

static void three_in_a_row(void **state)
{
	static const char *const texts[] = { "", "a", "abc", "dad", "ddd", "aFd" };

	(void)state;
	for (unsigned n = 0; n < HABITS * HABITS * HABITS; n++) {
		struct row row = { .habits = { n % HABITS, n / HABITS % HABITS, n / HABITS / HABITS }, .count = 3 };

		for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
			check_row(&row, texts[i]);
	}
}

static void any_number(void **state)
{
	struct row row = { .habits = { HOLD, SPLIT, DOUBLE, WAIT, TAIL, DROP, HOLD, WAIT } };

	(void)state;
	for (row.count = 0; row.count <= STAGES_MAX; row.count++)
		check_row(&row, "abcdefd");
}

static void waits_are_seen(void **state)
{
	struct row row = { .habits = { PASS, WAIT, PASS }, .count = 3 };
	struct slice in = SLICE("ab"), span;
	struct chain c;

	(void)state;
	chain_init(&c);
	row_init(&row, &c);
	assert_int_equal(chain_next(&c, &in, false, &span), STAGE_WAIT);
	assert_int_equal(chain_next(&c, &in, false, &span), STAGE_SPAN);
	assert_true(slice_eq(span, SLICE("ab")));
	assert_int_equal(chain_next(&c, &in, false, &span), STAGE_MORE);
	assert_int_equal(chain_next(&c, &in, true, &span), STAGE_WAIT);
	assert_int_equal(chain_next(&c, &in, true, &span), STAGE_END);
}

static void ends_stay(void **state)
{
	struct row row = { .habits = { HOLD, TAIL }, .count = 2 };
	struct row bad = { .habits = { PASS, FAIL }, .count = 2 };
	struct slice in = SLICE("F"), rest = SLICE("x"), nothing = { 0 }, span;
	struct chain c;
	int r;

	(void)state;
	chain_init(&c);
	row_init(&row, &c);
	while ((r = chain_next(&c, &in, true, &span)) == STAGE_SPAN)
		;
	assert_int_equal(r, STAGE_END);
	assert_int_equal(chain_next(&c, &nothing, true, &span), STAGE_END);
	in = SLICE("F");
	chain_init(&c);
	row_init(&bad, &c);
	assert_int_equal(chain_next(&c, &in, false, &span), -EBADMSG);
	assert_int_equal(chain_next(&c, &rest, false, &span), -EBADMSG);
	assert_int_equal(rest.len, 1);
}

/* A long piece goes through stages that change nothing as one span, the piece itself. */
static void nothing_is_copied(void **state)
{
	struct row row = { .habits = { PASS, PASS, PASS }, .count = 3 };
	static const char text[] = "what nobody changes";
	struct slice in = SLICE("what nobody changes"), span;
	struct chain c;

	(void)state;
	in.ptr = text;
	chain_init(&c);
	row_init(&row, &c);
	assert_int_equal(chain_next(&c, &in, true, &span), STAGE_SPAN);
	assert_ptr_equal(span.ptr, text);
	assert_int_equal(span.len, sizeof(text) - 1);
}

/* Stages that break the contract. */
static int say_more_at_the_end(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	(void)s;
	(void)is_last;
	(void)ret_span;
	slice_skip(in, in->len);
	return STAGE_MORE;
}

static int give_nothing(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	(void)s;
	(void)in;
	(void)is_last;
	*ret_span = (struct slice){ 0 };
	return STAGE_SPAN;
}

static int end_too_soon(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	(void)s;
	(void)in;
	(void)is_last;
	(void)ret_span;
	return STAGE_END;
}

static void run_liar(void *context)
{
	struct slice in = SLICE("a"), span;
	struct chain c;

	chain_init(&c);
	chain_add(&c, context);
	(void)chain_next(&c, &in, true, &span);		/* does not return */
}

static void liars_are_stopped(void **state)
{
	struct stage liars[] = { { say_more_at_the_end }, { give_nothing }, { end_too_soon } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(liars); i++)
		assert_true(test_dies(run_liar, &liars[i]));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("any three stages in a row give what one after the other would, at every cut", three_in_a_row),
		CLAIM("any number of stages from none to STAGES_MAX does", any_number),
		CLAIM("who waits in the middle makes the chain wait, and loses nothing", waits_are_seen),
		CLAIM("an end stays the end, and a failure stays one", ends_stay),
		CLAIM("what nobody changes is not copied, and not cut", nothing_is_copied),
		CLAIM("a stage that breaks the contract stops us", liars_are_stopped),
	};

	return cmocka_run_group_tests_name("net/mail/stage", claims, NULL, NULL);
}
