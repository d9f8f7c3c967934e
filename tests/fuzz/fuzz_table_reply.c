/* fuzz_table_reply.c - answers of tcp: and socketmap: tables, at any cut
 *
 * The first octet chooses the protocol and the cut. Claims: the same replies in pieces as in one; values within bounds;
 * a failed parser stays failed; a request has one line, or one netstring.
 */
#include "core/check.h"
#include "net/wire/table_reply.h"

#define REPLIES_MAX 64u

struct seen {
	unsigned count;
	int last;
	uint64_t sum;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct table_reply_parser *p, struct slice in, struct seen *seen)
{
	while (seen->last >= 0 && in.len > 0) {
		struct table_reply reply;

		seen->last = table_reply_feed(p, &in, &reply);
		if (seen->last <= 0)
			continue;
		ASSERT(reply.value.len <= TABLE_REPLY_MAX);
		ASSERT(reply.found <= 1);
		seen->count++;
		seen->sum = 31 * seen->sum + (uint64_t)(reply.found + 5);
		for (size_t i = 0; i < reply.value.len; i++)
			seen->sum = 31 * seen->sum + (unsigned char)reply.value.ptr[i];
	}
}

static void check_request(enum table_protocol protocol, struct slice key)
{
	char storage[TABLE_REQUEST_MAX];
	struct str out = STR(storage);

	if (table_request_write(protocol, SLICE("map"), key, &out) < 0 || protocol != TABLE_PROTOCOL_TCP)
		return;
	ASSERT(slice_find_char(str_slice(&out), 0, '\n') == (ptrdiff_t)out.len - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct table_reply_parser whole, cut;
	struct seen one = { 0 }, many = { 0 };

	if (size == 0)
		return 0;
	enum table_protocol protocol = data[0] & 1 ? TABLE_PROTOCOL_SOCKETMAP : TABLE_PROTOCOL_TCP;
	size_t step = (data[0] >> 1) % 16 + 1;
	struct slice in = slice_of(data + 1, size - 1);

	check_request(protocol, in);
	table_reply_init(&whole, protocol);
	table_reply_init(&cut, protocol);
	feed(&whole, in, &one);
	for (size_t at = 0; at < in.len; at += step)
		feed(&cut, slice_of(in.ptr + at, MIN(step, in.len - at)), &many);
	ASSERT(one.count == many.count && one.sum == many.sum);
	ASSERT(one.last < 0 || many.last >= 0);
	ASSERT(one.last >= 0 || one.last == many.last);
	return 0;
}
