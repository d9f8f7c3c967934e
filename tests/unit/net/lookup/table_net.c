/* Tables of other processes on a real ring, against a server on strings. */
#include "net/lookup/table_net.h"

#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/err.h"
#include "tests/unit/net/smtp/puppet.h"

static struct reactor reactor;
static struct puppet server;
static struct table_set *set;
static struct table_net *net;
static struct maps *maps;

/* --- questions and their answers ------------------------------------------------------------------- */

struct question {
	struct maps_ask ask;
	char storage[64];
	struct str value;
	int result;
	unsigned answers;
};

static bool inside_call;

static void on_answer(struct maps_ask *ask, int result)
{
	struct question *q = container_of(ask, struct question, ask);

	assert_false(inside_call);
	q->result = result;
	q->answers++;
}

static void ask(struct question *q, const char *key, unsigned flags)
{
	q->value = (struct str){ .ptr = q->storage, .cap = sizeof(q->storage) };
	q->answers = 0;
	inside_call = true;
	maps_ask(net, &q->ask, maps, slice_of_str(key), flags, &q->value, on_answer);
	inside_call = false;
}

static void turn(void)
{
	static unsigned quiet;
	bool moved = puppet_pull(&server);

	quiet = moved ? 0 : quiet + 1;
	assert_int_equal(reactor_turn(&reactor, quiet > 20 ? clock_mono_ns() + NS_PER_MS : 0), 0);
}

static void wait_for(const struct question *q)
{
	uint64_t end_ns = clock_mono_ns() + 10 * NS_PER_SEC;

	while (q->answers == 0 && clock_mono_ns() < end_ns)
		turn();
	assert_int_equal(q->answers, 1);
}

static void turns_for(unsigned ms)
{
	uint64_t end_ns = clock_mono_ns() + ms * NS_PER_MS;

	while (clock_mono_ns() < end_ns)
		turn();
}

static void assert_says(struct question *q, const char *key, int result, const char *value)
{
	ask(q, key, 0);
	wait_for(q);
	assert_int_equal(q->result, result);
	assert_string_equal(str_cstr(&q->value), value);
}

/* --- the stage -------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	const struct io_conf conf = { .core = 0, .files_max = 64, .arena_size = KIB(64), .recv_bufs = 8 };

	(void)state;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &conf), 0);
	table_net_register();
	set = table_set_new();
	return 0;
}

/* Opens the server, and maps of fmt with its port. */
static void open_maps(const struct puppet_step *script, size_t chunk, const char *fmt)
{
	char name[160], storage[TABLE_WHY_MAX];
	struct str why = STR(storage), text = STR(name);
	struct slice before = slice_of_str(fmt);
	ptrdiff_t percent = slice_find_char(before, 0, '%');

	server = (struct puppet){ .script = script, .chunk = chunk };
	assert_true(puppet_open(&server, "127.0.0.1", 0));
	str_add(&text, slice_head(before, percent < 0 ? before.len : (size_t)percent));
	if (percent >= 0) {
		str_add_u64(&text, addr_port(&server.addr));
		str_add_cstr(&text, fmt + percent + 1);
	}
	assert_int_equal(maps_open(set, str_slice(&text), &why, &maps), 0);
	net = table_net_new(set);
	assert_non_null(net);
}

