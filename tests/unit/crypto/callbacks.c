/* What libraries call back, in orders in which they should not (row SUP-02). Cyrus SASL is this file: its one plug-in
 * does what the test wants. */
#include "crypto/auth.h"

#include <errno.h>
#include <stdlib.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/err.h"
#include "crypto/library.h"
#include "crypto/tls.h"
#include "tests/peers/tls_server.h"
#include "tests/test.h"

/* --- Cyrus SASL ------------------------------------------------------------------------------- */

static struct {
	sasl_malloc_t *take;
	sasl_calloc_t *zeroed;
	sasl_realloc_t *resize;
	sasl_free_t *put;
	void (*script)(const sasl_client_params_t *params);
	const sasl_utils_t *utils;	/* of the latest exchange */
	void *kept;			/* beyond it */
	unsigned disposed;
} sasl;

void sasl_set_alloc(sasl_malloc_t *take, sasl_calloc_t *zeroed, sasl_realloc_t *resize, sasl_free_t *put)
{
	sasl.take = take;
	sasl.zeroed = zeroed;
	sasl.resize = resize;
	sasl.put = put;
}

void sasl_set_mutex(sasl_mutex_alloc_t *make, sasl_mutex_lock_t *lock, sasl_mutex_unlock_t *unlock,
		    sasl_mutex_free_t *end)
{
	void *m = make();

	assert_int_equal(lock(m), SASL_OK);
	assert_int_equal(unlock(m), SASL_OK);
	end(m);
}

void sasl_version_info(const char **name, const char **version, int *major, int *minor, int *step, int *patch)
{
	(void)name;
	(void)version;
	(void)patch;
	*major = 2;
	*minor = 1;
	*step = 99;
}

int sasl_client_init(const sasl_callback_t *callbacks)
{
	assert_non_null(callbacks);
	return SASL_OK;
}

typedef void hmac_fn(const unsigned char *, int, const unsigned char *, int, unsigned char *);

static void no_hash(void)
{
}

int sasl_client_add_plugin(const char *name, sasl_client_plug_init_t *init)
{
	static const sasl_utils_t utils = { .hmac_md5 = (hmac_fn *)no_hash };
	sasl_client_plug_t *plugs;
	int version, count;

	assert_non_null(name);
	return init(&utils, SASL_CLIENT_PLUG_VERSION, &version, &plugs, &count);
}

static int mech_new(void *global, sasl_client_params_t *params, void **ret_context)
{
	(void)global;
	sasl.utils = params->utils;
	*ret_context = params->utils->malloc(40);
	return *ret_context != NULL ? SASL_OK : SASL_NOMEM;
}

static int mech_step(void *context, sasl_client_params_t *params, const char *text, unsigned len,
		     sasl_interact_t **ret_prompts, const char **ret_text, unsigned *ret_len, sasl_out_params_t *out)
{
	(void)context;
	(void)text;
	(void)len;
	(void)ret_prompts;
	(void)out;
	if (sasl.script != NULL)
		sasl.script(params);
	*ret_text = NULL;
	*ret_len = 1000;	/* of nothing */
	return SASL_OK;
}

static void mech_dispose(void *context, const sasl_utils_t *utils)
{
	sasl.disposed++;
	utils->free(context);
}

int sasl_client_plugin_info(const char *list, sasl_client_info_callback_t *tell, void *context)
{
	static const sasl_client_plug_t plug = {
		.mech_name = "PLAIN", .features = SASL_FEAT_WANT_CLIENT_FIRST, .mech_new = mech_new, .mech_step = mech_step,
		.mech_dispose = mech_dispose,
	};
	client_sasl_mechanism_t mech = { .version = SASL_CLIENT_PLUG_VERSION, .plug = &plug };

	(void)list;
	tell(NULL, SASL_INFO_LIST_START, context);
	tell(NULL, SASL_INFO_LIST_MECH, context);
	tell(&mech, SASL_INFO_LIST_MECH, context);
	tell(NULL, SASL_INFO_LIST_END, context);
	return SASL_OK;
}

/* --- an exchange ------------------------------------------------------------------------------ */

static struct auth *exchange;

/* On the heap, so that a sanitizer sees who comes too late. */
static void begin(void (*script)(const sasl_client_params_t *params))
{
	static const struct auth_credentials credentials = { .user = "u", .user_len = 1, .secret = { 1, "s" } };
	static const struct auth_peer peer = { .host = SLICE("mx.test"), .port = 25 };
	char storage[256];
	struct str out = STR(storage);

	sasl.script = script;
	exchange = malloc(sizeof(*exchange));
	assert_non_null(exchange);
	assert_int_equal(auth_begin(exchange, AUTH_PLAIN, &credentials, &peer, &out), 1);
	assert_int_equal(out.len, 0);
}

