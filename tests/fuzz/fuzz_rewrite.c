/* fuzz_rewrite.c - headers and body lines through checks and generic maps (rows FZ-05, HDR)
 *
 * The first octet chooses the kind, or a body line; the rest is shown, its line ends made those of content. Claims:
 * what goes out instead is whole lines, each of a header's but the first begins with a blank or is a header of its own;
 * what is shown once more, comes out once more the same; a header without any address of ours stays as it is.
 */
#include <stdlib.h>

#include "core/table.h"
#include "net/mail/rewrite.h"
#include "net/params.h"

#define INPUT_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] =
	"header_size_limit = 4096\n"
	"header_address_token_limit = 64\n"
	"recipient_delimiter = +\n"
	"smtp_generic_maps = inline:{ a@b=longer.than.before@somewhere.else.test, c=d, @e=@f }\n"
	"smtp_header_checks = inline:{ { A: a=REPLACE To: a@b }, { B: b=PREPEND X: y }, { C: c=IGNORE } }\n"
	"smtp_body_checks = inline:{ { a=REPLACE b }, { b=PREPEND c }, c=STRIP }\n"
	"smtp_service_flags = D\n";

static struct params params;
static struct generic_conf generic;
static struct rewrite rewrite;
static char text[2 * INPUT_MAX], first[16 * INPUT_MAX];

static void say_nothing(struct mail_log *log, bool is_warning, struct slice line)
{
	(void)log;
	(void)is_warning;
	ASSERT(line.len > 0);
}

static struct mail_log quiet = { .line = say_nothing };

static void open_once(void)
{
	static struct params_system sys;
	static struct table_set *set;

	if (generic.params != NULL)
		return;
	set = table_set_new();
	params_system_init(&sys, "fuzz", NULL);
	ASSERT(set != NULL && params_conf_new(&sys) != NULL);
	conf_read_text(sys.conf, "main.cf", slice_of_str(config));
	ASSERT(params_load(&params, sys.conf) == 0);
	ASSERT(params_open_tables(&params, sys.conf, set, NULL, NULL) == 0);
	generic.params = &params;
	size_t size = rewrite_memory(&params);
	void *memory = malloc(size);

	ASSERT(memory != NULL);
	rewrite_init(&rewrite, &(struct rewrite_conf){ .params = &params, .generic = &generic, .log = &quiet,
						       .delivered_to = SLICE("a@b") }, memory, size);
}

/* CR and LF together, and in a header only in front of a blank. */
static struct slice content_of(const uint8_t *data, size_t size, bool is_line)
{
	struct str out = STR(text);

	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\r' || (data[i] == '\n' && is_line))
			continue;
		str_add_char(&out, (char)data[i]);
		if (data[i] == '\n') {
			out.len--;
			str_add_cstr(&out, "\r\n ");
		}
	}
	return str_slice(&out);
}

static int show(bool is_line, enum mime_header_kind kind, struct slice subject, struct slice *ret_text)
{
	struct mime_hooks *h = &rewrite.hooks;

	return is_line ? h->line(h, subject, ret_text) : h->header(h, kind, subject, ret_text);
}

static void check_lines(struct slice out, bool is_line)
{
	struct slice name, body;

	ASSERT(out.len == 0 || (out.len >= 2 && out.ptr[out.len - 2] == '\r'));
	for (size_t i = 0; i < out.len; i++)
		ASSERT((out.ptr[i] == '\r') == (i + 1 < out.len && out.ptr[i + 1] == '\n'));
	if (is_line)
		return;
	for (struct slice rest = out; rest.len > 0;) {
		const struct slice line = slice_head(rest, (size_t)slice_find_char(rest, 0, '\n') + 1);

		ASSERT(line.len > 2);
		ASSERT((line.ptr != out.ptr && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) ||
		       header_split(line, &name, &body));
		slice_skip(&rest, line.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice out, again, name, body;

	if (size < 2 || size > INPUT_MAX / 4)
		return 0;
	open_once();
	const bool is_line = (data[0] & 3) == 3;
	const enum mime_header_kind kind = is_line ? MIME_HEADER_PRIMARY : (enum mime_header_kind)(data[0] & 3);
	const struct slice subject = content_of(data + 1, size - 1, is_line);

	if (subject.len == 0 || (!is_line && !header_split(subject, &name, &body)))
		return 0;
	const int r = show(is_line, kind, subject, &out);

	if (r == MIME_CHANGED) {
		check_lines(out, is_line);
		ASSERT(out.len <= sizeof(first));
		memcpy(first, out.ptr, out.len);
		out.ptr = first;
	}
	ASSERT(show(is_line, kind, subject, &again) == r);
	ASSERT(r != MIME_CHANGED || slice_eq(out, again));
	return 0;
}