static int teardown(void **state)
{
	(void)state;
	if (net != NULL) {
		table_net_close(net);
		while (!table_net_is_closed(net))
			turn();
	}
	table_net_free(&net);
	turns_for(5);
	maps_free(&maps);
	table_set_free(&set);
	puppet_close(&server);
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

/* --- claims ----------------------------------------------------------------------------------------- */

static const struct puppet_step tcp_script[] = {
	{ "get a\n", "200 first%20one\n", PUPPET_GO_ON },
	{ "get b\n", "500 no\n", PUPPET_GO_ON },
	{ "get c\n", "400 later\n", PUPPET_GO_ON },
	{ "get d\n", "200 last\n", PUPPET_GO_ON },
	{ NULL, NULL, PUPPET_GO_ON },
};

static void tcp_has_three_outcomes(void **state)
{
	for (size_t chunk = 0; chunk < 3; chunk++) {
		struct question q = { 0 };

		open_maps(tcp_script, chunk, "inline:{x=local} tcp:127.0.0.1:%, inline:{b=behind}");
		assert_true(maps_need_io(maps));
		assert_int_equal(maps_find(maps, SLICE("a"), 0, &q.value), -EWOULDBLOCK);
		assert_says(&q, "x", 1, "local");
		assert_int_equal(server.accepted, 0);
		assert_says(&q, "a", 1, "first one");
		assert_says(&q, "b", 1, "behind");
		assert_says(&q, "c", -EIO, "");
		assert_says(&q, "d", 1, "last");
		assert_int_equal(server.accepted, 1);
		ask(&q, "d", TABLE_PARTIAL);	/* never shown to another process */
		wait_for(&q);
		assert_int_equal(q.result, 0);
		(void)teardown(state);
		(void)setup(state);
	}
}

static void socketmap_has_three_outcomes(void **state)
{
	static const struct puppet_step script[] = {
		{ "6:name a,", "4:OK 1,", PUPPET_GO_ON },
		{ "6:name b,", "9:NOTFOUND ,", PUPPET_GO_ON },
		{ "6:name c,", "8:TEMP now,", PUPPET_GO_ON },
		{ NULL, NULL, PUPPET_GO_ON },
	};
	struct question q = { 0 };

	(void)state;
	open_maps(script, 1, "socketmap:inet:localhost:%:name");
	assert_says(&q, "a", 1, "1");
	assert_says(&q, "b", 0, "");
	assert_says(&q, "c", -EIO, "");
}

static void questions_wait_in_order(void **state)
{
	struct question q[4] = { 0 };
	static const char *const keys[] = { "a", "b", "c", "d" };

	(void)state;
	open_maps(tcp_script, 0, "tcp:127.0.0.1:%");
	for (size_t i = 0; i < 4; i++)
		ask(&q[i], keys[i], 0);
	for (size_t i = 0; i < 4; i++)
		wait_for(&q[i]);
	assert_int_equal(q[0].result, 1);
	assert_int_equal(q[1].result, 0);
	assert_int_equal(q[2].result, -EIO);
	assert_string_equal(str_cstr(&q[3].value), "last");
	assert_int_equal(server.accepted, 1);
}

static void an_idle_connection_may_go(void **state)
{
	static const struct puppet_step script[] = {
		{ "get a\n", "200 x\n", PUPPET_CLOSE },
		{ NULL, NULL, PUPPET_GO_ON },
	};
	struct question q = { 0 };

	(void)state;
	open_maps(script, 0, "tcp:127.0.0.1:%");
	for (unsigned i = 1; i <= 3; i++) {
		assert_says(&q, "a", 1, "x");
		turns_for(i % 2 * 20);	/* with and without time to notice */
	}
	assert_int_equal(server.accepted, 3);
}

static void nonsense_is_an_error(void **state)
{
	static const struct puppet_step scripts[][2] = {
		{ { "get a\n", "hello\n", PUPPET_GO_ON }, { NULL, NULL, PUPPET_GO_ON } },
		{ { "get a\n", "200 x\n200 y\n", PUPPET_GO_ON }, { NULL, NULL, PUPPET_GO_ON } },
		{ { "get a\n", "200 x", PUPPET_CLOSE }, { NULL, NULL, PUPPET_GO_ON } },
		{ { "get a\n", "2", PUPPET_RESET }, { NULL, NULL, PUPPET_GO_ON } },
	};

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct question q = { 0 };

		open_maps(scripts[i], 0, "tcp:127.0.0.1:% inline:{a=never}");
		ask(&q, "a", 0);
		wait_for(&q);
		assert_true(q.result < 0);
		assert_int_equal(server.accepted, 1);
		(void)teardown(state);
		(void)setup(state);
	}
}

static void nobody_there_is_an_error(void **state)
{
	struct question q[3] = { 0 };

	(void)state;
	open_maps(tcp_script, 0, "tcp:127.0.0.1:%");
	puppet_close(&server);
	for (size_t i = 0; i < 3; i++)
		ask(&q[i], "a", 0);
	for (size_t i = 0; i < 3; i++) {
		wait_for(&q[i]);
		assert_int_equal(q[i].result, -ECONNREFUSED);
	}
}

