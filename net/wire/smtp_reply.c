#include "net/wire/smtp_reply.h"

#include <errno.h>

#include "core/err.h"
#include "core/str.h"

static_assert(
	REPLY_OFFENCE_MAX <= REPLY_TEXT_MAX, "the offence is told from the buffer of the text");
static_assert(
	REPLY_HEAD_MAX >= 4 + 2 * sizeof("5.999.999"), "codes are found in the head of a line");

#define USUAL_MAX 512u		/* RFC 5321 4.5.3.1.5 */

static_assert(USUAL_MAX <= REPLY_LINE_MAX && USUAL_MAX <= REPLY_TEXT_MAX, "nothing is left out of it");

static void start_reply(struct smtp_reply_parser *p);
static int take_piece(struct smtp_reply_parser *p, struct slice *in, bool *ret_line_ended);
static int end_line(struct smtp_reply_parser *p, struct smtp_reply *ret_reply);
static bool take_usual(struct smtp_reply_parser *p, struct slice *in, struct smtp_reply *ret_reply);

void smtp_reply_parser_init(struct smtp_reply_parser *p)
{
	p->failed = 0;
	p->filter = NULL;
	p->ascii_only = false;
	start_reply(p);
}

int smtp_reply_feed(struct smtp_reply_parser *p, struct slice *in, struct smtp_reply *ret_reply)
{
	if (p->failed)
		return p->failed;
	if (p->finished)
		start_reply(p);
	if (p->octets == 0 && take_usual(p, in, ret_reply))
		return 1;
	while (in->len > 0) {
		bool line_ended = false;
		int r = take_piece(p, in, &line_ended);

		if (r == 0 && line_ended)
			r = end_line(p, ret_reply);
		if (r != 0)
			return r;
	}
	return 0;
}

bool smtp_reply_parser_is_idle(const struct smtp_reply_parser *p)
{
	return !p->failed && (p->finished || p->octets == 0);
}

struct slice smtp_reply_offence(const struct smtp_reply_parser *p)
{
	ASSERT(p->failed);
	return slice_of(p->text, p->text_len);
}

bool smtp_reply_next_line(struct slice *text, struct slice *ret_line)
{
	if (text->len == 0)
		return false;
	ptrdiff_t end = slice_find_char(*text, 0, '\n');

	*ret_line = end < 0 ? *text : slice_head(*text, (size_t)end);
	slice_skip(text, end < 0 ? text->len : (size_t)end + 1);
	return true;
}

/* --- octets to lines -------------------------------------------------------------------------- */

/* The text itself is left as it was: only what its lengths cover is ever read. */
static void start_reply(struct smtp_reply_parser *p)
{
	p->finished = false;
	p->codes_differ = false;
	p->lf_only = false;
	p->text_cut = false;
	p->code = 0;
	p->lines = 0;
	p->octets = 0;
	p->text_len = 0;
	p->line_len = 0;
	p->line_kept = 0;
	p->line_crs = 0;
}

static void sanitise_line(struct smtp_reply_parser *p, size_t room)
{
	char clean[REPLY_TEXT_MAX];
	struct str s = STR(clean);

	str_add_printable(&s, slice_of(p->text + p->text_len, p->line_kept), room);
	for (size_t i = 0; p->ascii_only && i < s.len; i++)
		if ((unsigned char)clean[i] >= 0x80)
			clean[i] = '?';
	memcpy(p->text + p->text_len, clean, s.len);
	p->line_kept = s.len;
}

#define EACH(octet)	(UINT64_C(0x0101010101010101) * (octet))

/* 0: all of eight octets are 0x20..0x7e. Sums of seven bits never carry into the next octet. */
static inline uint64_t odd_of_eight(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	uint64_t seven = v & EACH(0x7f);

	return (~(seven + EACH(0x80 - 0x20)) | (seven + EACH(1)) | v) & EACH(0x80);
}

static bool line_is_plain(struct slice line)
{
	uint64_t odd = 0;

	if (line.len < 8) {
		for (size_t i = 0; i < line.len; i++)
			odd |= (unsigned char)(line.ptr[i] - 0x20) > 0x7e - 0x20;
		return odd == 0;
	}
	for (size_t i = 0; i + 8 < line.len; i += 8)
		odd |= odd_of_eight(line.ptr + i);
	return (odd | odd_of_eight(line.ptr + line.len - 8)) == 0;	/* some of them again */
}

/* Makes what is kept of the line printable and at most max octets long. Returns whether something
 * was left out. */
static bool clean_line(struct smtp_reply_parser *p, size_t max)
{
	bool cut = p->line_kept < p->line_len || p->line_kept > max;

	if (!line_is_plain(slice_of(p->text + p->text_len, p->line_kept)))
		sanitise_line(p, max);
	p->line_kept = MIN(p->line_kept, max);
	return cut;
}

