#include "net/wire/smtp_command_line.h"

#include <errno.h>

void smtp_command_line_reader_init(struct smtp_command_line_reader *reader)
{
	reader->failed = 0;
	reader->flaws = 0;
	reader->len = 0;
	reader->ends_in_cr = false;
}

/* Looks at the next octets of a line, its LF not among them. */
static void inspect(struct smtp_command_line_reader *reader, struct slice piece)
{
	if (piece.len == 0)
		return;
	ptrdiff_t cr = slice_find_char(piece, 0, '\r');

	/* The CR before this piece was not the end, and none is but the last octet. */
	if (reader->ends_in_cr || (cr >= 0 && (size_t)cr + 1 < piece.len))
		reader->flaws |= SMTP_LINE_BARE_CR;
	if (slice_find_char(piece, 0, '\0') >= 0)
		reader->flaws |= SMTP_LINE_NUL;
	reader->ends_in_cr = piece.ptr[piece.len - 1] == '\r';
}

static void keep(struct smtp_command_line_reader *reader, struct slice piece)
{
	if (reader->len < sizeof(reader->text)) {
		struct slice fits = slice_head(piece, sizeof(reader->text) - reader->len);

		memcpy(reader->text + reader->len, fits.ptr, fits.len);
	}
	reader->len += piece.len;
}

/* The whole line stands at start, or its beginning if it is too long. */
static void end_line(struct smtp_command_line_reader *reader, const char *start,
	struct smtp_command_line *ret_line)
{
	size_t len = reader->len - reader->ends_in_cr;

	if (!reader->ends_in_cr)
		reader->flaws |= SMTP_LINE_BARE_LF;
	if (len > SMTP_LINE_MAX)
		reader->flaws |= SMTP_LINE_TOO_LONG;
	ret_line->text = slice_of(start, MIN(len, (size_t)SMTP_LINE_MAX));
	ret_line->flaws = reader->flaws;
	smtp_command_line_reader_init(reader);
}

int smtp_command_line_feed(struct smtp_command_line_reader *reader, struct slice *in,
	struct smtp_command_line *ret_line)
{
	if (reader->failed)
		return reader->failed;
	if (in->len == 0)
		return 0;
	ptrdiff_t lf = slice_find_char(*in, 0, '\n');
	struct slice piece = lf < 0 ? *in : slice_head(*in, (size_t)lf);
	bool arrived_whole = reader->len == 0 && lf >= 0;

	slice_skip(in, piece.len + (lf >= 0));
	inspect(reader, piece);
	if (arrived_whole)
		reader->len = piece.len;
	else if (piece.len > 0)
		keep(reader, piece);
	if (reader->len > SMTP_LINE_SKIP_MAX) {
		reader->failed = -EMSGSIZE;
		return reader->failed;
	}
	if (lf < 0)
		return 0;
	end_line(reader, arrived_whole ? piece.ptr : reader->text, ret_line);
	return 1;
}

void smtp_command_line_wipe(struct smtp_command_line_reader *reader)
{
	ASSERT(reader->len == 0);
	explicit_bzero(reader->text, sizeof(reader->text));
}
