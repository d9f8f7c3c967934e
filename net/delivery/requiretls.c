#include "net/delivery/requiretls.h"

#include "core/err.h"
#include "core/log.h"
#include "net/lookup/idna.h"
#include "net/smtp/session_tls.h"

static int find_word(struct slice word)
{
	struct slice rest = SLICE(PARAM_REQUIRETLS_WORDS), each;

	for (int i = 0; (each = conf_list_next(&rest)).len > 0; i++)
		if (slice_eq_nocase(word, each))
			return i;
	return -1;
}

/* A domain, then its parents as ".parent"; what is a number has none. */
static int ask(const struct table *t, struct slice key, struct str *value)
{
	struct addr number;
	bool is_domain = addr_parse_ip(key, 0, &number) < 0;
	int found = table_find(t, key, 0, value);

	while (found == 0 && is_domain) {
		ptrdiff_t dot = slice_find_char(key, 1, '.');

		if (dot < 0)
			break;
		slice_skip(&key, (size_t)dot);
		found = table_find(t, key, TABLE_PARTIAL, value);
	}
	return found;
}

static enum param_requiretls fail(struct slice domain, const char *what, struct slice word)
{
	log_line(LOG_LEVEL_WARNING, "smtp", "smtp_requiretls_policy: %s for %.*s: \"%.*s\"", what,
		 SLICE_FMT(slice_head(domain, 200)), SLICE_FMT(slice_head(word, 200)));
	return REQUIRETLS_ERROR;
}

enum param_requiretls requiretls_policy(const struct params *p, struct slice domain)
{
	const struct maps *maps = p->smtp_requiretls_policy;
	char storage[512], answer[256];
	struct str ascii = STR(storage), value = STR(answer);
	int found = 0;

	if (idna_to_ascii(domain, p->enable_idna2003_compatibility, &ascii) == 0)
		domain = str_slice(&ascii);	/* a number, or what is no name, is looked for as it stands */
	for (unsigned i = 0; maps != NULL && found == 0 && i < maps->count; i++)
		found = ask(maps->tables[i], domain, &value);
	if (found < 0)
		return fail(domain, "lookup failed", slice_of_str(err_text(found)));
	if (found == 0)
		return REQUIRETLS_ENFORCE;
	int word = find_word(slice_trim(str_slice(&value)));

	return word < 0 ? fail(domain, "unknown word", str_slice(&value)) : (enum param_requiretls)word;
}

static const char *words_of(const struct session *s)
{
	const bool is_matched = s->tls != NULL && s->tls->was_on && s->tls->level > TLS_LEVEL_ENCRYPT;

	switch (s->failure.tls) {
	case SESSION_TLS_NO_STARTTLS:
	case SESSION_TLS_NO_STARTTLS_NOW:
		return "!requiretls:nostarttls";
	case SESSION_TLS_NO_REQUIRETLS:
		return "!requiretls:none";
	case SESSION_TLS_MISMATCH:
		return s->requiretls == REQUIRETLS_ENFORCE ? "!requiretls:nocertmatch" : "requiretls?";
	default:
		break;
	}
	if (s->failure.state != SESSION_CLOSED)
		return "requiretls?";
	if (s->caps.bits & SMTP_CAP_REQUIRETLS)
		return is_matched ? "requiretls" : "requiretls:nocertmatch";
	return s->tls != NULL && s->tls->was_on ? "requiretls:none" : "requiretls:noencryption";
}

void requiretls_status(const struct session *s, struct str *out)
{
	if (s->requiretls == REQUIRETLS_DISABLE)
		return;
	str_add_char(out, '/');
	str_add_cstr(out, words_of(s));
}
