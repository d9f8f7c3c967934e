#include "crypto/auth.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "core/err.h"
#include "core/random.h"
#include "crypto/base64.h"
#include "crypto/tls_heap.h"

static_assert(offsetof(struct auth_secret, octets) == offsetof(sasl_secret_t, data), "ours is as the library has it");
static_assert(AUTH_MECH_COUNT <= 32, "a set of them is a word");

/* What a plug-in is given. */
struct glue {
	const sasl_client_plug_t *plug;		/* NULL: the mechanism is ours */
	sasl_utils_t utils;
	sasl_client_params_t params;
	sasl_out_params_t out;
};

static_assert(sizeof(struct glue) <= sizeof(((struct auth *)0)->glue), "there is room for it");

/* Written at start. */
static struct {
	uint32_t by_name;
	uint32_t available;
	bool is_tried_out;		/* what the start draws is not chance */
	const sasl_client_plug_t *plugs[AUTH_MECH_COUNT];
	sasl_utils_t utils;		/* the library's, and some of ours in their place */
} library;

static struct glue *glue_of(struct auth *a)
{
	return (struct glue *)(void *)a->glue;
}

/* --- memory: of the exchange that is being stepped -------------------------------------------- */

struct block {
	size_t size;		/* rounded up */
	_Alignas(16) char octets[];
};

static _Thread_local struct auth *stepped;	/* NULL: a plug-in that keeps things, or the start */

static void *exchange_take(size_t size)
{
	struct auth *a = stepped;

	if (a == NULL)
		return tls_heap_take(size);
	if (size > AUTH_HEAP_MAX)
		return NULL;
	size = (MAX(size, 1) + 15) & ~(size_t)15;
	if (AUTH_HEAP_MAX - a->heap_used < sizeof(struct block) + size)
		return NULL;
	struct block *b = (struct block *)(void *)(a->heap + a->heap_used);

	b->size = size;
	a->heap_used += sizeof(struct block) + size;
	return b->octets;
}

static struct block *block_of(void *ptr)
{
	return (struct block *)(void *)((char *)ptr - offsetof(struct block, octets));
}

static bool is_of(const struct auth *a, const void *ptr)
{
	return (uintptr_t)ptr - (uintptr_t)a->heap < sizeof(a->heap);
}

/* Given back twice, or not since the exchange began: whoever wiped it would wipe something else. */
static bool is_taken(const struct auth *a, const struct block *b)
{
	const char *from = (const char *)b;

	return from >= a->heap && from < a->heap + a->heap_used && b->size > 0 &&
	       b->size <= (size_t)(a->heap + a->heap_used - b->octets);
}

/* The latest one makes room for others. The SCRAM plug-in takes a name with "," or "=" from malloc itself, and gives it
 * back to us (Cyrus SASL 2.1.28, encode_saslname). */
static void exchange_put(void *ptr)
{
	struct auth *a = stepped;

	if (a == NULL || ptr == NULL) {
		tls_heap_put(ptr);
		return;
	}
	if (!is_of(a, ptr)) {
		tls_heap_put_foreign(ptr);
		return;
	}
	struct block *b = block_of(ptr);

	ASSERT(is_taken(a, b));
	explicit_bzero(b->octets, b->size);
	if (b->octets + b->size == a->heap + a->heap_used)
		a->heap_used -= sizeof(struct block) + b->size;
	b->size = 0;
}

static void *exchange_resize(void *ptr, size_t size)
{
	if (stepped == NULL)
		return tls_heap_resize(ptr, size);
	ASSERT(ptr == NULL || is_taken(stepped, block_of(ptr)));
	void *moved = exchange_take(size);

	if (moved != NULL && ptr != NULL) {
		memcpy(moved, ptr, MIN(size, block_of(ptr)->size));
		exchange_put(ptr);
	}
	return moved;
}

static void *exchange_zeroed(size_t count, size_t size)
{
	void *p = size == 0 || count <= SIZE_MAX / size ? exchange_take(count * size) : NULL;

	if (p != NULL)
		memset(p, 0, count * size);
	return p;
}

