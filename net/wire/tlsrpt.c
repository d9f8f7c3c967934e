#include "net/wire/tlsrpt.h"

#include "core/str.h"
#include "net/wire/address.h"

static const char *const results[TLSRPT_RESULT_COUNT] = {
	[TLSRPT_SUCCESS]			= "",
	[TLSRPT_STARTTLS_NOT_SUPPORTED]		= "starttls-not-supported",
	[TLSRPT_CERTIFICATE_HOST_MISMATCH]	= "certificate-host-mismatch",
	[TLSRPT_CERTIFICATE_EXPIRED]		= "certificate-expired",
	[TLSRPT_CERTIFICATE_NOT_TRUSTED]	= "certificate-not-trusted",
	[TLSRPT_VALIDATION_FAILURE]		= "validation-failure",
	[TLSRPT_TLSA_INVALID]			= "tlsa-invalid",
	[TLSRPT_STS_POLICY_FETCH_ERROR]		= "sts-policy-fetch-error",
	[TLSRPT_STS_POLICY_INVALID]		= "sts-policy-invalid",
	[TLSRPT_STS_WEBPKI_INVALID]		= "sts-webpki-invalid",
};

static const char *const policy_types[TLSRPT_POLICY_TYPE_COUNT] = {
	[TLSRPT_NO_POLICY] = "no-policy-found", [TLSRPT_STS] = "sts", [TLSRPT_TLSA] = "tlsa",
};

/* --- words ------------------------------------------------------------------------------------ */

static int find(const char *const words[], int count, struct slice word)
{
	for (int i = 0; i < count; i++)
		if (word.len > 0 && slice_eq_nocase(word, slice_of_str(words[i])))
			return i;
	return -1;
}

const char *tlsrpt_result_word(enum tlsrpt_result result)
{
	ASSERT(result < TLSRPT_RESULT_COUNT);
	return results[result];
}

const char *tlsrpt_policy_type_word(enum tlsrpt_policy_type type)
{
	ASSERT(type < TLSRPT_POLICY_TYPE_COUNT);
	return policy_types[type];
}

int tlsrpt_result_find(struct slice word)
{
	return find(results, TLSRPT_RESULT_COUNT, word);
}

int tlsrpt_policy_type_find(struct slice word)
{
	return find(policy_types, TLSRPT_POLICY_TYPE_COUNT, word);
}

/* --- the record ------------------------------------------------------------------------------- */

/* The strings of a TXT record, one behind the other. False: damaged, or too long. */
static bool join(struct slice rdata, struct str *text)
{
	while (rdata.len > 0) {
		size_t len = (unsigned char)rdata.ptr[0];

		if (len >= rdata.len)
			return false;
		str_add(text, slice_of(rdata.ptr + 1, len));
		slice_skip(&rdata, 1 + len);
	}
	return !str_is_full(text);
}

static int hex_digit(char c)
{
	const char small = ascii_lower(c);

	if (c >= '0' && c <= '9')
		return c - '0';
	return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/* "%2C" to ",". False: a "%" that is none. */
static bool add_decoded(struct str *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != '%') {
			str_add_char(out, text.ptr[i]);
			continue;
		}
		int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
		int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;

		if (high < 0 || low < 0)
			return false;
		str_add_char(out, (char)(16 * high + low));
		i += 2;
	}
	return !str_is_full(out);
}

static bool take_mail(struct tlsrpt_record *record, struct slice rest)
{
	ptrdiff_t query = slice_find_char(rest, 0, '?');
	struct address address;

	if (record->mail_count == TLSRPT_RUA_MAX)
		return false;
	struct str out = STR(record->mail[record->mail_count]);

	if (!add_decoded(&out, slice_head(rest, query < 0 ? rest.len : (size_t)query)) || out.len == 0 ||
	    address_parse(str_slice(&out), 0, &address) < 0 || address.mailbox.len != out.len)
		return false;
	record->mail_len[record->mail_count++] = (uint16_t)out.len;
	return true;
}

static void take_uri(struct tlsrpt_record *record, struct slice uri)
{
	const struct slice mailto = SLICE("mailto:");

	if (slice_has_prefix_nocase(uri, SLICE("https:")))
		record->https_count++;
	else if (!slice_has_prefix_nocase(uri, mailto) ||
		 !take_mail(record, slice_of(uri.ptr + mailto.len, uri.len - mailto.len)))
		record->other_count++;
}

/* What is before the next divider, without blanks, off the front with it. */
static struct slice take_part(struct slice *rest, char divider)
{
	ptrdiff_t end = slice_find_char(*rest, 0, divider);
	struct slice part = slice_head(*rest, end < 0 ? rest->len : (size_t)end);

	slice_skip(rest, MIN(part.len + 1, rest->len));
	return slice_trim(part);
}

bool tlsrpt_record_read(struct slice rdata, struct tlsrpt_record *ret_record)
{
	char storage[TLSRPT_TXT_MAX];
	struct str text = STR(storage);
	const struct slice version = SLICE("v=TLSRPTv1"), rua = SLICE("rua=");

	*ret_record = (struct tlsrpt_record){ 0 };
	if (!join(rdata, &text) || !slice_has_prefix(str_slice(&text), version))
		return false;
	struct slice rest = str_slice(&text);

	slice_skip(&rest, version.len);
	rest = slice_trim(rest);
	if (rest.len == 0 || rest.ptr[0] != ';')
		return false;
	while (rest.len > 0) {
		struct slice field = take_part(&rest, ';');

		if (!slice_has_prefix(field, rua))
			continue;
		slice_skip(&field, rua.len);
		while (field.len > 0)
			take_uri(ret_record, take_part(&field, ','));
	}
	return true;
}
