/* zone.c - see zone.h */
#include "tests/unit/net/lookup/zone.h"

#include <stdio.h>

#include "tests/test.h"

/* --- a resolver that knows a table ----------------------------------------------------------------------------- */

struct zone_entry zone[ZONE_MAX];
unsigned zone_count;
bool mx_is_authentic, host_is_authentic;
char asked_log[KIB(256)];
unsigned warnings;
char warning[512];

static struct list asked, tasks;

void zone_put(const char *name, enum dns_type type, enum answer_class class, uint16_t preference, const char *data)
{
	struct zone_entry *e = &zone[zone_count++];

	assert_true(zone_count <= ZONE_MAX);
	memset(e, 0, sizeof(*e));
	snprintf(e->name, sizeof(e->name), "%s", name);
	snprintf(e->data, sizeof(e->data), "%s", data);
	e->type = type;
	e->class = class;
	e->preference = preference;
}

void zone_mx(const char *name, uint16_t preference, const char *host)
{
	zone_put(name, DNS_TYPE_MX, ANSWER_FOUND, preference, host);
}

void zone_srv(const char *name, uint16_t priority, uint16_t weight, uint16_t port, const char *host)
{
	zone_put(name, DNS_TYPE_SRV, ANSWER_FOUND, priority, host);
	zone[zone_count - 1].weight = weight;
	zone[zone_count - 1].port = port;
}

void zone_address(const char *name, const char *text)
{
	zone_put(name, strchr(text, ':') != NULL ? DNS_TYPE_AAAA : DNS_TYPE_A, ANSWER_FOUND, 0, text);
}

void zone_trouble(const char *name, enum dns_type type, enum answer_class class)
{
	zone_put(name, type, class, 0, "");
}

static void fill(struct query *q, struct answer *answer, struct dns_answer *dns)
{
	*answer = (struct answer){ .class = ANSWER_NOT_FOUND, .why = "no such name" };
	dns_answer_start(dns, q->name);
	dns->authentic = q->type == DNS_TYPE_MX ? mx_is_authentic : host_is_authentic;
	for (unsigned i = 0; i < zone_count; i++) {
		struct zone_entry *e = &zone[i];
		struct dns_record like = { .preference = e->preference, .weight = e->weight, .port = e->port };
		struct addr addr;

		if (e->type != q->type || !slice_eq_nocase(slice_of_str(e->name), q->name))
			continue;
		answer->class = e->class;
		answer->why = "as the table says";
		if (e->owner[0] != '\0') {
			dns_answer_set_owner(dns, slice_of_str(e->owner));
			dns->hops = 1;
		}
		if (e->class != ANSWER_FOUND)
			return;
		answer->dns = dns;
		if (e->type == DNS_TYPE_MX || e->type == DNS_TYPE_SRV) {
			dns_answer_add(dns, &like, slice_of_str(e->data));
			continue;
		}
		assert_int_equal(addr_parse_ip(slice_of_str(e->data), 0, &addr), 0);
		if (e->type == DNS_TYPE_A)
			dns_answer_add(dns, &like, slice_of(&addr.in.sin_addr, 4));
		else
			dns_answer_add(dns, &like, slice_of(&addr.in6.sin6_addr, 16));
	}
}

static const char *type_name(enum dns_type type)
{
	switch (type) {
	case DNS_TYPE_A:
		return "A";
	case DNS_TYPE_AAAA:
		return "AAAA";
	case DNS_TYPE_MX:
		return "MX";
	case DNS_TYPE_SRV:
		return "SRV";
	default:
		fail_msg("type %d", type);
		return "";
	}
}

void resolver_ask(struct resolver *r, struct query *q, enum dns_type type, struct slice name)
{
	size_t len = strlen(asked_log);

	(void)r;
	q->type = type;
	q->name = name;
	list_push_back(&asked, &q->node);
	snprintf(asked_log + len, sizeof(asked_log) - len, "%s %.*s;", type_name(type), SLICE_FMT(name));
}

