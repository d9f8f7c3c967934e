#include "crypto/tls.h"

#include <errno.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#include "core/err.h"
#include "crypto/library.h"

/* --- the core's buffers ----------------------------------------------------------------------- */

int tls_room_init(struct tls_room *room, size_t sessions)
{
	return pool_init(&room->wires, "tls wires", TLS_WIRE_SIZE, sessions);
}

void tls_room_done(struct tls_room *room)
{
	explicit_bzero(room->plain, sizeof(room->plain));
	explicit_bzero(room->gather, sizeof(room->gather));
	pool_done(&room->wires);
}

/* --- wolfSSL's side of the wire --------------------------------------------------------------- */

static int on_recv(WOLFSSL *ssl, char *buf, int size, void *context)
{
	struct tls *t = context;
	size_t n = MIN((size_t)size, t->in.len);

	(void)ssl;
	if (n == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(buf, t->in.ptr, n);
	slice_skip(&t->in, n);
	return (int)n;
}

static int on_send(WOLFSSL *ssl, char *buf, int size, void *context)
{
	struct tls *t = context;

	(void)ssl;
	if (t->wire == NULL)
		t->wire = pool_take(&t->room->wires);
	/* The pool has as many as there are sessions. A server that makes us answer and never reads ends here. */
	if (t->wire == NULL || (size_t)size > TLS_WIRE_SIZE - t->wire_used) {
		t->wire_full = true;
		return WOLFSSL_CBIO_ERR_GENERAL;
	}
	memcpy(t->wire + t->wire_used, buf, (size_t)size);
	t->wire_used += (size_t)size;
	return size;
}

/* The server's certificates, as they came: the only place where they can be seen. Yes to all of them: the verdict is
 * what counts, and that only after the handshake has shown that the server has the key, too. */
static int on_chain(int is_good, WOLFSSL_X509_STORE_CTX *store)
{
	struct tls *t = store->userCtx;
	struct slice certs[TLS_CHAIN_MAX];
	unsigned count = MIN((unsigned)store->totalCerts, TLS_CHAIN_MAX + 0u);

	(void)is_good;
	for (unsigned i = 0; i < count; i++)
		certs[i] = slice_of(store->certs[i].buffer, store->certs[i].length);
	WOLFSSL_CTX *trusted = t->context->trusted;

	tls_chain_judge(trusted != NULL ? wolfSSL_CTX_GetCertManager(trusted) : NULL, certs, count, t->check,
			&t->verdict);
	t->is_judged = true;
	return 1;
}

/* A ticket: the newest is the one that the library keeps (row TLS-13). */
static int on_ticket(WOLFSSL *ssl, const unsigned char *ticket, int size, void *context)
{
	struct tls *t = context;

	(void)ssl;
	(void)ticket;
	t->has_news = size > 0;
	return 0;
}

/* --- beginning and end ------------------------------------------------------------------------ */

static int apply(WOLFSSL *ssl, const struct tls_wish *wish)
{
	int version = wish->version_min == TLS_1_3 ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2;

	if (wish->version_min > wish->version_max || wolfSSL_SetMinVersion(ssl, version) != WOLFSSL_SUCCESS)
		return ERR_SYNTAX;
	if (wish->ciphers != NULL && wolfSSL_set_cipher_list(ssl, wish->ciphers) != WOLFSSL_SUCCESS)
		return ERR_SYNTAX;
	if (wish->servername.len > TLS_NAME_MAX)
		return ERR_SYNTAX;
	if (wish->servername.len > 0 && wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, wish->servername.ptr,
						       (unsigned short)wish->servername.len) != WOLFSSL_SUCCESS)
		return -ENOMEM;
	return 0;
}

static void start(struct tls *t, struct tls_room *room, struct tls_context *context)
{
	memset(t, 0, sizeof(*t));
	t->room = room;
	t->context = context;
	t->account.max = TLS_ACCOUNT_MAX;
	tls_context_use(context);
}

/* wish: NULL for a server. */
static int begin(struct tls *t, WOLFSSL_CTX *ctx, const struct tls_wish *wish)
{
	struct tls_account *before = tls_heap_charge(&t->account);
	int r = 0;

	t->ssl = wolfSSL_new(ctx);
	if (t->ssl == NULL)
		r = -ENOMEM;
	if (r == 0) {
		wolfSSL_SSLSetIORecv(t->ssl, on_recv);
		wolfSSL_SSLSetIOSend(t->ssl, on_send);
		wolfSSL_SetIOReadCtx(t->ssl, t);
		wolfSSL_SetIOWriteCtx(t->ssl, t);
	}
	if (r == 0 && wish != NULL) {
		wolfSSL_SetCertCbCtx(t->ssl, t);
		wolfSSL_set_verify(t->ssl, WOLFSSL_VERIFY_NONE, on_chain);
		(void)wolfSSL_set_SessionTicket_cb(t->ssl, on_ticket, t);
		r = apply(t->ssl, wish);
	}
	tls_heap_charge(before);
	t->state = TLS_HANDSHAKE;
	if (r < 0)
		tls_done(t);
	return r;
}