static void end(void)
{
	auth_end(exchange);
	free(exchange);
}

typedef int name_fn(void *context, int id, const char **ret_text, unsigned *ret_len);
typedef int secret_fn(sasl_conn_t *conn, void *context, int id, sasl_secret_t **ret_secret);

static void find(const sasl_utils_t *utils, unsigned long id, sasl_callback_ft *fn, void **context)
{
	assert_int_equal(utils->getcallback(utils->conn, id, fn, context), SASL_OK);
}

static void ask_for_nothing(const sasl_client_params_t *params)
{
	const sasl_utils_t *u = params->utils;
	sasl_callback_ft fn;
	void *context;
	const char *text = NULL;
	sasl_secret_t *secret = NULL;
	sasl_out_params_t out;

	find(u, SASL_CB_AUTHNAME, &fn, &context);
	name_fn *name = (name_fn *)(void (*)(void))fn;

	assert_int_equal(name(context, SASL_CB_AUTHNAME, &text, NULL), SASL_OK);
	assert_string_equal(text, "u");
	assert_int_equal(name(context, SASL_CB_AUTHNAME, NULL, NULL), SASL_BADPARAM);
	assert_int_equal(name(NULL, SASL_CB_AUTHNAME, &text, NULL), SASL_BADPARAM);
	find(u, SASL_CB_PASS, &fn, &context);
	secret_fn *pass = (secret_fn *)(void (*)(void))fn;

	assert_int_equal(pass(NULL, context, SASL_CB_PASS, &secret), SASL_OK);
	assert_int_equal(secret->len, 1);
	assert_int_equal(pass(NULL, context, SASL_CB_PASS, NULL), SASL_BADPARAM);
	assert_int_equal(pass(NULL, NULL, SASL_CB_PASS, &secret), SASL_BADPARAM);
	assert_int_equal(params->canon_user(u->conn, NULL, 0, SASL_CU_AUTHID, NULL), SASL_BADPARAM);
	assert_int_equal(params->canon_user(NULL, NULL, 0, SASL_CU_AUTHID, &out), SASL_BADPARAM);
	assert_int_equal(params->canon_user(u->conn, NULL, 0, SASL_CU_AUTHID, &out), SASL_OK);
	assert_int_not_equal(u->getcallback(u->conn, SASL_CB_GETREALM, &fn, &context), SASL_OK);
	assert_null((void *)(uintptr_t)fn);
}

static void nothing_can_be_asked_for(void **state)
{
	(void)state;
	begin(ask_for_nothing);
	end();
	assert_int_equal(sasl.disposed, 2);	/* once at the start */
}

static void take_strange_sizes(const sasl_client_params_t *params)
{
	const sasl_utils_t *u = params->utils;
	char *a = u->malloc(100);

	assert_non_null(a);
	memset(a, 'a', 100);
	assert_null(u->malloc(SIZE_MAX));
	assert_null(u->malloc(AUTH_HEAP_MAX));
	assert_null(u->calloc(SIZE_MAX / 2 + 2, 2));
	assert_null(u->realloc(a, SIZE_MAX));
	assert_int_equal(a[99], 'a');		/* it is still there */
	char *none = u->malloc(0);

	assert_non_null(none);
	u->free(none);
	u->free(NULL);
	a = u->realloc(a, 1000);
	assert_non_null(a);
	assert_int_equal(a[99], 'a');
	u->free(a);
	a = u->realloc(NULL, 10);
	assert_non_null(a);			/* and lost: it goes with the exchange */
}

static void memory_is_bounded(void **state)
{
	(void)state;
	begin(take_strange_sizes);
	end();
}

static void keep_some(const sasl_client_params_t *params)
{
	sasl.kept = params->utils->malloc(24);
	assert_non_null(sasl.kept);
}

static void put_twice(const sasl_client_params_t *params)
{
	void *one = params->utils->malloc(24), *two = params->utils->malloc(24);

	params->utils->free(one);
	params->utils->free(one);
	params->utils->free(two);
}

static void grow_twice(const sasl_client_params_t *params)
{
	void *one = params->utils->malloc(24);

	params->utils->free(one);
	(void)params->utils->realloc(one, 100);
}

static void put_kept(const sasl_client_params_t *params)
{
	params->utils->free(sasl.kept);
}

static void grow_kept(const sasl_client_params_t *params)
{
	(void)params->utils->realloc(sasl.kept, 100);
}

static void run(void *script)
{
	begin(*(void (**)(const sasl_client_params_t *params))script);
	end();
}

static void put_outside(void *context)
{
	(void)context;
	sasl.put(sasl.kept);
}

