#include "net/mail/mime.h"

#include "core/err.h"

#define LINE_END 2u	/* CRLF */

static int next_hooked(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span);
static int next_bare(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span);

static uint32_t header_size(const struct mime_conf *conf, const struct mime_hooks *hooks)
{
	return hooks != NULL && hooks->header != NULL ? conf->header_size_limit : 0;
}

static uint32_t line_size(const struct mime_conf *conf, const struct mime_hooks *hooks)
{
	return hooks != NULL && hooks->line != NULL ? conf->line_length_limit : 0;
}

size_t mime_memory(const struct mime_conf *conf, const struct mime_hooks *hooks)
{
	return mime_structure_memory(conf) + header_size(conf, hooks) + line_size(conf, hooks) + 2 * LINE_END;
}

void mime_init(struct mime *m, const struct mime_conf *conf, struct mime_hooks *hooks, void *memory)
{
	memset(m, 0, sizeof(*m));
	m->hooks = hooks;
	m->header_size = header_size(conf, hooks);
	m->line_size = line_size(conf, hooks);
	m->stage.next = m->header_size > 0 || m->line_size > 0 ? next_hooked : next_bare;
	mime_structure_init(&m->structure, conf, memory);
	m->header = (char *)memory + mime_structure_memory(conf);
	m->line = m->header + m->header_size + LINE_END;
}

struct mime_failure mime_failure(const struct mime *m)
{
	static const struct mime_failure failures[MIME_TROUBLE_COUNT] = {
		[MIME_NO_TROUBLE] = { { 5, 6, 0 }, "message content rejected" },
		[MIME_TOO_DEEP] = { { 5, 6, 0 }, "MIME nesting exceeds safety limit" },
		[MIME_NOT_CONVERTIBLE] = { { 5, 6, 1 }, "a message/partial or message/external-body part is 8bit, "
			"and the server does not offer 8BITMIME" },
		[MIME_SEALED] = { { 5, 6, 3 }, "a signed or encrypted part is 8bit, "
			"and the server does not offer 8BITMIME" },
		[MIME_CONTRADICTION] = { { 5, 6, 0 }, "contradicting Content-Transfer-Encoding header fields" },
	};

	return failures[m->structure.trouble];
}

static int fail(struct mime *m, int err)
{
	m->err = err;
	return err;
}

static int next_bare(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct mime *m = container_of(s, struct mime, stage);
	int r = mime_structure_next(&m->structure, in, is_last, &m->piece);

	if (r == STAGE_SPAN)
		*ret_span = m->piece.text;
	return r;
}

/* --- hooks ---------------------------------------------------------------------------------------------------- */

#define AGAIN 100	/* a step has been made, nothing is to be given yet */

static int give(struct slice text, struct slice *ret_span)
{
	*ret_span = text;
	return text.len > 0 ? STAGE_SPAN : AGAIN;
}

/* So much of the piece. */
static int give_piece(struct mime *m, size_t n, struct slice *ret_span)
{
	int r = give(slice_head(m->piece.text, n), ret_span);

	slice_skip(&m->piece.text, n);
	return r;
}

static struct slice without_line_end(struct slice text)
{
	if (text.len >= LINE_END && memcmp(text.ptr + text.len - LINE_END, "\r\n", LINE_END) == 0)
		text.len -= LINE_END;
	return text;
}

