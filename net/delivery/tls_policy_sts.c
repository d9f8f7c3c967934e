#include "net/delivery/tls_policy_sts.h"

#include "core/err.h"

/* What keeps a policy from being had or believed; of the words of a report only these. */
static bool is_failure(int result)
{
	return result == TLSRPT_STS_POLICY_FETCH_ERROR || result == TLSRPT_STS_POLICY_INVALID ||
	       result == TLSRPT_STS_WEBPKI_INVALID || result == TLSRPT_VALIDATION_FAILURE;
}

static int complain(const char *why, const char **ret_why)
{
	*ret_why = why;
	return ERR_SYNTAX;
}

static int take_once(bool *has, bool is_good, const char **ret_why)
{
	if (*has)
		return complain("attribute given twice", ret_why);
	*has = true;
	return is_good ? 1 : complain("a value that the attribute cannot have", ret_why);
}

static int take_line(struct slice lines[], unsigned *count, struct slice value, const char **ret_why)
{
	if (*count == TLS_POLICY_LINES)
		return complain("too many of this attribute", ret_why);
	lines[(*count)++] = value;
	return 1;
}

int tls_policy_sts_take(struct tls_policy_sts *sts, struct slice name, struct slice value,
			bool (*is_name)(struct slice name), const char **ret_why)
{
	uint64_t ttl;

	if (slice_eq_nocase(name, SLICE("policy_type"))) {
		int type = tlsrpt_policy_type_find(value);

		sts->type = type == TLSRPT_STS ? TLSRPT_STS : TLSRPT_NO_POLICY;
		return take_once(&sts->has_type, type == TLSRPT_STS || type == TLSRPT_NO_POLICY, ret_why);
	}
	if (slice_eq_nocase(name, SLICE("policy_domain"))) {
		sts->domain = value;
		return take_once(&sts->has_domain, is_name(value), ret_why);
	}
	if (slice_eq_nocase(name, SLICE("policy_ttl")))
		return take_once(&sts->has_ttl, slice_to_u64(value, UINT64_MAX, &ttl) == 0, ret_why);
	if (slice_eq_nocase(name, SLICE("policy_failure"))) {
		int result = tlsrpt_result_find(value);

		sts->failure = is_failure(result) ? (enum tlsrpt_result)result : TLSRPT_SUCCESS;
		return take_once(&sts->has_failure, is_failure(result), ret_why);
	}
	if (slice_eq_nocase(name, SLICE("policy_string")))
		return take_line(sts->strings, &sts->string_count, value, ret_why);
	if (slice_eq_nocase(name, SLICE("mx_host_pattern")))
		return take_line(sts->patterns, &sts->pattern_count, value, ret_why);
	return 0;
}

const char *tls_policy_sts_flaw(const struct tls_policy_sts *sts)
{
	bool needs_type = sts->has_domain || sts->has_ttl || sts->has_failure || sts->string_count > 0 ||
			  sts->pattern_count > 0;

	return needs_type && !sts->has_type ? "attributes of a policy without policy_type" : NULL;
}

static struct slice without_dot(struct slice name)
{
	return slice_head(name, name.len - (name.len > 0 && name.ptr[name.len - 1] == '.'));
}

static bool matches(struct slice pattern, struct slice host)
{
	if (!slice_has_prefix(pattern, SLICE("*.")))
		return slice_eq_nocase(pattern, host);
	ptrdiff_t dot = slice_find_char(host, 0, '.');

	if (dot <= 0)
		return false;
	slice_skip(&host, (size_t)dot);
	return slice_eq_nocase(slice_of(pattern.ptr + 1, pattern.len - 1), host);
}

bool tls_policy_sts_lists(const struct tls_policy_sts *sts, struct slice host)
{
	for (unsigned i = 0; i < sts->pattern_count; i++)
		if (matches(without_dot(sts->patterns[i]), without_dot(host)))
			return true;
	return false;
}
