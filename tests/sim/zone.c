#include "tests/sim/zone.h"

#include <errno.h>
#include <stdlib.h>

#include "net/lookup/resolver.h"
#include "tests/sim/fault.h"
#include "tests/sim/machine.h"
#include "tests/sim/tape.h"

#define DELAY_NS	NS_PER_MS
#define PENDING_MAX	1024u		/* a core */
#define ASKED_MAX	4096u
#define TEXT_MAX	320u
#define ANY_TYPE	0

enum row_kind { ROW_DATA, ROW_NXDOMAIN, ROW_NODATA, ROW_SERVFAIL, ROW_REFUSED, ROW_FORMERR, ROW_NOTIMP, ROW_YXDOMAIN,
		ROW_TIMEOUT, ROW_DAMAGED, ROW_LOOP, ROW_KINDS };

static const struct verdict {
	const char *word;
	enum answer_class class;
	const char *why;
} verdicts[ROW_KINDS] = {		/* the words are those of resolver.c */
	[ROW_DATA] = { "", ANSWER_FOUND, "found" },
	[ROW_NXDOMAIN] = { "NXDOMAIN", ANSWER_NOT_FOUND, "no such name" },
	[ROW_NODATA] = { "NODATA", ANSWER_NOT_FOUND, "no such record" },
	[ROW_SERVFAIL] = { "SERVFAIL", ANSWER_RETRY, "DNS server failure" },
	[ROW_REFUSED] = { "REFUSED", ANSWER_RETRY, "every DNS server failed or refused" },
	[ROW_FORMERR] = { "FORMERR", ANSWER_FAIL, "the DNS server did not understand the question" },
	[ROW_NOTIMP] = { "NOTIMP", ANSWER_RETRY, "every DNS server failed or refused" },
	[ROW_YXDOMAIN] = { "YXDOMAIN", ANSWER_FAIL, "the DNS server reports a permanent error" },
	[ROW_TIMEOUT] = { "TIMEOUT", ANSWER_RETRY, "no DNS server answered in time" },
	[ROW_DAMAGED] = { "DAMAGED", ANSWER_RETRY, "damaged DNS answer" },
	[ROW_LOOP] = { "LOOP", ANSWER_NOT_FOUND, "more than 10 aliases in a row" },
};

static const struct { const char *name; uint16_t type; } types[] = {
	{ "A", DNS_TYPE_A }, { "AAAA", DNS_TYPE_AAAA }, { "MX", DNS_TYPE_MX }, { "SRV", DNS_TYPE_SRV },
	{ "CNAME", DNS_TYPE_CNAME }, { "TXT", DNS_TYPE_TXT }, { "TLSA", DNS_TYPE_TLSA }, { "*", ANY_TYPE },
};

struct row {
	char name[TEXT_MAX];
	uint16_t type;
	enum row_kind kind;
	struct dns_record like;
	uint16_t len;
	char data[TEXT_MAX];
};

struct asked {
	char name[TEXT_MAX];
	uint16_t type;
	unsigned count;
};

struct delay {
	char name[TEXT_MAX];
	uint64_t ns;
};

struct pending {
	bool used;
	struct op op;
	struct list waiter;	/* the query, or empty: it was cancelled */
	enum dns_type type;
	char name[TEXT_MAX];
	enum row_kind trouble;
};

struct resolver {
	uint64_t timeout_ns;
	struct resolver_stats stats;
	struct pending pending[PENDING_MAX];
};

static struct row rows[ZONE_ROWS_MAX];	/* in pages that nobody touches before they are used */
static uint32_t row_keys[ZONE_ROWS_MAX];	/* of their names: what is looked through, for rows are large */
static unsigned row_count;
static struct asked asked[ASKED_MAX];
static unsigned asked_count;
static struct delay delays[256];
static unsigned delay_count;
static bool authentic;
static char insecure[64][TEXT_MAX];
static unsigned insecure_count;

/* --- the table --------------------------------------------------------------------------------- */

static bool type_of(const char *name, uint16_t *ret_type)
{
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].name, name) != 0)
			continue;
		*ret_type = types[i].type;
		return true;
	}
	return false;
}

static bool same_name(const char *a, struct slice b)
{
	return slice_eq_nocase(slice_of_str(a), b);
}

