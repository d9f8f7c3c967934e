/* fuzz_mime.c - content through the MIME stage, cut anywhere, against the slow reference (FZ-05, rows HDR-01, HDR-02)
 *
 *	octet 0		0: only headers, 1: parts, 2 and 3: converting; bit 2: a limit of 40 octets a header;
 *			bit 3: 3 levels; bit 4: boundaries of 4 octets; bit 5: hooks that keep what they see, and
 *			sometimes want to be asked again; bits 6 and 7: the instruction set, counted from the best
 *	octet 1		how the rest is cut
 *
 * Each CR or LF of the input that is no CRLF becomes one: that is what flows between stages. Claims: what goes out is
 * what the reference gives, at any cut and with hooks; a failure is the same failure, and what has gone out before is
 * the beginning of what the reference has; what has been converted has nothing left to convert.
 */
#include <stdlib.h>

#include "net/mail/scan.h"
#include "tests/unit/net/mail/mime_reference.h"
#include "tests/unit/net/mail/mime_run.h"

#define SIZE_MAX_TRIED	65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char text[2 * SIZE_MAX_TRIED], want_storage[16 * SIZE_MAX_TRIED], got_storage[16 * SIZE_MAX_TRIED],
	again_storage[16 * SIZE_MAX_TRIED];
static unsigned cuts, asked;

/* Pieces of 1 to 128 octets, or all at once. */
static size_t cut(void *context, size_t at, size_t left)
{
	size_t n = cuts == 0 ? left : MIN(left, (size_t)1 << (cuts & 7));

	(void)context;
	(void)at;
	cuts = cuts >> 1 | (cuts & 1) << 7;
	return n;
}

static int on_text(struct slice seen)
{
	ASSERT(seen.len < 2 || memcmp(seen.ptr + seen.len - 2, "\r\n", 2) != 0);
	return ++asked % 3 == 0 ? MIME_WAIT : MIME_KEEP;
}

static int on_header(struct mime_hooks *h, enum mime_header_kind kind, struct slice header, struct slice *ret_text)
{
	(void)h;
	(void)ret_text;
	ASSERT(header.len > 0 && kind <= MIME_HEADER_NESTED && slice_find_char(header, 0, ':') > 0);
	return on_text(header);
}

static int on_line(struct mime_hooks *h, struct slice line, struct slice *ret_text)
{
	(void)h;
	(void)ret_text;
	ASSERT(line.len > 0 && line.len <= 600 && slice_find_char(line, 0, '\n') < 0);
	return on_text(line);
}

static struct slice canonical(const uint8_t *data, size_t size)
{
	struct str out = STR(text);

	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\r' && i + 1 < size && data[i + 1] == '\n')
			continue;
		if (data[i] == '\r' || data[i] == '\n')
			str_add_cstr(&out, "\r\n");
		else
			str_add_char(&out, (char)data[i]);
	}
	return str_slice(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > SIZE_MAX_TRIED)
		return 0;
	struct mime_hooks hooks = { .header = on_header, .line = on_line };
	struct mime_run run = { .conf = mime_run_conf(), .cut = cut, .waits = true };
	struct slice in = canonical(data + 2, size - 2);
	struct str want = STR(want_storage), got = STR(got_storage), again = STR(again_storage);

	run.conf.converts = data[0] & 2;
	run.conf.finds_parts = data[0] & 1;
	run.conf.line_length_limit = 600;
	if (data[0] & 4)
		run.conf.header_size_limit = 40;
	if (data[0] & 8)
		run.conf.mime_nesting_limit = 1;
	if (data[0] & 16)
		run.conf.mime_boundary_length_limit = 4;
	run.hooks = data[0] & 32 ? &hooks : NULL;
	/* One that this machine does not have is not chosen. */
	(void)scan_use((enum scan_level)(SCAN_LEVELS - 1 - data[0] / 64 % SCAN_LEVELS));
	cuts = data[1];
	asked = 0;
	enum mime_trouble trouble = mime_reference(&run.conf, in, &want);
	int r = mime_run(&run, in, &got);

	ASSERT(!str_is_full(&want) && !str_is_full(&got));
	ASSERT(run.mime.structure.trouble == trouble);
	ASSERT(r == (trouble == MIME_NO_TROUBLE ? (int)STAGE_END : ERR_CONTENT));
	if (trouble != MIME_NO_TROUBLE) {
		ASSERT(slice_has_prefix(str_slice(&want), str_slice(&got)));
		return 0;
	}
	ASSERT(slice_eq(str_slice(&want), str_slice(&got)));
	run.hooks = NULL;
	r = mime_run(&run, str_slice(&got), &again);
	ASSERT(r == STAGE_END && slice_eq(str_slice(&got), str_slice(&again)));
	return 0;
}
