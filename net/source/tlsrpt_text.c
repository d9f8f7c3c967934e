/* tlsrpt_text.c - a TLS report as text: JSON for others (RFC 8460 4.4), lines for ourselves
 *
 *	ringpost-tlsrpt-1
 *	report 1795305600 1795392000 example.org
 *	policy sts 5326 example.org		what went well
 *	string version: STSv1			any number, as "pattern" below it
 *	pattern *.example.org
 *	row starttls-not-supported 3		what did not; these four, and the reason, only where they are known
 *	mx mx.example.org
 *	helo mx.example.org
 *	from 192.0.2.1
 *	to 192.0.2.2
 *	reason words
 *	end 0A1B2C3D				CRC-32C of all that is above
 */
#include <errno.h>

#include "core/crc.h"
#include "core/err.h"
#include "net/mail/received.h"
#include "net/source/tlsrpt_counts.h"
#include "net/wire/address.h"

#define COUNT_MAX	(UINT64_C(1) << 56)	/* nobody counts so far, and no sum of them wraps */
#define MAGIC_LINE "ringpost-tlsrpt-1\n"

/* --- JSON ------------------------------------------------------------------------------------- */

/* Nothing in our texts is beyond printable ASCII. */
static void add_string(struct str *out, struct slice text)
{
	str_add_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			str_add_char(out, '\\');
		str_add_char(out, text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? text.ptr[i] : '?');
	}
	str_add_char(out, '"');
}

/* The next line of text, without its end. */
static struct slice next_line(struct slice *text)
{
	ptrdiff_t end = slice_find_char(*text, 0, '\n');
	struct slice line = slice_head(*text, end < 0 ? text->len : (size_t)end);

	slice_skip(text, MIN(text->len, line.len + 1));
	return line;
}

static void add_lines(struct str *out, const char *name, const char *lines)
{
	struct slice rest = slice_of_str(lines);

	if (rest.len == 0)
		return;
	str_printf(out, ",\n        \"%s\": [", name);
	for (const char *before = "\n"; rest.len > 0; before = ",\n") {
		str_add_cstr(out, before);
		str_add_cstr(out, "          ");
		add_string(out, next_line(&rest));
	}
	str_add_cstr(out, "\n        ]");
}

static void add_member(struct str *out, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	str_printf(out, ",\n          \"%s\": ", name);
	add_string(out, slice_of_str(value));
}

static void add_row(struct str *out, const struct tlsrpt_row *row)
{
	str_printf(out, "        {\n          \"result-type\": \"%s\"", tlsrpt_result_word(row->result));
	add_member(out, "sending-mta-ip", row->sending_ip);
	add_member(out, "receiving-mx-hostname", row->mx);
	add_member(out, "receiving-mx-helo", row->helo);
	add_member(out, "receiving-ip", row->receiving_ip);
	add_member(out, "failure-reason-code", row->reason);
	str_printf(out, ",\n          \"failed-session-count\": %llu\n        }", (unsigned long long)row->count);
}

static void add_policy(struct str *out, const struct tlsrpt_policy *policy)
{
	const char *before = "\n";

	str_printf(out, "    {\n      \"policy\": {\n        \"policy-type\": \"%s\"", tlsrpt_policy_type_word(policy->type));
	add_lines(out, "policy-string", policy->strings);
	str_add_cstr(out, ",\n        \"policy-domain\": ");
	add_string(out, slice_of_str(policy->domain));
	add_lines(out, "mx-host", policy->patterns);
	str_printf(out, "\n      },\n      \"summary\": {\n        \"total-successful-session-count\": %llu,\n"
		   "        \"total-failure-session-count\": %llu\n      }",
		   (unsigned long long)policy->good, (unsigned long long)policy->bad);
	if (!list_is_empty(&policy->rows))
		str_add_cstr(out, ",\n      \"failure-details\": [");
	list_for_each(node, &policy->rows) {
		str_add_cstr(out, before);
		add_row(out, list_entry(node, const struct tlsrpt_row, node));
		before = ",\n";
	}
	str_add_cstr(out, list_is_empty(&policy->rows) ? "\n    }" : "\n      ]\n    }");
}

void tlsrpt_counts_add_json(const struct tlsrpt_report *r, const char *organization, const char *contact,
			    struct slice id, struct str *out)
{
	const char *before = "\n";

