/* fuzz_stages.c - content on its way out, cut anywhere, against the slow reference (row FZ-03)
 *
 *	octet 0		what is done with the rest: 0 text, 1 records, 2 anything at all; and whether NUL is refused
 *	octet 1		how it is cut; for records, which of them end a line
 *	octet 2		the limit of wrap
 *	octet 3		the memory of line_ends
 *
 * Claims: line_ends, wrap and dot in a row give what the references give; the wire form has no bare CR or LF, and no
 * line that is a dot; without its dots it is what it was. Stages that get what is no content lose none of it.
 */
#include "net/mail/dot.h"
#include "net/mail/line_ends.h"
#include "net/mail/scan.h"
#include "net/mail/unstuff.h"
#include "net/mail/wrap.h"
#include "core/err.h"
#include "tests/unit/net/mail/stage_reference.h"
#include "tests/unit/net/mail/stage_run.h"
#include "tests/unit/net/mail/unstuff_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT, RECORDS, ANYTHING, KINDS };

struct row {
	struct line_ends line_ends;
	struct wrap wrap;
	struct dot dot;
	struct chain chain;
	char memory[LINE_ENDS_MEMORY_MIN + 255];
};

static size_t limit_of(uint8_t octet)
{
	return octet == 1 ? 998 : octet;
}

static void row_init(struct row *row, const uint8_t *data, bool wraps)
{
	enum line_ends_form form = data[0] % KINDS == RECORDS ? LINE_ENDS_RECORDS : LINE_ENDS_TEXT;

	(void)scan_use(data[0] >> 4 & 3);	/* a level that this machine lacks: the one before */
	chain_init(&row->chain);
	line_ends_init(&row->line_ends, form, row->memory, LINE_ENDS_MEMORY_MIN + data[3]);
	row->line_ends.refuses_nul = data[0] & 8;
	wrap_init(&row->wrap, wraps ? limit_of(data[2]) : 0);
	dot_init(&row->dot);
	if (data[0] % KINDS != ANYTHING)
		chain_add(&row->chain, &row->line_ends.stage);
	chain_add(&row->chain, &row->wrap.stage);
	chain_add(&row->chain, &row->dot.stage);
}

/* Pieces of 1 to 128 octets, or all at once; and whether a record ends its line. */
static struct slice next_piece(struct slice *in, uint8_t *cuts, bool *ret_ends)
{
	struct slice piece = slice_head(*in, *cuts == 0 ? in->len : (size_t)1 << (*cuts & 7));

	*ret_ends = *cuts & 0x10;
	*cuts = (uint8_t)(*cuts >> 1 | (*cuts & 1) << 7);
	slice_skip(in, piece.len);
	return piece;
}

static int run(struct row *row, const uint8_t *data, struct slice in, struct str *out)
{
	bool is_records = data[0] % KINDS == RECORDS, ends;
	uint8_t cuts = data[1];
	int r = STAGE_MORE;

	while (r == STAGE_MORE && in.len > 0) {
		struct slice piece = next_piece(&in, &cuts, &ends);

		r = stage_feed(&row->chain, piece, false, out);
		if (is_records && ends)
			line_ends_end_record(&row->line_ends);
	}
	return r == STAGE_MORE ? stage_feed(&row->chain, (struct slice){ 0 }, true, out) : r;
}

static void canonical(const uint8_t *data, struct slice in, struct str *out)
{
	uint8_t cuts = data[1];
	bool ends;

	if (data[0] % KINDS == TEXT)
		line_ends_reference(in, out);
	if (data[0] % KINDS == ANYTHING)
		str_add(out, in);
	while (data[0] % KINDS == RECORDS && in.len > 0) {
		struct slice piece = next_piece(&in, &cuts, &ends);

		record_reference(piece, ends, out);
	}
	if (data[0] % KINDS == RECORDS)
		reference_end(out);
}

static void check_wire(struct slice wire)
{
	for (size_t i = 0; i < wire.len; i++) {
		char c = wire.ptr[i];

		ASSERT((c == '\n') == (i > 0 && wire.ptr[i - 1] == '\r'));
		if (c == '.' && (i == 0 || wire.ptr[i - 1] == '\n'))
			ASSERT(wire.ptr[i + 1] != '\r');
	}
	ASSERT(wire.len == 0 || wire.ptr[wire.len - 1] == '\n');
}

static void set_up_unstuff(void *context, struct chain *c)
{
	struct unstuff *u = context;

	unstuff_init(u);
	chain_add(c, &u->stage);
}

static void check(const uint8_t *data, struct slice in, char *storage, size_t cap)
{
	struct str content = str_over(storage, cap), wrapped = str_over(storage + cap, cap);
	struct str want = str_over(storage + 2 * cap, cap), out = str_over(storage + 3 * cap, cap);
	bool wraps = data[0] % KINDS != ANYTHING, has_nul = in.len > 0 && memchr(in.ptr, '\0', in.len) != NULL;
	struct unstuff unstuff;
	struct row row;

	canonical(data, in, &content);
	wrap_reference(str_slice(&content), wraps ? limit_of(data[2]) : 0, &wrapped);
	dot_reference(str_slice(&wrapped), &want);
	row_init(&row, data, wraps);
	int r = run(&row, data, in, &out);

	ASSERT(!str_is_full(&content) && !str_is_full(&wrapped) && !str_is_full(&want) && !str_is_full(&out));
	ASSERT(r == (wraps && has_nul && row.line_ends.refuses_nul ? ERR_PROTO : STAGE_END));
	if (r < 0)
		return;
	ASSERT(slice_eq(str_slice(&out), str_slice(&want)));
	if (wraps)
		check_wire(str_slice(&out));
	if (wraps)
		ASSERT(row.wrap.has_split == (wrapped.len > content.len));
	str_clear(&want);
	(void)stage_run_pieces(&(struct stage_setup){ set_up_unstuff, &unstuff }, str_slice(&out),
			       data[1] == 0 ? SIZE_MAX : data[1], &want);
	ASSERT(slice_eq(str_slice(&want), str_slice(&wrapped)));
}

/* wrap, too, has to survive what is no content: without the breaks, it is all there. */
static void check_wrap_alone(const uint8_t *data, struct slice in, char *storage, size_t cap)
{
	struct str out = str_over(storage, cap);
	size_t at = 0;
	struct row row;

	row_init(&row, data, true);
	ASSERT(run(&row, data, in, &out) == STAGE_END);
	ASSERT(!str_is_full(&out));
	for (size_t i = 0; i < out.len; i++) {
		if (at < in.len && storage[i] == in.ptr[at])
			at++;
		else
			ASSERT(strchr("\r\n .", storage[i]) != NULL);
	}
	ASSERT(at == in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	/* The least limit makes four octets of one; a record has an end of its own. */
	size_t cap = 8 * size + 16;
	char *storage = malloc(4 * cap);

	ASSERT(storage != NULL);
	check(data, slice_of(data + 4, size - 4), storage, cap);
	if (data[0] % KINDS == ANYTHING)
		check_wrap_alone(data, slice_of(data + 4, size - 4), storage, cap);
	free(storage);
	return 0;
}
