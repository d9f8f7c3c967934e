/* fuzz_crlf.c - content on its way in, against the slow reference (rows SMG-02, SMG-05, SMG-06)
 *
 * The first octet chooses DATA or BDAT, and whether flaws are normalised; the second how the rest is cut. Claims: the
 * stored form, what is consumed, the facts and the flaw are those of the reference; a stored form has no bare CR or LF,
 * no NUL, and no line that is a dot.
 */
#include <stdlib.h>

#include "tests/unit/net/mail/crlf_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_canonical(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		ASSERT(c != '\0');
		ASSERT(c != '\n' || (i > 0 && text.ptr[i - 1] == '\r'));
		if (c == '\r')
			ASSERT(i + 1 == text.len || text.ptr[i + 1] == '\n');
		if (c == '.' && (i == 0 || text.ptr[i - 1] == '\n'))
			ASSERT(i + 1 == text.len || text.ptr[i + 1] != '\r');
	}
}

static int run(struct crlf *c, struct slice in, unsigned cuts, struct str *out, size_t *ret_consumed)
{
	int r = CRLF_MORE;

	*ret_consumed = 0;
	while (in.len > 0 && r == CRLF_MORE) {
		/* Pieces of 1 to 128 octets, or all at once. */
		size_t n = cuts == 0 ? in.len : MIN(in.len, (size_t)1 << (cuts & 7));
		struct slice piece = slice_of(in.ptr, n);
		struct slice span;

		cuts = cuts >> 1 | (cuts & 1) << 7;
		while ((r = crlf_feed(c, &piece, &span)) == CRLF_SPAN) {
			ASSERT(span.len > 0);
			str_add(out, span);
		}
		*ret_consumed += n - piece.len;
		slice_skip(&in, n - piece.len);
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	enum crlf_source source = data[0] & 1 ? CRLF_BDAT : CRLF_DATA;
	bool normalise = data[0] & 2;
	struct slice in = slice_of(data + 2, size - 2);
	size_t cap = 2 * size + 4;
	char *storage = malloc(2 * cap);

	ASSERT(storage != NULL);
	struct str out = str_over(storage, cap);
	struct str want_out = str_over(storage + cap, cap);
	struct crlf_reference want = crlf_reference_run(source, normalise, in, source == CRLF_BDAT, &want_out);
	struct crlf c;
	struct slice span;
	size_t consumed;

	crlf_init(&c, source, normalise);
	int r = run(&c, in, data[1], &out, &consumed);

	if (source == CRLF_BDAT && r == CRLF_MORE)
		while ((r = crlf_finish(&c, &span)) == CRLF_SPAN)
			str_add(&out, span);
	ASSERT(!str_is_full(&out));
	ASSERT(r == want.result);
	ASSERT(c.flaw == want.flaw);
	if (r != ERR_PROTO) {
		ASSERT(slice_eq(str_slice(&out), str_slice(&want_out)));
		ASSERT(c.wire_size == out.len);
		ASSERT(c.stuffing == want.stuffing);
		ASSERT(c.facts == want.facts);
		ASSERT(consumed == want.consumed);
		check_canonical(str_slice(&out));
	}
	free(storage);
	return 0;
}
