#include "net/lookup/hosts.h"

#include <errno.h>
#include <stdlib.h>

static struct slice next_word(struct slice *line)
{
	size_t len = 0;

	*line = slice_trim(*line);
	while (len < line->len && line->ptr[len] != ' ' && line->ptr[len] != '\t')
		len++;
	struct slice word = slice_head(*line, len);

	slice_skip(line, len);
	return word;
}

/* The next line without its comment; false at the end. */
static bool next_line(struct slice *text, struct slice *ret_line)
{
	if (text->len == 0)
		return false;
	ptrdiff_t end = slice_find_char(*text, 0, '\n');
	struct slice line = slice_head(*text, end < 0 ? text->len : (size_t)end);

	slice_skip(text, end < 0 ? text->len : (size_t)end + 1);
	ptrdiff_t comment = slice_find_char(line, 0, '#');

	if (comment >= 0)
		line.len = (size_t)comment;
	*ret_line = line;
	return true;
}

struct slice hosts_name(const struct hosts *h, unsigned i)
{
	return slice_of(h->names + h->entries[i].name_at, h->entries[i].name_len);
}

static void add(struct hosts *h, struct slice name, const struct addr *addr, size_t *names_len)
{
	if (h->count == HOSTS_MAX) {
		h->left_out++;
		return;
	}
	struct host_entry *e = &h->entries[h->count];

	e->name_at = (uint32_t)*names_len;
	e->name_len = (uint32_t)name.len;
	e->order = h->count++;
	e->addr = *addr;
	for (size_t i = 0; i < name.len; i++)
		h->names[(*names_len)++] = ascii_lower(name.ptr[i]);
}

/* How many names the text can hold at most: words that are not the first of their line. */
static unsigned count_names(struct slice text)
{
	struct slice line;
	unsigned count = 0;

	while (next_line(&text, &line)) {
		IGNORE(next_word(&line).len);	/* the address */
		while (next_word(&line).len > 0)
			count++;
	}
	return MIN(count, HOSTS_MAX);
}

static int compare(const void *left, const void *right, void *names)
{
	const struct host_entry *a = left, *b = right;
	const char *text = names;
	int r = memcmp(text + a->name_at, text + b->name_at, MIN(a->name_len, b->name_len));

	if (r != 0)
		return r;
	if (a->name_len != b->name_len)
		return a->name_len < b->name_len ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

int hosts_init(struct hosts *h, struct slice text)
{
	struct slice line;
	size_t names_len = 0;

	memset(h, 0, sizeof(*h));
	if (text.len > UINT32_MAX)
		return -EFBIG;
	h->entries = calloc((size_t)count_names(text) + 1, sizeof(h->entries[0]));
	h->names = malloc(text.len + 1);
	if (h->entries == NULL || h->names == NULL) {
		hosts_done(h);
		return -ENOMEM;
	}
	while (next_line(&text, &line)) {
		struct addr addr;
		struct slice name;

		if (addr_parse_ip(next_word(&line), 0, &addr) < 0)
			continue;
		while ((name = next_word(&line)).len > 0)
			add(h, name, &addr, &names_len);
	}
	qsort_r(h->entries, h->count, sizeof(h->entries[0]), compare, h->names);
	return 0;
}

void hosts_done(struct hosts *h)
{
	free(h->entries);
	free(h->names);
	memset(h, 0, sizeof(*h));
}

bool hosts_is(const struct hosts *h, unsigned i, struct slice name)
{
	return i < h->count && slice_eq_nocase(hosts_name(h, i), name);
}

/* Entries are in lower case; name may not be. */
static int compare_name(struct slice entry, struct slice name)
{
	for (size_t i = 0; i < MIN(entry.len, name.len); i++) {
		unsigned char a = (unsigned char)entry.ptr[i], b = (unsigned char)ascii_lower(name.ptr[i]);

		if (a != b)
			return a < b ? -1 : 1;
	}
	return entry.len < name.len ? -1 : entry.len > name.len;
}

int hosts_find(const struct hosts *h, struct slice name)
{
	unsigned low = 0, high = h->count;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (compare_name(hosts_name(h, mid), name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return hosts_is(h, low, name) ? (int)low : -1;
}
