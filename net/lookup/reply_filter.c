#include "net/lookup/reply_filter.h"

#include "core/addr.h"
#include "core/err.h"

static void add_name(struct str *out, struct slice name)
{
	str_add(out, name);
	str_add_char(out, '.');
}

static void add_ip(struct str *out, enum dns_type type, struct slice octets)
{
	const uint8_t *ip = (const uint8_t *)octets.ptr;
	struct addr addr = type == DNS_TYPE_A ? addr_from_ip4(ip, 0) : addr_from_ip6(ip, 0);

	addr_add_ip(out, &addr);
}

/* What is longer than any certificate is cut. */
static void add_tlsa(struct str *out, struct slice data)
{
	static const char digits[] = "0123456789ABCDEF";
	const unsigned char *octets = (const unsigned char *)data.ptr;

	str_printf(out, "TLSA %u %u %u ", octets[0], octets[1], octets[2]);
	for (size_t i = 3; i < data.len && out->cap - out->len > 2; i++) {
		str_add_char(out, digits[octets[i] >> 4]);
		str_add_char(out, digits[octets[i] & 15]);
	}
}

/* The strings of a TXT record, one behind the other, as much as there is room for. */
static void add_text(struct str *out, struct slice data)
{
	while (data.len > 1 && !str_is_full(out)) {
		size_t len = MIN((size_t)(unsigned char)data.ptr[0], data.len - 1);

		str_add_printable(out, slice_of(data.ptr + 1, len), out->cap - out->len);
		slice_skip(&data, 1 + len);
	}
}

void reply_filter_write(struct str *out, enum dns_type type, const struct dns_answer *dns, unsigned i)
{
	const struct dns_record *record = &dns->records[i];
	struct slice data = dns_record_data(dns, record);

	add_name(out, dns_answer_owner(dns));
	str_printf(out, " %u IN ", record->ttl_s);
	switch (type) {
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		str_add_cstr(out, type == DNS_TYPE_A ? "A " : "AAAA ");
		add_ip(out, type, data);
		break;
	case DNS_TYPE_MX:
		str_printf(out, "MX %u ", record->preference);
		add_name(out, data);
		break;
	case DNS_TYPE_SRV:
		str_printf(out, "SRV %u %u %u ", record->preference, record->weight, record->port);
		add_name(out, data);
		break;
	case DNS_TYPE_CNAME:
		str_add_cstr(out, "CNAME ");
		add_name(out, data);
		break;
	case DNS_TYPE_TLSA:
		add_tlsa(out, data);
		break;
	case DNS_TYPE_TXT:
		str_add_cstr(out, "TXT ");
		add_text(out, data);
		break;
	default:
		UNREACHABLE();
	}
}

/* 1: leave it out; 0: keep it; negative: nobody knows. */
static int judge(const struct maps *maps, struct slice text)
{
	char storage[64];
	struct str value = STR(storage);
	int r = maps_find(maps, text, 0, &value);

	if (r == 1 && !slice_eq_nocase(slice_trim(str_slice(&value)), SLICE("IGNORE")))
		return ERR_SYNTAX;
	return r;
}

int reply_filter_apply(const struct maps *maps, enum dns_type type, const struct dns_answer *dns,
		       struct reply_filter_bits *ret_ignored)
{
	struct reply_filter_bits ignored = { 0 };
	unsigned left = dns->count;

	for (unsigned i = 0; maps != NULL && i < dns->count; i++) {
		char storage[REPLY_FILTER_TEXT_MAX];
		struct str text = STR(storage);

		reply_filter_write(&text, type, dns, i);
		int r = judge(maps, str_slice(&text));

		if (r < 0)
			return r;
		ignored.words[i / 64] |= (uint64_t)r << (i % 64);
		left -= (unsigned)r;
	}
	*ret_ignored = ignored;
	return (int)left;
}
