#include "net/mail/mime.h"

#include <time.h>

#include "core/err.h"
#include "tests/test.h"
#include "tests/unit/net/mail/mime_run.h"

#define CTE	"Content-Transfer-Encoding: "
#define CT	"Content-Type: "
#define X10	"xxxxxxxxxx"
#define X100	X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define B8	"bbbbbbbb"
#define B64	B8 B8 B8 B8 B8 B8 B8 B8

/* head, count times unit, tail. */
struct bomb {
	const char *claim;
	const char *head, *unit, *tail;
	unsigned count;
	enum mime_trouble trouble;	/* converting */
};

#define NESTED(type)	CT type "; boundary=b\r\n\r\n--b\r\n"
#define MULTI		CT "multipart/mixed; boundary=b\r\n" CTE "8bit\r\n\r\n"

static const struct bomb bombs[] = {
	{ "nesting of 100,000", "", NESTED("multipart/mixed"), "", 100000, MIME_TOO_DEEP },
	{ "100,000 digests in each other", "", NESTED("multipart/digest") "\r\n", "", 100000, MIME_TOO_DEEP },
	{ "attached messages without end", "", CT "message/rfc822\r\n" CTE "8bit\r\n\r\n", "x\r\n", 100000, MIME_NO_TROUBLE },
	{ "an empty boundary, and many lines that begin with two dashes", CT "multipart/mixed; boundary=\"\"\r\n\r\n",
	  "--\r\n", "", 1000000, MIME_NO_TROUBLE },
	{ "a boundary of 1 MiB", CT "multipart/mixed; boundary=\"", B64, "\"\r\n" CTE "8bit\r\n\r\n--" B64 "\r\n", 16384,
	  MIME_NO_TROUBLE },
	{ "a line of 64 MiB that begins like a boundary", MULTI "--b", X100, "\r\n", 671089, MIME_NO_TROUBLE },
	{ "a million parts", MULTI, "--b\r\n" CTE "8bit\r\n\r\n\xe9\r\n", "--b--\r\n", 1000000, MIME_NO_TROUBLE },
	{ "a million empty parts, without an end", MULTI, "--b\r\n", "", 1000000, MIME_NO_TROUBLE },
	{ "a header of 100 MiB", "Subject: ", X100 X100 "\r\n ", "\r\n" CTE "8bit\r\n\r\n\xe9\r\n", 509000, MIME_NO_TROUBLE },
	{ "a header of 100 MiB that says what the part is", CT "text/plain; x=", X100 X100, "\r\n\r\n", 524288,
	  MIME_NO_TROUBLE },
	{ "a label with a comment of 64 MiB", CTE "8bit (", X100, ")\r\n\r\n\xe9\r\n", 671089, MIME_NO_TROUBLE },
	{ "a comment of 64 MiB in front of a label", CTE "(", X100, ") 8bit\r\n\r\n\xe9\r\n", 671089, MIME_NO_TROUBLE },
	{ "a million headers", "", "X-Header: y\r\n", "\r\nx\r\n", 1000000, MIME_NO_TROUBLE },
	{ "a million labels", "", CTE "8bit\r\n", "\r\nx\r\n", 1000000, MIME_NO_TROUBLE },
	{ "a million labels that stay", "", CTE "base64\r\n", "\r\nx\r\n", 1000000, MIME_NO_TROUBLE },
	{ "a million types", CTE "8bit\r\n", CT "text/plain\r\n", "\r\nx\r\n", 1000000, MIME_NO_TROUBLE },
	{ "boundaries in a hundred thousand parts (RFC 2231)", CT "multipart/mixed", ";\r\n boundary*0=bbbbbbbb",
	  "\r\n" CTE "8bit\r\n\r\n", 100000, MIME_NO_TROUBLE },
	{ "a hundred thousand boundaries", CT "multipart/mixed", ";\r\n boundary=bbbbbbbb", "\r\n" CTE "8bit\r\n\r\n", 100000,
	  MIME_TOO_DEEP },
	{ "a comment in a comment in a comment", CT "text/plain ", "(((((((((((((((", "\r\n\r\n", 1000000, MIME_NO_TROUBLE },
	{ "a quoted string without end", CT "multipart/mixed; boundary=\"", "\\\"", "", 1000000, MIME_NO_TROUBLE },
	{ "a name without end", "", X100, "", 671089, MIME_NO_TROUBLE },
	{ "a line without end, encoded", CTE "8bit\r\n\r\n", X100 "\xe9\xe9", "", 671089, MIME_NO_TROUBLE },
	{ "a body of line ends", CTE "8bit\r\n\r\n", "\r\n", "", 1000000, MIME_NO_TROUBLE },
	{ "a body of dashes", MULTI "--b\r\n" CTE "8bit\r\n\r\n", "-\r\n--\r\n---\r\n", "", 300000, MIME_NO_TROUBLE },
	{ "a body of blanks", CTE "8bit\r\n\r\n", " \t\r\n", "", 1000000, MIME_NO_TROUBLE },
};

