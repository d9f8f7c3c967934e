#include "net/mail/records.h"

#include "core/err.h"

enum record_type {
	RECORD_LINE	= 'N',
	RECORD_PIECE	= 'L',
	RECORD_POINTER	= 'p',
	RECORD_PADDING	= 'w',
	RECORD_EXTRACT	= 'X',
};

#define LENGTH_OCTETS	4u	/* 28 bits */

#define GO_ON		(RECORDS_END + 1)	/* a step has nothing to tell, and another one follows */

static int fail(struct records *r)
{
	return r->err = ERR_CORRUPT;
}

/* Up to max octets off the front of *in, as far as the file can have them; at least one, or none are left. */
static struct slice take(struct records *r, struct slice *in, size_t max)
{
	const struct slice taken = slice_head(*in, (size_t)min_u64(max, r->unread));

	r->unread -= taken.len;
	slice_skip(in, taken.len);
	return taken;
}

static bool is_known(char type)
{
	return type == RECORD_LINE || type == RECORD_PIECE || type == RECORD_POINTER || type == RECORD_PADDING ||
	       type == RECORD_EXTRACT;
}

static int read_type(struct records *r, struct slice *in)
{
	r->type = take(r, in, 1).ptr[0];
	r->state = RECORDS_AT_LENGTH;
	r->length_octets = 0;
	r->left = 0;
	return is_known(r->type) ? GO_ON : fail(r);
}

static int read_length(struct records *r, struct slice *in)
{
	const unsigned char octet = (unsigned char)take(r, in, 1).ptr[0];

	r->left |= (uint32_t)(octet & 127) << (7 * r->length_octets++);
	if (octet & 128)
		return r->length_octets < LENGTH_OCTETS ? GO_ON : fail(r);
	r->number = 0;
	r->has_digits = false;
	r->state = r->left > 0 ? RECORDS_AT_DATA : RECORDS_AT_RECORD_END;
	return GO_ON;
}

/* Blanks, then digits; no place behind the end of the file. */
static int read_number(struct records *r, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		const char c = text.ptr[i];

		if (c == ' ' && !r->has_digits)
			continue;
		if (c < '0' || c > '9')
			return fail(r);
		if (r->number > (UINT64_MAX - 9) / 10)
			return fail(r);
		r->has_digits = true;
		r->number = 10 * r->number + (uint64_t)(c - '0');
		if (r->number > 0 && r->number >= r->file_size)
			return fail(r);
	}
	return GO_ON;
}

static int read_data(struct records *r, struct slice *in, struct slice *ret_text)
{
	const struct slice data = take(r, in, r->left);

	r->left -= (uint32_t)data.len;
	if (r->left == 0)
		r->state = RECORDS_AT_RECORD_END;
	if (r->type == RECORD_POINTER)
		return read_number(r, data);
	if (r->type != RECORD_LINE && r->type != RECORD_PIECE)
		return GO_ON;
	*ret_text = data;
	return RECORDS_TEXT;
}

static int follow(struct records *r)
{
	if (r->number == 0)
		return GO_ON;
	if (r->number <= r->offset && ++r->steps_back > RECORDS_BACK_MAX)
		return fail(r);
	r->offset = r->number;
	return RECORDS_SEEK;
}

static int end_record(struct records *r)
{
	r->state = RECORDS_AT_TYPE;
	switch ((enum record_type)r->type) {
	case RECORD_LINE:
		r->line_is_open = false;
		return RECORDS_LINE;
	case RECORD_PIECE:
		r->line_is_open = true;
		return GO_ON;
	case RECORD_POINTER:
		return follow(r);
	case RECORD_PADDING:
		return GO_ON;
	case RECORD_EXTRACT:
		r->state = RECORDS_AT_CONTENT_END;
		return GO_ON;
	}
	UNREACHABLE();
}

static int end_content(struct records *r)
{
	const bool was_open = r->line_is_open;

	r->line_is_open = false;
	return was_open ? RECORDS_LINE : RECORDS_END;
}

static int read_some(struct records *r, struct slice *in, struct slice *ret_text)
{
	if (r->unread == 0)
		return fail(r);
	if (r->state == RECORDS_AT_TYPE)
		return read_type(r, in);
	return r->state == RECORDS_AT_LENGTH ? read_length(r, in) : read_data(r, in, ret_text);
}

int records_next(struct records *r, struct slice *in, struct slice *ret_text)
{
	int e = r->err < 0 ? r->err : GO_ON;

	while (e == GO_ON) {
		if (r->state == RECORDS_AT_RECORD_END)
			e = end_record(r);
		else if (r->state == RECORDS_AT_CONTENT_END)
			e = end_content(r);
		else if (in->len == 0)
			e = RECORDS_MORE;
		else
			e = read_some(r, in, ret_text);
	}
	return e;
}

void records_init(struct records *r, uint64_t file_size)
{
	*r = (struct records){ .file_size = file_size, .unread = file_size };
}