int tls_open(struct tls *t, struct tls_room *room, struct tls_context *context, const struct tls_wish *wish)
{
	start(t, room, context);
	t->check = wish->check;
	return begin(t, wish->version_max == TLS_1_2 ? context->sessions_old : context->sessions, wish);
}

int tls_serve(struct tls *t, struct tls_room *room, struct tls_context *context)
{
	start(t, room, context);
	t->is_server = true;
	return begin(t, context->sessions, NULL);
}

static void wire_put(struct tls *t)
{
	/* Ciphertext, and so no secret. */
	pool_put(&t->room->wires, &t->wire);
	t->wire_used = 0;
	t->wire_given = 0;
}

void tls_done(struct tls *t)
{
	if (t->state == TLS_CLOSED)
		return;
	struct tls_account *before = tls_heap_charge(&t->account);

	if (t->ssl != NULL)
		wolfSSL_free(t->ssl);
	tls_heap_charge(before);
	t->ssl = NULL;
	ASSERT(t->account.used == 0);	/* what outlives us would be charged to freed memory */
	wire_put(t);
	tls_context_unuse(t->context);
	t->context = NULL;
	t->state = TLS_CLOSED;
}

void tls_close(struct tls *t)
{
	if (t->state != TLS_OPEN)
		return;
	struct tls_account *before = tls_heap_charge(&t->account);

	(void)wolfSSL_shutdown(t->ssl);		/* whether there was room for it: the connection ends anyway */
	tls_heap_charge(before);
	t->state = TLS_ENDED;
}

/* --- what it says ----------------------------------------------------------------------------- */

static int fail(struct tls *t, int err)
{
	t->err = err;
	t->state = TLS_FAILED;
	return err == MEMORY_E || err == MEMORY_ERROR ? -ENOMEM : ERR_PROTO;
}

/* wolfSSL returned r, which is no success. 0: it wants more. */
static int what_is_wrong(struct tls *t, int r)
{
	int err = wolfSSL_get_error(t->ssl, r);

	if (err == WOLFSSL_ERROR_WANT_READ && !t->wire_full)
		return 0;
	if (err == WOLFSSL_ERROR_ZERO_RETURN && t->state == TLS_OPEN) {
		t->state = TLS_ENDED;
		return ERR_EOF;
	}
	return fail(t, err);
}

/* 1: it is complete; 0: it goes on. */
static int handshake(struct tls *t)
{
	int r = t->is_server ? wolfSSL_accept(t->ssl) : wolfSSL_connect(t->ssl);

	if (r != WOLFSSL_SUCCESS)
		return what_is_wrong(t, r);
	t->is_resumed = !t->is_judged && t->is_offered && wolfSSL_session_reused(t->ssl);
	if (!t->is_judged && !t->is_resumed)
		t->verdict = (struct tls_verdict){ .why = "no certificate" };
	if (!t->is_resumed)
		t->judged_ns = crypto_time();
	/* In TLS 1.2 a session id is all that is needed; tickets of TLS 1.3 come later. */
	t->has_news |= !t->is_resumed && wolfSSL_version(t->ssl) == TLS1_2_VERSION;
	t->state = TLS_OPEN;
	t->check = NULL;
	return 1;
}

static int unwrap(struct tls *t, char *plain, struct slice *ret_plain)
{
	int r = 1;

	if (t->state == TLS_HANDSHAKE)
		r = handshake(t);
	if (r <= 0)
		return r;
	r = wolfSSL_read(t->ssl, plain, TLS_RECORD_MAX);
	if (r <= 0)
		return what_is_wrong(t, r);
	*ret_plain = slice_of(plain, (size_t)r);
	return 1;
}

int tls_unwrap(struct tls *t, uint64_t wall_ns, struct slice *in, struct slice *ret_plain)
{
	return tls_unwrap_into(t, wall_ns, in, t->room->plain, ret_plain);
}

int tls_unwrap_into(struct tls *t, uint64_t wall_ns, struct slice *in, char *plain, struct slice *ret_plain)
{
	if (t->state != TLS_HANDSHAKE && t->state != TLS_OPEN)
		return t->state == TLS_ENDED ? ERR_EOF : ERR_PROTO;
	struct tls_account *before = tls_heap_charge(&t->account);

	crypto_time_set(wall_ns);
	t->in = *in;
	*ret_plain = slice_of("", 0);
	int r = unwrap(t, plain, ret_plain);

	*in = t->in;
	t->in = (struct slice){ 0 };
	tls_heap_charge(before);
	ASSERT(r != 0 || in->len == 0);
	return r;
}