static int fail(struct smtp_reply_parser *p, int err)
{
	memmove(p->text, p->text + p->text_len, p->line_kept);
	p->text_len = 0;
	(void)clean_line(p, REPLY_OFFENCE_MAX);		/* cut or not: an offence is a specimen */
	p->text_len = p->line_kept;
	p->failed = err;
	return err;
}

/* CRs at the end of the line, when crs of them were there before piece came. */
static size_t count_trailing_crs(struct slice piece, size_t crs)
{
	size_t n = 0;

	while (n < piece.len && piece.ptr[piece.len - 1 - n] == '\r')
		n++;
	return n == piece.len ? crs + n : n;
}

/* Takes octets up to the end of the line or of the input, whatever comes first. */
static int take_piece(struct smtp_reply_parser *p, struct slice *in, bool *ret_line_ended)
{
	ptrdiff_t lf = slice_find_char(*in, 0, '\n');
	struct slice piece = lf < 0 ? *in : slice_head(*in, (size_t)lf);
	size_t at = p->text_len + p->line_kept;
	size_t kept = MIN(piece.len, sizeof(p->text) - at);

	memcpy(p->text + at, piece.ptr, kept);
	p->line_kept += kept;
	p->line_len += piece.len;
	p->line_crs = count_trailing_crs(piece, p->line_crs);
	p->octets += piece.len + (lf >= 0);
	slice_skip(in, piece.len + (lf >= 0));
	if (p->line_len > REPLY_LINE_MAX || p->octets > REPLY_SIZE_MAX)
		return fail(p, -EMSGSIZE);
	*ret_line_ended = lf >= 0;
	return 0;
}