static void cancelled_questions_have_no_answer(void **state)
{
	struct question q[3] = { 0 };

	(void)state;
	open_maps(tcp_script, 0, "static:x");
	ask(&q[0], "a", 0);
	maps_ask_cancel(&q[0].ask);	/* answered, and not told yet */
	maps_ask_cancel(&q[1].ask);	/* never asked */
	turns_for(5);
	assert_int_equal(q[0].answers, 0);
	(void)teardown(state);
	(void)setup(state);
	open_maps(tcp_script, 0, "tcp:127.0.0.1:%");
	ask(&q[0], "a", 0);
	ask(&q[1], "x", 0);
	ask(&q[2], "b", 0);
	for (unsigned i = 0; server.accepted == 0 || i < 2; i++)
		turn();
	maps_ask_cancel(&q[1].ask);	/* waiting */
	maps_ask_cancel(&q[0].ask);	/* perhaps under way: its answer must not become another one's */
	wait_for(&q[2]);
	assert_int_equal(q[2].result, 0);
	assert_int_equal(q[0].answers + q[1].answers, 0);
}

/* Sessions come and go while their questions are under way: the others do not pay for that with a new connection. */
static void who_goes_leaves_the_connection(void **state)
{
	struct question q[2] = { 0 };

	(void)state;
	open_maps(tcp_script, 1, "tcp:127.0.0.1:%");
	server.chunk_wait_ns = 2 * NS_PER_MS;
	ask(&q[0], "a", 0);
	while (server.said == 0)
		turn();
	maps_ask_cancel(&q[0].ask);	/* some octets of its answer are here */
	ask(&q[1], "b", 0);
	wait_for(&q[1]);
	assert_int_equal(q[1].result, 0);
	assert_int_equal(server.accepted, 1);
	ask(&q[0], "c", 0);
	turns_for(5);
	maps_ask_cancel(&q[0].ask);
	assert_says(&q[1], "d", 1, "last");
	assert_int_equal(q[0].answers, 0);
	assert_int_equal(server.accepted, 1);
}

static void the_end_is_an_answer(void **state)
{
	static const struct puppet_step script[] = {
		{ "get a\n", NULL, PUPPET_GO_ON },
		{ "never", NULL, PUPPET_GO_ON },
		{ NULL, NULL, PUPPET_GO_ON },
	};
	struct question q[2] = { 0 };

	(void)state;
	open_maps(script, 0, "tcp:127.0.0.1:%");
	ask(&q[0], "a", 0);
	ask(&q[1], "a", 0);
	turns_for(20);
	table_net_close(net);
	wait_for(&q[0]);
	wait_for(&q[1]);
	assert_int_equal(q[0].result, -ECANCELED);
	assert_int_equal(q[1].result, -ECANCELED);
}

static void names_are_numbers(void **state)
{
	static const char *const wrong[] = {
		"tcp:host.example:25", "tcp:127.0.0.1", "tcp:127.0.0.1:0", "tcp:unix:/x", "socketmap:inet:127.0.0.1:25",
		"socketmap:inet:127.0.0.1:25:", "socketmap:/x:name", "socketmap:unix:x:name", "socketmap:",
		"unionmap:{tcp:127.0.0.1:25}", "pipemap:{static:x, tcp:127.0.0.1:25}",
	};
	static const char *const right[] = {
		"tcp:[::1]:25", "tcp:localhost:25", "socketmap:unix:/x:name", "socketmap:inet:[::1]:25:name",
	};
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct table *t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(table_open(set, slice_of_str(wrong[i]), &why, &t), ERR_SYNTAX);
		assert_true(why.len > 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(right); i++)
		assert_int_equal(table_open(set, slice_of_str(right[i]), &why, &t), 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("tcp: found, not found and error, in pieces of any size", tcp_has_three_outcomes, setup, teardown),
		CLAIM_WITH("socketmap: found, not found and error", socketmap_has_three_outcomes, setup, teardown),
		CLAIM_WITH("questions share a connection and wait in order", questions_wait_in_order, setup, teardown),
		CLAIM_WITH("a connection that was closed when idle is opened again", an_idle_connection_may_go, setup, teardown),
		CLAIM_WITH("an answer that is none is an error, and no table behind is asked", nonsense_is_an_error, setup,
			   teardown),
		CLAIM_WITH("when nobody is there all that wait hear of it", nobody_there_is_an_error, setup, teardown),
		CLAIM_WITH("a cancelled question has no answer", cancelled_questions_have_no_answer, setup, teardown),
		CLAIM_WITH("whoever goes before his answer has come leaves the connection to the others",
			   who_goes_leaves_the_connection, setup, teardown),
		CLAIM_WITH("who still waits at the end gets an answer", the_end_is_an_answer, setup, teardown),
		CLAIM_WITH("names with anything but numbers are refused", names_are_numbers, setup, teardown),
	};
	return cmocka_run_group_tests_name("net/lookup/table_net", claims, NULL, NULL);
}
