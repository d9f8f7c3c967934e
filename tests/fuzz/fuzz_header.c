/* fuzz_header.c - header fields and lists of addresses
 *
 * The first octet chooses how many tokens are looked at; the rest is a field, and a list. Claims: the elements and
 * their separators are the whole list but for white space; an address lies inside of its element; text on one line has
 * no line end, and says the same when it is read again.
 */
#include <stdlib.h>

#include "net/wire/header.h"

#define INPUT_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char storage[3][2 * INPUT_MAX];

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void add_dark(struct str *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_white(text.ptr[i]))
			str_add_char(out, text.ptr[i]);
}

static void check_element(const struct header_element *e, struct slice list)
{
	char text[64];
	struct str small = STR(text);

	ASSERT(e->text.ptr >= list.ptr && e->text.ptr + e->text.len <= list.ptr + list.len);
	if (e->address.len > 0)
		ASSERT(e->address.ptr >= e->text.ptr && e->address.ptr + e->address.len <= e->text.ptr + e->text.len);
	header_add_address(&small, e->address);		/* never fails, whatever the room */
	header_add_comments(&small, e->address);
}

/* What list is made of, without white space. */
static void gather(struct str *out, struct slice text, uint32_t tokens)
{
	struct header_list list;
	struct header_element e;

	header_list_init(&list, text, tokens);
	while (header_list_next(&list, &e)) {
		check_element(&e, text);
		add_dark(out, e.text);
		if (e.separator != 0)
			str_add_char(out, e.separator);
	}
}

static void check_list(struct slice text, uint32_t tokens)
{
	struct str whole = STR(storage[0]);
	struct str gathered = STR(storage[1]);

	add_dark(&whole, text);
	gather(&gathered, text, tokens);
	ASSERT(slice_eq(str_slice(&whole), str_slice(&gathered)));
}

static void check_unfolded(struct slice text)
{
	struct str one = STR(storage[0]);
	struct str again = STR(storage[1]);

	header_add_unfolded(&one, text);
	ASSERT(!str_is_full(&one) && one.len <= text.len);
	ASSERT(memchr(one.ptr, '\r', one.len) == NULL && memchr(one.ptr, '\n', one.len) == NULL);
	header_add_unfolded(&again, str_slice(&one));
	ASSERT(slice_eq(str_slice(&one), str_slice(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice name, body;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	struct slice text = slice_of(data + 1, size - 1);

	check_list(text, data[0]);
	check_list(text, UINT32_MAX);
	check_unfolded(text);
	if (header_split(text, &name, &body)) {
		ASSERT(name.len > 0 && name.len + 1 + body.len <= text.len);
		check_list(body, UINT32_MAX);
	}
	return 0;
}