	str_add_cstr(out, "{\n  \"organization-name\": ");
	add_string(out, slice_head(slice_of_str(organization), TLS_EVENT_NAME));
	str_add_cstr(out, ",\n  \"date-range\": {\n    \"start-datetime\": \"");
	received_add_stamp(out, r->start_s * NS_PER_SEC);
	str_add_cstr(out, "\",\n    \"end-datetime\": \"");
	received_add_stamp(out, (r->end_s - 1) * NS_PER_SEC);
	str_add_cstr(out, "\"\n  },\n  \"contact-info\": ");
	add_string(out, slice_head(slice_of_str(contact), TLS_EVENT_NAME));
	str_add_cstr(out, ",\n  \"report-id\": ");
	add_string(out, id);
	str_add_cstr(out, ",\n  \"policies\": [");
	list_for_each(node, &r->policies) {
		str_add_cstr(out, before);
		add_policy(out, list_entry(node, const struct tlsrpt_policy, node));
		before = ",\n";
	}
	str_add_cstr(out, "\n  ]\n}\n");
}

/* --- lines ------------------------------------------------------------------------------------ */

static void add_field(struct str *out, const char *word, const char *value)
{
	if (value[0] != '\0')
		str_printf(out, "%s %s\n", word, value);
}

static void add_all(struct str *out, const char *word, const char *lines)
{
	struct slice rest = slice_of_str(lines);

	while (rest.len > 0) {
		str_printf(out, "%s ", word);
		str_add(out, next_line(&rest));
		str_add_char(out, '\n');
	}
}

void tlsrpt_counts_write(const struct tlsrpt_report *r, struct str *out)
{
	const size_t start = out->len;

	str_add_cstr(out, MAGIC_LINE);
	str_printf(out, "report %llu %llu ", (unsigned long long)r->start_s, (unsigned long long)r->end_s);
	str_add(out, tlsrpt_report_domain(r));
	str_add_char(out, '\n');
	list_for_each(policy_node, &r->policies) {
		const struct tlsrpt_policy *policy = list_entry(policy_node, const struct tlsrpt_policy, node);

		str_printf(out, "policy %s %llu %s\n", tlsrpt_policy_type_word(policy->type),
			   (unsigned long long)policy->good, policy->domain);
		add_all(out, "string", policy->strings);
		add_all(out, "pattern", policy->patterns);
		list_for_each(row_node, &policy->rows) {
			const struct tlsrpt_row *row = list_entry(row_node, const struct tlsrpt_row, node);

			str_printf(out, "row %s %llu\n", tlsrpt_result_word(row->result),
				   (unsigned long long)row->count);
			add_field(out, "mx", row->mx);
			add_field(out, "helo", row->helo);
			add_field(out, "from", row->sending_ip);
			add_field(out, "to", row->receiving_ip);
			add_field(out, "reason", row->reason);
		}
	}
	const uint32_t crc = crc32c(0, out->ptr + start, out->len - start);

	str_add_cstr(out, "end ");
	str_add_hex(out, crc, 8);
	str_add_char(out, '\n');
}

/* One text on its way in. */
struct reading {
	struct tlsrpt_counts *counts;
	struct tlsrpt_report *report;
	struct tlsrpt_policy *policy;	/* NULL: event holds what is known of it so far */
	uint64_t good;
	bool has_policy, has_row;
	uint64_t count;
	struct tls_event event;
	struct tlsrpt_row row;
};

static struct slice take_word(struct slice *line)
{
	ptrdiff_t end = slice_find_char(*line, 0, ' ');
	struct slice word = slice_head(*line, end < 0 ? line->len : (size_t)end);

	slice_skip(line, MIN(line->len, word.len + 1));
	return word;
}

/* field is empty, or several lines are welcome. */
static int take_text(char *field, size_t size, bool several, struct slice text)
{
	struct str out = str_over(field, size);

	out.len = strlen(field);
	if (text.len == 0 || (!several && out.len > 0) || out.len + (out.len > 0) + text.len >= size)
		return ERR_CORRUPT;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < 0x20 || text.ptr[i] >= 0x7f)
			return ERR_CORRUPT;
	if (out.len > 0)
		str_add_char(&out, '\n');
	str_add(&out, text);
	(void)str_cstr(&out);
	return 0;
}

#define TAKE(field, several, text) take_text(field, sizeof(field), several, text)

static int end_policy(struct reading *rd)
{
	if (!rd->has_policy || rd->policy != NULL)
		return 0;
	rd->policy = tlsrpt_counts_take_policy(rd->counts, rd->report, &rd->event);
	if (rd->policy == NULL)
		return -ENOBUFS;
	rd->policy->good += rd->good;
	return 0;
}

static int end_row(struct reading *rd)
{
	if (!rd->has_row)
		return 0;
	rd->has_row = false;
	return tlsrpt_counts_add_row(rd->counts, rd->report, rd->policy, &rd->row, rd->count);
}

