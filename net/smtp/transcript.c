#include "net/smtp/transcript.h"

static_assert(TRANSCRIPT_LINE + 16 <= TRANSCRIPT_TAIL, "one line always has room");

static void make_room(struct transcript *t, size_t size)
{
	while (sizeof(t->tail) - t->tail_len < size) {
		const char *end = memchr(t->tail, '\n', t->tail_len);
		size_t n = (size_t)(end - t->tail) + 1;

		ASSERT(end != NULL);
		memmove(t->tail, t->tail + n, t->tail_len - n);
		t->tail_len -= (uint32_t)n;
		t->omitted++;
	}
}

void transcript_add(struct transcript *t, bool ours, struct slice text)
{
	char storage[TRANSCRIPT_LINE + 16];
	struct str line = STR(storage);

	str_add_cstr(&line, ours ? "Out: " : " In: ");
	str_add_printable(&line, text, TRANSCRIPT_LINE);
	line.full = false;	/* what is too long is cut */
	str_add_char(&line, '\n');
	ASSERT(!str_is_full(&line));
	if (t->tail_len == 0 && sizeof(t->head) - t->head_len >= line.len) {
		memcpy(t->head + t->head_len, line.ptr, line.len);
		t->head_len += (uint32_t)line.len;
		return;
	}
	make_room(t, line.len);
	memcpy(t->tail + t->tail_len, line.ptr, line.len);
	t->tail_len += (uint32_t)line.len;
}

bool transcript_is_wanted(struct slice sender)
{
	const struct slice reporter = SLICE(TRANSCRIPT_REPORTER);

	return sender.len > 0 && !slice_eq_nocase(slice_head(sender, reporter.len), reporter);
}

void transcript_add_to(struct str *out, const struct transcript *t)
{
	str_add(out, slice_of(t->head, t->head_len));
	if (t->omitted > 0)
		str_printf(out, "[%u lines omitted]\n", t->omitted);
	str_add(out, slice_of(t->tail, t->tail_len));
}