/* --- what we say ------------------------------------------------------------------------------ */

/* One record out of the front of the pieces: a part of a long one as it lies there, or short ones gathered. */
static struct slice next_record(struct tls *t, const struct iovec *pieces, unsigned count, size_t from)
{
	size_t len = 0;

	for (unsigned i = 0; i < count && len < TLS_RECORD_MAX; i++) {
		if (from >= pieces[i].iov_len) {
			from -= pieces[i].iov_len;
			continue;
		}
		struct slice rest = slice_of((const char *)pieces[i].iov_base + from, pieces[i].iov_len - from);
		bool is_last = i + 1 == count;

		from = 0;
		if (len == 0 && (rest.len >= TLS_RECORD_MAX || is_last))
			return slice_head(rest, TLS_RECORD_MAX);
		rest = slice_head(rest, TLS_RECORD_MAX - len);
		memcpy(t->room->gather + len, rest.ptr, rest.len);
		len += rest.len;
	}
	return slice_of(t->room->gather, len);
}

/* What is in *ret_taken is on the wire, also when the next record could not be made. */
static int encrypt(struct tls *t, const struct iovec *pieces, unsigned count, size_t *ret_taken)
{
	for (unsigned i = 0; i < TLS_WIRE_RECORDS; i++) {
		struct slice record = next_record(t, pieces, count, *ret_taken);

		if (record.len == 0 || TLS_WIRE_SIZE - t->wire_used < TLS_RECORD_MAX + 64 + TLS_WIRE_SPARE / 2)
			break;
		int r = wolfSSL_write(t->ssl, record.ptr, (int)record.len);

		if (r != (int)record.len) {
			r = what_is_wrong(t, r);
			return r < 0 ? r : fail(t, WOLFSSL_FATAL_ERROR);
		}
		*ret_taken += record.len;
	}
	return 0;
}

/* What was given out has left; what has been said since then moves to the front. */
static void wire_next(struct tls *t)
{
	if (t->wire == NULL)
		return;
	memmove(t->wire, t->wire + t->wire_given, t->wire_used - t->wire_given);
	t->wire_used -= t->wire_given;
	t->wire_given = 0;
	if (t->wire_used == 0)
		wire_put(t);
}

int tls_wrap(struct tls *t, const struct iovec *pieces, unsigned count, struct slice *ret_wire, size_t *ret_taken)
{
	int r = 0;

	ASSERT(count == 0 || t->state >= TLS_OPEN);
	*ret_wire = slice_of("", 0);
	*ret_taken = 0;
	wire_next(t);
	struct tls_account *before = tls_heap_charge(&t->account);

	if (t->state == TLS_HANDSHAKE && t->wire == NULL && !t->is_server)
		r = MIN(handshake(t), 0);	/* the first words are ours */
	else if (t->state == TLS_OPEN && count > 0)
		r = encrypt(t, pieces, count, ret_taken);
	else if (count > 0)
		r = t->state == TLS_ENDED ? ERR_EOF : ERR_PROTO;
	tls_heap_charge(before);
	/* An alert that says why is still to be sent. */
	if (r < 0 && t->wire_used == 0)
		return r;
	*ret_wire = slice_of(t->wire_used > 0 ? t->wire : "", t->wire_used);
	t->wire_given = t->wire_used;
	return 0;
}

/* --- words ------------------------------------------------------------------------------------ */

const char *tls_error(const struct tls *t)
{
	if (t->wire_full)
		return "the other side makes us talk, and does not listen";
	if (t->state == TLS_ENDED)
		return "the other side has ended TLS";
	return wolfSSL_ERR_reason_error_string((unsigned long)(t->err < 0 ? -t->err : t->err));
}

/* wolfSSL says how long a key is only in the name of its suite. */
static unsigned key_bits(const char *name)
{
	return strstr(name, "128") != NULL && strstr(name, "SHA256") != NULL ? 128 :
	       strstr(name, "256") != NULL || strstr(name, "CHACHA20") != NULL ? 256 : 128;
}

const char *tls_cipher_name(const struct tls *t)
{
	const char *name = wolfSSL_CIPHER_get_name(wolfSSL_get_current_cipher(t->ssl));

	return name != NULL ? name : "none";
}

enum tls_version tls_version(const struct tls *t)
{
	return wolfSSL_version(t->ssl) == TLS1_3_VERSION ? TLS_1_3 : TLS_1_2;
}

void tls_describe(const struct tls *t, struct str *s)
{
	const char *name = tls_cipher_name(t);
	const char *group = wolfSSL_get_curve_name(t->ssl);

	str_printf(s, "%s with cipher %s (%u/%u bits)", wolfSSL_get_version(t->ssl), name, key_bits(name), key_bits(name));
	if (group != NULL)
		str_printf(s, " key-exchange %s", group);
}
