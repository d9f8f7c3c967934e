/* Who may use whose connection (B 18.3, area U). */
#include "net/delivery/conn_cache.h"

#include <string.h>

#include "tests/test.h"

static struct conn_cache cache;

static int setup(void **state)
{
	(void)state;
	return conn_cache_init(&cache, 16);
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(cache.by_key.count, 0);
	conn_cache_done(&cache);
	return 0;
}

static struct addr endpoint(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse_endpoint(slice_of_str(text), &a), 0);
	return a;
}

static struct conn_key key_of(const struct conn_identity *id)
{
	struct conn_key key;

	conn_key_init(&key, id);
	return key;
}

static bool same(const struct conn_key *a, const struct conn_key *b)
{
	return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

/* Cases 557, 558: one thing that is different is enough. */
static void everything_counts(void **state)
{
	const struct addr a = endpoint("192.0.2.1:25"), b = endpoint("192.0.2.1:26"), c = endpoint("192.0.2.2:25");
	const struct addr unix_a = endpoint("unix:/run/a"), unix_b = endpoint("unix:/run/b");
	const struct conn_identity identities[] = {
		{ .remote = &a },
		{ .remote = &b },
		{ .remote = &c },
		{ .remote = &unix_a },
		{ .remote = &unix_b },
		{ .remote = &a, .local = &c },
		{ .remote = &a, .local = &a },
		{ .remote = &a, .lmtp = true },
		{ .remote = &a, .tls_level = 1 },
		{ .remote = &a, .tls_level = 2 },
		{ .remote = &a, .service = SLICE("x") },
		{ .remote = &a, .policy = SLICE("x") },
		{ .remote = &a, .credentials = SLICE("x") },
		{ .remote = &a, .policy = SLICE("x"), .credentials = SLICE("y") },
		{ .remote = &a, .policy = SLICE("xy") },
		{ .remote = &a, .service = SLICE("x"), .credentials = SLICE("y") },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(identities); i++) {
		for (unsigned k = 0; k < ARRAY_LEN(identities); k++) {
			struct conn_key left = key_of(&identities[i]), right = key_of(&identities[k]);

			assert_true(left.len > 0);
			assert_int_equal(same(&left, &right), i == k);
		}
	}
}

static void what_does_not_fit_is_not_shared(void **state)
{
	static char name[CONN_KEY_MAX];
	const struct addr a = endpoint("192.0.2.1:25");
	struct conn_entry entry = { .key = { 0 } };

	(void)state;
	memset(name, 'x', sizeof(name));
	entry.key = key_of(&(struct conn_identity){ .remote = &a, .policy = slice_of(name, sizeof(name)) });
	assert_int_equal(entry.key.len, 0);
	conn_cache_add(&cache, &entry);
	assert_null(conn_cache_find(&cache, &entry.key, NULL, NULL));
	conn_cache_remove(&cache, &entry);
}

static bool is_context(const struct conn_entry *entry, const void *context)
{
	return entry == context;
}

static void entries_of_one_key_live_together(void **state)
{
	const struct addr a = endpoint("192.0.2.1:25"), b = endpoint("192.0.2.2:25");
	struct conn_entry entries[5] = { 0 }, other = { .key = key_of(&(struct conn_identity){ .remote = &b }) };

	(void)state;
	conn_cache_add(&cache, &other);
	for (unsigned i = 0; i < ARRAY_LEN(entries); i++) {
		entries[i].key = key_of(&(struct conn_identity){ .remote = &a });
		assert_ptr_equal(conn_cache_find(&cache, &entries[i].key, NULL, NULL), i == 0 ? NULL : &entries[0]);
		conn_cache_add(&cache, &entries[i]);
	}
	for (unsigned i = 0; i < ARRAY_LEN(entries); i++)
		assert_ptr_equal(conn_cache_find(&cache, &entries[0].key, is_context, &entries[i]), &entries[i]);
	assert_null(conn_cache_find(&cache, &entries[0].key, is_context, &other));
	/* In any order: head, middle, head, last. */
	const unsigned order[] = { 0, 2, 1, 4, 3 };

	for (unsigned n = 0; n < ARRAY_LEN(order); n++) {
		conn_cache_remove(&cache, &entries[order[n]]);
		conn_cache_remove(&cache, &entries[order[n]]);
		for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
			unsigned k = order[i];

			assert_ptr_equal(conn_cache_find(&cache, &entries[k].key, is_context, &entries[k]),
					 i <= n ? NULL : &entries[k]);
		}
	}
	assert_ptr_equal(conn_cache_find(&cache, &other.key, NULL, NULL), &other);
	conn_cache_remove(&cache, &other);
}

#define CACHE_CLAIM(words, fn) CLAIM_WITH(words, fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest claims[] = {
		CACHE_CLAIM("connections that differ in anything are not the same", everything_counts),
		CACHE_CLAIM("a key that does not fit is nobody's", what_does_not_fit_is_not_shared),
		CACHE_CLAIM("entries of one key live together, and leave in any order", entries_of_one_key_live_together),
	};

	return cmocka_run_group_tests_name("net/delivery/conn_cache", claims, NULL, NULL);
}
