#include "crypto/tls_sessions.h"

#include <errno.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "crypto/library.h"

struct entry {
	struct map_node by_key;
	struct list by_use;
	struct tls_key key;
	uint64_t judged_ns;		/* when the certificate was shown */
	struct tls_verdict verdict;
	struct tls_account account;
	WOLFSSL_SESSION *session;	/* nobody else's: the library counts references, and we count octets */
};

/* --- keys ------------------------------------------------------------------------------------- */

void tls_key_make(struct tls_key *ret_key, const struct slice *parts, size_t count)
{
	wc_Sha256 sha;

	static_assert(sizeof(ret_key->octets) == WC_SHA256_DIGEST_SIZE, "a key is a digest");
	ASSERT(wc_InitSha256(&sha) == 0);
	for (size_t i = 0; i < count; i++) {
		uint64_t len = parts[i].len;

		ASSERT(len <= UINT32_MAX);
		ASSERT(wc_Sha256Update(&sha, (const byte *)&len, sizeof(len)) == 0);
		ASSERT(len == 0 || wc_Sha256Update(&sha, (const byte *)parts[i].ptr, (word32)len) == 0);
	}
	ASSERT(wc_Sha256Final(&sha, ret_key->octets) == 0);
	wc_Sha256Free(&sha);
}

/* --- entries ---------------------------------------------------------------------------------- */

int tls_sessions_init(struct tls_sessions *s, size_t count, uint64_t life_ns)
{
	int r = 0;

	memset(s, 0, sizeof(*s));
	list_init(&s->by_use);
	s->life_ns = life_ns;
	if (count > 0)
		r = pool_init(&s->entries, "tls sessions kept", sizeof(struct entry), count);
	if (r == 0 && count > 0)
		r = map_init(&s->by_key, count);
	return r;
}

static struct slice slice_of_key(const struct tls_key *key)
{
	return slice_of((const char *)key->octets, sizeof(key->octets));
}

static bool key_is(const struct map_node *node, struct slice key)
{
	return slice_eq(slice_of_key(&container_of(node, const struct entry, by_key)->key), key);
}

static struct entry *find(const struct tls_sessions *s, const struct tls_key *key)
{
	if (s->by_key.count == 0)
		return NULL;
	struct slice octets = slice_of_key(key);
	struct map_node *node = map_find(&s->by_key, map_hash(&s->by_key, octets), octets, key_is);

	return node != NULL ? container_of(node, struct entry, by_key) : NULL;
}

static void empty(struct entry *e)
{
	if (e->session != NULL)
		wolfSSL_SESSION_free(e->session);	/* wiped: crypto/tls_heap.c */
	e->session = NULL;
	ASSERT(e->account.used == 0);
}

static void drop(struct tls_sessions *s, struct entry *e)
{
	empty(e);
	map_remove(&s->by_key, &e->by_key);
	list_remove(&e->by_use);
	pool_put(&s->entries, &e);
}

static struct entry *first(const struct tls_sessions *s)
{
	return list_is_empty(&s->by_use) ? NULL : list_entry(s->by_use.next, struct entry, by_use);
}

void tls_sessions_clear(struct tls_sessions *s)
{
	for (struct entry *e = first(s); e != NULL; e = first(s))
		drop(s, e);
}

void tls_sessions_done(struct tls_sessions *s)
{
	if (s->entries.count == 0)
		return;
	tls_sessions_clear(s);
	map_done(&s->by_key);
	pool_done(&s->entries);
}

/* One for this key, made empty; NULL: nothing is kept here. */
static struct entry *make_room(struct tls_sessions *s, const struct tls_key *key)
{
	struct entry *e = find(s, key);

	if (e != NULL) {
		empty(e);
		list_remove(&e->by_use);
		list_push_back(&s->by_use, &e->by_use);
		return e;
	}
	if (s->entries.count == 0)
		return NULL;
	if (pool_free(&s->entries) == 0)
		drop(s, first(s));
	e = pool_take(&s->entries);
	memset(e, 0, sizeof(*e));
	e->key = *key;
	e->account.max = TLS_SESSION_MAX;
	list_init(&e->by_use);
	map_insert(&s->by_key, &e->by_key, map_hash(&s->by_key, slice_of_key(key)));
	list_push_back(&s->by_use, &e->by_use);
	return e;
}

/* A clock that was set back makes nothing live longer. */
static bool is_over(const struct tls_sessions *s, const struct entry *e, uint64_t wall_ns)
{
	return wall_ns < e->judged_ns || wall_ns - e->judged_ns >= s->life_ns ||
	       (e->verdict.is_trusted && wall_ns / NS_PER_SEC >= e->verdict.good_until);
}

/* --- the story -------------------------------------------------------------------------------- */

/* A copy of the session, charged to the one that is about to begin. The library says no to one whose server did not
 * want it to be kept for so long. */
static bool hand_over(const struct entry *e, struct tls *t)
{
	struct tls_account *before = tls_heap_charge(&t->account);
	WOLFSSL_SESSION *copy = wolfSSL_SESSION_dup(e->session);
	bool ok = copy != NULL && wolfSSL_set_session(t->ssl, copy) == WOLFSSL_SUCCESS;

	if (copy != NULL)
		wolfSSL_SESSION_free(copy);	/* t has it, or nobody */
	tls_heap_charge(before);
	return ok;
}

bool tls_sessions_offer(struct tls_sessions *s, const struct tls_key *key, uint64_t wall_ns, struct tls *t)
{
	struct entry *e = find(s, key);

	ASSERT(t->state == TLS_HANDSHAKE && t->wire == NULL);
	if (e == NULL)
		return false;
	crypto_time_set(wall_ns);
	if (is_over(s, e, wall_ns) || !hand_over(e, t)) {
		drop(s, e);
		return false;
	}
	list_remove(&e->by_use);
	list_push_back(&s->by_use, &e->by_use);
	t->is_offered = true;
	t->verdict = e->verdict;
	t->judged_ns = e->judged_ns;
	return true;
}

void tls_sessions_keep(struct tls_sessions *s, const struct tls_key *key, struct tls *t)
{
	if (t->state != TLS_OPEN || !t->has_news)
		return;
	t->has_news = false;
	WOLFSSL_SESSION *session = wolfSSL_get1_session(t->ssl);
	struct entry *e = session != NULL && wolfSSL_SessionIsSetup(session) ? make_room(s, key) : NULL;

	if (e != NULL) {
		struct tls_account *before = tls_heap_charge(&e->account);

		e->session = wolfSSL_SESSION_dup(session);
		tls_heap_charge(before);
		e->verdict = t->verdict;
		e->judged_ns = t->judged_ns;
		if (e->session == NULL)
			drop(s, e);	/* a ticket beyond all measure */
	}
	if (session != NULL)
		wolfSSL_SESSION_free(session);
}

void tls_sessions_forget(struct tls_sessions *s, const struct tls_key *key)
{
	struct entry *e = find(s, key);

	if (e != NULL)
		drop(s, e);
}
