/* fuzz_table.c - files of lookup tables and match lists, and the text behind inline: and the like
 *
 * The first octet chooses the type, the second the length of a key at the end of the input; between them is the file.
 * Claims: no crash; an error has words, one line of them; a table that opens answers, and answers the same twice,
 * within the room it was given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "core/maps.h"

enum kind { TEXTHASH, CIDR, PCRE, REGEXP, INLINE, STATIC, UNIONMAP, PIPEMAP, MLIST, KINDS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_text(const char *path, struct slice text)
{
	FILE *f = fopen(path, "w");

	ASSERT(f != NULL);
	ASSERT(fwrite(text.ptr, 1, text.len, f) == text.len);
	ASSERT(fclose(f) == 0);
}

static void check_words(const struct str *why, int r)
{
	ASSERT(r >= 0 || why->len > 0);
	ASSERT(slice_find_char(str_slice(why), 0, '\n') < 0);
}

static void ask(const struct table *t, struct slice key)
{
	char storage[2][256];
	struct str once = STR(storage[0]), twice = STR(storage[1]);

	for (unsigned flags = 0; flags <= TABLE_PARTIAL; flags++) {
		int r = table_find(t, key, flags, &once);

		ASSERT(r <= 1 && table_find(t, key, flags, &twice) == r);
		ASSERT(slice_eq(str_slice(&once), str_slice(&twice)));
	}
}

static void check_table(struct slice name, struct slice key)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct table_set *set = table_set_new();
	struct table *t;
	int r = table_open(set, name, &why, &t);

	check_words(&why, r);
	if (r == 0)
		ask(t, key);
	table_set_free(&set);
}

static void check_mlist(struct slice value, struct slice key)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct table_set *set = table_set_new();
	struct mlist *l;
	int r = mlist_open(set, value, &why, &l);

	check_words(&why, r);
	if (r == 0) {
		ASSERT(mlist_match(l, key) <= 1);
		ASSERT(mlist_match_host(l, key, NULL, true) <= 1);
		ASSERT(mlist_match_host(l, key, NULL, false) <= 1);
		mlist_free(&l);
	}
	table_set_free(&set);
}

/* A name that leads to a file leads to one of the machine's: those are not ours to read. */
static bool names_a_file(struct slice text)
{
	return memchr(text.ptr, '/', text.len) != NULL;
}

static void check_inside(const char *type, struct slice text, struct slice key)
{
	static char name[KIB(64)];
	struct str s = STR(name);

	str_add_cstr(&s, type);
	str_add(&s, text);
	if (!str_is_full(&s) && !names_a_file(text))
		check_table(str_slice(&s), key);
}

static void check_file(const char *type, struct slice text, struct slice key)
{
	static char path[64], name[96];

	if (path[0] == '\0')
		(void)snprintf(path, sizeof(path), "/tmp/ringpost-fuzz-table-%d", (int)getpid());	/* fits */
	write_text(path, text);
	(void)snprintf(name, sizeof(name), "%s:%s", type, path);	/* fits */
	check_table(slice_of_str(name), key);
	(void)unlink(path);	/* the next one writes it again */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	size_t key_len = MIN((size_t)data[1], size - 2);
	struct slice text = slice_of(data + 2, size - 2 - key_len);
	struct slice key = slice_of(data + size - key_len, key_len);

	switch ((enum kind)(data[0] % KINDS)) {
	case TEXTHASH:
		check_file("texthash", text, key);
		break;
	case CIDR:
		check_file("cidr", text, key);
		break;
	case PCRE:
		check_file("pcre", text, key);
		break;
	case REGEXP:
		check_file("regexp", text, key);
		break;
	case INLINE:
		check_inside("inline:", text, key);
		break;
	case STATIC:
		check_inside("static:", text, key);
		break;
	case UNIONMAP:
		check_inside("unionmap:", text, key);
		break;
	case PIPEMAP:
		check_inside("pipemap:", text, key);
		break;
	case MLIST:
		if (!names_a_file(text))
			check_mlist(text, key);
		break;
	case KINDS:
		break;
	}
	return 0;
}
