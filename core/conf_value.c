/* conf_value.c - what a parameter's text says: yes or no, a number, a time, a list */
#include "core/conf.h"

#include <errno.h>

static struct slice get_trimmed(struct conf *c, const char *name)
{
	const char *value = conf_get(c, name);

	return value != NULL ? slice_trim(slice_of_str(value)) : SLICE("");
}

int conf_get_bool(struct conf *c, const char *name, bool *ret)
{
	struct slice value = get_trimmed(c, name);

	*ret = slice_eq_nocase(value, SLICE("yes"));
	if (*ret || slice_eq_nocase(value, SLICE("no")))
		return 0;
	conf_error(c, name, "neither yes nor no", "yes or no");
	return -EINVAL;
}

int conf_get_u64(struct conf *c, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
	char storage[96];
	struct str form = STR(storage);
	uint64_t value = 0;
	int r = slice_to_u64(get_trimmed(c, name), UINT64_MAX, &value);

	*ret = 0;
	if (r == 0 && value >= min && value <= max) {
		*ret = value;
		return 0;
	}
	if (max < UINT64_MAX / 2)
		str_printf(&form, "a number from %llu to %llu", (unsigned long long)min, (unsigned long long)max);
	else
		str_printf(&form, "a number not below %llu", (unsigned long long)min);
	conf_error(c, name, r == -EINVAL ? "not a number" : "out of range", str_cstr(&form));
	return -EINVAL;
}

/* Seconds in one unit; 0: no such unit. */
static uint64_t unit_seconds(char unit)
{
	switch (ascii_lower(unit)) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 7 * 86400;
	default:
		return 0;
	}
}

int conf_get_time(struct conf *c, const char *name, char unit, uint64_t min_s, uint64_t max_s,
		  uint64_t *ret_ns)
{
	char storage[128];
	struct str form = STR(storage);
	struct slice value = get_trimmed(c, name);
	uint64_t scale = unit_seconds(unit), count = 0;

	ASSERT(scale != 0 && max_s <= UINT64_MAX / NS_PER_SEC);
	*ret_ns = 0;
	if (value.len > 0 && unit_seconds(value.ptr[value.len - 1]) != 0)
		scale = unit_seconds(value.ptr[--value.len]);
	int r = slice_to_u64(value, max_s / scale, &count);

	if (r == 0 && count * scale >= min_s) {
		*ret_ns = count * scale * NS_PER_SEC;
		return 0;
	}
	str_printf(&form,
		   "a whole number with s, m, h, d or w behind it (%c when there is none), from %llus to %llus",
		   unit, (unsigned long long)min_s, (unsigned long long)max_s);
	conf_error(c, name, r == -EINVAL ? "not a time" : "out of range", str_cstr(&form));
	return -EINVAL;
}

/* --- lists -------------------------------------------------------------------------------------- */

static bool ends_item(char c)
{
	return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice list_next(struct slice *rest, bool braces)
{
	size_t depth = 0, len = 0;

	while (rest->len > 0 && ends_item(rest->ptr[0]))
		slice_skip(rest, 1);
	for (; len < rest->len && (depth > 0 || !ends_item(rest->ptr[len])); len++) {
		if (braces && rest->ptr[len] == '{')
			depth++;
		else if (depth > 0 && rest->ptr[len] == '}')
			depth--;
	}
	struct slice item = slice_of(rest->ptr, len);

	if (len > 0)
		slice_skip(rest, len);
	return item;
}

struct slice conf_list_next(struct slice *rest)
{
	return list_next(rest, false);
}

struct slice conf_list_next_braced(struct slice *rest)
{
	return list_next(rest, true);
}
