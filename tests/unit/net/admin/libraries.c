#include "net/admin/libraries.h"

#include <string.h>

#include "core/base.h"
#include "crypto/auth.h"
#include "crypto/library.h"
#include "tests/test.h"

static void versions_are_read(void **state)
{
	static const struct {
		const char *text;
		uint32_t version;
	} texts[] = {
		{ "1.34.5", VERSION(1, 34, 5) },	{ "10.42 2022-12-11", VERSION(10, 42, 0) },
		{ "2.9", VERSION(2, 9, 0) },		{ "6.1.0-13-amd64", VERSION(6, 1, 0) },
		{ "5.7.2.1", VERSION(5, 7, 2) },	{ "", 0 },
		{ "v1.2", 0 },				{ "99999999999.1", VERSION(1023, 1, 0) },
		{ "3", VERSION(3, 0, 0) },		{ "1..2", VERSION(1, 0, 2) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(version_parse(texts[i].text), texts[i].version);
}

/* One below each end of a range, and one in it. */
static void known_ranges_are_hit(void **state)
{
	static const struct {
		const char *name, *version;
		enum library_state state;
	} versions[] = {
		{ "wolfSSL", "5.5.4", LIBRARY_EXPOSED },    { "wolfSSL", "5.7.2", LIBRARY_GUARDED },
		{ "wolfSSL", "5.9.3", LIBRARY_GUARDED },    { "wolfSSL", "5.9.4", LIBRARY_FINE },
		{ "c-ares", "1.18.1", LIBRARY_PARTLY },	    { "c-ares", "1.32.2", LIBRARY_GUARDED },
		{ "c-ares", "1.32.3", LIBRARY_PARTLY },	    { "c-ares", "1.34.5", LIBRARY_PARTLY },
		{ "c-ares", "1.34.6", LIBRARY_GUARDED },    { "c-ares", "1.34.7", LIBRARY_FINE },
		{ "PCRE2", "10.39", LIBRARY_GUARDED },	    { "PCRE2", "10.42 2022-12-11", LIBRARY_FINE },
		{ "PCRE2", "10.45", LIBRARY_PARTLY },	    { "PCRE2", "10.46", LIBRARY_FINE },
		{ "Cyrus SASL", "2.1.29", LIBRARY_FINE },   { "Linux", "6.1", LIBRARY_FINE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		if (libraries_judge(versions[i].name, versions[i].version) != versions[i].state)
			fail_msg("%s %s", versions[i].name, versions[i].version);
}

static void each_door_is_asked(void **state)
{
	static const char *const names[] = { "Linux", "liburing", "wolfSSL", "c-ares", "Cyrus SASL", "PCRE2", "LMDB",
					     "tinycdb", "libidn2" };
	struct library_report r;
	unsigned count = 0;

	(void)state;
	for (; libraries_report(count, &r); count++) {
		assert_true(count < ARRAY_LEN(names));
		assert_string_equal(r.library.name, names[count]);
		assert_true(r.library.linked[0] != '\0' || r.library.built[0] != '\0');
		for (unsigned k = 0; k < r.fault_count; k++)
			assert_true(r.faults[k].known != NULL && r.faults[k].guard != NULL &&
				    r.faults[k].state != LIBRARY_FINE);
	}
	assert_int_equal(count, ARRAY_LEN(names));
	assert_int_equal(crypto_library_check(), 0);
}

static bool digest_md5_is_exposed(void)
{
	return libraries_judge("Cyrus SASL", "2.1.28") == LIBRARY_EXPOSED;
}

/* Last: what is loaded stays. */
static void digest_md5_counts_only_where_it_is_named(void **state)
{
	(void)state;
	assert_false(digest_md5_is_exposed());
	assert_int_equal(auth_library_start(BIT(AUTH_DIGEST_MD5)), 0);
	assert_int_equal(digest_md5_is_exposed(), (auth_library_mechs() & BIT(AUTH_DIGEST_MD5)) != 0);
	assert_true(digest_md5_is_exposed());
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("versions are read", versions_are_read),
		CLAIM("known ranges are hit, and nothing beside them (row SUP-01)", known_ranges_are_hit),
		CLAIM("each door is asked, and the version of the linked wolfSSL is that of its headers (row SUP-01)",
		      each_door_is_asked),
		CLAIM("DIGEST-MD5 counts only where it is named (rows SUP-01, AUT-06)",
		      digest_md5_counts_only_where_it_is_named),
	};

	return cmocka_run_group_tests_name("net/admin/libraries", claims, NULL, NULL);
}