static char block[KIB(64)], memory_block[KIB(64)];

struct flow {
	struct mime mime;
	size_t piece;		/* at most so many octets at a time */
	uint64_t in, out;
	int r;
};

static void feed(struct flow *f, struct slice text, bool is_last)
{
	do {
		struct slice piece = slice_head(text, f->piece), span;

		slice_skip(&text, piece.len);
		f->in += piece.len;
		const bool ends = is_last && text.len == 0;

		while (f->r >= 0 && (f->r = f->mime.stage.next(&f->mime.stage, &piece, ends, &span)) == STAGE_SPAN)
			f->out += span.len;
	} while (text.len > 0 && f->r >= 0);
}

static void feed_units(struct flow *f, const struct bomb *b, unsigned count)
{
	struct str s = STR(block);
	unsigned in_block = 0;

	while (in_block < count && s.len + strlen(b->unit) <= sizeof(block)) {
		str_add_cstr(&s, b->unit);
		in_block++;
	}
	for (; count >= in_block; count -= in_block)
		feed(f, str_slice(&s), false);
	feed(f, slice_head(str_slice(&s), count * strlen(b->unit)), false);
}

static double cpu_seconds(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Returns the time that it took. */
static double explode(const struct bomb *b, unsigned count, size_t piece, bool converts)
{
	struct mime_conf conf = mime_run_conf();
	struct flow f = { .piece = piece };
	const double begin = cpu_seconds();

	conf.converts = converts;
	conf.finds_parts = true;
	assert_true(mime_memory(&conf, NULL) <= sizeof(memory_block));
	mime_init(&f.mime, &conf, NULL, memory_block);
	if (b->head[0] != '\0')
		feed(&f, slice_of_str(b->head), false);
	feed_units(&f, b, count);
	feed(&f, slice_of_str(b->tail), true);
	const double spent = cpu_seconds() - begin;

	assert_int_equal(f.mime.structure.trouble, converts ? b->trouble : MIME_NO_TROUBLE);
	assert_int_equal(f.r, converts && b->trouble != MIME_NO_TROUBLE ? ERR_CONTENT : (int)STAGE_END);
	if (!converts && f.out != f.in && f.out != f.in + 2)
		fail_msg("%s: %llu octets in, %llu out", b->claim, (unsigned long long)f.in, (unsigned long long)f.out);
	if (spent > 0.01 + (double)f.in / 1e6)
		fail_msg("%s: %g s for %llu octets", b->claim, spent, (unsigned long long)f.in);
	return spent;
}

/* Four times as much takes about four times as long. What others do on the machine costs nothing of our CPU time, but
 * caches. */
static void linear(const struct bomb *b, size_t piece, bool converts)
{
	const unsigned large = piece == 1 ? MIN(b->count, 100000u) : b->count;
	double ratio = 0;

	for (unsigned tries = 0; tries < 3; tries++) {
		const double small = explode(b, large / 4, piece, converts);

		ratio = explode(b, large, piece, converts) / (small + 0.002);
		if (ratio < 8)
			return;
	}
	fail_msg("%s: four times the octets take %g times as long", b->claim, ratio);
}

static void bombs_whole(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bombs); i++) {
		linear(&bombs[i], KIB(64), false);
		linear(&bombs[i], KIB(64), true);
	}
}

