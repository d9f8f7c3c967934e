#include "tests/sim/content.h"

#include "tests/sim/table_server.h"
#include "tests/test.h"
#include "tests/unit/net/mail/mime_reference.h"
#include "tests/unit/net/mail/stage_reference.h"

#define OFFERED_MAX	KIB(256)
#define LINE_LIMIT	998u		/* smtp_line_length_limit, when nothing is said */

#define MAPPED_FROM	"Cc: one@client.test, Old <old@client.test>, two@client.test, three@client.test (3)"
#define MAPPED_TO	"Cc: one@client.test, Old <new@client.test>, two@client.test,\r\n\tthree@client.test (3)"

#define TABLE_ADDRESS	"192.0.2.250"
#define TABLE_PORT	77

static unsigned changes, line_limit = LINE_LIMIT;

struct writer {
	struct str *out;
	bool arrives, converts;		/* at whom it does not take 8bit */
	bool label_is_due;
};

void content_set(unsigned wanted, unsigned limit)
{
	ASSERT(wanted < CONTENT_CHANGES);
	changes = wanted;
	line_limit = limit;
}

/* Keys are whole lines: it is not the tables that are tried here. */
void content_add_conf(struct str *out, const char *kind)
{
	if (line_limit != LINE_LIMIT)
		str_printf(out, "%s_line_length_limit = %u\n", kind, line_limit);
	if ((changes & CONTENT_IS_MAPPED) && (changes & CONTENT_IS_ASKED_ABOUT))
		str_printf(out, "%s_generic_maps = socketmap:inet:" TABLE_ADDRESS ":%u:generic\n", kind, TABLE_PORT);
	else if (changes & CONTENT_IS_MAPPED)
		str_printf(out, "%s_generic_maps = inline:{ { old@client.test=new@client.test } }\n", kind);
	if (!(changes & CONTENT_IS_CHECKED))
		return;
	str_printf(out, "%s_header_checks = inline:{ { X-Drop: 1=IGNORE }, { X-Old: 2=REPLACE X-New: 3 } }\n", kind);
	str_printf(out, "%s_mime_header_checks = inline:{ { MIME-Version: 1.0=PREPEND X-Mime: yes } }\n", kind);
	str_printf(out, "%s_body_checks = inline:{ { drop this line=IGNORE }, { .this one=REPLACE .that one }, "
			"{ behind this=PREPEND .this } }\n", kind);
}

void content_add_servers(void)
{
	static const struct table_row rows[] = { { "old@client.test", "new@client.test" } };

	if ((changes & CONTENT_IS_MAPPED) && (changes & CONTENT_IS_ASKED_ABOUT))
		table_server_add(TABLE_ADDRESS, TABLE_PORT, rows, ARRAY_LEN(rows));
}

/* --- line by line ------------------------------------------------------------------------------------------------- */

static void write_line(struct writer *w, const char *text)
{
	str_add_cstr(w->out, text);
	str_add(w->out, SLICE("\r\n"));
}

/* after: what comes of it on its way; NULL: nothing. */
static void write_header(struct writer *w, const char *text, const char *after)
{
	if (!w->arrives)
		write_line(w, text);
	else if (after != NULL)
		write_line(w, after);
}

/* B 16.3: taken from its place, and written anew behind all others. */
static void write_label(struct writer *w)
{
	w->label_is_due = w->converts;
	if (!w->converts)
		write_line(w, "Content-Transfer-Encoding: 8bit");
}

static void end_header(struct writer *w)
{
	if (w->label_is_due)
		write_line(w, "Content-Transfer-Encoding: quoted-printable");
	write_line(w, "");
}

static void write_body(struct writer *w, struct slice line)
{
	if (w->arrives && (changes & CONTENT_IS_CHECKED)) {
		if (slice_eq(line, SLICE("drop this line")))
			return;
		if (slice_eq(line, SLICE(".this one")))
			line = SLICE(".that one");
		if (slice_eq(line, SLICE("behind this")))
			write_line(w, ".this");
	}
	if (w->label_is_due) {
		qp_reference_line(line, (struct qp_guards){ 0 }, w->out);
		return;
	}
	str_add(w->out, line);
	str_add(w->out, SLICE("\r\n"));
}