static int take_report(struct reading *rd, struct slice line)
{
	struct slice start = take_word(&line), end = take_word(&line);
	uint64_t start_s, end_s;

	if (rd->report != NULL || slice_to_u64(start, UINT32_MAX, &start_s) < 0 ||
	    slice_to_u64(end, UINT32_MAX, &end_s) < 0 || start_s >= end_s || line.len >= TLS_EVENT_NAME ||
	    !address_domain_is_valid(line, false))
		return ERR_CORRUPT;
	if (tlsrpt_counts_find(rd->counts, line, start_s) != NULL)
		return -EEXIST;
	rd->report = tlsrpt_counts_add(rd->counts, line, start_s, end_s);
	return rd->report != NULL ? 0 : -ENOBUFS;
}

static int take_policy_line(struct reading *rd, struct slice line)
{
	int type = tlsrpt_policy_type_find(take_word(&line));
	int err = end_row(rd);

	if (err == 0)
		err = end_policy(rd);
	if (err < 0)
		return err;
	memset(&rd->event, 0, sizeof(rd->event));
	rd->policy = NULL;
	rd->has_policy = true;
	if (type < 0 || slice_to_u64(take_word(&line), COUNT_MAX, &rd->good) < 0)
		return ERR_CORRUPT;
	rd->event.policy_type = (enum tlsrpt_policy_type)type;
	return TAKE(rd->event.policy_domain, false, line);
}

static int take_row_line(struct reading *rd, struct slice line)
{
	int result = tlsrpt_result_find(take_word(&line));
	int err = end_row(rd);

	if (err == 0)
		err = end_policy(rd);
	if (err < 0)
		return err;
	memset(&rd->row, 0, sizeof(rd->row));
	rd->has_row = true;
	if (result < 0 || rd->policy == NULL || slice_to_u64(line, COUNT_MAX, &rd->count) < 0)
		return ERR_CORRUPT;
	rd->row.result = (enum tlsrpt_result)result;
	return 0;
}

static int take_line(struct reading *rd, struct slice line)
{
	struct slice word = take_word(&line);

	if (slice_eq(word, SLICE("report")))
		return take_report(rd, line);
	if (rd->report == NULL)
		return ERR_CORRUPT;
	if (slice_eq(word, SLICE("policy")))
		return take_policy_line(rd, line);
	if (slice_eq(word, SLICE("row")))
		return take_row_line(rd, line);
	if (rd->has_policy && rd->policy == NULL && slice_eq(word, SLICE("string")))
		return TAKE(rd->event.strings, true, line);
	if (rd->has_policy && rd->policy == NULL && slice_eq(word, SLICE("pattern")))
		return TAKE(rd->event.patterns, true, line);
	if (rd->has_row && slice_eq(word, SLICE("mx")))
		return TAKE(rd->row.mx, false, line);
	if (rd->has_row && slice_eq(word, SLICE("helo")))
		return TAKE(rd->row.helo, false, line);
	if (rd->has_row && slice_eq(word, SLICE("from")))
		return TAKE(rd->row.sending_ip, false, line);
	if (rd->has_row && slice_eq(word, SLICE("to")))
		return TAKE(rd->row.receiving_ip, false, line);
	return rd->has_row && slice_eq(word, SLICE("reason")) ? TAKE(rd->row.reason, false, line) : ERR_CORRUPT;
}

/* Is this text whole? Then what is between its first and its last line. */
static int open_text(struct slice *text)
{
	const struct slice magic = SLICE(MAGIC_LINE);
	const size_t end_len = sizeof("end 01234567\n") - 1;
	char storage[16];
	struct str end = STR(storage);

	if (!slice_has_prefix(*text, magic) || text->len < magic.len + end_len)
		return ERR_CORRUPT;
	struct slice body = slice_head(*text, text->len - end_len);

	str_add_cstr(&end, "end ");
	str_add_hex(&end, crc32c(0, body.ptr, body.len), 8);
	str_add_char(&end, '\n');
	if (!slice_eq(str_slice(&end), slice_of(text->ptr + body.len, end_len)))
		return ERR_CORRUPT;
	slice_skip(&body, magic.len);
	*text = body;
	return 0;
}

int tlsrpt_counts_read(struct tlsrpt_counts *c, struct slice text, struct tlsrpt_report **ret_report)
{
	struct reading rd = { .counts = c };
	int err = open_text(&text);

	while (err == 0 && text.len > 0)
		err = take_line(&rd, next_line(&text));
	if (err == 0)
		err = end_row(&rd);
	if (err == 0)
		err = end_policy(&rd);
	if (err == 0 && rd.report == NULL)
		err = ERR_CORRUPT;
	if (err == 0)
		*ret_report = rd.report;
	else if (rd.report != NULL)
		tlsrpt_counts_remove(c, &rd.report);
	return err;
}
