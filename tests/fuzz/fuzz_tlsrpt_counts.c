/* fuzz_tlsrpt_counts.c - saved counts of TLS reports
 *
 * The input is what stands between the first line and the checksum, which is put behind it.
 * Claims: no crash; what is refused leaves nothing behind; what is read has a form in which it is read again and
 * stays, and as JSON, and both fit.
 */
#include "core/crc.h"
#include "net/source/tlsrpt_counts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct tlsrpt_counts *c, struct tlsrpt_report *r)
{
	static char first[TLSRPT_TEXT_MAX], second[TLSRPT_TEXT_MAX], json[TLSRPT_TEXT_MAX];
	struct str out = STR(first), again = STR(second), out_json = STR(json);

	tlsrpt_counts_write(r, &out);
	tlsrpt_counts_add_json(r, "o", "c", SLICE("i"), &out_json);
	ASSERT(!str_is_full(&out) && !str_is_full(&out_json));
	tlsrpt_counts_remove(c, &r);
	ASSERT(tlsrpt_counts_read(c, str_slice(&out), &r) == 0);
	tlsrpt_counts_write(r, &again);
	ASSERT(slice_eq(str_slice(&out), str_slice(&again)));
	tlsrpt_counts_remove(c, &r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tlsrpt_counts counts;
	static bool is_ready;
	static char text[TLSRPT_TEXT_MAX];
	struct str out = STR(text);
	struct tlsrpt_report *r;

	if (!is_ready)
		ASSERT(tlsrpt_counts_init(&counts) == 0);
	is_ready = true;
	if (size > KIB(16))
		return 0;
	str_add_cstr(&out, "ringpost-tlsrpt-1\n");
	str_add(&out, slice_of(data, size));
	const uint32_t crc = crc32c(0, out.ptr, out.len);

	str_add_cstr(&out, "end ");
	str_add_hex(&out, crc, 8);
	str_add_char(&out, '\n');
	if (tlsrpt_counts_read(&counts, str_slice(&out), &r) == 0)
		check(&counts, r);
	ASSERT(list_is_empty(&counts.all) && counts.policies.used == 0 && counts.rows.used == 0);
	return 0;
}