static uint32_t key_of(struct slice name)
{
	uint32_t key = 2166136261u;	/* FNV-1a */

	for (size_t i = 0; i < name.len; i++)
		key = (key ^ (unsigned char)ascii_lower(name.ptr[i])) * 16777619u;
	return key;
}

/* key: of name. */
static bool is_row_of(unsigned i, struct slice name, uint32_t key)
{
	return row_keys[i] == key && same_name(rows[i].name, name);
}

static bool copy_name(char to[TEXT_MAX], struct slice from)
{
	if (from.len > 0 && from.ptr[from.len - 1] == '.')
		from.len--;
	if (from.len >= TEXT_MAX)
		return false;
	memcpy(to, from.ptr, from.len);
	to[from.len] = '\0';
	return true;
}

static struct row *row_new(const char *name, uint16_t type, enum row_kind kind)
{
	if (row_count == ZONE_ROWS_MAX)
		return NULL;
	struct row *r = &rows[row_count];

	*r = (struct row){ .type = type, .kind = kind };
	if (!copy_name(r->name, slice_of_str(name)))
		return NULL;
	row_keys[row_count++] = key_of(slice_of_str(r->name));
	return r;
}

static bool take_number(struct slice *text, uint16_t *ret)
{
	const ptrdiff_t end = slice_find_char(*text, 0, ' ');
	uint64_t value;

	if (end < 0 || slice_to_u64(slice_head(*text, (size_t)end), UINT16_MAX, &value) < 0)
		return false;
	*ret = (uint16_t)value;
	slice_skip(text, (size_t)end);
	*text = slice_trim(*text);
	return true;
}

static bool put_data(struct row *r, const void *data, size_t len)
{
	if (len >= sizeof(r->data))
		return false;
	memcpy(r->data, data, len);
	r->len = (uint16_t)len;
	return true;
}

static bool put_host(struct row *r, struct slice host)
{
	if (!copy_name(r->data, host))
		return false;
	r->len = (uint16_t)strlen(r->data);
	return true;
}

static bool put_address(struct row *r, struct slice text, int family)
{
	struct addr a;

	if (addr_parse_ip(text, 0, &a) < 0 || a.sa.sa_family != family)
		return false;
	return family == AF_INET ? put_data(r, &a.in.sin_addr, 4) : put_data(r, &a.in6.sin6_addr, 16);
}

static int hex_digit(char c)
{
	const char digits[] = "0123456789abcdef";
	const char *at = strchr(digits, ascii_lower(c));

	return at != NULL && c != '\0' ? (int)(at - digits) : -1;
}

static bool put_hex(struct row *r, struct slice text)
{
	for (size_t i = 0; i + 1 < text.len; i += 2) {
		const int high = hex_digit(text.ptr[i]), low = hex_digit(text.ptr[i + 1]);

		if (high < 0 || low < 0 || r->len + 1u >= sizeof(r->data))
			return false;
		r->data[r->len++] = (char)(high << 4 | low);
	}
	return text.len % 2 == 0;
}

static bool parse_data(struct row *r, struct slice text)
{
	switch (r->type) {
	case DNS_TYPE_A:
		return put_address(r, text, AF_INET);
	case DNS_TYPE_AAAA:
		return put_address(r, text, AF_INET6);
	case DNS_TYPE_MX:
		return take_number(&text, &r->like.preference) && put_host(r, text);
	case DNS_TYPE_SRV:
		return take_number(&text, &r->like.preference) && take_number(&text, &r->like.weight) &&
		       take_number(&text, &r->like.port) && put_host(r, text);
	case DNS_TYPE_CNAME:
		return put_host(r, text);
	case DNS_TYPE_TLSA:
		return put_hex(r, text);
	default:
		return put_data(r, text.ptr, text.len);
	}
}

bool zone_add(const char *name, const char *type, const char *data)
{
	uint16_t number;
	struct row *r = type_of(type, &number) && number != ANY_TYPE ? row_new(name, number, ROW_DATA) : NULL;

	if (r == NULL)
		return false;
	if (parse_data(r, slice_trim(slice_of_str(data))))
		return true;
	row_count--;
	return false;
}

