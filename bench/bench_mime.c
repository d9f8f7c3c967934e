/* bench_mime.c - what converting content costs (B 16)
 *
 * A message of 256 KiB in pieces of 16 KiB, through the stage as a server without 8BITMIME wants it. Rates are of
 * octets that go in; of_memcpy is the rate as a part of memcpy's over the same pieces, measured beside it.
 */
#include <time.h>

#include "bench/gbench.h"
#include "core/str.h"
#include "net/mail/mime.h"
#include "net/mail/scan.h"

#define SIZE	KIB(256)
#define PIECE	KIB(16)

enum text { GERMAN, RUSSIAN, ASCII, RANDOM };

static const char *const german[] = {
	"der", "die", "und", "nicht", "ein", "wir", "haben", "Antwort", "gestern", "wurde", "Nachricht", "von", "mit",
	"auf", "Brief", "Sendung", "werden", "sehr", "geehrte", "Damen", "Herren", "heute", "Anlage", "finden", "Sie", "unser",
	"was", "man", "noch", "wenn", "aber", "dann", "einmal", "wieder", "Woche", "Termin", "Rechnung", "Kunde", "leider",
	"bitte", "danke", "Betrag", "Konto", "Montag", "alles", "Gute", "viele", "Adresse", "Telefon", "Anfrage",
	"Angebot", "Vertrag", "Preis", "bis", "zum", "Ende", "des", "Monats", "gilt", "f\xc3\xbcr", "sch\xc3\xb6ne",
	"Gr\xc3\xbc\xc3\x9f" "e", "\xc3\xbc" "ber", "k\xc3\xb6nnen",
};
static const char *const russian[] = {
	"\xd0\xb8", "\xd0\xbd\xd0\xb5", "\xd0\xbd\xd0\xb0", "\xd1\x87\xd1\x82\xd0\xbe",
	"\xd0\xbf\xd0\xb8\xd1\x81\xd1\x8c\xd0\xbc\xd0\xbe", "\xd0\xbe\xd1\x82\xd0\xb2\xd0\xb5\xd1\x82",
	"\xd1\x81\xd0\xb5\xd0\xb3\xd0\xbe\xd0\xb4\xd0\xbd\xd1\x8f",
	"\xd0\xb7\xd0\xb4\xd1\x80\xd0\xb0\xd0\xb2\xd1\x81\xd1\x82\xd0\xb2\xd1\x83\xd0\xb9\xd1\x82\xd0\xb5",
	"\xd0\xb4\xd0\xbe\xd0\xb3\xd0\xbe\xd0\xb2\xd0\xbe\xd1\x80", "\xd1\x86\xd0\xb5\xd0\xbd\xd0\xb0",
};

enum way { ENCODED, PARTS, PASSED };

#define EACH_LEVEL(name, text, way)				\
	{ name "/portable", text, way, SCAN_PORTABLE },		\
	{ name "/sse2", text, way, SCAN_SSE2 },			\
	{ name "/avx2", text, way, SCAN_AVX2 },			\
	{ name "/avx512", text, way, SCAN_AVX512 },

static const struct {
	const char *name;
	enum text text;
	enum way way;
	enum scan_level level;
} cases[] = {
	EACH_LEVEL("mime/encode/german", GERMAN, ENCODED)
	EACH_LEVEL("mime/encode/russian", RUSSIAN, ENCODED)
	EACH_LEVEL("mime/encode/random", RANDOM, ENCODED)
	EACH_LEVEL("mime/encode/ascii", ASCII, ENCODED)
	EACH_LEVEL("mime/encode_part/german", GERMAN, PARTS)
	EACH_LEVEL("mime/encode_part/russian", RUSSIAN, PARTS)
	EACH_LEVEL("mime/pass_part/german", GERMAN, PASSED)
};

static char storage[SIZE + KIB(1)], copy[PIECE];