void resolver_warm(struct resolver *r, enum dns_type type, struct slice name)
{
	(void)r;
	(void)type;
	(void)name;
}

void resolver_cancel(struct query *q)
{
	list_remove(&q->node);
}

void __wrap_reactor_post(struct task *t);
void __wrap_reactor_unpost(struct task *t);

void __wrap_reactor_post(struct task *t)
{
	if (list_is_empty(&t->node))
		list_push_back(&tasks, &t->node);
}

void __wrap_reactor_unpost(struct task *t)
{
	list_remove(&t->node);
}

void run(void)
{
	static struct dns_answer dns;
	struct list *node;

	for (unsigned i = 0; i < 10000; i++) {
		struct answer answer;

		if ((node = list_pop_front(&tasks)) != NULL) {
			struct task *t = container_of(node, struct task, node);

			t->fn(t);
		} else if ((node = list_pop_front(&asked)) != NULL) {
			struct query *q = container_of(node, struct query, node);

			fill(q, &answer, &dns);
			q->fn(q, &answer);
		} else {
			return;
		}
	}
	fail_msg("the lookup never ends");
}

/* --- the fixture ----------------------------------------------------------------------------------------------- */

struct mx_conf conf;
struct mx_lookup lookup;
struct nexthop_conf syntax;
unsigned answers;
bool had_error;
static char order[8192];

static void note_warning(void *context, const char *text)
{
	(void)context;
	warnings++;
	snprintf(warning, sizeof(warning), "%s", text);
}

int zone_setup(void **state)
{
	(void)state;
	zone_count = 0;
	warnings = answers = 0;
	asked_log[0] = '\0';
	list_init(&asked);
	list_init(&tasks);
	conf = (struct mx_conf){
		.dns = true, .host_dns = true, .ipv4 = true, .ipv6 = true,
		.balance_inet_protocols = true, .address_limit = 5, .warn = note_warning,
	};
	syntax = (struct nexthop_conf){ .default_port = 25 };
	mx_lookup_init(&lookup);
	return 0;
}

static void on_done(struct mx_lookup *l, const struct mx_error *error)
{
	struct str out = STR(order);

	answers++;
	had_error = error != NULL;
	for (unsigned i = 0; i < l->count; i++) {
		if (i > 0)
			str_add_char(&out, ' ');
		addr_add_ip(&out, &l->addresses[i].addr);
	}
	(void)str_cstr(&out);
}

void start(const char *nexthop, bool from_recipient)
{
	struct slice rest = slice_of_str(nexthop);
	struct destination_name dest;
	const char *why;

	answers = 0;
	asked_log[0] = '\0';
	assert_int_equal(nexthop_next(&syntax, &rest, &dest, &why), 1);
	mx_lookup_start(&lookup, &conf, &dest, from_recipient, on_done);
	assert_int_equal(answers, 0);	/* never inside the call */
}

void look_up(const char *nexthop)
{
	start(nexthop, false);
	run();
	assert_int_equal(answers, 1);
}

void expect_list(const char *nexthop, const char *want)
{
	look_up(nexthop);
	if (had_error)
		fail_msg("%s: %u.%u.%u %s", nexthop, lookup.error.class, lookup.error.subject, lookup.error.detail,
			 lookup.error.text);
	assert_string_equal(order, want);
}

void expect_error(const char *nexthop, unsigned class, unsigned subject, unsigned detail)
{
	look_up(nexthop);
	assert_true(had_error);
	assert_int_equal(lookup.count, 0);
	assert_int_equal(lookup.error.class * 10000 + lookup.error.subject * 100 + lookup.error.detail,
			 class * 10000 + subject * 100 + detail);
}

void expect_ports(const char *want)
{
	char text[256];
	struct str out = STR(text);

	for (unsigned i = 0; i < lookup.count; i++)
		str_printf(&out, "%s%u", i > 0 ? " " : "", addr_port(&lookup.addresses[i].addr));
	assert_string_equal(str_cstr(&out), want);
}

bool was_asked(const char *question)
{
	return strstr(asked_log, question) != NULL;
}