/* An exchange that stays allocated: what it had was wiped when it ended, and its memory may be another's by now. */
static void what_is_not_theirs_stops_us(void **state)
{
	void (*scripts[])(const sasl_client_params_t *params) = { put_twice, grow_twice, put_kept, grow_kept };
	void (*harmless)(const sasl_client_params_t *params) = keep_some;

	(void)state;
	assert_false(test_dies(run, &harmless));
	begin(keep_some);
	auth_end(exchange);
	struct auth *before = exchange;

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		assert_true(test_dies(run, &scripts[i]));
	assert_true(test_dies(put_outside, NULL));
	free(before);
}

/* Somebody who has not heard that it is over. */
static void who_asks_too_late_hears_nothing(void **state)
{
	sasl_callback_ft fn;
	void *context;
	const char *text = "untouched";
	sasl_secret_t *secret = NULL;

	(void)state;
	begin(NULL);
	const sasl_utils_t utils = *sasl.utils;

	find(&utils, SASL_CB_USER, &fn, &context);
	auth_end(exchange);
	assert_int_equal(((name_fn *)(void (*)(void))fn)(context, SASL_CB_USER, &text, NULL), SASL_BADPARAM);
	assert_string_equal(text, "untouched");
	find(&utils, SASL_CB_PASS, &fn, &context);
	assert_int_equal(((secret_fn *)(void (*)(void))fn)(NULL, context, SASL_CB_PASS, &secret), SASL_BADPARAM);
	assert_null(secret);
	free(exchange);
}

/* --- wolfSSL ---------------------------------------------------------------------------------- */

#define NOW_NS		(UINT64_C(1767225600) * NS_PER_SEC)	/* 2026 */
#define TEXT_SIZE	KIB(100)

static struct {
	struct tls_room room;
	struct tls_context *context;
	struct tls_server server;
	struct tls client;
	size_t seen;		/* of what waits on the client's wire: the server has it already */
	size_t read_len;
	char read[MIB(1)];
} it;

static void to_server(struct slice wire)
{
	it.read_len += tls_server_feed(&it.server, wire, it.read + it.read_len, sizeof(it.read) - it.read_len);
}

static int to_client(void)
{
	struct slice in = slice_of(it.server.out, it.server.out_len), plain;
	int r;

	while ((r = tls_unwrap(&it.client, NOW_NS, &in, &plain)) > 0)
		;
	tls_server_sent(&it.server, it.server.out_len);
	return r;
}

/* Until both are open. TLS 1.3: there a server can make a client talk. */
static void open_both(void)
{
	static const struct tls_check check = { .digest = -1 };
	static const struct tls_server_conf server = { .chain = TEST_PKI "/server.pem", .key = TEST_PKI "/server.key",
						       .version = 3 };
	const struct tls_wish wish = { TLS_1_3, TLS_1_3, NULL, { 0 }, &check };
	const struct tls_context_conf conf = { .now_ns = NOW_NS };
	char text[256];
	struct str why = STR(text);
	struct slice wire;
	size_t taken;

	it.read_len = 0;
	it.seen = 0;
	assert_int_equal(tls_context_new(&conf, &why, &it.context), 0);
	assert_true(tls_server_open(&it.server, &server));
	assert_int_equal(tls_open(&it.client, &it.room, it.context, &wish), 0);
	while (!tls_is_open(&it.client) || !it.server.is_open) {
		assert_int_equal(tls_wrap(&it.client, NULL, 0, &wire, &taken), 0);
		to_server(wire);
		assert_int_equal(to_client(), 0);
	}
	assert_int_equal(tls_wrap(&it.client, NULL, 0, &wire, &taken), 0);	/* what it has given out is gone */
	assert_int_equal(wire.len, 0);
}

static void close_both(void)
{
	tls_done(&it.client);
	tls_server_close(&it.server);
	tls_context_retire(&it.context);
	assert_int_equal(it.room.wires.used, 0);
}

/* KeyUpdate: each is answered with one that waits on the wire, where we read it without taking it off. */
static int make_it_talk(unsigned times)
{
	int r = 0;

	for (unsigned i = 0; i < times && r == 0; i++) {
		tls_server_ask_for_keys(&it.server);
		r = to_client();
		to_server(slice_of(it.client.wire + it.seen, it.client.wire_used - it.seen));
		it.seen = it.client.wire_used;
	}
	return r;
}

/* What the server has not read yet. */
static void pass_on(struct slice wire)
{
	slice_skip(&wire, it.seen);
	it.seen = 0;
	to_server(wire);
}

