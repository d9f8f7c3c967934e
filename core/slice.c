#include "core/slice.h"

#include <errno.h>

bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
	return a.len == b.len && slice_has_prefix_nocase(a, b);
}

bool slice_has_prefix(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && slice_eq(slice_head(s, prefix.len), prefix);
}

bool slice_has_prefix_nocase(struct slice s, struct slice prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		if (ascii_lower(s.ptr[i]) != ascii_lower(prefix.ptr[i]))
			return false;
	return true;
}

ptrdiff_t slice_find_char(struct slice s, size_t from, char c)
{
	if (from >= s.len)
		return -1;
	const char *found = memchr(s.ptr + from, c, s.len - from);

	return found != NULL ? found - s.ptr : -1;
}

ptrdiff_t slice_find_last_char(struct slice s, char c)
{
	if (s.len == 0)
		return -1;
	const char *found = memrchr(s.ptr, c, s.len);

	return found != NULL ? found - s.ptr : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		slice_skip(&s, 1);
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

int slice_to_u64(struct slice s, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	bool too_large = false;

	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return -EINVAL;
		uint64_t digit = (uint64_t)(s.ptr[i] - '0');

		too_large = too_large || value > (UINT64_MAX - digit) / 10;
		value = value * 10 + digit;	/* may wrap, and is not used then */
	}
	if (too_large || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}