/* --- what a plug-in asks of us ---------------------------------------------------------------- */

static struct auth *auth_of(sasl_conn_t *conn)
{
	return (struct auth *)(void *)conn;	/* what we have told it is one */
}

static void fill_random(sasl_rand_t *pool, char *octets, unsigned len)
{
	(void)pool;
	memset(octets, 'x', len);
	if (library.is_tried_out)
		random_fill(octets, len);
}

static void churn_random(sasl_rand_t *pool, const char *octets, unsigned len)
{
	(void)pool;
	(void)octets;
	(void)len;
}

/* Text of a library's may have anything in it, and we have words of our own. */
static void say_nothing(sasl_conn_t *conn, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say_nothing(sasl_conn_t *conn, int level, const char *format, ...)
{
	(void)conn;
	(void)level;
	(void)format;
}

static void keep_nothing(sasl_conn_t *conn, unsigned flags, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void keep_nothing(sasl_conn_t *conn, unsigned flags, const char *format, ...)
{
	(void)conn;
	(void)flags;
	(void)format;
}

/* A plug-in that asks when nothing is under way (row SUP-02). */
static bool is_under_way(const struct auth *a)
{
	return a != NULL && a->credentials != NULL;
}

static int give_name(void *context, int id, const char **ret_text, unsigned *ret_len)
{
	const struct auth *a = context;

	if (!is_under_way(a) || ret_text == NULL)
		return SASL_BADPARAM;
	bool is_empty = id == SASL_CB_USER && !a->authzid;

	*ret_text = is_empty ? "" : a->credentials->user;
	if (ret_len != NULL)
		*ret_len = is_empty ? 0 : (unsigned)a->credentials->user_len;
	return SASL_OK;
}

static int give_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **ret_secret)
{
	const struct auth *a = context;

	(void)conn;
	(void)id;
	if (!is_under_way(a) || ret_secret == NULL)
		return SASL_BADPARAM;
	*ret_secret = (sasl_secret_t *)(uintptr_t)&a->credentials->secret;	/* which it only reads */
	return SASL_OK;
}

/* Functions of other types travel as this one, and are called as what they are. */
static sasl_callback_ft as_callback(void (*fn)(void))
{
	return (sasl_callback_ft)fn;
}

static int find_callback(sasl_conn_t *conn, unsigned long id, sasl_callback_ft *ret_fn, void **ret_context)
{
	*ret_context = auth_of(conn);
	switch (id) {
	case SASL_CB_USER:
	case SASL_CB_AUTHNAME:
		*ret_fn = as_callback((void (*)(void))give_name);
		return SASL_OK;
	case SASL_CB_PASS:
		*ret_fn = as_callback((void (*)(void))give_secret);
		return SASL_OK;
	default:
		*ret_fn = NULL;
		*ret_context = NULL;
		return SASL_FAIL;
	}
}

/* Names are used as the operator has written them. */
static int take_name(sasl_conn_t *conn, const char *name, unsigned len, unsigned flags, sasl_out_params_t *out)
{
	const struct auth_credentials *c;

	(void)name;
	(void)len;
	if (!is_under_way(auth_of(conn)) || out == NULL)
		return SASL_BADPARAM;
	c = auth_of(conn)->credentials;
	if (flags & SASL_CU_AUTHID) {
		out->authid = c->user;
		out->alen = (unsigned)c->user_len;
	}
	if (flags & SASL_CU_AUTHZID) {
		out->user = c->user;
		out->ulen = (unsigned)c->user_len;
	}
	return SASL_OK;
}

static int get_property(sasl_conn_t *conn, int property, const void **ret_value)
{
	(void)conn;
	(void)property;
	*ret_value = NULL;
	return SASL_NOTDONE;
}

static int set_property(sasl_conn_t *conn, int property, const void *value)
{
	(void)conn;
	(void)property;
	(void)value;
	return SASL_OK;
}

/* --- start ------------------------------------------------------------------------------------ */

/* Only plug-ins that are loaded by name share something between threads. */
static void *mutex_new(void)
{
	pthread_mutex_t *m = tls_heap_take(sizeof(*m));

	if (m != NULL && pthread_mutex_init(m, NULL) != 0) {
		tls_heap_put(m);
		m = NULL;
	}
	return m;
}

static int mutex_lock(void *m)
{
	return pthread_mutex_lock(m) == 0 ? SASL_OK : SASL_FAIL;
}

static int mutex_unlock(void *m)
{
	return pthread_mutex_unlock(m) == 0 ? SASL_OK : SASL_FAIL;
}

static void mutex_free(void *m)
{
	(void)pthread_mutex_destroy(m);
	tls_heap_put(m);
}

static bool has_word(const char *text, const char *word)
{
	return strstr(text, word) != NULL;
}

/* May this file be loaded? What nobody wants is not even looked at (row AUT-06). */
static int verify_file(void *context, const char *file, sasl_verify_type_t type)
{
	static const struct {
		const char *name;
		uint32_t by_name;	/* 0: always */
	} files[] = {
		{ "/libplain.", 0 },	{ "/liblogin.", 0 },
		{ "/libcrammd5.", 0 },	{ "/libscram.", 0 },
		{ "/libdigestmd5.", BIT(AUTH_DIGEST_MD5) }, { "/libntlm.", BIT(AUTH_NTLM) },
		{ "/libgssapiv2.", BIT(AUTH_GSSAPI) },	    { "/libanonymous.", BIT(AUTH_ANONYMOUS) },
	};

	(void)context;
	if (type != SASL_VRFY_PLUGIN)
		return SASL_OK;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (has_word(file, files[i].name))
			return files[i].by_name == 0 || (files[i].by_name & library.by_name) ? SASL_OK : SASL_CONTINUE;
	return SASL_CONTINUE;
}

static int log_nothing(void *context, int level, const char *message)
{
	(void)context;
	(void)level;
	(void)message;
	return SASL_OK;
}

/* We are a plug-in ourselves, for a moment: that is how one gets at the functions that plug-ins are given. */
static int take_utils(const sasl_utils_t *utils, int version_max, int *ret_version, sasl_client_plug_t **ret_plugs,
		      int *ret_count)
{
	static sasl_client_plug_t none;

	if (version_max < SASL_CLIENT_PLUG_VERSION)
		return SASL_BADVERS;
	library.utils = *utils;
	*ret_version = SASL_CLIENT_PLUG_VERSION;
	*ret_plugs = &none;
	*ret_count = 0;
	return SASL_OK;
}

static void take_plug(client_sasl_mechanism_t *m, sasl_info_callback_stage_t stage, void *context)
{
	(void)context;
	if (stage != SASL_INFO_LIST_MECH || m == NULL || m->plug == NULL || m->version > SASL_CLIENT_PLUG_VERSION)
		return;
	int mech = auth_mech_find(slice_of_str(m->plug->mech_name));

	/* Its own EXTERNAL wants a connection of the library's. */
	if (mech < 0 || mech == AUTH_EXTERNAL)
		return;
	library.plugs[mech] = m->plug;
	library.available |= BIT(mech);
}

static void put_ours_in_place(void)
{
	sasl_utils_t *u = &library.utils;

	u->malloc = exchange_take;
	u->calloc = exchange_zeroed;
	u->realloc = exchange_resize;
	u->free = exchange_put;
	u->rpool = NULL;
	u->rand = fill_random;
	u->churn = churn_random;
	u->log = say_nothing;
	u->seterror = keep_nothing;
	u->getcallback = find_callback;
	u->getprop = get_property;
	u->setprop = set_property;
}

/* The first challenge of a server that has no idea who we are: "r=<our nonce>x,s=...,i=4096". */
static void answer_scram(struct auth *a, struct slice first64)
{
	char storage[512], text_storage[512], answer[AUTH_HEAP_MAX / 8];
	struct str first = STR(storage), challenge = STR(text_storage), challenge64 = STR(answer);

	if (base64_add_decoded(&first, first64) < 0)
		return;
	const char *nonce = memmem(first.ptr, first.len, "r=", 2);

	if (nonce == NULL)
		return;
	str_add(&challenge, slice_of(nonce, (size_t)(first.ptr + first.len - nonce)));
	str_add_cstr(&challenge, "x,s=c2FsdA==,i=4096");
	if (base64_add_encoded(&challenge64, str_slice(&challenge)) < 0)
		return;
	char reply[512];
	struct str out = STR(reply);

	(void)auth_step(a, str_slice(&challenge64), &out);	/* nobody wants to hear it */
}

/* What is read or built at the first use is read and built now. */
static void try_out(enum auth_mech mech)
{
	static const struct auth_credentials nobody = { .user = "nobody", .user_len = 6, .secret = { 6, "secret" } };
	static const struct auth_peer nowhere = { .host = SLICE("mx.invalid"), .port = 25 };
	struct auth a;
	char storage[512], out_storage[512];
	struct str first = STR(storage), out = STR(out_storage);
	int r = auth_begin(&a, mech, &nobody, &nowhere, &first);

	if (r > 0 && (mech == AUTH_SCRAM_SHA_1 || mech == AUTH_SCRAM_SHA_256))
		answer_scram(&a, str_slice(&first));
	else if (r == 0)
		(void)auth_step(&a, SLICE("PDFAbXg+"), &out);
	auth_end(&a);
	if (r < 0)
		library.available &= ~BIT(mech);
}

int auth_library_start(uint32_t by_name)
{
	static const sasl_callback_t callbacks[] = {
		{ SASL_CB_VERIFYFILE, (sasl_callback_ft)(void (*)(void))verify_file, NULL },
		{ SASL_CB_LOG, (sasl_callback_ft)(void (*)(void))log_nothing, NULL },
		{ SASL_CB_LIST_END, NULL, NULL },
	};

	if (library.is_tried_out)
		return 0;
	library.by_name = by_name & AUTH_BY_NAME_ONLY;
	sasl_set_alloc(exchange_take, exchange_zeroed, exchange_resize, exchange_put);
	sasl_set_mutex(mutex_new, mutex_lock, mutex_unlock, mutex_free);
	if (sasl_client_init(callbacks) != SASL_OK)
		return -ENOMEM;
	if (sasl_client_add_plugin("ringpost", take_utils) != SASL_OK || library.utils.hmac_md5 == NULL ||
	    sasl_client_plugin_info(NULL, take_plug, NULL) != SASL_OK)
		return ERR_VERSION;
	put_ours_in_place();
	library.available |= AUTH_WITH_TOKEN | BIT(AUTH_EXTERNAL);
	for (int i = 0; i < AUTH_MECH_COUNT; i++)
		if ((library.available & BIT(i)) && !(AUTH_BY_NAME_ONLY & BIT(i)))
			try_out((enum auth_mech)i);
	library.is_tried_out = true;
	return 0;
}

uint32_t auth_library_mechs(void)
{
	return library.available;
}

struct library auth_library(void)
{
	static char built[24], linked[24];
	int major = 0, minor = 0, step = 0;

	sasl_version_info(NULL, NULL, &major, &minor, &step, NULL);
	(void)snprintf(linked, sizeof(linked), "%d.%d.%d", major, minor, step);
	(void)snprintf(built, sizeof(built), "%d.%d.%d", SASL_VERSION_MAJOR, SASL_VERSION_MINOR, SASL_VERSION_STEP);
	return (struct library){ .name = "Cyrus SASL", .built = built, .linked = linked };
}

void auth_library_describe(struct str *out)
{
	for (int i = 0; i < AUTH_MECH_COUNT; i++)
		if (library.available & BIT(i))
			str_printf(out, "%s%s", (library.available & (BIT(i) - 1)) == 0 ? "" : " ",
				   auth_mech_name((enum auth_mech)i));
}

/* --- one exchange ----------------------------------------------------------------------------- */

static int error_of(int sasl)
{
	switch (sasl) {
	case SASL_NOMEM:
	case SASL_BUFOVER:
		return -EMSGSIZE;
	case SASL_BADPROT:
		return ERR_PROTO;
	case SASL_BADSERV:
	case SASL_BADAUTH:
		return -EKEYREJECTED;
	default:
		return -EPERM;
	}
}

static void step_begins(struct auth *a)
{
	ASSERT(stepped == NULL);
	stepped = AUTH_BY_NAME_ONLY & BIT(a->mech) ? NULL : a;
}

static void step_ends(void)
{
	stepped = NULL;
}

/* challenge: NULL, or with a NUL behind it. The response is added in base64. */
static int ask_plug(struct auth *a, const char *challenge, size_t len, struct str *ret_text)
{
	struct glue *g = glue_of(a);
	sasl_interact_t *prompts = NULL;
	const char *out = NULL;
	unsigned out_len = 0;

	step_begins(a);
	int r = g->plug->mech_step(a->context, &g->params, challenge, (unsigned)len, &prompts, &out, &out_len, &g->out);

	step_ends();
	if (r != SASL_OK && r != SASL_CONTINUE)
		return error_of(r);
	a->is_done = r == SASL_OK;
	return base64_add_encoded(ret_text, slice_of(out, out != NULL ? out_len : 0));
}

static int begin_plug(struct auth *a, struct str *ret_text)
{
	struct glue *g = glue_of(a);

	g->utils = library.utils;
	g->utils.conn = (sasl_conn_t *)(void *)a;
	g->params = (sasl_client_params_t){
		.service = "smtp",
		.servicelen = 4,
		.serverFQDN = a->host,
		.slen = (unsigned)strlen(a->host),
		.clientFQDN = "localhost",
		.clen = 9,
		.utils = &g->utils,
		.canon_user = take_name,
		.cbindingdisp = SASL_CB_DISP_NONE,
	};
	step_begins(a);
	int r = g->plug->mech_new(g->plug->glob_context, &g->params, &a->context);

	step_ends();
	if (r != SASL_OK)
		return error_of(r);
	if (g->plug->features & SASL_FEAT_SERVER_FIRST)
		return 0;
	size_t from = ret_text->len;

	r = ask_plug(a, NULL, 0, ret_text);
	/* Not done, and nothing to say: it waits for the server. */
	return r < 0 ? r : ret_text->len > from || a->is_done;
}

/* RFC 7628 3.1, and Google's older form of the same. A comma or '=' in a name is written as SCRAM does it. */
static int add_token(struct auth *a, struct str *ret_text)
{
	const struct auth_credentials *c = a->credentials;
	char storage[AUTH_SECRET_MAX + 3 * AUTH_USER_MAX + AUTH_HOST_MAX + 100];
	struct str text = STR(storage);

	str_add_cstr(&text, a->mech == AUTH_XOAUTH2 ? "user=" : "n,a=");
	for (size_t i = 0; i < c->user_len; i++) {
		bool is_special = a->mech == AUTH_OAUTHBEARER && (c->user[i] == ',' || c->user[i] == '=');

		if (is_special)
			str_add_cstr(&text, c->user[i] == ',' ? "=2C" : "=3D");
		else
			str_add_char(&text, c->user[i]);
	}
	str_add_cstr(&text, a->mech == AUTH_XOAUTH2 ? "\001" : ",\001");
	if (a->mech == AUTH_OAUTHBEARER)
		str_printf(&text, "host=%s\001port=%u\001", a->host, a->port);
	str_add_cstr(&text, "auth=Bearer ");
	str_add(&text, slice_of(c->secret.octets, c->secret.len));
	str_add_cstr(&text, "\001\001");
	a->is_done = true;
	int r = str_is_full(&text) ? -EMSGSIZE : base64_add_encoded(ret_text, str_slice(&text));

	explicit_bzero(storage, sizeof(storage));
	return r < 0 ? r : 1;
}

static int begin_external(struct auth *a, struct str *ret_text)
{
	a->is_done = true;
	int r = a->authzid ? base64_add_encoded(ret_text, slice_of(a->credentials->user, a->credentials->user_len)) : 0;

	return r < 0 ? r : 1;
}

int auth_begin(struct auth *a, enum auth_mech mech, const struct auth_credentials *credentials,
	       const struct auth_peer *peer, struct str *ret_text)
{
	memset(a, 0, offsetof(struct auth, heap));
	a->mech = mech;
	a->credentials = credentials;
	a->authzid = peer->authzid;
	a->port = peer->port;
	memcpy(a->host, peer->host.ptr, MIN(peer->host.len, AUTH_HOST_MAX));
	ASSERT(credentials->user_len <= AUTH_USER_MAX && credentials->secret.len <= AUTH_SECRET_MAX);
	ASSERT(library.available & BIT(mech));
	if (mech == AUTH_EXTERNAL)
		return begin_external(a, ret_text);
	if (AUTH_WITH_TOKEN & BIT(mech))
		return add_token(a, ret_text);
	glue_of(a)->plug = library.plugs[mech];
	return begin_plug(a, ret_text);
}

/* The number behind ",i=" (RFC 5802 5.1), before a library multiplies with it. The last message of the server has
 * none. */
static int check_iterations(struct slice challenge)
{
	const char *at = memmem(challenge.ptr, challenge.len, ",i=", 3);
	uint64_t n;

	if (challenge.len < 2 || memcmp(challenge.ptr, "r=", 2) != 0)
		return 0;	/* none is due, or the library will say so */
	if (at == NULL)
		return ERR_PROTO;
	struct slice number = slice_of(at + 3, (size_t)(challenge.ptr + challenge.len - at) - 3);
	ptrdiff_t comma = slice_find_char(number, 0, ',');

	if (comma >= 0)
		number.len = (size_t)comma;
	int r = slice_to_u64(number, AUTH_ITERATIONS_MAX, &n);

	if (r == -EINVAL)
		return ERR_PROTO;
	return r < 0 || n < AUTH_ITERATIONS_MIN ? -ERANGE : 0;
}

/* A refusal in detail, which has to be acknowledged before it becomes one (RFC 7628 3.2.3). */
static int step_token(const struct auth *a, struct str *ret_text)
{
	if (a->steps > 1)
		return ERR_PROTO;
	return a->mech == AUTH_OAUTHBEARER ? base64_add_encoded(ret_text, SLICE("\001")) : 0;
}

static int step_plug(struct auth *a, struct slice challenge, struct str *ret_text)
{
	int r = 0;

	if (a->is_done)
		return ERR_PROTO;	/* it has been told all there is */
	if (a->mech == AUTH_SCRAM_SHA_1 || a->mech == AUTH_SCRAM_SHA_256)
		r = check_iterations(challenge);
	return r < 0 ? r : ask_plug(a, challenge.ptr, challenge.len, ret_text);
}

int auth_step(struct auth *a, struct slice challenge, struct str *ret_text)
{
	char storage[AUTH_OCTETS_MAX + 1];
	struct str plain = str_over(storage, AUTH_OCTETS_MAX);

	a->octets += challenge.len;
	if (++a->steps > AUTH_STEPS_MAX)
		return -E2BIG;
	if (a->octets > AUTH_OCTETS_MAX)
		return -EMSGSIZE;
	int r = base64_add_decoded(&plain, challenge);

	if (r < 0)
		return r;
	storage[plain.len] = '\0';
	if (AUTH_WITH_TOKEN & BIT(a->mech))
		return step_token(a, ret_text);
	if (a->mech == AUTH_EXTERNAL)
		return ERR_PROTO;
	return step_plug(a, str_slice(&plain), ret_text);
}

void auth_end(struct auth *a)
{
	struct glue *g = glue_of(a);

	step_begins(a);
	if (a->context != NULL)
		g->plug->mech_dispose(a->context, &g->utils);
	step_ends();
	explicit_bzero(a->heap, a->heap_used);	/* what is beyond was wiped when it was given back */
	explicit_bzero(a, offsetof(struct auth, heap));
}