static bool ends_line(struct slice text)
{
	return text.len > 0 && text.ptr[text.len - 1] == '\n';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The header that has been collected is whole. */
static int show_header(struct mime *m, struct slice *ret_span)
{
	struct slice header = slice_of(m->header, m->header_len);
	enum mime_header_kind kind = m->header_block;
	struct slice text = { 0 };

	if (!m->header_is_new)
		kind = mime_header_kind(kind, header);
	int r = m->hooks->header(m->hooks, kind, without_line_end(header), &text);

	if (r < 0)
		return fail(m, r);
	if (r == MIME_WAIT)
		return STAGE_WAIT;
	m->header_len = 0;
	m->header_is_open = false;
	return give(r == MIME_CHANGED ? text : header, ret_span);
}

/* A line of a header, or some of it. A header that is longer than what can be shown goes out as it comes. */
static int on_header_text(struct mime *m, struct slice *ret_span)
{
	struct slice text = m->piece.text;
	bool is_new = m->piece.kind == MIME_TEXT_NEW_HEADER;
	bool begins = is_new || (!m->header_is_open && !is_blank(text.ptr[0]));
	ptrdiff_t lf = slice_find_char(text, 0, '\n');
	size_t n = lf < 0 ? text.len : (size_t)lf + 1;

	if (begins && m->header_len > 0)
		return show_header(m, ret_span);
	if (begins) {
		m->header_passes = false;
		m->header_is_new = is_new;
		m->header_block = m->piece.block;
	}
	if (!m->header_passes && m->header_len + n > m->header_size + LINE_END) {
		uint32_t len = m->header_len;

		m->header_passes = true;
		m->header_len = 0;
		if (len > 0)
			return give(slice_of(m->header, len), ret_span);
	}
	m->header_is_open = lf < 0;
	if (m->header_passes)
		return give_piece(m, n, ret_span);
	memcpy(m->header + m->header_len, text.ptr, n);
	m->header_len += (uint32_t)n;
	slice_skip(&m->piece.text, n);
	return AGAIN;
}

/* Lines that are whole in what we have been given: nothing is copied, and what is kept stays together. Returns AGAIN
 * when there is none, or the answer is to be given. */
static int on_whole_lines(struct mime *m, struct slice *ret_span)
{
	struct slice text = m->piece.text, answer = { 0 };
	ptrdiff_t lf;
	size_t kept = 0;

	while ((lf = slice_find_char(text, kept, '\n')) >= 0) {
		size_t end = (size_t)lf + 1;
		struct slice line = without_line_end(slice_of(text.ptr + kept, end - kept));
		int r = MIME_KEEP;

		if (line.len > m->line_size)
			break;
		if (line.len > 0)
			r = m->hooks->line(m->hooks, line, &answer);
		if (r < 0)
			return fail(m, r);
		if (r == MIME_WAIT && kept == 0)
			return STAGE_WAIT;
		if (r == MIME_WAIT)
			break;
		if (r == MIME_CHANGED) {
			m->answer = answer;
			slice_skip(&m->piece.text, end);
			return give(slice_head(text, kept), ret_span);
		}
		kept = end;
	}
	return give_piece(m, kept, ret_span);
}

/* The octets that tell whether its last piece is there: its end, or one more than a piece has. */
static bool piece_is_there(const struct mime *m)
{
	return m->line_len == m->line_size + LINE_END || ends_line(slice_of(m->line, m->line_len)) ||
	       (m->line_len == m->line_size + 1 && m->line[m->line_size] != '\r');
}

/* The collected piece. is_last: of its line. */
static int show_line(struct mime *m, bool is_last, struct slice *ret_span)
{
	struct slice all = slice_of(m->line, is_last ? m->line_len : m->line_size);
	struct slice line = is_last ? without_line_end(all) : all;
	struct slice text = all;
	int r = line.len > 0 ? m->hooks->line(m->hooks, line, &text) : MIME_KEEP;

	if (r < 0)
		return fail(m, r);
	if (r == MIME_WAIT)
		return STAGE_WAIT;
	if (r == MIME_CHANGED && !is_last)
		text = without_line_end(text);
	else if (r == MIME_CHANGED && text.len == 0 && m->line_has_begun)
		text = SLICE("\r\n");
	m->line_given = (uint32_t)all.len;
	m->line_has_begun = !is_last && (m->line_has_begun || text.len > 0);
	return give(text, ret_span);
}

/* What has been given of the collected line is not needed any more. */
static void drop_given(struct mime *m)
{
	m->line_len -= m->line_given;
	memmove(m->line, m->line + m->line_given, m->line_len);
	m->line_given = 0;
}

static int on_body_text(struct mime *m, struct slice *ret_span)
{
	if (m->line_len == 0) {
		int r = on_whole_lines(m, ret_span);

		if (r != AGAIN || m->answer.len > 0 || m->piece.text.len == 0)
			return r;
	}
	if (piece_is_there(m))
		return show_line(m, ends_line(slice_of(m->line, m->line_len)), ret_span);
	ptrdiff_t lf = slice_find_char(m->piece.text, 0, '\n');
	size_t n = lf < 0 ? m->piece.text.len : (size_t)lf + 1;

	n = MIN(n, m->line_size + LINE_END - m->line_len);
	memcpy(m->line + m->line_len, m->piece.text.ptr, n);
	m->line_len += (uint32_t)n;
	slice_skip(&m->piece.text, n);
	return AGAIN;
}

static int on_piece(struct mime *m, struct slice *ret_span)
{
	bool is_body = m->piece.kind == MIME_TEXT_BODY;

	/* A block begins and ends with a line. */
	drop_given(m);
	if (is_body && m->header_len > 0)
		return show_header(m, ret_span);
	if (!is_body && m->line_len > 0)
		return show_line(m, true, ret_span);
	if ((is_body ? m->line_size : m->header_size) == 0)
		return give_piece(m, m->piece.text.len, ret_span);
	return is_body ? on_body_text(m, ret_span) : on_header_text(m, ret_span);
}

/* There is no more: what is being collected is whole. */
static int end(struct mime *m, struct slice *ret_span)
{
	drop_given(m);
	if (m->header_len > 0)
		return show_header(m, ret_span);
	if (m->line_len == 0)
		return STAGE_END;
	return show_line(m, m->line_len <= m->line_size || ends_line(slice_of(m->line, m->line_len)), ret_span);
}

static int next_hooked(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct mime *m = container_of(s, struct mime, stage);
	int r = AGAIN;

	while (r == AGAIN) {
		if (m->err < 0)
			return m->err;
		if (m->answer.len > 0) {
			*ret_span = m->answer;
			m->answer.len = 0;
			return STAGE_SPAN;
		}
		if (m->piece.text.len > 0) {
			r = on_piece(m, ret_span);
			continue;
		}
		r = mime_structure_next(&m->structure, in, is_last, &m->piece);
		if (r == STAGE_SPAN)
			r = AGAIN;
		else if (r == STAGE_END)
			r = end(m, ret_span);
	}
	return r;
}

/* RFC 2045, RFC 2183. */
static const struct slice mime_names[] = {
	{ "Content-Description", 19 },
	{ "Content-Disposition", 19 },
	{ "Content-ID", 10 },
	{ "Content-Transfer-Encoding", 25 },
	{ "Content-Type", 12 },
	{ "MIME-Version", 12 },
};

enum mime_header_kind mime_header_kind(enum mime_header_kind block, struct slice header)
{
	ptrdiff_t colon = slice_find_char(header, 0, ':');
	struct slice name = slice_head(header, colon < 0 ? 0 : (size_t)colon);

	while (name.len > 0 && is_blank(name.ptr[name.len - 1]))
		name.len--;
	for (unsigned i = 0; i < ARRAY_LEN(mime_names); i++)
		if (slice_eq_nocase(name, mime_names[i]))
			return MIME_HEADER_MIME;
	return block;
}
