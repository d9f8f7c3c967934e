/* fuzz_tlsrpt.c - TXT records that ask for TLS reports
 *
 * Claims: no crash; an address that comes out is a mailbox of printable octets; the same strings, joined into as few as
 * possible, say the same.
 */
#include "core/str.h"
#include "net/wire/address.h"
#include "net/wire/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool join(struct slice rdata, struct str *text)
{
	while (rdata.len > 0 && (unsigned char)rdata.ptr[0] < rdata.len) {
		size_t len = (unsigned char)rdata.ptr[0];

		str_add(text, slice_of(rdata.ptr + 1, len));
		slice_skip(&rdata, 1 + len);
	}
	return rdata.len == 0;
}

static void split(struct slice text, struct str *out)
{
	while (text.len > 0) {
		size_t len = MIN(text.len, 255);

		str_add_char(out, (char)len);
		str_add(out, slice_head(text, len));
		slice_skip(&text, len);
	}
}

static void check_mails(const struct tlsrpt_record *r)
{
	for (unsigned i = 0; i < r->mail_count; i++) {
		struct slice mail = tlsrpt_record_mail(r, i);
		struct address address;

		ASSERT(address_parse(mail, 0, &address) == 0);
		for (size_t k = 0; k < mail.len; k++)
			ASSERT((unsigned char)mail.ptr[k] >= 0x20 && (unsigned char)mail.ptr[k] < 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TLSRPT_TXT_MAX], again[2 * TLSRPT_TXT_MAX];
	struct str joined = STR(text), rdata = STR(again);
	struct tlsrpt_record a, b;
	bool is_record = tlsrpt_record_read(slice_of(data, size), &a);

	ASSERT(a.mail_count <= TLSRPT_RUA_MAX);
	check_mails(&a);
	if (!join(slice_of(data, size), &joined) || str_is_full(&joined)) {
		ASSERT(!is_record);
		return 0;
	}
	split(str_slice(&joined), &rdata);
	ASSERT(tlsrpt_record_read(str_slice(&rdata), &b) == is_record);
	ASSERT(a.mail_count == b.mail_count && a.https_count == b.https_count && a.other_count == b.other_count);
	return 0;
}