static void bombs_in_octets(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bombs); i++) {
		(void)explode(&bombs[i], MIN(bombs[i].count, 3000u), 1, false);
		(void)explode(&bombs[i], MIN(bombs[i].count, 3000u), 1, true);
	}
}

/* As many levels as there is room for, all of which begin alike; lines that are almost each of them. */
static void alike(void **state)
{
	struct bomb b = { .claim = "boundaries that begin alike", .count = 2000 };
	static char head[KIB(32)], unit[KIB(4)];
	struct str h = STR(head), u = STR(unit);

	(void)state;
	for (unsigned level = 0; level < 8; level++) {
		str_add_cstr(&h, CT "multipart/mixed; boundary=\"");
		for (unsigned i = 0; i < 2047; i++)
			str_add_char(&h, 'b');
		str_printf(&h, "%u\"\r\n\r\n--", level);
		for (unsigned i = 0; i < 2047; i++)
			str_add_char(&h, 'b');
		str_printf(&h, "%u\r\n", level);
	}
	str_add_cstr(&h, CTE "8bit\r\n\r\n");
	str_add_cstr(&u, "--");
	for (unsigned i = 0; i < 2047; i++)
		str_add_char(&u, 'b');
	str_add_cstr(&u, "x\r\n");
	b.head = str_cstr(&h);
	b.unit = str_cstr(&u);
	b.tail = "";
	linear(&b, KIB(64), true);
	linear(&b, 1, true);
	/* 102 levels whose boundaries are 150 octets. */
	str_clear(&h);
	for (unsigned level = 0; level < 102; level++)
		str_printf(&h, CT "multipart/mixed; boundary=\"" B64 B64 "%03u\"\r\n\r\n--" B64 B64 "%03u\r\n", level, level);
	str_add_cstr(&h, CTE "8bit\r\n\r\n");
	str_clear(&u);
	str_add_cstr(&u, "--" B64 B64 "\r\n--" B64 B8 "\r\n--b\r\n");
	b.head = str_cstr(&h);
	b.unit = str_cstr(&u);
	b.count = 20000;
	linear(&b, KIB(64), true);
	linear(&b, 1, true);
}

/* Boundaries at the lengths of the row: those of 70 octets that RFC 2046 allows, and beyond. */
static void lengths(void **state)
{
	static const unsigned tried[] = { 1, 70, 71, 2047, 2048, 2049, 8192 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(tried); i++) {
		static char text[KIB(32)], out_storage[KIB(64)];
		struct str s = STR(text), out = STR(out_storage);
		struct mime_run run = { .conf = mime_run_conf() };

		str_add_cstr(&s, CT "multipart/mixed; boundary=\"");
		for (unsigned k = 0; k < tried[i]; k++)
			str_add_char(&s, (char)('a' + k % 26));
		str_add_cstr(&s, "\"\r\n\r\n--");
		for (unsigned k = 0; k < tried[i]; k++)
			str_add_char(&s, (char)('a' + k % 26));
		str_add_cstr(&s, "\r\n" CTE "8bit\r\n\r\n\xe9\r\n");
		assert_int_equal(mime_run(&run, str_slice(&s), &out), STAGE_END);
		assert_non_null(memmem(out.ptr, out.len, "\r\n=E9\r\n", 7));
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("HDR-01: whatever MIME is made a bomb of takes time in proportion to its size", bombs_whole),
		CLAIM("HDR-01: octet by octet, too", bombs_in_octets),
		CLAIM("HDR-01: boundaries that begin alike cost their number, not their number times more lines", alike),
		CLAIM("HDR-01: boundaries of any length are found", lengths),
	};

	return cmocka_run_group_tests_name("net/mail/mime_bombs", claims, NULL, NULL);
}