void zone_remove(const char *name, const char *type)
{
	uint16_t number = ANY_TYPE;
	unsigned kept = 0;
	char key[TEXT_MAX];

	if (!type_of(type, &number) || !copy_name(key, slice_of_str(name)))
		return;
	for (unsigned i = 0; i < row_count; i++)
		if (!same_name(rows[i].name, slice_of_str(key)) || (number != ANY_TYPE && rows[i].type != number)) {
			row_keys[kept] = row_keys[i];
			rows[kept++] = rows[i];
		}
	row_count = kept;
}

bool zone_fail(const char *name, const char *type, const char *what)
{
	uint16_t number;

	if (!type_of(type, &number))
		return false;
	for (enum row_kind kind = ROW_NXDOMAIN; kind < ROW_KINDS; kind++) {
		if (strcmp(verdicts[kind].word, what) != 0)
			continue;
		zone_remove(name, type);
		return row_new(name, number, kind) != NULL;
	}
	return false;
}

void zone_delay(const char *name, uint64_t delay_ns)
{
	ASSERT(delay_count < ARRAY_LEN(delays));
	ASSERT(copy_name(delays[delay_count].name, slice_of_str(name)));
	delays[delay_count++].ns = delay_ns;
}

void zone_authentic(bool on)
{
	authentic = on;
}

void zone_insecure(const char *name)
{
	ASSERT(insecure_count < ARRAY_LEN(insecure));
	ASSERT(copy_name(insecure[insecure_count++], slice_of_str(name)));
}

static bool is_authentic(struct slice name)
{
	for (unsigned i = 0; i < insecure_count; i++)
		if (same_name(insecure[i], name))
			return false;
	return authentic;
}

void zone_clear(void)
{
	insecure_count = 0;
	row_count = 0;
	asked_count = 0;
	delay_count = 0;
	authentic = false;
}

static void count_question(struct slice name, enum dns_type type)
{
	for (unsigned i = 0; i < asked_count; i++) {
		if (asked[i].type == type && same_name(asked[i].name, name)) {
			asked[i].count++;
			return;
		}
	}
	if (asked_count == ASKED_MAX || !copy_name(asked[asked_count].name, name))
		return;		/* who asks for so many names does not count them */
	asked[asked_count].type = (uint16_t)type;
	asked[asked_count++].count = 1;
}

unsigned zone_asked(const char *name, const char *type)
{
	uint16_t number = ANY_TYPE;
	unsigned sum = 0;

	if (type != NULL)
		(void)type_of(type, &number);	/* an unknown one was never asked for */
	for (unsigned i = 0; i < asked_count; i++)
		if (same_name(asked[i].name, slice_of_str(name)) && (number == ANY_TYPE || asked[i].type == number))
			sum += asked[i].count;
	return sum;
}

/* --- answers ----------------------------------------------------------------------------------- */

/* The failure that a name has for this type, or NODATA, or NXDOMAIN, when there is nothing else. */
static enum row_kind verdict_for(struct slice name, enum dns_type type)
{
	const uint32_t key = key_of(name);
	enum row_kind kind = ROW_NXDOMAIN;

	for (unsigned i = 0; i < row_count; i++) {
		if (!is_row_of(i, name, key))
			continue;
		if (rows[i].kind != ROW_DATA && (rows[i].type == type || rows[i].type == ANY_TYPE))
			return rows[i].kind;
		kind = ROW_NODATA;
	}
	return kind;
}

static const struct row *alias_of(struct slice name)
{
	const uint32_t key = key_of(name);

	for (unsigned i = 0; i < row_count; i++)
		if (is_row_of(i, name, key) && rows[i].type == DNS_TYPE_CNAME && rows[i].kind == ROW_DATA)
			return &rows[i];
	return NULL;
}

static enum row_kind look_up(struct slice name, enum dns_type type, struct dns_answer *a)
{
	const struct row *alias;

	dns_answer_start(a, name);
	a->authentic = is_authentic(name);
	a->ttl_s = 60;
	for (; type != DNS_TYPE_CNAME && (alias = alias_of(name)) != NULL; a->hops++) {
		if (a->hops == DNS_HOPS_MAX) {
			a->hops_exceeded = true;
			return ROW_LOOP;
		}
		name = slice_of(alias->data, alias->len);
		a->authentic = a->authentic && is_authentic(name);
		dns_answer_set_owner(a, name);
	}
	const uint32_t key = key_of(name);

