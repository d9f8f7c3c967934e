#include "crypto/tls_verify.h"

#include "core/err.h"

/* --- names ------------------------------------------------------------------------------------ */

static bool is_name_char(char c)
{
	c = ascii_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Labels of letters, digits, '-' and '_', none of them empty. */
static bool is_host_name(struct slice name)
{
	size_t label = 0;

	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] != '.' && !is_name_char(name.ptr[i]))
			return false;
		if (name.ptr[i] == '.' && label == 0)
			return false;
		label = name.ptr[i] == '.' ? 0 : label + 1;
	}
	return label > 0 && name.len <= TLS_NAME_MAX;
}

static struct slice without_last_dot(struct slice name)
{
	return name.len > 1 && name.ptr[name.len - 1] == '.' ? slice_head(name, name.len - 1) : name;
}

/* Is there something in front of ".domain"? */
static bool is_below(struct slice name, struct slice domain)
{
	return name.len > domain.len &&
	       slice_eq_nocase(slice_of(name.ptr + name.len - domain.len, domain.len), domain);
}

bool tls_name_matches(struct slice presented, struct slice wanted)
{
	bool is_wild = presented.len > 2 && presented.ptr[0] == '*' && presented.ptr[1] == '.';

	wanted = without_last_dot(wanted);
	presented = without_last_dot(presented);
	struct slice rest = is_wild ? slice_of(presented.ptr + 2, presented.len - 2) : presented;

	/* "*.com" would stand for half the world: what follows the star has two labels at least. */
	if (!is_host_name(rest) || (is_wild && slice_find_char(rest, 0, '.') < 0))
		return false;
	if (wanted.len > 1 && wanted.ptr[0] == '.')
		return is_below(is_wild ? slice_of(presented.ptr, presented.len) : rest, wanted);
	if (!is_host_name(wanted))
		return false;
	if (!is_wild)
		return slice_eq_nocase(presented, wanted);
	ptrdiff_t dot = slice_find_char(wanted, 0, '.');

	return dot > 0 && slice_eq_nocase(rest, slice_of(wanted.ptr + dot + 1, wanted.len - (size_t)dot - 1));
}

/* --- fingerprints ----------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	c = ascii_lower(c);
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int tls_print_parse(struct slice text, int digest, struct tls_print *ret_print)
{
	struct tls_print print = { 0 };
	size_t size = tls_digest_size(digest);
	size_t i = 0;

	while (i < text.len) {
		if (print.len > 0 && text.ptr[i] == ':')
			i++;
		if (i + 1 >= text.len || print.len == size)
			return ERR_SYNTAX;
		int high = hex_digit(text.ptr[i]), low = hex_digit(text.ptr[i + 1]);

		if (high < 0 || low < 0)
			return ERR_SYNTAX;
		print.octets[print.len++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	if (print.len != size || size == 0)
		return ERR_SYNTAX;
	*ret_print = print;
	return 0;
}

void tls_print_add(struct str *s, const struct tls_print *print)
{
	static const char digits[] = "0123456789ABCDEF";

	for (unsigned i = 0; i < print->len; i++) {
		if (i > 0)
			str_add_char(s, ':');
		str_add_char(s, digits[print->octets[i] >> 4]);
		str_add_char(s, digits[print->octets[i] & 15]);
	}
}

/* --- the public key, and the date ------------------------------------------------------------- */

enum {
	DER_INTEGER = 0x02,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_EXPLICIT_0 = 0xa0,
};

int tls_der_take(struct slice *in, uint8_t tag, struct slice *ret_all, struct slice *ret_content)
{
	const uint8_t *p = (const uint8_t *)in->ptr;
	size_t head = 2, len;

	if (in->len < 2 || p[0] != tag)
		return ERR_PROTO;
	len = p[1];
	if (len >= 0x80) {
		size_t octets = len & 0x7f;

		if (octets == 0 || octets > 3 || in->len < 2 + octets)
			return ERR_PROTO;
		len = 0;
		for (size_t i = 0; i < octets; i++)
			len = len << 8 | p[2 + i];
		head += octets;
	}
	if (len > in->len - head)
		return ERR_PROTO;
	*ret_all = slice_head(*in, head + len);
	*ret_content = slice_of(in->ptr + head, len);
	slice_skip(in, head + len);
	return 0;
}

/* Certificate { tbs { [0] version?, serial, signature, issuer, validity, subject, key ... } ... } (RFC 5280 4.1):
 * what stands at this place of tbs, the serial being 0. */
static int find_field(struct slice der, size_t place, struct slice *ret_all, struct slice *ret_content)
{
	struct slice all, tbs, content;
	int r = tls_der_take(&der, DER_SEQUENCE, &all, &content);

	if (r == 0)
		r = tls_der_take(&content, DER_SEQUENCE, &all, &tbs);
	if (r == 0)
		(void)tls_der_take(&tbs, DER_EXPLICIT_0, &all, &content);	/* only since version 2 */
	for (size_t i = 0; r == 0 && i <= place; i++)
		r = tls_der_take(&tbs, i == 0 ? DER_INTEGER : DER_SEQUENCE, &all, &content);
	if (r == 0) {
		*ret_all = all;
		*ret_content = content;
	}
	return r;
}

int tls_cert_public_key(struct slice der, struct slice *ret_key)
{
	struct slice content;

	return find_field(der, 5, ret_key, &content);
}

/* Two digits off the front, from 0 to max. */
static int take_two(struct slice *in, unsigned max, unsigned *ret_n)
{
	uint64_t n;

	if (in->len < 2 || slice_to_u64(slice_head(*in, 2), max, &n) < 0)
		return ERR_PROTO;
	*ret_n = (unsigned)n;
	slice_skip(in, 2);
	return 0;
}

/* Days from 1970 to this one, of the calendar we all use; the year begins in March, so that leap days come last. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
	year -= month <= 2;
	unsigned era = year / 400, of_era = year % 400;
	unsigned of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;

	return (uint64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "YYMMDDHHMMSSZ", or with four digits of the year (RFC 5280 4.1.2.5) */
static int parse_time(struct slice text, bool is_long, uint64_t *ret_second)
{
	unsigned century = 0, year, month, day, hour, minute, second;
	int r = is_long ? take_two(&text, 99, &century) : 0;

	if (r == 0)
		r = take_two(&text, 99, &year);
	if (r == 0 && !is_long)
		century = year < 50 ? 20 : 19;
	if (r < 0 || take_two(&text, 12, &month) < 0 || take_two(&text, 31, &day) < 0 ||
	    take_two(&text, 23, &hour) < 0 || take_two(&text, 59, &minute) < 0 || take_two(&text, 59, &second) < 0 ||
	    !slice_eq(text, SLICE("Z")) || month == 0 || day == 0 || century * 100 + year < 1970)
		return ERR_PROTO;
	*ret_second = days_since_1970(century * 100 + year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return 0;
}

int tls_cert_good_until(struct slice der, uint64_t *ret_second)
{
	struct slice all, validity, text;
	int r = find_field(der, 3, &all, &validity);

	if (r == 0)
		r = tls_der_take(&validity, DER_UTC_TIME, &all, &text) == 0 ?
			    0 : tls_der_take(&validity, DER_GENERALIZED_TIME, &all, &text);
	if (r < 0)
		return r;
	bool is_long = tls_der_take(&validity, DER_UTC_TIME, &all, &text) < 0;

	if (is_long && tls_der_take(&validity, DER_GENERALIZED_TIME, &all, &text) < 0)
		return ERR_PROTO;
	return parse_time(text, is_long, ret_second);
}
