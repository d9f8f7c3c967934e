#include "net/params_impl.h"

#include <errno.h>
#include <unistd.h>

#include "core/limits.h"

#define OFFSET_HEADING(x)	0
#define OFFSET_BOOL(x)		offsetof(struct params, x)
#define OFFSET_INT(x)		offsetof(struct params, x)
#define OFFSET_SIZE(x)		offsetof(struct params, x)
#define OFFSET_TIME(x)		offsetof(struct params, x##_ns)
#define OFFSET_STR(x)		offsetof(struct params, x)
#define OFFSET_PATH(x)		offsetof(struct params, x)
#define OFFSET_READONLY(x)	offsetof(struct params, x)
#define OFFSET_ENUM(x)		offsetof(struct params, x)
#define OFFSET_SET(x)		offsetof(struct params, x)
#define OFFSET_PORT(x)		offsetof(struct params, x)
#define OFFSET_PORTS(x)		offsetof(struct params, x)
#define OFFSET_ADDR4(x)		offsetof(struct params, x)
#define OFFSET_ADDR6(x)		offsetof(struct params, x)
#define OFFSET_ENDPOINTS(x)	offsetof(struct params, x)
#define OFFSET_NETS(x)		offsetof(struct params, x)
#define OFFSET_INTERFACES(x)	offsetof(struct params, x)
#define OFFSET_FEEDBACK(x)	offsetof(struct params, x)
#define OFFSET_MAPS(x)		offsetof(struct params, x)
#define OFFSET_MLIST(x)		offsetof(struct params, x)

