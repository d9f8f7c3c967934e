/* fuzz_proxy_header.c - what a load balancer may say of its client
 *
 * The first octet chooses the pieces. Claims: pieces make no difference, not even to what is left for the client; a
 * header is never longer than its bound; what is refused is refused for good.
 */
#include "net/wire/proxy_header.h"

#include "core/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(struct slice *in, size_t step, struct proxy_header *ret)
{
	static char storage[PROXY_HEADER_MAX];
	struct str kept = STR(storage);
	int r = 0;

	while (r == 0 && in->len > 0) {
		struct slice piece = slice_head(*in, step);
		const size_t len = piece.len;

		r = proxy_header_feed(&kept, &piece, ret);
		ASSERT(r == 1 || r == 0 || r == ERR_PROTO);
		ASSERT(r != 0 || piece.len == 0);
		slice_skip(in, len - piece.len);
	}
	ASSERT(kept.len <= PROXY_HEADER_MAX);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header one = { 0 }, other = { 0 };

	if (size < 1)
		return 0;
	struct slice a = slice_of(data + 1, size - 1), b = a;
	const int r = feed(&a, SIZE_MAX, &one);

	ASSERT(feed(&b, 1u + data[0] % 32, &other) == r);
	if (r != 1)
		return 0;
	ASSERT(a.len == b.len && one.speaker == other.speaker);
	ASSERT(one.speaker != PROXY_CLIENT || addr_eq(&one.client, &other.client));
	return 0;
}
