#include "net/mail/mime_structure.h"

#include "core/err.h"
#include "net/mail/scan.h"
#include "net/mail/stage.h"

#define AGAIN 100	/* a step has been made, and there may be something in the queue */

/* The line that begins here: is it not known yet, is there none, is it ... */
enum look {
	LOOK_MORE,
	LOOK_END,
	LOOK_HEADER,
	LOOK_CONTINUED,		/* more of the header before */
	LOOK_EMPTY,
	LOOK_OTHER,
	LOOK_BOUNDARY,
	LOOK_BOUNDARY_END,
};

/* --- start ---------------------------------------------------------------------------------------------------- */

static bool finds_parts(const struct mime_conf *conf)
{
	return conf->converts || conf->finds_parts;
}

static uint32_t level_max(const struct mime_conf *conf)
{
	return finds_parts(conf) ? MIN(conf->mime_nesting_limit, MIME_LEVELS_MAX - 2) + 2 : 0;
}

static uint32_t boundary_max(const struct mime_conf *conf)
{
	return finds_parts(conf) ? MIN(conf->mime_boundary_length_limit, (uint32_t)MIME_BOUNDARY_MAX) : 0;
}

static uint32_t held_max(const struct mime_conf *conf)
{
	return MAX(MIME_NAME_MAX, boundary_max(conf) + 4);
}

size_t mime_structure_memory(const struct mime_conf *conf)
{
	return level_max(conf) * sizeof(struct mime_level) + (finds_parts(conf) ? MIME_ARENA : 0) + held_max(conf) +
	       (conf->converts ? MIME_PARKED + MIME_OUT : 0);
}

static void begin_block(struct mime_structure *p, enum mime_header_kind block, enum mime_entity entity)
{
	const struct mime_level *top = mime_boundaries_top(&p->boundaries);

	p->where = MIME_AT_HEADER;
	p->block = block;
	p->has_header = false;
	p->is_sealed = top != NULL && top->is_sealed;
	p->entity = entity;
	p->encoding = MIME_7BIT;
	p->label = MIME_LABEL_NONE;
	p->parked_len = 0;
	p->field.name = MIME_NO_FIELD;
	p->encodes = false;
}

void mime_structure_init(struct mime_structure *p, const struct mime_conf *conf, void *memory)
{
	char *at = memory;

	ASSERT((uintptr_t)memory % _Alignof(struct mime_level) == 0);
	memset(p, 0, sizeof(*p));
	p->conf = *conf;
	p->boundaries = (struct mime_boundaries){
		.levels = memory,
		.level_max = level_max(conf),
		.arena_size = finds_parts(conf) ? MIME_ARENA : 0,
		.length_max = boundary_max(conf),
	};
	at += level_max(conf) * sizeof(struct mime_level);
	p->boundaries.arena = at;
	p->held = at + p->boundaries.arena_size;
	if (conf->converts) {
		p->parked = p->held + held_max(conf);
		p->out = p->parked + MIME_PARKED;
	}
	begin_block(p, MIME_HEADER_PRIMARY, MIME_LEAF);
}

/* --- what goes out, and what comes in ------------------------------------------------------------------------- */

static void queue(struct mime_structure *p, enum mime_text kind, struct slice text)
{
	if (text.len == 0)
		return;
	ASSERT(p->queue_count < ARRAY_LEN(p->queue));
	p->queue[p->queue_count++] = (struct mime_piece){ .text = text, .kind = kind, .block = p->block };
}

static int give(const struct mime_structure *p, enum mime_text kind, struct slice text, struct mime_piece *ret_piece)
{
	*ret_piece = (struct mime_piece){ .text = text, .kind = kind, .block = p->block };
	return STAGE_SPAN;
}

static int fail(struct mime_structure *p, enum mime_trouble trouble)
{
	p->trouble = trouble;
	return AGAIN;
}

/* What comes next: the rest of what was held back, then the input. */
static struct slice source(const struct mime_structure *p, struct slice in)
{
	return p->held_end > 0 ? slice_of(p->held + p->held_at, p->held_end - p->held_at) : in;
}

/* Of the source. What was held back stays where it is until something is held back again. */
static struct slice take(struct mime_structure *p, struct slice *in, size_t n)
{
	struct slice text = slice_head(source(p, *in), n);