static uint32_t next(uint32_t *seed)
{
	return (*seed = *seed * 1664525u + 1013904223u) >> 12;
}

static void add_word(struct str *s, enum text kind, uint32_t *seed)
{
	const uint32_t r = next(seed);
	const char octet = (char)(r >> 4);

	if (kind == RANDOM)
		str_add_char(s, octet == '\r' || octet == '\n' ? 'x' : octet);
	else if (kind == RUSSIAN)
		str_add_cstr(s, russian[r % ARRAY_LEN(russian)]);
	else
		str_add_cstr(s, german[r % (ARRAY_LEN(german) - (kind == ASCII ? 5 : 0))]);
}

/* Lines of up to 76 octets. */
static struct slice make_text(enum text kind, enum way way)
{
	struct str s = STR(storage);
	uint32_t seed = 1;
	size_t line = 0;

	if (way != ENCODED)
		str_add_cstr(&s, "Content-Type: multipart/mixed; boundary=\"----=_Part_1_1234567890\"\r\n\r\n"
			"------=_Part_1_1234567890\r\n");
	str_printf(&s, "Content-Transfer-Encoding: %s\r\n\r\n", way == PASSED ? "7bit" : "8bit");
	line = s.len;
	while (s.len < SIZE) {
		add_word(&s, kind, &seed);
		if (s.len - line > 66)
			str_add_cstr(&s, "\r\n");
		else if (kind != RANDOM)
			str_add_char(&s, ' ');
		if (s.ptr[s.len - 1] == '\n')
			line = s.len;
	}
	str_add_cstr(&s, "\r\n");
	return str_slice(&s);
}

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);	/* it is always there */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double memcpy_seconds(struct slice text)
{
	const double begin = seconds();

	for (unsigned i = 0; i < 100; i++) {
		for (size_t at = 0; at < text.len; at += PIECE) {
			memcpy(copy, text.ptr + at, MIN(text.len - at, (size_t)PIECE));
			gbench_keep(copy);
		}
	}
	return (seconds() - begin) / 100;
}

static int convert(struct slice text, const struct mime_conf *conf, void *memory)
{
	struct mime m;
	int r = STAGE_MORE;

	mime_init(&m, conf, NULL, memory);
	for (size_t at = 0; r == STAGE_MORE; at += PIECE) {
		struct slice in = slice_of(text.ptr + at, MIN(text.len - at, (size_t)PIECE)), span;

		while ((r = m.stage.next(&m.stage, &in, at + PIECE >= text.len, &span)) == STAGE_SPAN)
			gbench_keep(span.ptr);
	}
	return r;
}

static void bench_convert(struct gbench *b, int64_t arg)
{
	static uint64_t memory[KIB(64) / 8];
	const struct mime_conf conf = {
		.converts = true,
		.mime_boundary_length_limit = 2048,
		.mime_nesting_limit = 100,
		.header_size_limit = 102400,
		.line_length_limit = 2048,
	};
	struct slice text = make_text(cases[arg].text, cases[arg].way);
	double begin, spent, rounds = 0;
	int r = STAGE_END;

	if (mime_memory(&conf, NULL) > sizeof(memory) || !scan_use(cases[arg].level)) {
		gbench_fail(b, "this machine has it not");
		return;
	}
	begin = seconds();
	while (gbench_next(b) && r == STAGE_END) {
		r = convert(text, &conf, memory);
		rounds++;
	}
	spent = seconds() - begin;
	if (r != STAGE_END)
		gbench_fail(b, "the text does not pass");
	gbench_set_bytes(b, (int64_t)text.len);
	gbench_set_per_round(b, "of_memcpy", memcpy_seconds(text) / (spent / rounds) * rounds);
}

int main(int argc, char **argv)
{
	for (int i = 0; i < (int)ARRAY_LEN(cases); i++)
		gbench_register_case(cases[i].name, bench_convert, i);
	return gbench_main(argc, argv);
}
