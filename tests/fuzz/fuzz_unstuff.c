/* fuzz_unstuff.c - content without its dots, cut anywhere, against the slow reference (row SMG-04)
 *
 * The first octet chooses the cuts. Claims: the spans, one behind the other, are what the reference gives; none is
 * empty; what has been left out is one dot at the start of each line that has one.
 */
#include <stdlib.h>

#include "net/mail/unstuff.h"
#include "tests/unit/net/mail/unstuff_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct slice in, unsigned cuts, struct str *out)
{
	struct unstuff u;
	struct slice span;

	unstuff_init(&u);
	while (in.len > 0) {
		/* Pieces of 1 to 128 octets, or all at once. */
		size_t n = cuts == 0 ? in.len : MIN(in.len, (size_t)1 << (cuts & 7));
		struct slice piece = slice_head(in, n);

		cuts = cuts >> 1 | (cuts & 1) << 7;
		slice_skip(&in, n);
		while (u.stage.next(&u.stage, &piece, false, &span) == STAGE_SPAN) {
			ASSERT(span.len > 0);
			str_add(out, span);
		}
		ASSERT(piece.len == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct slice in = slice_of(data + 1, size - 1);
	char *storage = malloc(2 * size);

	ASSERT(storage != NULL);
	struct str got = str_over(storage, size);
	struct str want = str_over(storage + size, size);

	run(in, data[0], &got);
	unstuff_reference(in, &want);
	ASSERT(slice_eq(str_slice(&got), str_slice(&want)));
	free(storage);
	return 0;
}
