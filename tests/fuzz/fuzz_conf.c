/* fuzz_conf.c - the main.cf reader on any text (row FZ-13)
 *
 * The input is the file; a line that begins with '!' is an override instead. Claims: no crash, bounded values and
 * bounded work (the time limit of the fuzzer), every message is one printable line, and reading the same file twice,
 * or what the first reading made of it, gives the same values.
 */
#include <stdlib.h>

#include "core/conf.h"

#define ASKED_MAX 64u	/* names whose values are compared */

struct asked {
	struct conf *conf;
	unsigned count;
	char names[ASKED_MAX][64];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *some_defaults(struct slice name, void *context)
{
	struct asked *asked = context;

	if (slice_eq(name, SLICE("a")))
		return "$b";
	if (slice_eq(name, SLICE("mydomain")))
		return conf_get(asked->conf, "myhostname");	/* a default that asks, as ours do */
	return slice_eq(name, SLICE("myhostname")) ? "host.$mydomain" : NULL;
}

static void check_line(const char *line, void *context)
{
	(void)context;
	ASSERT(strlen(line) < 2048);
	for (; *line != '\0'; line++)
		ASSERT((unsigned char)*line >= 0x20 && *line != 0x7f);
}

/* Feeds the text, and notes the names that seem to be defined in it. */
static void read_input(struct asked *asked, struct slice text)
{
	struct slice rest = text;

	conf_read_text(asked->conf, "main.cf", text);
	asked->count = 0;
	while (rest.len > 0) {
		ptrdiff_t end = slice_find_char(rest, 0, '\n');
		struct slice line = slice_head(rest, end < 0 ? rest.len : (size_t)end);
		ptrdiff_t equals = slice_find_char(line, 0, '=');

		slice_skip(&rest, MIN(line.len + 1, rest.len));
		if (line.len > 0 && line.len < 256 && line.ptr[0] == '!') {
			char option[256] = "";

			memcpy(option, line.ptr + 1, line.len - 1);
			conf_override(asked->conf, option);
		}
		struct slice name = slice_trim(slice_head(line, equals < 0 ? 0 : (size_t)equals));

		if (name.len > 0 && name.len < sizeof(asked->names[0]) && asked->count < ASKED_MAX) {
			char *kept = asked->names[asked->count++];

			memcpy(kept, name.ptr, name.len);
			kept[name.len] = '\0';
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	static struct asked first, second;
	uint64_t n;
	bool yes;

	first.conf = conf_new(some_defaults, &first);
	second.conf = conf_new(some_defaults, &second);
	ASSERT(first.conf != NULL && second.conf != NULL);
	read_input(&first, text);
	read_input(&second, text);
	read_input(&second, text);
	for (unsigned i = 0; i < first.count; i++) {
		const char *name = first.names[i];
		const char *a = conf_get(first.conf, name);
		const char *b = conf_get(second.conf, name);

		ASSERT((a == NULL) == (b == NULL));
		ASSERT(a == NULL || (strlen(a) <= CONF_VALUE_MAX && strcmp(a, b) == 0));
		ASSERT(strcmp(conf_where(first.conf, name), conf_where(second.conf, name)) == 0);
		IGNORE(conf_get_time(first.conf, name, 'd', 1, 1000000, &n));	/* any answer but a crash */
		IGNORE(conf_get_u64(first.conf, name, 1, 10, &n));
		IGNORE(conf_get_bool(first.conf, name, &yes));
		conf_error(first.conf, name, "what", "form");
	}
	IGNORE(conf_get(first.conf, "mydomain"));
	conf_errors(first.conf, check_line, NULL);
	conf_unused(first.conf, check_line, NULL);
	conf_free(&first.conf);
	conf_free(&second.conf);
	return 0;
}
