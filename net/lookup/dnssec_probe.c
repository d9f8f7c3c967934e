#include "net/lookup/dnssec_probe.h"

#include "core/err.h"
#include "net/wire/address.h"

static const struct {
	const char *name;
	enum dns_type type;
} types[] = {
	{ "a", DNS_TYPE_A },	 { "aaaa", DNS_TYPE_AAAA }, { "mx", DNS_TYPE_MX },
	{ "ns", DNS_TYPE_NS },	 { "soa", DNS_TYPE_SOA },   { "txt", DNS_TYPE_TXT },
};

static int type_of(struct slice word, enum dns_type *ret_type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (slice_eq_nocase(word, slice_of_str(types[i].name))) {
			*ret_type = types[i].type;
			return 0;
		}
	return ERR_SYNTAX;
}

/* As the resolver takes it: with a dot at its end only when it is the root. */
static int trim_name(enum dns_type type, struct slice *name)
{
	if (type == DNS_TYPE_NS && slice_eq(*name, SLICE(".")))
		return 0;
	if (name->len > 0 && name->ptr[name->len - 1] == '.')
		name->len--;
	return address_domain_is_valid(*name, false) ? 0 : ERR_SYNTAX;
}

int dnssec_probe_init(struct dnssec_probe *p, struct slice text, dnssec_probe_fn *tell, void *context)
{
	ptrdiff_t colon = slice_find_char(text, 0, ':');

	memset(p, 0, sizeof(*p));
	p->tell = tell;
	p->context = context;
	if (text.len == 0)
		return 0;
	if (colon < 0 || text.len >= sizeof(p->text) || type_of(slice_head(text, (size_t)colon), &p->type) < 0)
		return ERR_SYNTAX;
	memcpy(p->text, text.ptr, text.len);
	struct slice name = slice_of(p->text, text.len);

	slice_skip(&name, (size_t)colon + 1);
	if (trim_name(p->type, &name) < 0)
		return ERR_SYNTAX;
	p->name = name;
	return 0;
}

static void on_answer(struct query *query, const struct answer *answer)
{
	struct dnssec_probe *p = container_of(query, struct dnssec_probe, query);
	char storage[2 * DNSSEC_PROBE_TEXT_MAX];
	struct str line = STR(storage);

	if (answer->class == ANSWER_FOUND && answer->dns->authentic)
		return;
	str_printf(&line, "DNSSEC validation may be unavailable: dnssec_probe %s: %s", p->text,
		   answer->class == ANSWER_FOUND ? "the answer is not validated" : answer->why);
	p->tell(p->context, str_cstr(&line));
}

void dnssec_probe_begin(struct dnssec_probe *p, struct resolver *r)
{
	if (p->begun || p->name.len == 0)
		return;
	p->begun = true;
	query_init(&p->query, on_answer);
	resolver_ask(r, &p->query, p->type, p->name);
}