const struct param_row param_rows[] = {
#define X(kind, name, def, min, max, words, help) \
	{ KIND_##kind, #name, def, min, max, words, help, OFFSET_##kind(name) },
	PARAMS(X)
#undef X
};

const size_t param_row_count = ARRAY_LEN(param_rows);

static_assert(CORE_COUNT_MAX == 64, "the bound of worker_threads in the table");

/* What every reader gets. */
struct loading {
	struct conf *conf;
	struct params *params;
	const struct param_row *row;
	const char *name;	/* what it is called here: smtp_... or lmtp_... */
	void *field;
	struct slice value;
	char what[160];		/* of an error about one item */
};

static void load_row(struct loading *l);
static void load_number(struct loading *l);
static void load_text(struct loading *l);
static void load_words(struct loading *l);
static void load_port(struct loading *l);
static void load_ports(struct loading *l);
static void load_addr(struct loading *l);
static void load_endpoints(struct loading *l);
static void load_nets(struct loading *l);
static void load_interfaces(struct loading *l);
static void load_feedback(struct loading *l);

static int load(struct params *ret_params, struct conf *conf, bool is_lmtp)
{
	*ret_params = (struct params){ .is_lmtp = is_lmtp };
	for (size_t i = 0; i < param_row_count; i++) {
		struct loading l = {
			.conf = conf,
			.params = ret_params,
			.row = &param_rows[i],
			.field = (char *)ret_params + param_rows[i].offset,
		};
		char storage[PARAM_NAME_MAX];
		struct str name = STR(storage);

		l.name = param_row_name(&param_rows[i], is_lmtp, &name);
		if (param_rows[i].kind != KIND_HEADING)
			load_row(&l);
	}
	params_check_across(ret_params, conf);
	return (int)MIN(conf_error_count(conf), (unsigned)INT_MAX);
}

int params_load(struct params *ret_params, struct conf *conf)
{
	return load(ret_params, conf, false);
}

int params_load_lmtp(struct params *ret_params, struct conf *conf)
{
	return load(ret_params, conf, true);
}

/* Every row has a default, so the value is NULL only when the conf has no room for one more name, and has said so. */
static void load_row(struct loading *l)
{
	const char *value = conf_get(l->conf, l->name);

	l->value = slice_trim(slice_of_str(value != NULL ? value : ""));
	switch (l->row->kind) {
	case KIND_HEADING:
		break;
	case KIND_BOOL:
	case KIND_INT:
	case KIND_SIZE:
	case KIND_TIME:
		load_number(l);
		break;
	case KIND_STR:
	case KIND_PATH:
	case KIND_READONLY:
		*(const char **)l->field = value != NULL ? value : "";
		load_text(l);
		break;
	case KIND_ENUM:
	case KIND_SET:
		load_words(l);
		break;
	case KIND_PORT:
		load_port(l);
		break;
	case KIND_PORTS:
		load_ports(l);
		break;
	case KIND_ADDR4:
	case KIND_ADDR6:
		load_addr(l);
		break;
	case KIND_ENDPOINTS:
		load_endpoints(l);
		break;
	case KIND_NETS:
		load_nets(l);
		break;
	case KIND_INTERFACES:
		load_interfaces(l);
		break;
	case KIND_FEEDBACK:
		load_feedback(l);
		break;
	case KIND_MAPS:
	case KIND_MLIST:
		break;		/* params_open_tables */
	}
}

static void reject(struct loading *l, const char *what)
{
	char storage[256];
	struct str form = STR(storage);

	conf_error(l->conf, l->name, what, param_row_form(l->row, &form));
}

static void reject_item(struct loading *l, struct slice item, const char *what)
{
	char shown[64];
	struct str part = STR(shown), text = STR(l->what);

	str_add_printable(&part, item, sizeof(shown));
	str_add_cstr(&text, "'");
	str_add(&text, str_slice(&part));
	str_add_cstr(&text, part.full ? "...' " : "' ");
	str_add_cstr(&text, what);
	reject(l, str_cstr(&text));
}

/* --- one reader for each family of kinds -------------------------------------------------------- */

static void load_number(struct loading *l)
{
	const struct param_row *row = l->row;
	uint64_t n;
	bool yes;

	/* A value that does not fit has been collected as an error, and reads as zero. */
	switch (row->kind) {
	case KIND_BOOL:
		IGNORE(conf_get_bool(l->conf, l->name, &yes));
		*(bool *)l->field = yes;
		break;
	case KIND_TIME:
		IGNORE(conf_get_time(l->conf, l->name, row->words[0], row->min, row->max, &n));
		*(uint64_t *)l->field = n;
		break;
	case KIND_INT:
		IGNORE(conf_get_u64(l->conf, l->name, row->min, row->max, &n));
		*(uint32_t *)l->field = (uint32_t)n;
		break;
	default:
		IGNORE(conf_get_u64(l->conf, l->name, row->min, row->max, &n));
		*(uint64_t *)l->field = n;
		break;
	}
}

static void load_text(struct loading *l)
{
	if (l->row->kind == KIND_READONLY && conf_is_set(l->conf, l->name))
		reject(l, "it cannot be set");
	else if (l->row->min > 0 && l->value.len == 0)
		reject(l, "it is empty");
	else if (l->row->kind == KIND_PATH && l->value.len > 0 && l->value.ptr[0] != '/')
		reject(l, "not an absolute path");
}

/* The position of word in the row's list, or -1. */
static int word_index(const struct param_row *row, struct slice word)
{
	struct slice rest = slice_of_str(row->words);
	struct slice next;

	for (int i = 0; (next = conf_list_next(&rest)).len > 0; i++)
		if (slice_eq_nocase(next, word))
			return i;
	return -1;
}

static uint32_t word_count(const struct param_row *row)
{
	struct slice rest = slice_of_str(row->words);
	uint32_t count = 0;

	while (conf_list_next(&rest).len > 0)
		count++;
	return count;
}

static void load_words(struct loading *l)
{
	struct slice rest = l->value;
	struct slice word;
	uint32_t bits = 0;
	int last = -1;

	while ((word = conf_list_next(&rest)).len > 0) {
		int i = word_index(l->row, word);

		if (i < 0 || (l->row->kind == KIND_ENUM && last >= 0)) {
			reject_item(l, word, i < 0 ? "is not one of the words" : "is one word too many");
			return;
		}
		last = i;
		bits |= BIT(i);
	}
	if (last < 0 && l->row->kind == KIND_ENUM && l->row->max > 0)
		*(uint32_t *)l->field = word_count(l->row);
	else if (last < 0 && (l->row->kind == KIND_ENUM || l->row->min > 0))
		reject(l, "it is empty");
	else
		*(uint32_t *)l->field = l->row->kind == KIND_ENUM ? (uint32_t)last : bits;
}

static int parse_port(struct slice text, uint16_t *ret_port)
{
	uint64_t port;

	if (slice_to_u64(text, UINT16_MAX, &port) < 0 || port == 0)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

int params_port(const struct params *p, struct slice text, uint16_t *ret_port)
{
	for (unsigned i = 0; i < p->known_tcp_ports.count; i++) {
		if (!slice_eq_nocase(p->known_tcp_ports.list[i].name, text))
			continue;
		*ret_port = p->known_tcp_ports.list[i].port;
		return 0;
	}
	return parse_port(text, ret_port);
}

static void load_port(struct loading *l)
{
	bool by_name = l->value.len > 0 && (l->value.ptr[0] < '0' || l->value.ptr[0] > '9');

	/* Without a table of names only its own error counts. */
	if (params_port(l->params, l->value, l->field) < 0 &&
	    !(by_name && l->params->known_tcp_ports.list == NULL))
		reject(l, by_name ? "not in known_tcp_ports" : "not a port");
}

static bool is_digits(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return true;
}

/* "smtps=submissions=465": every name but the last piece. Returns false after an error. */
static bool load_ports_item(struct loading *l, struct slice item, struct param_port *list,
			    struct param_ports *ports)
{
	ptrdiff_t last = slice_find_last_char(item, '=');
	struct slice names = slice_head(item, last < 0 ? 0 : (size_t)last);
	struct slice number = slice_of(item.ptr + last + 1, item.len - (size_t)(last + 1));
	uint16_t port;

	if (last < 0 || parse_port(slice_trim(number), &port) < 0) {
		reject_item(l, item, "has no port");
		return false;
	}
	for (bool more = true; more;) {
		ptrdiff_t end = slice_find_char(names, 0, '=');
		struct slice name = slice_trim(slice_head(names, end < 0 ? names.len : (size_t)end));

		more = end >= 0;
		slice_skip(&names, more ? (size_t)end + 1 : names.len);
		if (is_digits(name)) {	/* or nothing */
			reject_item(l, item, "has a number for a name");
			return false;
		}
		for (unsigned i = 0; i < ports->count; i++)
			if (slice_eq_nocase(list[i].name, name)) {
				reject_item(l, name, "is there twice");
				return false;
			}
		if (ports->count == PARAM_LIST_MAX) {
			reject(l, "more than 1024 names");
			return false;
		}
		list[ports->count++] = (struct param_port){ name, port };
	}
	return true;
}

static void load_ports(struct loading *l)
{
	struct param_port *list = conf_alloc(l->conf, PARAM_LIST_MAX * sizeof(*list));
	struct param_ports ports = { .list = list };
	struct slice rest = l->value;

	while (list != NULL && rest.len > 0) {
		ptrdiff_t end = slice_find_char(rest, 0, ',');
		struct slice item = slice_trim(slice_head(rest, end < 0 ? rest.len : (size_t)end));

		slice_skip(&rest, end < 0 ? rest.len : (size_t)end + 1);
		if (item.len > 0 && !load_ports_item(l, item, list, &ports))
			return;
	}
	*(struct param_ports *)l->field = ports;
}

struct slice params_without_brackets(struct slice s)
{
	if (s.len > 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']')
		return slice_of(s.ptr + 1, s.len - 2);
	return s;
}

static void load_addr(struct loading *l)
{
	sa_family_t family = l->row->kind == KIND_ADDR4 ? AF_INET : AF_INET6;
	struct addr a;

	if (l->value.len == 0)
		return;
	if (addr_parse_ip(params_without_brackets(l->value), 0, &a) < 0)
		reject(l, "not a numeric address");
	else if (a.sa.sa_family != family)
		reject(l, "an address of the other family");
	else
		*(struct addr *)l->field = a;
}

/* Room for one element per item of the value; NULL after an error. An empty list has room, too. */
static void *list_alloc(struct loading *l, size_t size)
{
	struct slice rest = l->value;
	size_t count = 0;

	while (conf_list_next(&rest).len > 0)
		count++;
	if (count > PARAM_LIST_MAX) {
		reject(l, "more than 1024 items");
		return NULL;
	}
	return conf_alloc(l->conf, (count + 1) * size);
}

static int parse_endpoint(struct slice item, uint16_t default_port, struct addr *ret_addr)
{
	if (default_port != 0 && addr_parse_ip(params_without_brackets(item), default_port, ret_addr) == 0)
		return 0;
	if (addr_parse_endpoint(item, ret_addr) < 0)
		return -EINVAL;
	if (ret_addr->sa.sa_family == AF_UNIX)
		return default_port == 0 ? 0 : -EINVAL;
	return addr_port(ret_addr) != 0 ? 0 : -EINVAL;
}

static void load_endpoints(struct loading *l)
{
	struct addr *list = list_alloc(l, sizeof(*list));
	struct param_endpoints endpoints = { .list = list };
	struct slice rest = l->value;
	struct slice item;

	while (list != NULL && (item = conf_list_next(&rest)).len > 0) {
		if (parse_endpoint(item, (uint16_t)l->row->min, &list[endpoints.count]) < 0) {
			reject_item(l, item, "is not an endpoint");
			return;
		}
		for (unsigned i = 0; i < endpoints.count; i++)
			if (addr_eq(&list[i], &list[endpoints.count])) {
				reject_item(l, item, "is there twice");
				return;
			}
		endpoints.count++;
	}
	*(struct param_endpoints *)l->field = endpoints;
}

static void load_nets(struct loading *l)
{
	struct addr_net *list = list_alloc(l, sizeof(*list));
	struct param_nets nets = { .list = list };
	struct slice rest = l->value;
	struct slice item;

	while (list != NULL && (item = conf_list_next(&rest)).len > 0) {
		int r = addr_net_parse(item, &list[nets.count]);

		if (r < 0) {
			reject_item(l, item, r == -ERANGE ? "has bits set behind its prefix"
							  : "is not a network");
			return;
		}
		nets.count++;
	}
	*(struct param_nets *)l->field = nets;
}

static void load_interfaces(struct loading *l)
{
	static const uint8_t ip4[4] = { 127, 0, 0, 1 }, ip6[16] = { [15] = 1 };
	struct addr *list = list_alloc(l, 2 * sizeof(*list));	/* localhost is two */
	struct param_interfaces in = { .list = list };
	struct slice rest = l->value;
	struct slice item;

	if (list != NULL && l->value.len == 0)
		reject(l, "it is empty");
	while (list != NULL && (item = conf_list_next(&rest)).len > 0) {
		if (slice_eq_nocase(item, SLICE("all"))) {
			in.all = true;
		} else if (slice_eq_nocase(item, SLICE("loopback-only"))) {
			in.loopback_only = true;
		} else if (slice_eq_nocase(item, SLICE("localhost"))) {
			list[in.count++] = addr_from_ip4(ip4, 0);
			list[in.count++] = addr_from_ip6(ip6, 0);
		} else if (addr_parse_ip(params_without_brackets(item), 0, &list[in.count]) == 0) {
			in.count++;
		} else {
			reject_item(l, item, "is not a numeric address");
			return;
		}
	}
	*(struct param_interfaces *)l->field = in;
}

/* "0.25" to 250000; more digits than six are cut, as they move no window. */
static int parse_ppm(struct slice s, uint32_t *ret_ppm)
{
	ptrdiff_t point = slice_find_char(s, 0, '.');
	struct slice whole = slice_head(s, point < 0 ? s.len : (size_t)point);
	struct slice part = slice_of(s.ptr + point + 1, point < 0 ? 0 : s.len - (size_t)point - 1);
	uint64_t value = 0;
	uint32_t ppm = 0;

	if (s.len <= (point >= 0) || !is_digits(whole) || !is_digits(part))
		return -EINVAL;
	if (whole.len > 0 && slice_to_u64(whole, 1, &value) < 0)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++)
		ppm = 10 * ppm + (i < part.len ? (uint32_t)(part.ptr[i] - '0') : 0);
	ppm += (uint32_t)value * 1000000;
	if (ppm > 1000000)
		return -EINVAL;
	*ret_ppm = ppm;
	return 0;
}

static void load_feedback(struct loading *l)
{
	ptrdiff_t slash = slice_find_char(l->value, 0, '/');
	struct slice number = slice_trim(slice_head(l->value, slash < 0 ? l->value.len : (size_t)slash));
	struct slice divisor = slice_of(l->value.ptr + slash + 1, l->value.len - (size_t)(slash + 1));
	struct param_feedback feedback = { .divisor = FEEDBACK_CONSTANT };

	divisor = slice_trim(divisor);
	if (slash >= 0 && slice_eq(divisor, SLICE("concurrency")))
		feedback.divisor = FEEDBACK_CONCURRENCY;
	else if (slash >= 0 && slice_eq(divisor, SLICE("sqrt_concurrency")))
		feedback.divisor = FEEDBACK_SQRT_CONCURRENCY;
	else if (slash >= 0)
		number = SLICE("");
	if (parse_ppm(number, &feedback.ppm) < 0)
		reject(l, "not a feedback");
	else
		*(struct param_feedback *)l->field = feedback;
}

/* --- networks ----------------------------------------------------------------------------------- */

bool params_nets_contain(const struct param_nets *nets, const struct addr *a)
{
	for (unsigned i = 0; i < nets->count; i++)
		if (addr_net_contains(&nets->list[i], a))
			return true;
	return false;
}

/* --- defaults ----------------------------------------------------------------------------------- */

void params_system_init(struct params_system *sys, const char *process_name,
			const char *config_directory)
{
	struct str id = STR(sys->process_id), name = STR(sys->process_name);

	*sys = (struct params_system){ .config_directory = config_directory };
	str_add_u64(&id, (uint64_t)getpid());
	IGNORE(str_cstr(&id) == NULL);		/* for the terminator */
	str_add_cut(&name, slice_of_str(process_name), sizeof(sys->process_name) - 1);
	IGNORE(str_cstr(&name) == NULL);
	bool usable = gethostname(sys->host, sizeof(sys->host) - 1) == 0 && sys->host[0] != '\0';

	/* The name becomes main.cf text: one that is none, with a $ in it, say, is as good as no name. */
	for (const char *c = sys->host; *c != '\0'; c++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-._", ascii_lower(*c)) == NULL)
			usable = false;
	if (!usable)
		memcpy(sys->host, "localhost", sizeof("localhost"));
}

struct conf *params_conf_new(struct params_system *sys)
{
	sys->conf = conf_new(params_default, sys);
	return sys->conf;
}

static const char *default_myhostname(struct params_system *sys)
{
	struct str s = STR(sys->myhostname);

	str_add_cstr(&s, sys->host);
	if (strchr(sys->host, '.') == NULL)
		str_add_cstr(&s, conf_is_set(sys->conf, "mydomain") ? ".$mydomain" : ".localdomain");
	return str_cstr(&s);
}

static const char *default_mydomain(struct params_system *sys)
{
	struct str s = STR(sys->mydomain);
	const char *host = conf_get(sys->conf, "myhostname");
	const char *dot = host != NULL ? strchr(host, '.') : NULL;

	/* Expanded text that will be expanded once more: a $ in it is an error that myhostname reports. */
	if (dot != NULL && dot[1] != '\0' && strchr(dot, '$') == NULL)
		str_add_cut(&s, slice_of_str(dot + 1), sizeof(sys->mydomain) - 1);
	else
		str_add_cstr(&s, "localdomain");
	return str_cstr(&s);
}

const char *params_default(struct slice name, void *params_system)
{
	struct params_system *sys = params_system;

	if (slice_eq(name, SLICE("myhostname")))
		return default_myhostname(sys);
	if (slice_eq(name, SLICE("mydomain")))
		return default_mydomain(sys);
	if (slice_eq(name, SLICE("process_id")))
		return sys->process_id;
	if (slice_eq(name, SLICE("process_name")))
		return sys->process_name;
	if (slice_eq(name, SLICE("config_directory")))
		return sys->config_directory != NULL ? sys->config_directory : PARAM_CONFIG_DIRECTORY;
	for (size_t i = 0; i < param_row_count; i++)
		if (param_rows[i].kind != KIND_HEADING && slice_eq(name, slice_of_str(param_rows[i].name)))
			return param_rows[i].def;
	return param_twin_default(sys->conf, name);
}
