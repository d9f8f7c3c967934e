/* fuzz_smtp_reply.c - the reply parser on any octets in any pieces (row FZ-01)
 *
 * The first two octets choose how the rest is cut. Claims: the pieces make no difference to
 * anything a caller can see, each reply is within its bounds and printable, its codes are among its
 * own octets, and a failed parser stays failed.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/err.h"
#include "net/wire/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		ASSERT(((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f) ||
			text.ptr[i] == '\n');
}

static void check_reply(const struct smtp_reply *r)
{
	uint8_t class = (uint8_t)(r->code / 100);
	unsigned newlines = 0;

	ASSERT(r->code >= 200 && r->code <= 599);
	ASSERT(r->enhanced.class == (class == 3 ? 5 : class));
	ASSERT(r->enhanced.subject <= 999 && r->enhanced.detail <= 999);
	ASSERT(!r->has_enhanced || class != 3);
	ASSERT(r->lines >= 1 && r->lines <= REPLY_LINES_MAX);
	ASSERT(r->lines > 1 || !r->codes_differ);
	ASSERT(r->text.len >= 3 && r->text.len <= REPLY_TEXT_MAX);
	check_printable(r->text);
	for (size_t i = 0; i < r->text.len; i++)
		newlines += r->text.ptr[i] == '\n';
	ASSERT(r->text_cut ? newlines < r->lines : newlines == r->lines - 1);
	ASSERT(r->text.ptr[r->text.len - 1] != '\n');
}

static bool same_reply(const struct smtp_reply *a, const struct smtp_reply *b)
{
	return a->code == b->code && a->enhanced.class == b->enhanced.class &&
		a->enhanced.subject == b->enhanced.subject &&
		a->enhanced.detail == b->enhanced.detail && a->has_enhanced == b->has_enhanced &&
		a->codes_differ == b->codes_differ && a->lf_only == b->lf_only &&
		a->text_cut == b->text_cut && a->lines == b->lines && slice_eq(a->text, b->text);
}

/* Feeds the next piece, from memory of its own so that a sanitizer sees its ends, until there is a
 * reply, an error, or nothing left. Returns the last result; *rest loses what was taken. */
static int feed_pieces(
	struct smtp_reply_parser *p, struct slice *rest, unsigned *cuts, struct smtp_reply *ret)
{
	int r = 0;

	while (rest->len > 0 && r == 0) {
		size_t n = 1 + (*cuts & 15);
		struct slice piece = slice_head(*rest, n);
		char *copy = malloc(piece.len);

		*cuts = *cuts >> 1 | (*cuts & 1) << 15;
		memcpy(copy, piece.ptr, piece.len);
		piece.ptr = copy;
		r = smtp_reply_feed(p, &piece, ret);
		ASSERT(r != 0 || piece.len == 0);
		slice_skip(rest, MIN(n, rest->len) - piece.len);
		free(copy);
	}
	return r;
}

/* A table that knows some lines, has nothing to say to others, and fails at a few. */
static int filter(void *context, struct slice line, struct str *ret_line)
{
	(void)context;
	check_printable(line);
	ASSERT(line.len <= REPLY_TEXT_MAX);
	if (line.len > 0 && line.ptr[line.len - 1] == '!')
		return ERR_TABLE;
	if (line.len % 3 != 0)
		return 0;
	str_add(ret_line, line.len % 2 == 0 ? SLICE("450 4.7.1 later\x01") : SLICE("250-x\n550 never"));
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct smtp_reply_parser whole;
	static struct smtp_reply_parser pieces;

	if (size < 2)
		return 0;
	unsigned cuts = data[0] | (unsigned)data[1] << 8;
	struct slice a = slice_of(data + 2, size - 2);
	struct slice b = a;
	int r;

	smtp_reply_parser_init(&whole);
	smtp_reply_parser_init(&pieces);
	if (data[1] & 0x80) {
		whole.filter = filter;
		pieces.filter = filter;
	}
	do {
		struct smtp_reply one = { 0 };
		struct smtp_reply other = { 0 };

		r = smtp_reply_feed(&whole, &a, &one);
		ASSERT(r == 1 || r == 0 || r == ERR_PROTO || r == -EMSGSIZE || r == ERR_TABLE);
		ASSERT(feed_pieces(&pieces, &b, &cuts, &other) == r);
		if (r == 1) {
			check_reply(&one);
			ASSERT(same_reply(&one, &other));
			ASSERT(a.len == b.len);
		}
	} while (r == 1);
	ASSERT(smtp_reply_parser_is_idle(&whole) == smtp_reply_parser_is_idle(&pieces));
	if (r < 0) {
		struct smtp_reply none;
		struct slice more = SLICE("250 ok\r\n");

		check_printable(smtp_reply_offence(&whole));
		ASSERT(smtp_reply_offence(&whole).len <= REPLY_OFFENCE_MAX);
		ASSERT(smtp_reply_feed(&whole, &more, &none) == r);
		ASSERT(more.len == 8);
	}
	return 0;
}