	if (p->held_end > 0) {
		p->held_at += (uint32_t)n;
		if (p->held_at == p->held_end)
			p->held_at = p->held_end = 0;
	} else {
		slice_skip(in, n);
	}
	return text;
}

static bool ends_line(struct slice text)
{
	return text.len > 0 && text.ptr[text.len - 1] == '\n';
}

/* Octets of text from at on up to the end of that line, or of the text. */
static size_t line_len(struct slice text, size_t at)
{
	ptrdiff_t lf = slice_find_char(text, at, '\n');

	return (lf < 0 ? text.len : (size_t)lf + 1) - at;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* --- looking at the start of a line --------------------------------------------------------------------------- */

/* name *blank ":", from *at on, which moves. HEADER: it stands at the colon. The line does not begin with a blank. */
static enum look look_at_name(struct slice line, size_t *at)
{
	for (; *at < line.len && *at < MIME_NAME_MAX; (*at)++) {
		char c = line.ptr[*at];

		if (c == ':')
			return *at > 0 ? LOOK_HEADER : LOOK_OTHER;
		if (!is_blank(c) && (c < 33 || c > 126 || (*at > 0 && is_blank(line.ptr[*at - 1]))))
			return LOOK_OTHER;
	}
	return *at < MIME_NAME_MAX ? LOOK_MORE : LOOK_OTHER;
}

static enum look look_at_header(struct mime_structure *p, struct slice line)
{
	if (is_blank(line.ptr[0]))
		return p->has_header ? LOOK_CONTINUED : LOOK_OTHER;
	if (line.ptr[0] == '\r' && line.len == 1)
		return LOOK_MORE;
	if (line.ptr[0] == '\r' && line.ptr[1] == '\n')
		return LOOK_EMPTY;
	return look_at_name(line, &p->looked);
}

static enum look look_at_body(struct mime_structure *p, struct slice line, bool is_whole)
{
	if (!p->has_match)
		mime_match_begin(&p->match, &p->boundaries);
	p->has_match = true;
	switch (mime_match_line(&p->match, &p->boundaries, line, is_whole)) {
	case MIME_NO_MATCH:
		return LOOK_OTHER;
	case MIME_MATCH:
		return LOOK_BOUNDARY;
	case MIME_MATCH_END:
		return LOOK_BOUNDARY_END;
	case MIME_MATCH_MORE:
		return LOOK_MORE;
	}
	UNREACHABLE();
}

/* What the line is that begins here. Holds it back while that is not known. */
static enum look look(struct mime_structure *p, struct slice *in, bool is_last)
{
	enum look what = LOOK_MORE;

	for (;;) {
		struct slice line = source(p, *in);
		bool is_whole = is_last && (p->held_end == 0 || in->len == 0);

		if (line.len == 0)
			return is_last ? LOOK_END : LOOK_MORE;
		what = p->where == MIME_AT_HEADER ? look_at_header(p, line) : look_at_body(p, line, is_whole);
		if (what == LOOK_MORE && is_whole)
			what = LOOK_OTHER;
		if (what != LOOK_MORE)
			break;
		if (in->len == 0)
			return LOOK_MORE;
		/* Of a line that is not held back yet, all that is there is not enough. */
		size_t n = p->held_end == 0 ? in->len : 1;

		ASSERT(p->held_end + n <= held_max(&p->conf));
		memcpy(p->held + p->held_end, in->ptr, n);
		p->held_end += (uint32_t)n;
		slice_skip(in, n);
	}
	p->looked = 0;
	p->has_match = false;
	return what;
}

/* --- header blocks -------------------------------------------------------------------------------------------- */

static bool is_8bit(enum mime_encoding e)
{
	return e == MIME_8BIT || e == MIME_BINARY;
}

/* Text of a header that goes out where it stands. */
static int give_header(struct mime_structure *p, struct slice text, struct mime_piece *ret_piece)
{
	if (p->label != MIME_LABEL_PARKED)
		return give(p, MIME_TEXT_HEADER, text, ret_piece);
	if (text.len <= MIME_PARKED - p->parked_len) {
		memcpy(p->parked + p->parked_len, text.ptr, text.len);
		p->parked_len += (uint32_t)text.len;
		return AGAIN;
	}
	queue(p, MIME_TEXT_HEADER, slice_of(p->parked, p->parked_len));
	queue(p, MIME_TEXT_HEADER, text);
	p->parked_len = 0;
	p->label = MIME_LABEL_SENT;
	return AGAIN;
}

static enum mime_field_name field_of_name(const struct mime_structure *p, struct slice name)
{
	enum mime_field_name field = MIME_NO_FIELD;

	while (is_blank(name.ptr[name.len - 1]))
		name.len--;
	if (finds_parts(&p->conf))
		field = mime_field_of_name(name);
	return field == MIME_ENCODING_FIELD && !p->conf.converts ? MIME_NO_FIELD : field;
}

/* A header begins; its colon is at colon. */
static int begin_header(struct mime_structure *p, struct slice line)
{
	size_t colon = (size_t)slice_find_char(line, 0, ':');
	enum mime_field_name name = field_of_name(p, slice_head(line, colon));

	p->has_header = true;
	if (name == MIME_NO_FIELD) {
		p->where = MIME_IN_HEADER;
		return AGAIN;
	}
	mime_field_begin(&p->field, name, &p->boundaries);
	p->where = MIME_IN_FIELD;
	p->header_size = 0;
	p->to_skip = colon + 1;
	p->text = name == MIME_ENCODING_FIELD ? MIME_HOLD : MIME_PASS;
	p->field_at = p->parked_len;
	p->is_parking = false;
	return AGAIN;
}

/* Lines from here on that are all of headers that are not ours; the first one is. */
static size_t header_run(const struct mime_structure *p, struct slice text)
{
	size_t n = line_len(text, 0);

	while (n < text.len) {
		struct slice line = slice_of(text.ptr + n, text.len - n);
		size_t colon = 0;

		if (!is_blank(line.ptr[0]) && (look_at_name(line, &colon) != LOOK_HEADER ||
					       field_of_name(p, slice_head(line, colon)) != MIME_NO_FIELD))
			break;
		n += line_len(line, 0);
	}
	return n;
}

static int in_header(struct mime_structure *p, struct slice *in, struct mime_piece *ret_piece)
{
	struct slice text = take(p, in, header_run(p, source(p, *in)));

	if (ends_line(text))
		p->where = MIME_AT_HEADER;
	return give_header(p, text, ret_piece);
}

/* What was held of a header, and all that is parked in front of it, goes out. */
static void unpark(struct mime_structure *p)
{
	queue(p, MIME_TEXT_HEADER, slice_of(p->parked, p->parked_len));
	p->parked_len = 0;
	if (p->label == MIME_LABEL_PARKED)
		p->label = MIME_LABEL_SENT;
}

/* A known label, behind another one: from now on none goes out before the end of the block. */
static void withhold(struct mime_structure *p)
{
	if (p->label == MIME_LABEL_PARKED)
		queue(p, MIME_TEXT_HEADER, slice_of(p->parked + p->label_len, p->field_at - p->label_len));
	p->parked_len = 0;
	p->label = MIME_LABEL_WITHHELD;
	p->text = MIME_DROP;
}

/* It is known what this Content-Transfer-Encoding header says. */
static void decide_label(struct mime_structure *p)
{
	enum mime_encoding encoding = p->field.encoding;

	if (encoding == MIME_UNKNOWN || (p->label == MIME_LABEL_SENT && !is_8bit(encoding))) {
		p->text = MIME_PASS;
		if (p->label != MIME_LABEL_PARKED)
			unpark(p);
	} else if (p->label == MIME_LABEL_SENT) {
		fail(p, MIME_CONTRADICTION);
	} else if (p->label == MIME_LABEL_NONE && !is_8bit(encoding)) {
		p->text = MIME_PASS;
		p->label = MIME_LABEL_PARKED;
		p->is_parking = true;
	} else {
		withhold(p);
	}
	if (encoding != MIME_UNKNOWN)
		p->encoding = encoding;
}

static void feed_field(struct mime_structure *p, struct slice text)
{
	size_t name = MIN(p->to_skip, text.len);
	uint64_t left = p->conf.header_size_limit - min_u64(p->conf.header_size_limit, p->header_size);

	text = slice_head(text, (size_t)min_u64(left, text.len));
	p->header_size += text.len;
	p->to_skip -= name;
	slice_skip(&text, MIN(name, text.len));
	mime_field_feed(&p->field, text);
}

static int in_field(struct mime_structure *p, struct slice *in, struct mime_piece *ret_piece)
{
	struct slice text = source(p, *in);
	size_t n = line_len(text, 0);

	if (p->text == MIME_HOLD) {
		n = MIN(n, MIME_PARKED - p->parked_len);
		if (n == 0) {
			unpark(p);
			p->field.name = MIME_NO_FIELD;
			p->where = MIME_IN_HEADER;
			return AGAIN;
		}
	}
	text = take(p, in, n);
	feed_field(p, text);
	if (ends_line(text))
		p->where = MIME_AT_HEADER;
	if (p->text == MIME_PASS)
		return give_header(p, text, ret_piece);
	if (p->text == MIME_DROP)
		return AGAIN;
	memcpy(p->parked + p->parked_len, text.ptr, n);
	p->parked_len += (uint32_t)n;
	if (p->field.is_decided)
		decide_label(p);
	return AGAIN;
}

static int end_field(struct mime_structure *p)
{
	mime_field_end(&p->field);
	if (p->field.name == MIME_ENCODING_FIELD && p->text == MIME_HOLD)
		decide_label(p);
	if (p->is_parking)
		p->label_len = p->parked_len;
	if (p->field.name == MIME_TYPE_FIELD && p->field.has_entity)
		p->entity = p->field.entity;
	if (p->field.is_too_deep && p->conf.converts)
		fail(p, MIME_TOO_DEEP);
	p->field.name = MIME_NO_FIELD;
	return AGAIN;
}

/* --- the end of a block --------------------------------------------------------------------------------------- */

static bool has_parts(enum mime_entity entity)
{
	return entity == MIME_MULTIPART || entity == MIME_MULTIPART_DIGEST || entity == MIME_MULTIPART_SEALED ||
	       entity == MIME_MESSAGE;
}

/* The label of content that does not stay as it is, B 16.3. */
static enum mime_encoding new_encoding(struct mime_structure *p)
{
	if (!is_8bit(p->encoding))
		return p->encoding;
	if (p->is_sealed)
		fail(p, MIME_SEALED);
	else if (p->entity == MIME_FRAGMENT)
		fail(p, MIME_NOT_CONVERTIBLE);
	return has_parts(p->entity) ? MIME_7BIT : MIME_QUOTED_PRINTABLE;
}

static struct slice label_of(enum mime_encoding encoding)
{
	switch (encoding) {
	case MIME_7BIT:
		return SLICE("Content-Transfer-Encoding: 7bit\r\n");
	case MIME_BASE64:
		return SLICE("Content-Transfer-Encoding: base64\r\n");
	case MIME_QUOTED_PRINTABLE:
		return SLICE("Content-Transfer-Encoding: quoted-printable\r\n");
	default:
		UNREACHABLE();
	}
}

/* line_is_open: what went out last is a header line without its end. */
static void end_headers(struct mime_structure *p, bool line_is_open)
{
	if (p->label == MIME_LABEL_PARKED)
		queue(p, MIME_TEXT_HEADER, slice_of(p->parked, p->parked_len));
	if (p->label != MIME_LABEL_WITHHELD)
		return;
	enum mime_encoding encoding = new_encoding(p);

	if (p->trouble != MIME_NO_TROUBLE)
		return;
	if (line_is_open)
		queue(p, MIME_TEXT_HEADER, SLICE("\r\n"));
	queue(p, MIME_TEXT_NEW_HEADER, label_of(encoding));
	p->encodes = is_8bit(p->encoding) && encoding == MIME_QUOTED_PRINTABLE;
	qp_init(&p->qp, p->boundaries.level_count > 0);
}

/* Is there a header block in the content? Not when it is encoded, by us or by others. */
static bool content_is_message(const struct mime_structure *p)
{
	if (p->encodes || p->encoding == MIME_BASE64 || p->encoding == MIME_QUOTED_PRINTABLE)
		return false;
	return p->entity == MIME_MESSAGE || p->entity == MIME_GLOBAL;
}

static int end_block(struct mime_structure *p, struct slice *in, enum look line)
{
	end_headers(p, false);
	if (p->trouble != MIME_NO_TROUBLE)
		return AGAIN;
	if (line == LOOK_EMPTY) {
		(void)take(p, in, 2);		/* what goes out is the same */
		queue(p, MIME_TEXT_BODY, SLICE("\r\n"));
	} else if (p->block == MIME_HEADER_PRIMARY) {
		queue(p, MIME_TEXT_BODY, SLICE("\r\n"));
	}
	p->guarded = p->encodes && line != LOOK_EMPTY && p->block != MIME_HEADER_PRIMARY ? ':' : 0;
	if (finds_parts(&p->conf) && content_is_message(p))
		begin_block(p, MIME_HEADER_NESTED, MIME_LEAF);
	else
		p->where = MIME_AT_BODY;
	return AGAIN;
}

static int at_header(struct mime_structure *p, struct slice *in, bool is_last)
{
	enum look line = look(p, in, is_last);

	if (line == LOOK_MORE)
		return STAGE_MORE;
	if (line != LOOK_CONTINUED && p->field.name != MIME_NO_FIELD)
		return end_field(p);
	switch (line) {
	case LOOK_END:
		end_headers(p, false);
		p->where = MIME_ENDED;
		return AGAIN;
	case LOOK_HEADER:
		return begin_header(p, source(p, *in));
	case LOOK_CONTINUED:
		p->where = p->field.name != MIME_NO_FIELD ? MIME_IN_FIELD : MIME_IN_HEADER;
		return AGAIN;
	default:
		return end_block(p, in, line);
	}
}

/* --- bodies --------------------------------------------------------------------------------------------------- */

/* Octets up to the next line that may be a boundary; all when there is none. */
static size_t body_run(const struct mime_structure *p, struct slice text)
{
	size_t at = 0;

	if (p->boundaries.level_count == 0)
		return text.len;
	while (at < text.len) {
		at += scan_find_dash(slice_of(text.ptr + at, text.len - at));
		if (at + 1 >= text.len || text.ptr[at + 1] == '-')
			break;
	}
	return at;
}

static int at_body(struct mime_structure *p, struct slice *in, bool is_last)
{
	enum look line = p->boundaries.level_count > 0 ? look(p, in, is_last) : LOOK_OTHER;

	if (line == LOOK_MORE)
		return STAGE_MORE;
	p->where = MIME_IN_BODY;
	if (line != LOOK_BOUNDARY && line != LOOK_BOUNDARY_END) {
		if (p->encodes && slice_has_prefix(source(p, *in), SLICE("--")) &&
		    mime_boundaries_like_code(&p->boundaries)) {
			p->guarded_then = p->guarded;
			p->guarded = '-';
		}
		return AGAIN;
	}
	if (p->encodes)
		queue(p, MIME_TEXT_BODY, slice_of(p->out, qp_finish(&p->qp, p->out)));
	const struct mime_level *level = &p->boundaries.levels[p->match.levels - 1];

	p->has_part = line == LOOK_BOUNDARY;
	p->part_default = level->is_digest ? MIME_MESSAGE : MIME_LEAF;
	p->boundaries.level_count = p->match.levels - (p->has_part ? 0 : 1);
	p->encodes = false;
	p->guarded = 0;
	p->where = MIME_IN_BOUNDARY;
	return AGAIN;
}

static int in_boundary(struct mime_structure *p, struct slice *in, struct mime_piece *ret_piece)
{
	struct slice text = take(p, in, line_len(source(p, *in), 0));
	int r = give(p, MIME_TEXT_BODY, text, ret_piece);

	if (ends_line(text) && p->has_part)
		begin_block(p, MIME_HEADER_MIME, p->part_default);
	else if (ends_line(text))
		p->where = MIME_AT_BODY;
	return r;
}

static void taken_of_body(struct mime_structure *p, struct slice text)
{
	p->known -= text.len;
	if (p->known == 0 && ends_line(text))
		p->where = MIME_AT_BODY;
}

/* One octet of the line goes out encoded, literal or not. Returns what that takes; or 0, and *ret_run is cut where that
 * octet is. */
static size_t encode_guarded(struct mime_structure *p, struct slice *in, size_t *ret_run)
{
	struct slice text = source(p, *in);
	size_t line = MIN(line_len(text, 0), *ret_run);
	ptrdiff_t at = slice_find_char(slice_head(text, line), 0, p->guarded);

	if (at == 0) {
		char octet = p->guarded;

		/* One dash is enough, but any colon would end a name. */
		if (octet == '-') {
			p->guarded = p->guarded_then;
			p->guarded_then = 0;
		}
		taken_of_body(p, take(p, in, 1));
		return qp_encode_octet(&p->qp, octet, p->out);
	}
	if (at > 0)
		*ret_run = (size_t)at;
	else if (ends_line(slice_head(text, line)))
		p->guarded = 0;
	return 0;
}

static int encode_body(struct mime_structure *p, struct slice *in, struct mime_piece *ret_piece)
{
	size_t n = p->known;
	size_t len = p->guarded != 0 ? encode_guarded(p, in, &n) : 0;

	if (len == 0) {
		struct slice rest = slice_head(source(p, *in), n);
		size_t run = rest.len;

		len = qp_encode(&p->qp, &rest, p->out, MIME_OUT);
		taken_of_body(p, take(p, in, run - rest.len));
	}
	return len > 0 ? give(p, MIME_TEXT_BODY, slice_of(p->out, len), ret_piece) : AGAIN;
}

static int in_body(struct mime_structure *p, struct slice *in, struct mime_piece *ret_piece)
{
	struct slice text = source(p, *in);

	if (p->known == 0)
		p->known = body_run(p, text);
	p->known = MIN(p->known, text.len);
	if (p->encodes)
		return encode_body(p, in, ret_piece);
	text = take(p, in, p->known);
	taken_of_body(p, text);
	return give(p, MIME_TEXT_BODY, text, ret_piece);
}

/* --- the story ------------------------------------------------------------------------------------------------ */

/* All of the input is there and used up, in the middle of a line. */
static int end(struct mime_structure *p)
{
	bool is_header = p->where == MIME_IN_HEADER || p->where == MIME_IN_FIELD;
	bool is_out = p->where == MIME_IN_HEADER || p->text != MIME_DROP;

	if (p->where == MIME_ENDED)
		return STAGE_END;
	if (p->field.name != MIME_NO_FIELD && p->where == MIME_IN_FIELD) {
		end_field(p);
		is_out = p->text != MIME_DROP;
	}
	if (is_header)
		end_headers(p, is_out);
	else if (p->encodes)
		queue(p, MIME_TEXT_BODY, slice_of(p->out, qp_finish(&p->qp, p->out)));
	p->where = MIME_ENDED;
	return AGAIN;
}

static int step(struct mime_structure *p, struct slice *in, bool is_last, struct mime_piece *ret_piece)
{
	if (p->where == MIME_AT_HEADER)
		return at_header(p, in, is_last);
	if (source(p, *in).len == 0)
		return is_last ? end(p) : STAGE_MORE;
	switch (p->where) {
	case MIME_IN_HEADER:
		return in_header(p, in, ret_piece);
	case MIME_IN_FIELD:
		return in_field(p, in, ret_piece);
	case MIME_AT_BODY:
		return at_body(p, in, is_last);
	case MIME_IN_BODY:
		return in_body(p, in, ret_piece);
	case MIME_IN_BOUNDARY:
		return in_boundary(p, in, ret_piece);
	default:
		break;
	}
	UNREACHABLE();
}

int mime_structure_next(struct mime_structure *p, struct slice *in, bool is_last, struct mime_piece *ret_piece)
{
	for (;;) {
		if (p->queue_next < p->queue_count) {
			*ret_piece = p->queue[p->queue_next++];
			return STAGE_SPAN;
		}
		p->queue_next = p->queue_count = 0;
		if (p->trouble != MIME_NO_TROUBLE)
			return ERR_CONTENT;
		int r = step(p, in, is_last, ret_piece);

		if (r != AGAIN)
			return r;
	}
}