/* --- lines to a reply ------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The code of a reply line, or 0 when it is none. */
static int line_code(struct slice line)
{
	if (line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '5')
		return 0;
	if (!is_digit(line.ptr[1]) || !is_digit(line.ptr[2]))
		return 0;
	if (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-')
		return 0;
	return (line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0');
}

/* One to three digits off the front; -1 when there are none or more. */
static int take_number(struct slice *text)
{
	int value = 0;
	size_t n = 0;

	while (n < text->len && is_digit(text->ptr[n])) {
		if (n == 3)
			return -1;
		value = value * 10 + (text->ptr[n++] - '0');
	}
	slice_skip(text, n);
	return n > 0 ? value : -1;
}

static bool take_dot(struct slice *text)
{
	if (text->len == 0 || text->ptr[0] != '.')
		return false;
	slice_skip(text, 1);
	return true;
}

/* As most servers write it: "2.1.0 ". */
static bool is_short_enhanced(struct slice text)
{
	return text.len > 5 && text.ptr[1] == '.' && is_digit(text.ptr[2]) && text.ptr[3] == '.' &&
	       is_digit(text.ptr[4]) && text.ptr[5] == ' ' &&
	       (text.ptr[0] == '2' || text.ptr[0] == '4' || text.ptr[0] == '5');
}

bool smtp_reply_parse_enhanced(struct slice text, struct enhanced_code *ret_enhanced)
{
	if (is_short_enhanced(text)) {
		ret_enhanced->class = (uint8_t)(text.ptr[0] - '0');
		ret_enhanced->subject = (uint16_t)(text.ptr[2] - '0');
		ret_enhanced->detail = (uint16_t)(text.ptr[4] - '0');
		return true;
	}
	while (text.len > 0 && text.ptr[0] == ' ')
		slice_skip(&text, 1);
	if (text.len == 0 || (text.ptr[0] != '2' && text.ptr[0] != '4' && text.ptr[0] != '5'))
		return false;
	uint8_t class = (uint8_t)(text.ptr[0] - '0');

	slice_skip(&text, 1);
	int subject = take_dot(&text) ? take_number(&text) : -1;
	int detail = subject >= 0 && take_dot(&text) ? take_number(&text) : -1;

	if (detail < 0 || (text.len > 0 && text.ptr[0] != ' ' && text.ptr[0] != '\t'))
		return false;
	ret_enhanced->class = class;
	ret_enhanced->subject = (uint16_t)subject;
	ret_enhanced->detail = (uint16_t)detail;
	return true;
}

/* An enhanced code counts only in the last line, and only when it agrees with the basic one (row
 * RPL-06). A 3xx is not in the language of RFC 3463; wherever its class is asked for, it was a
 * failure to keep to the protocol. */
static void fill_enhanced(struct slice line, struct smtp_reply *reply)
{
	uint8_t class = (uint8_t)(reply->code / 100);
	struct enhanced_code found;

	slice_skip(&line, MIN(line.len, (size_t)4));
	reply->has_enhanced = class != 3 && smtp_reply_parse_enhanced(line, &found) && found.class == class;
	reply->enhanced.class = class == 3 ? 5 : class;
	reply->enhanced.subject = class == 3 ? 5 : reply->has_enhanced ? found.subject : 0;
	reply->enhanced.detail = reply->has_enhanced ? found.detail : 0;
}

/* Adds the finished line to the text. */
static void keep_line(struct smtp_reply_parser *p)
{
	p->text_cut |= clean_line(p, REPLY_TEXT_MAX - p->text_len);
	p->text_len += p->line_kept;
	p->line_len = 0;
	p->line_kept = 0;
	p->line_crs = 0;
}

/* Everything but the text. One by one: a struct that is put together and then copied is read before it is written, as
 * far as a processor can know, and it waits. */
static void give_codes(const struct smtp_reply_parser *p, int code, struct slice line, struct smtp_reply *ret_reply)
{
	ret_reply->code = code;
	ret_reply->lines = p->lines;
	ret_reply->codes_differ = p->codes_differ;
	ret_reply->lf_only = p->lf_only;
	fill_enhanced(line, ret_reply);
}

static int give_text(struct smtp_reply_parser *p, struct smtp_reply *ret_reply)
{
	ret_reply->text = slice_of(p->text, p->text_len);
	ret_reply->text_cut = p->text_cut;
	p->finished = true;
	return 1;
}

static int finish_reply(
	struct smtp_reply_parser *p, int code, struct slice line, struct smtp_reply *ret_reply)
{
	give_codes(p, code, line, ret_reply);
	keep_line(p);
	if (p->text_len > 0 && p->text[p->text_len - 1] == '\n')
		p->text_len--;		/* the line behind it had no room at all */
	return give_text(p, ret_reply);
}

/* The usual reply is one short line, all of it is here, and nothing is odd about it: what the other functions here do
 * step by step. False: they do. */
static bool take_usual(struct smtp_reply_parser *p, struct slice *in, struct smtp_reply *ret_reply)
{
	struct slice line = slice_head(*in, USUAL_MAX);
	ptrdiff_t lf = slice_find_char(line, 0, '\n');

	if (lf < 4 || line.ptr[lf - 1] != '\r' || p->filter != NULL)
		return false;
	line.len = (size_t)lf - 1;
	int code = line_code(line);

	if (code == 0 || (line.len > 3 && line.ptr[3] != ' ') || !line_is_plain(line))
		return false;
	memcpy(p->text, line.ptr, line.len);
	p->text_len = line.len;
	p->lines = 1;
	slice_skip(in, (size_t)lf + 1);
	give_codes(p, code, line, ret_reply);
	return give_text(p, ret_reply) > 0;
}

/* What a filter puts in place of the line is from an operator; it is cut and made printable like any other. */
static int filter_line(struct smtp_reply_parser *p)
{
	char storage[REPLY_TEXT_MAX];
	struct str found = STR(storage);
	struct slice line;
	size_t room = MIN(sizeof(p->text) - p->text_len, (size_t)REPLY_TEXT_MAX);

	(void)clean_line(p, room);	/* cut or not, nothing else can be asked for */
	int r = p->filter(p->filter_context, slice_of(p->text + p->text_len, p->line_kept), &found);
	struct slice rest = str_slice(&found);

	if (r <= 0)
		return r;
	if (!smtp_reply_next_line(&rest, &line))
		line = SLICE("");
	p->line_kept = MIN(line.len, room);
	p->line_len = line.len;
	memcpy(p->text + p->text_len, line.ptr, p->line_kept);
	return 0;
}

static int end_line(struct smtp_reply_parser *p, struct smtp_reply *ret_reply)
{
	p->lf_only |= p->line_crs != 1;
	p->line_len -= p->line_crs;
	p->line_kept = MIN(p->line_kept, p->line_len);
	if (p->filter != NULL) {
		int r = filter_line(p);

		if (r < 0)
			return fail(p, r);
	}

	struct slice line = slice_of(p->text + p->text_len, p->line_kept);
	int code = line_code(line);

	if (code == 0)
		return fail(p, ERR_PROTO);
	p->codes_differ |= p->code != 0 && p->code != code;
	p->code = code;
	p->lines++;
	if (line.len == 3 || line.ptr[3] == ' ')
		return finish_reply(p, code, line, ret_reply);
	if (p->lines == REPLY_LINES_MAX)
		return fail(p, -EMSGSIZE);
	keep_line(p);
	if (p->text_len < REPLY_TEXT_MAX)
		p->text[p->text_len++] = '\n';
	return 0;
}
