/* Tables in files of databases, of networks and of patterns; tables made of tables; reload. */
#include "tests/unit/core/tables.h"

#include <cdb.h>
#include <db.h>
#include <errno.h>
#include <lmdb.h>
#include <sys/file.h>
#include <sys/stat.h>

/* --- databases as postmap writes them: with a NUL behind key and value, or without ------------------ */

static const struct {
	const char *key, *value;
} pairs[] = {
	{ "key", "value" },
	{ "example.com", "smtp:[relay.example.com]:26" },
	{ "MiXed", "1" },
};

static void write_db(const char *path, DBTYPE type, size_t nul)
{
	DB *db;

	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(db->open(db, NULL, path, NULL, type, DB_CREATE | DB_TRUNCATE, 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		DBT key = { .data = (void *)pairs[i].key, .size = (u_int32_t)(strlen(pairs[i].key) + nul) };
		DBT value = { .data = (void *)pairs[i].value, .size = (u_int32_t)(strlen(pairs[i].value) + nul) };

		assert_int_equal(db->put(db, NULL, &key, &value, 0), 0);
	}
	assert_int_equal(db->close(db, 0), 0);
}

static void write_hash(const char *path, size_t nul)
{
	write_db(path, DB_HASH, nul);
}

static void write_btree(const char *path, size_t nul)
{
	write_db(path, DB_BTREE, nul);
}

static void write_lmdb(const char *path, size_t nul)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		MDB_val key = { strlen(pairs[i].key) + nul, (void *)pairs[i].key };
		MDB_val value = { strlen(pairs[i].value) + nul, (void *)pairs[i].value };

		assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void write_cdb(const char *path, size_t nul)
{
	struct cdb_make make;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(cdb_make_start(&make, fd), 0);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		assert_int_equal(cdb_make_add(&make, pairs[i].key, (unsigned)(strlen(pairs[i].key) + nul),
					      pairs[i].value, (unsigned)(strlen(pairs[i].value) + nul)), 0);
	assert_int_equal(cdb_make_finish(&make), 0);
	assert_int_equal(close(fd), 0);
}

static const struct {
	const char *type, *suffix;
	void (*write)(const char *path, size_t nul);
} databases[] = {
	{ "hash", "db", write_hash },
	{ "btree", "db", write_btree },
	{ "lmdb", "lmdb", write_lmdb },
	{ "cdb", "cdb", write_cdb },
};

static void databases_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(databases); i++) {
		struct table_set *set = table_set_new();
		char base[160], path[192], name[192];

		(void)snprintf(base, sizeof(base), "%s/read%zu", folder, i);
		(void)snprintf(path, sizeof(path), "%s.%s", base, databases[i / 2].suffix);
		(void)snprintf(name, sizeof(name), "%s:%s", databases[i / 2].type, base);
		databases[i / 2].write(path, i % 2);
		assert_string_equal(ask(set, name, "KEY", 0), "value");
		assert_string_equal(ask(set, name, "example.com", TABLE_PARTIAL), "smtp:[relay.example.com]:26");
		assert_string_equal(ask(set, name, "mixed", 0), "1");
		assert_string_equal(ask(set, name, "ke", 0), "(none)");
		assert_string_equal(ask(set, name, "", 0), "(none)");
		table_set_free(&set);
	}
}

static void broken_databases_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(databases); i++) {
		char base[160], file[32], name[192], storage[TABLE_WHY_MAX];
		struct str why = STR(storage);
		struct table_set *set = table_set_new();
		struct table *t;

		(void)snprintf(base, sizeof(base), "%s/broken%zu", folder, i);
		(void)snprintf(file, sizeof(file), "broken%zu.%s", i, databases[i].suffix);
		(void)snprintf(name, sizeof(name), "%s:%s", databases[i].type, base);
		assert_true(table_open(set, slice_of_str(name), &why, &t) < 0);
		assert_non_null(strstr(str_cstr(&why), "No such file or directory"));
		(void)write_file(file, SLICE("this is no database, however long one looks at it"));
		assert_true(table_open(set, slice_of_str(name), &why, &t) < 0);
		assert_non_null(strstr(str_cstr(&why), file));
		table_set_free(&set);
	}
}