	for (unsigned i = 0; i < row_count; i++) {
		if (!is_row_of(i, name, key) || rows[i].type != type || rows[i].kind != ROW_DATA)
			continue;
		struct dns_record like = rows[i].like;

		like.ttl_s = a->ttl_s;
		dns_answer_add(a, &like, slice_of(rows[i].data, rows[i].len));
	}
	return a->count > 0 ? ROW_DATA : verdict_for(name, type);
}

static bool is_name(struct slice name)
{
	uint8_t packet[DNS_QUESTION_MAX];

	return name.len < TEXT_MAX && dns_question_write(name, DNS_TYPE_A, 0, 0, false, packet, sizeof(packet)) >= 0;
}

static void on_due(struct op *op, int res)
{
	static struct dns_answer decoded;
	struct pending *p = container_of(op, struct pending, op);
	struct list *node = list_pop_front(&p->waiter);
	enum row_kind kind = p->trouble;
	struct answer answer;

	(void)res;
	p->used = false;
	if (node == NULL)
		return;
	if (kind == ROW_DATA)
		kind = look_up(slice_of_str(p->name), p->type, &decoded);
	answer = (struct answer){ .class = verdicts[kind].class, .why = verdicts[kind].why };
	if (kind == ROW_DATA)
		answer.dns = &decoded;
	struct query *q = container_of(node, struct query, node);

	if (q->name.len != strlen(p->name))
		answer = (struct answer){ .class = ANSWER_INVALID, .why = "not a domain name" };
	q->fn(q, &answer);
}

static uint64_t delay_of(const struct resolver *r, const struct pending *p)
{
	uint64_t ns = DELAY_NS;

	for (unsigned i = 0; i < delay_count; i++)
		if (same_name(delays[i].name, slice_of_str(p->name)))
			ns = delays[i].ns;
	if (p->trouble == ROW_TIMEOUT ||
	    (alias_of(slice_of_str(p->name)) == NULL && verdict_for(slice_of_str(p->name), p->type) == ROW_TIMEOUT))
		ns = r->timeout_ns;
	return ns;
}

void resolver_ask(struct resolver *r, struct query *q, enum dns_type type, struct slice name)
{
	static const enum row_kind troubles[] = { ROW_SERVFAIL, ROW_TIMEOUT, ROW_DAMAGED, ROW_REFUSED };
	const int fault = machine_fault != NULL ? machine_fault(FLIGHT_QUERY) : 0;
	struct pending *p = r->pending;

	while (p->used)
		ASSERT(++p < r->pending + PENDING_MAX);
	memset(p, 0, sizeof(*p));
	p->used = true;
	p->type = type;
	op_init(&p->op, on_due);
	list_init(&p->waiter);
	q->resolver = r;
	q->type = type;
	q->name = name;
	list_push_back(&p->waiter, &q->node);
	r->stats.asked++;
	if (is_name(name)) {
		memcpy(p->name, name.ptr, name.len);
		count_question(name, type);
		if (fault >= FAULT_IS_SERVFAIL)
			p->trouble = troubles[fault - FAULT_IS_SERVFAIL];
		else if (fault_strikes(FAULT_DNS_TROUBLE))
			p->trouble = troubles[tape_below(ARRAY_LEN(troubles))];
	}
	flight_ready_in(flight_start(&p->op, FLIGHT_QUERY, -1), 0, delay_of(r, p));
}

void resolver_warm(struct resolver *r, enum dns_type type, struct slice name)
{
	(void)r;
	(void)type;
	(void)name;	/* allowed to do nothing, and so to be asked once */
}

void resolver_cancel(struct query *q)
{
	list_remove(&q->node);
}

int resolver_new(const struct resolver_conf *conf, struct resolver **ret_resolver)
{
	const uint64_t first_ms = conf->timeout_ms != 0 ? conf->timeout_ms : 3000;
	const unsigned tries = conf->tries != 0 ? conf->tries : 3;
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->timeout_ns = first_ms * ((UINT64_C(1) << tries) - 1) * NS_PER_MS;	/* each round waits twice as long */
	*ret_resolver = r;
	return 0;
}

void resolver_free(struct resolver **resolver)
{
	free(*resolver);
	*resolver = NULL;
}

int resolver_library_open(void)
{
	return 0;
}

void resolver_library_close(void)
{
}

void resolver_read_stats(const struct resolver *r, struct resolver_stats *ret_stats)
{
	*ret_stats = r->stats;
}