static const char *const known_lines[] = { "drop this line", ".this one", "behind this", "", "." };

static size_t length_of(uint64_t r)
{
	if ((changes & CONTENT_IN_LONG_LINES) && r % 32 == 1)
		return r >> 8 & 8191;
	return MIN(r % 16 == 0 ? r >> 8 & 1023 : r >> 8 & 63, (uint64_t)900);
}

/* Lines of all lengths, many of them with dots where it matters, some with octets above 127. */
static void write_random_line(struct writer *w, uint64_t r, bool is_8bit)
{
	const size_t len = length_of(r), dots = r >> 40 & 1 ? r >> 32 & 3 : 0;
	char text[8192 + 8];
	size_t n = 0;

	for (size_t i = 0; i < dots; i++)
		text[n++] = '.';
	for (size_t i = 0; i < len; i++) {
		const bool is_special = is_8bit && (i + (r >> 50)) % 7 == 0;

		if (is_special && i % 3 == 0) {
			text[n++] = '\xc3';
			text[n++] = '\xa4';
			i++;
		} else {
			text[n++] = is_special ? "= \t"[i % 3] : (char)('a' + (i + (r >> 20)) % 26);
		}
	}
	write_body(w, slice_of(text, n));
}

static void write_content(struct writer *w, uint64_t seed, uint32_t size, uint32_t id)
{
	const bool is_8bit = (changes & CONTENT_IN_8BIT) && (seed >> 60 & 1);
	const bool is_labelled = is_8bit && (seed >> 61) % 4 > 0;
	uint64_t dice = seed;
	char text[32];
	struct str subject = STR(text);

	str_printf(&subject, "Subject: %u", id);
	write_header(w, str_cstr(&subject), str_cstr(&subject));
	if (changes & CONTENT_IS_MAPPED)
		write_header(w, MAPPED_FROM, MAPPED_TO);
	if (changes & CONTENT_IS_CHECKED) {
		write_header(w, "X-Drop: 1", NULL);
		write_header(w, "X-Old: 2", "X-New: 3");
	}
	if (is_labelled) {
		write_header(w, "MIME-Version: 1.0", changes & CONTENT_IS_CHECKED ?
						     "X-Mime: yes\r\nMIME-Version: 1.0" : "MIME-Version: 1.0");
		write_label(w);
	}
	end_header(w);
	if (is_8bit)
		write_body(w, SLICE("\xc3\xa4 "));
	/* As large as was offered, whatever comes of it. */
	for (size_t written = str_slice(&subject).len + 4; written < size; ) {
		const uint64_t r = test_random(&dice);

		written += length_of(r) + (r >> 40 & 1 ? r >> 32 & 3 : 0) + 2;
		if ((changes & CONTENT_IS_CHECKED) && r % 16 == 3)
			write_body(w, slice_of_str(known_lines[(r >> 8) % ARRAY_LEN(known_lines)]));
		write_random_line(w, r, is_8bit);
	}
	ASSERT(!str_is_full(w->out));
}

struct slice content_offered(uint64_t seed, uint32_t size, uint32_t id)
{
	static char text[OFFERED_MAX];
	struct str out = STR(text);

	write_content(&(struct writer){ .out = &out }, seed, size, id);
	return str_slice(&out);
}

struct slice content_arrived(uint64_t seed, uint32_t size, uint32_t id, bool takes_8bit)
{
	static char text[4 * OFFERED_MAX], broken[4 * OFFERED_MAX];
	struct str out = STR(text), lines = STR(broken);

	if (changes == 0 && line_limit == LINE_LIMIT)
		return content_offered(seed, size, id);
	write_content(&(struct writer){ .out = &out, .arrives = true, .converts = !takes_8bit }, seed, size, id);
	wrap_reference(str_slice(&out), line_limit, &lines);
	ASSERT(!str_is_full(&lines));
	return str_slice(&lines);
}