static void an_old_database_is_remarked(void **state)
{
	char storage[TABLE_WHY_MAX], name[192], db[192];
	struct str why = STR(storage);
	struct table_set *set = table_set_new();
	struct table *t;
	const struct timespec past[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	(void)state;
	(void)write_file("aged", SLICE("key value\n"));
	(void)snprintf(db, sizeof(db), "%s/aged.db", folder);
	(void)snprintf(name, sizeof(name), "hash:%s/aged", folder);
	write_hash(db, 1);
	assert_int_equal(utimensat(AT_FDCWD, db, past, 0), 0);
	assert_int_equal(table_open(set, slice_of_str(name), &why, &t), 0);
	assert_non_null(strstr(str_cstr(&why), "aged.db: older than its source; has postmap been run?"));
	table_set_free(&set);
}

/* --- networks --------------------------------------------------------------------------------------- */

static void networks_in_order(void **state)
{
	struct table_set *set = table_set_new();
	const char *name = named("cidr", write_file("cidr", SLICE(
		"# networks\n"
		"192.0.2.0/28 first\n"
		"192.0.2.0/24   second one\n"
		"2001:db8::/32 six\n"
		"if 198.51.100.0/24\n"
		"if !198.51.100.128/25\n"
		"198.51.100.1 exactly\n"
		"0.0.0.0/0 inside\n"
		"endif\n"
		"endif\n"
		"!203.0.113.0/24 outside\n")));

	(void)state;
	assert_string_equal(ask(set, name, "192.0.2.3", 0), "first");
	assert_string_equal(ask(set, name, "192.0.2.99", 0), "second one");
	assert_string_equal(ask(set, name, "2001:DB8::9", 0), "six");
	assert_string_equal(ask(set, name, "198.51.100.1", 0), "exactly");
	assert_string_equal(ask(set, name, "198.51.100.2", 0), "inside");
	assert_string_equal(ask(set, name, "198.51.100.200", 0), "outside");
	assert_string_equal(ask(set, name, "203.0.113.5", 0), "(none)");
	assert_string_equal(ask(set, name, "example.com", 0), "(none)");
	assert_string_equal(ask(set, name, "192.0.2.3", TABLE_PARTIAL), "(none)");
	table_set_free(&set);
}

/* --- patterns --------------------------------------------------------------------------------------- */

static void patterns_in_order(void **state)
{
	struct table_set *set = table_set_new();
	const char *name = named("pcre", write_file("pcre", SLICE(
		"/^(a+)(b)?(c)$/\t$3-${2}-$(1) $$1\n"
		"/^case$/i CASE\n"
		"|/slash\\|bar| bar\n"
		"!/^[a-z]/  no letter\n"
		"if /^x/\n"
		"/y$/ x to y\n"
		"if !/z/\n"
		"/./ x without z\n"
		"endif\n"
		"endif\n"
		"/ b l a n k / with blanks\n"
		"/ n o n e /x without\n")));

	(void)state;
	assert_string_equal(ask(set, name, "AABC", 0), "C-B-AA $1");
	assert_string_equal(ask(set, name, "aac", 0), "c--aa $1");
	assert_string_equal(ask(set, name, "case", 0), "CASE");
	assert_string_equal(ask(set, name, "CASE", 0), "(none)");
	assert_string_equal(ask(set, name, "q/slash|bar", 0), "bar");
	assert_string_equal(ask(set, name, "9", 0), "no letter");
	assert_string_equal(ask(set, name, "xzy", 0), "x to y");
	assert_string_equal(ask(set, name, "xw", 0), "x without z");
	assert_string_equal(ask(set, name, "xz", 0), "(none)");
	assert_string_equal(ask(set, name, "x b l a n k ", 0), "x without z");
	assert_string_equal(ask(set, name, "a b l a n k ", 0), "with blanks");
	assert_string_equal(ask(set, name, "inonei", 0), "without");
	assert_string_equal(ask(set, name, "aac", TABLE_PARTIAL), "(none)");
	name = named("regexp", write_file("regexp", SLICE("/^(.*)@example\\.com$/ $1@example.org\n/x/i small\n")));
	assert_string_equal(ask(set, name, "Joe@Example.COM", 0), "Joe@example.org");
	assert_string_equal(ask(set, name, "x", 0), "small");
	assert_string_equal(ask(set, name, "X", 0), "(none)");
	table_set_free(&set);
}

static void rules_that_are_wrong(void **state)
{
	static const struct {
		const char *type;
		struct slice text;
		const char *what;
	} cases[] = {
		{ "pcre", SLICE("/a/ b\n/a(/ b\n"), ", line 2: the pattern is wrong at octet 3: missing closing parenthesis" },
		{ "pcre", SLICE("/a b\n"), ", line 1: no pattern; expected /pattern/flags result" },
		{ "pcre", SLICE("abc b\n"), ", line 1: no pattern; expected /pattern/flags result" },
		{ "pcre", SLICE("/a/\n"), ", line 1: no result behind the pattern" },
		{ "pcre", SLICE("/a/q b\n"), ", line 1: an unknown flag; expected i, m, s, x, A, E or U" },
		{ "regexp", SLICE("/a/x b\n"), ", line 1: an unknown flag; expected i or m" },
		{ "pcre", SLICE("/(a)/ $2\n"), ", line 1: $number of a group that the pattern does not have" },
		{ "pcre", SLICE("/(a)/ $x\n"), ", line 1: a $ that is not $number, ${number}, $(number) or $$" },
		{ "pcre", SLICE("/(a)/ ${1\n"), ", line 1: a $ that is not $number, ${number}, $(number) or $$" },
		{ "pcre", SLICE("!/(a)/ $1\n"), ", line 1: $number in the result of a pattern that has to fail" },
		{ "pcre", SLICE("if /a/\n/b/ c\n"), ", line 2: an if has no endif before the end" },
		{ "pcre", SLICE("/b/ c\nendif\n"), ", line 2: endif without if" },
		{ "pcre", SLICE("if /a/ b\nendif\n"), ", line 1: text behind the pattern of if" },
		{ "pcre", SLICE("if /a/\nendif x\n"), ", line 2: text behind endif" },
		{ "pcre", SLICE("/\\C/ x\n"), NULL },
		{ "cidr", SLICE("192.0.2.1/24 x\n"), ", line 1: a network with bits set behind its prefix" },
		{ "cidr", SLICE("192.0.2 x\n"), ", line 1: not a network; expected address or address/bits" },
		{ "cidr", SLICE("192.0.2.1\n"), ", line 1: no result behind the pattern" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char expected[256], storage[TABLE_WHY_MAX];
		struct str why = STR(storage);
		struct table_set *set = table_set_new();
		const char *path = write_file("wrong", cases[i].text);
		struct table *t;

		(void)snprintf(expected, sizeof(expected), "%s%s", path, cases[i].what != NULL ? cases[i].what : ", line 1: ");
		assert_int_equal(table_open(set, slice_of_str(named(cases[i].type, path)), &why, &t), ERR_SYNTAX);
		assert_memory_equal(str_cstr(&why), expected, strlen(expected));
		table_set_free(&set);
	}
}

static void lines_stand_in_braces(void **state)
{
	struct table_set *set = table_set_new();
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct table *t;

	(void)state;
	assert_string_equal(ask(set, "cidr:{ {192.0.2.0/24 near} {::/0 far away}, {0.0.0.0/0 far} }", "192.0.2.1", 0), "near");
	assert_string_equal(ask(set, "cidr:{ {192.0.2.0/24 near} {::/0 far away}, {0.0.0.0/0 far} }", "2001:db8::1", 0),
			    "far away");
	assert_string_equal(ask(set, "pcre:{{/^(.)b$/ $1}}", "ab", 0), "a");
	assert_string_equal(ask(set, "texthash:{ { k  v w } }", "k", 0), "v w");
	assert_string_equal(ask(set, "texthash:{}", "k", 0), "(none)");
	assert_int_equal(table_open(set, SLICE("cidr:{192.0.2.1 x}"), &why, &t), ERR_SYNTAX);
	assert_int_equal(table_open(set, SLICE("cidr:{ {192.0.2.1} }"), &why, &t), ERR_SYNTAX);
	assert_non_null(strstr(str_cstr(&why), "line 1: no result behind the pattern"));
	assert_int_equal(table_open(set, SLICE("cidr:{ {192.0.2.1 x}"), &why, &t), ERR_SYNTAX);
	table_set_free(&set);
}

static void endless_patterns_end(void **state)
{
	struct table_set *set = table_set_new();
	const char *name = named("pcre", write_file("endless", SLICE("/^(([a-z])+.)+[A-Z]([a-z])+$/i caught\n")));
	char key[2000];

	(void)state;
	memset(key, 'a', sizeof(key) - 2);
	memcpy(key + sizeof(key) - 2, "!", 2);
	assert_string_equal(ask(set, name, key, 0), err_text(-EOVERFLOW));
	assert_string_equal(ask(set, name, "ab", 0), "(none)");
	table_set_free(&set);
}

/* A table of so many times the same rule. */
static const char *repeated(const char *file, const char *rule, unsigned times)
{
	static char text[65536];
	struct str all = STR(text);

	for (unsigned i = 0; i < times; i++)
		str_add_cstr(&all, rule);
	assert_false(str_is_full(&all));
	return named("pcre", write_file(file, str_slice(&all)));
}

/* What one pattern may take, two hundred of them may not. */
static void many_slow_patterns_end_as_soon(void **state)
{
	static const char rule[] = "/^(a|aa)+$/ caught\n";
	static const char key[] = "aaaaaaaaaaaaaaaaaaaaa!";
	struct table_set *set = table_set_new();

	(void)state;
	assert_string_equal(ask(set, repeated("slow", rule, 1), key, 0), "(none)");
	assert_string_equal(ask(set, repeated("slow-many", rule, 200), key, 0), err_text(-EOVERFLOW));
	table_set_free(&set);
}

/* A long key costs every pattern some steps, and they are nobody's fault. */
static void many_patterns_may_look_through_a_long_key(void **state)
{
	struct table_set *set = table_set_new();
	static char key[8000];

	(void)state;
	memset(key, 'a', sizeof(key) - 1);
	assert_string_equal(ask(set, repeated("long", "/[a-z]a[0-9]|[^a]/ caught\n", 1000), key, 0), "(none)");
	table_set_free(&set);
}

/* --- tables made of tables -------------------------------------------------------------------------- */

static void compounds(void **state)
{
	struct table_set *set = table_set_new();

	(void)state;
	assert_string_equal(ask(set, "unionmap:{inline:{a=1},inline:{ {b = x} },static:2}", "a", 0), "1,2");
	assert_string_equal(ask(set, "unionmap:{inline:{a=1}, inline:{a=3}}", "b", 0), "(none)");
	assert_string_equal(ask(set, "unionmap:{static:1, fail:x}", "b", 0), err_text(-EIO));
	assert_string_equal(ask(set, "pipemap:{inline:{a=b},inline:{b=c}}", "A", 0), "c");
	assert_string_equal(ask(set, "pipemap:{inline:{a=b},inline:{c=d}}", "a", 0), "(none)");
	assert_string_equal(ask(set, "pipemap:{inline:{a=b},fail:x}", "a", 0), err_text(-EIO));
	assert_string_equal(ask(set, "pipemap:{inline:{a=b},fail:x}", "x", 0), "(none)");
	assert_refused("unionmap:static:1", "static:1: expected {type:name, type:name}");
	assert_refused("unionmap:{}", "{}: no table in it");
	assert_refused("unionmap:{nosuch:x}",
		       "'nosuch:x' is not a table; expected type:name, the type one of texthash inline static cidr regexp pcre hash "
		       "btree lmdb cdb unionmap pipemap fail");
	assert_refused("pipemap:{pipemap:{pipemap:{pipemap:{pipemap:{pipemap:{pipemap:{pipemap:{static:x}}}}}}}}",
		       "static:x: tables inside each other, more than 8 deep");
	table_set_free(&set);
}

/* --- reload ----------------------------------------------------------------------------------------- */

static char said[1024];

static void hear(const char *line, void *context)
{
	(void)context;
	(void)snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", line);	/* a cut one fails */
}

static void reload(void **state)
{
	struct table_set *set = table_set_new();
	char name[192];
	bool locked;

	(void)state;
	(void)snprintf(name, sizeof(name), "%s", named("texthash", write_file("again", SLICE("a 1\n"))));
	assert_string_equal(ask(set, name, "a", 0), "1");
	assert_string_equal(ask(set, "static:x", "a", 0), "x");
	assert_int_equal(table_set_reload(set, hear, NULL, &locked), 0);	/* nothing has changed */
	(void)write_file("again", SLICE("a 2\n"));
	assert_string_equal(ask(set, name, "a", 0), "1");
	assert_int_equal(table_set_reload(set, hear, NULL, &locked), 1);
	assert_string_equal(ask(set, name, "a", 0), "1");	/* not before this core takes it */
	table_set_adopt(set);
	assert_string_equal(ask(set, name, "a", 0), "2");
	table_set_retire(set, 1);
	assert_int_equal(table_set_reload(set, hear, NULL, &locked), 0);
	(void)write_file("again", SLICE("a\n"));
	assert_int_equal(table_set_reload(set, hear, NULL, &locked), 0);
	assert_non_null(strstr(said, "the old content stays: "));
	assert_non_null(strstr(said, "again, line 1: no value"));
	assert_string_equal(ask(set, name, "a", 0), "2");
	table_set_free(&set);
}

static void hidden_content_is_the_same(void **state)
{
	struct table_set *set = table_set_new();
	char name[192], text[128];
	struct str why = STR(text);
	struct table *table, *pattern;
	bool locked;

	(void)state;
	(void)snprintf(name, sizeof(name), "%s", named("texthash", write_file("hidden", SLICE("a 1\nb 2\n"))));
	assert_int_equal(table_open(set, slice_of_str(name), &why, &table), 0);
	assert_int_equal(table_open(set, SLICE("static:x"), &why, &pattern), 0);
	assert_int_equal(table_hide(table), 0);
	assert_int_equal(table_hide(table), 0);
	assert_int_equal(table_hide(pattern), -EOPNOTSUPP);
	assert_string_equal(ask(set, name, "a", 0), "1");
	assert_string_equal(ask(set, name, "b", 0), "2");
	(void)write_file("hidden", SLICE("b 3\n"));
	assert_int_equal(table_set_reload(set, hear, NULL, &locked), 1);
	table_set_adopt(set);
	table_set_retire(set, 1);
	assert_string_equal(ask(set, name, "a", 0), "(none)");
	assert_string_equal(ask(set, name, "b", 0), "3");
	(void)write_file("hidden", SLICE("# nothing\n"));
	assert_int_equal(table_set_reload(set, hear, NULL, &locked), 1);
	table_set_adopt(set);
	table_set_retire(set, 1);
	assert_string_equal(ask(set, name, "b", 0), "(none)");
	table_set_free(&set);
}

/* Whoever may read a database may lock it. */
static void nobody_waits_for_a_lock(void **state)
{
	struct table_set *set = table_set_new();
	char path[192], name[192];
	bool locked = false;

	(void)state;
	said[0] = '\0';
	(void)snprintf(path, sizeof(path), "%s/held.cdb", folder);
	(void)snprintf(name, sizeof(name), "cdb:%s/held", folder);
	write_cdb(path, 0);
	assert_string_equal(ask(set, name, "key", 0), "value");
	write_cdb(path, 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	(void)alarm(5);		/* it would wait for ever */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(table_set_reload(set, hear, NULL, &locked), 0);
		assert_true(locked);
	}
	(void)alarm(0);
	assert_non_null(strstr(said, "the old content stays: "));
	assert_non_null(strstr(said, "held.cdb: locked by another program\n"));
	assert_ptr_equal(strchr(said, '\n') + 1, strchr(said, '\0'));	/* once */
	assert_string_equal(ask(set, name, "key", 0), "value");
	assert_int_equal(close(fd), 0);
	assert_int_equal(table_set_reload(set, hear, NULL, &locked), 1);
	assert_false(locked);
	table_set_adopt(set);
	table_set_retire(set, 1);
	assert_string_equal(ask(set, name, "key", 0), "value");
	table_set_free(&set);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("databases of postmap are read, with a NUL behind keys and without", databases_are_read),
		CLAIM("what is no database is refused with its path", broken_databases_are_refused),
		CLAIM("a database older than its source is remarked", an_old_database_is_remarked),
		CLAIM("networks are tried in order, with if and not", networks_in_order),
		CLAIM("patterns are tried in order, and give parts of the key", patterns_in_order),
		CLAIM("a wrong rule is an error with its file and line", rules_that_are_wrong),
		CLAIM("lines of a table may stand in braces instead of a file", lines_stand_in_braces),
		CLAIM("a pattern that would take for ever is an error soon", endless_patterns_end),
		CLAIM("many patterns that are slow are an error as soon as one", many_slow_patterns_end_as_soon),
		CLAIM("a thousand patterns may look through a long key", many_patterns_may_look_through_a_long_key),
		CLAIM("tables can be made of tables", compounds),
		CLAIM("a changed file is read again, and a wrong one is not taken", reload),
		CLAIM("content that is hidden is the same, also when it is read again (row AUT-08)", hidden_content_is_the_same),
		CLAIM("a database that is locked when it is to be read again is not waited for", nobody_waits_for_a_lock),
	};
	return cmocka_run_group_tests_name("core/table_types", claims, make_folder, remove_folder);
}
