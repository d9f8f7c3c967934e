#include "net/mail/mime_boundary.h"

static uint32_t arena_used(const struct mime_boundaries *b)
{
	const struct mime_level *top = mime_boundaries_top(b);

	return top != NULL ? top->at + top->len : 0;
}

void mime_boundaries_begin(struct mime_boundaries *b)
{
	b->reading = 0;
	b->no_room = false;
}

void mime_boundaries_add(struct mime_boundaries *b, char c)
{
	uint32_t at = arena_used(b) + b->reading;

	if (b->reading == b->length_max)
		return;
	if (at == b->arena_size) {
		b->no_room = true;
		return;
	}
	b->arena[at] = c;
	b->reading++;
}

static bool is_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* The end of a boundary, where it has been cut, may be in the middle of a code. */
static bool is_like_code(struct slice boundary)
{
	ptrdiff_t at = -1;
	bool is_like = false;

	while ((at = slice_find_char(boundary, (size_t)(at + 1), '=')) >= 0) {
		for (size_t i = (size_t)at + 1; i < boundary.len && i <= (size_t)at + 2; i++)
			if (!is_digit(boundary.ptr[i]))
				return false;
		is_like = true;
	}
	return is_like;
}

bool mime_boundaries_like_code(const struct mime_boundaries *b)
{
	for (unsigned i = 0; i < b->level_count; i++)
		if (b->levels[i].is_like_code)
			return true;
	return false;
}

bool mime_boundaries_push(struct mime_boundaries *b, bool is_digest, bool is_sealed)
{
	uint32_t at = arena_used(b);

	while (b->reading > 0 && (b->arena[at + b->reading - 1] == ' ' || b->arena[at + b->reading - 1] == '\t'))
		b->reading--;
	if (b->reading == 0 && !b->no_room)
		return true;
	if (b->no_room || b->level_count == b->level_max)
		return false;
	b->levels[b->level_count++] = (struct mime_level){
		.at = at,
		.len = b->reading,
		.is_digest = is_digest,
		.is_sealed = is_sealed,
		.is_like_code = is_like_code(slice_of(b->arena + at, b->reading)),
	};
	b->reading = 0;
	return true;
}

/* Both dashes of a line are there and the boundary is, too. */
static enum mime_match_result match_end(struct slice behind, bool is_whole)
{
	if (behind.len >= 2)
		return behind.ptr[0] == '-' && behind.ptr[1] == '-' ? MIME_MATCH_END : MIME_MATCH;
	if (is_whole || (behind.len == 1 && behind.ptr[0] != '-'))
		return MIME_MATCH;
	return MIME_MATCH_MORE;
}

enum mime_match_result mime_match_line(struct mime_match *m, const struct mime_boundaries *b, struct slice line,
	bool is_whole)
{
	if (memcmp(line.ptr, "--", MIN(line.len, (size_t)2)) != 0)
		return MIME_NO_MATCH;
	if (line.len < 2)
		return is_whole ? MIME_NO_MATCH : MIME_MATCH_MORE;
	slice_skip(&line, 2);
	for (; m->levels > 0; m->levels--, m->equal = 0) {
		const struct mime_level *level = &b->levels[m->levels - 1];
		size_t n = MIN(line.len, (size_t)level->len);

		if (memcmp(b->arena + level->at + m->equal, line.ptr + m->equal, n - m->equal) != 0)
			continue;
		m->equal = n;
		if (n < level->len && !is_whole)
			return MIME_MATCH_MORE;
		if (n == level->len)
			return match_end(slice_of(line.ptr + n, line.len - n), is_whole);
	}
	return MIME_NO_MATCH;
}