/* One piece at an address that is given back as soon as the call has returned. */
static size_t wrap_moved(const char *text, size_t len, struct slice *ret_wire)
{
	char *copy = malloc(len);
	struct iovec piece = { copy, len };
	size_t taken;

	assert_non_null(copy);
	memcpy(copy, text, len);
	assert_int_equal(tls_wrap(&it.client, &piece, 1, ret_wire, &taken), 0);
	memset(copy, 'X', len);
	free(copy);
	return taken;
}

static void content_may_move_while_the_wire_is_full(void **state)
{
	static const unsigned updates[] = { 0, 1, 100, 600, 1200 };
	static char text[TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 31 >> 3);
	for (size_t k = 0; k < ARRAY_LEN(updates); k++) {
		open_both();
		assert_int_equal(make_it_talk(updates[k]), 0);
		for (size_t done = 0; done < sizeof(text);) {
			struct slice wire;

			done += wrap_moved(text + done, sizeof(text) - done, &wire);
			assert_true(wire.len > 0);
			pass_on(wire);
			assert_int_equal(it.server.err, 0);
		}
		assert_int_equal(it.read_len, sizeof(text));
		assert_memory_equal(it.read, text, sizeof(text));
		close_both();
	}
}

static void who_makes_us_talk_and_does_not_listen_is_left(void **state)
{
	struct slice wire;
	size_t taken;

	(void)state;
	open_both();
	assert_int_equal(make_it_talk(2000), ERR_PROTO);
	assert_string_equal(tls_error(&it.client), "the other side makes us talk, and does not listen");
	/* What was said before may still go; the library is not asked again. */
	assert_int_equal(tls_wrap(&it.client, NULL, 0, &wire, &taken), 0);
	assert_true(wire.len > 0 && wire.len <= TLS_WIRE_SIZE);
	assert_int_equal(tls_wrap(&it.client, NULL, 0, &wire, &taken), 0);
	assert_int_equal(wire.len, 0);
	tls_close(&it.client);
	assert_int_equal(to_client(), ERR_PROTO);
	close_both();
}

/* A limit of its memory is met in the middle of a write, while something else is still on its way out. */
static void a_write_that_fails_is_the_last(void **state)
{
	static char text[TEXT_SIZE];
	struct slice wire;

	(void)state;
	for (unsigned updates = 0; updates < 3; updates++) {
		open_both();
		assert_int_equal(make_it_talk(updates), 0);
		it.client.account.max = it.client.account.used;
		struct iovec piece = { text, sizeof(text) };
		size_t taken;
		int r = tls_wrap(&it.client, &piece, 1, &wire, &taken);

		assert_int_equal(r, updates > 0 ? 0 : -ENOMEM);
		assert_int_equal(wire.len > 0, updates > 0);
		assert_int_equal(taken, 0);
		/* Who has not heard of it asks again. */
		assert_int_equal(tls_wrap(&it.client, &piece, 1, &wire, &taken), ERR_PROTO);
		assert_int_equal(wire.len, 0);
		it.client.account.max = TLS_ACCOUNT_MAX;
		close_both();
	}
}

static void nothing_is_said_behind_a_goodbye(void **state)
{
	char text[] = "EHLO us\r\n";
	struct iovec piece = { text, sizeof(text) - 1 };
	struct slice wire;
	size_t taken;

	(void)state;
	open_both();
	tls_server_goodbye(&it.server);
	assert_int_equal(to_client(), ERR_EOF);
	assert_int_equal(tls_wrap(&it.client, &piece, 1, &wire, &taken), ERR_EOF);
	assert_int_equal(taken + wire.len, 0);
	assert_int_equal(tls_wrap(&it.client, NULL, 0, &wire, &taken), 0);
	close_both();
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(crypto_library_start(), 0);
	assert_int_equal(auth_library_start(0), 0);
	return tls_room_init(&it.room, 2);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a plug-in may ask with nothing in its hands (row SUP-02)", nothing_can_be_asked_for),
		CLAIM("a plug-in's memory is bounded, whatever it asks for (row SUP-02)", memory_is_bounded),
		CLAIM("who asks when all is over hears nothing (row SUP-02)", who_asks_too_late_hears_nothing),
		CLAIM("who gives back what is not his stops us (row SUP-02)", what_is_not_theirs_stops_us),
		CLAIM("content may move while the wire is full (row SUP-02)", content_may_move_while_the_wire_is_full),
		CLAIM("a write that fails is the last one (row SUP-02)", a_write_that_fails_is_the_last),
		CLAIM("nothing is said behind a goodbye (row TLS-19)", nothing_is_said_behind_a_goodbye),
		CLAIM("who makes us talk and does not listen is left (rows SUP-02, TLS-13)",
		      who_makes_us_talk_and_does_not_listen_is_left),
	};

	return cmocka_run_group_tests_name("crypto/callbacks", claims, set_up, NULL);
}
