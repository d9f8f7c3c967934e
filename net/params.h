/* params.h - the main.cf parameters we honour, as plain typed fields
 *
 * net/params_table.h has one row for each; a field has the parameter's name. Read-only once loaded: every core may look
 * without asking.
 *
 *	kind		field			notes
 *	BOOL		bool x
 *	INT, SIZE	uint32_t x, uint64_t x
 *	TIME		uint64_t x_ns		nanoseconds
 *	STR, PATH	const char *x		never NULL; a list is walked with conf_list_next; a path begins with '/'
 *	ENUM		uint32_t x		one of the enums below
 *	SET		uint32_t x		bits of the enums below
 *	PORT		uint16_t x		host order
 *	PORTS		struct param_ports x	ask it with params_port
 *	ADDR4, ADDR6	struct addr x		x.len is 0 when empty
 *	ENDPOINTS	struct param_endpoints x
 *	NETS		struct param_nets x
 *	INTERFACES	struct param_interfaces x
 *	FEEDBACK	struct param_feedback x
 *	MAPS		struct maps *x		NULL when empty, and until params_open_tables; core/maps.h asks it
 *	MLIST		struct mlist *x		the same
 *
 * smtp_deny_networks has the private networks in it when smtp_deny_private_networks is yes,
 * smtp_connection_cache_time_limit is already capped, inet_protocols "all" is both bits, and smtp_dns_support_level is
 * never left to disable_dns_lookups: nobody has to know two fields to understand one.
 *
 * memory   strings and lists live in the conf the params were loaded from, which must stay
 * errors   all collected in the conf, with file, line and accepted form; the fields of a wrong value stay zero or empty
 * never    looks at the conf again after params_load and params_open_tables
 */
#pragma once

#include "core/addr.h"
#include "core/conf.h"
#include "core/maps.h"
#include "net/params_table.h"

#define PARAM_LIST_MAX	1024u		/* items in one list of networks, endpoints or ports */
#define PARAM_NEXT_HOP_MAX 320u
#define PARAM_CONFIG_DIRECTORY "/etc/ringpost"

enum param_address_preference { ADDRESS_PREFERENCE_ANY, ADDRESS_PREFERENCE_IPV4, ADDRESS_PREFERENCE_IPV6 };
enum param_log_address { LOG_ADDRESS_EXTERNAL, LOG_ADDRESS_INTERNAL };
enum param_bare_newline { BARE_NEWLINE_REJECT, BARE_NEWLINE_NORMALIZE };
enum param_inject_tls { INJECT_TLS_NONE, INJECT_TLS_MAY, INJECT_TLS_ENCRYPT };
enum param_dns_support { DNS_SUPPORT_DISABLED, DNS_SUPPORT_ENABLED, DNS_SUPPORT_DNSSEC, DNS_SUPPORT_BY_OLD_NAME };
enum param_inet_protocols { INET_PROTOCOL_IPV4 = 1, INET_PROTOCOL_IPV6 = 2 };	/* "all" is both */
enum param_tls_level {
	TLS_LEVEL_NONE,
	TLS_LEVEL_MAY,
	TLS_LEVEL_ENCRYPT,
	TLS_LEVEL_FINGERPRINT,
	TLS_LEVEL_DANE,
	TLS_LEVEL_DANE_ONLY,
	TLS_LEVEL_VERIFY,
	TLS_LEVEL_SECURE,
	TLS_LEVEL_BY_OLD_NAMES		/* empty; never in a field after params_load */
};

/* How far a message that asks for REQUIRETLS is held to it; weakest first. */
enum param_requiretls {
	REQUIRETLS_DISABLE,		/* or not asked for */
	REQUIRETLS_OPPORTUNISTIC,
	REQUIRETLS_STARTTLS,
	REQUIRETLS_ENFORCE,
	REQUIRETLS_ERROR		/* not known: it has to wait */
};

enum param_notify_class {
	NOTIFY_2BOUNCE = 1,
	NOTIFY_BOUNCE = 2,
	NOTIFY_DATA = 4,
	NOTIFY_DELAY = 8,
	NOTIFY_POLICY = 16,
	NOTIFY_PROTOCOL = 32,
	NOTIFY_RESOURCE = 64,
	NOTIFY_SOFTWARE = 128
};

enum param_propagate {
	PROPAGATE_CANONICAL = 1,
	PROPAGATE_VIRTUAL = 2,
	PROPAGATE_ALIAS = 4,
	PROPAGATE_FORWARD = 8,
	PROPAGATE_INCLUDE = 16,
	PROPAGATE_GENERIC = 32
};

enum param_host_lookup { HOST_LOOKUP_DNS = 1, HOST_LOOKUP_NATIVE = 2 };

struct param_nets {
	const struct addr_net *list;
	unsigned count;
};

struct param_endpoints {
	const struct addr *list;
	unsigned count;
};

struct param_interfaces {
	bool all;			/* every address of this machine */
	bool loopback_only;		/* 127.0.0.1 and ::1 */
	const struct addr *list;	/* port 0 */
	unsigned count;
};

struct param_ports {
	const struct param_port {
		struct slice name;
		uint16_t port;
	} *list;
	unsigned count;
};

/* A step of the concurrency window: ppm / 1e6, divided by nothing, by the window, or by its square root. */
struct param_feedback {
	uint32_t ppm;
	enum { FEEDBACK_CONSTANT, FEEDBACK_CONCURRENCY, FEEDBACK_SQRT_CONCURRENCY } divisor;
};

#define PARAM_FIELD_HEADING(x)
#define PARAM_FIELD_BOOL(x)		bool x;
#define PARAM_FIELD_INT(x)		uint32_t x;
#define PARAM_FIELD_SIZE(x)		uint64_t x;
#define PARAM_FIELD_TIME(x)		uint64_t x##_ns;
#define PARAM_FIELD_STR(x)		const char *x;
#define PARAM_FIELD_PATH(x)		const char *x;
#define PARAM_FIELD_READONLY(x)		const char *x;
#define PARAM_FIELD_ENUM(x)		uint32_t x;
#define PARAM_FIELD_SET(x)		uint32_t x;
#define PARAM_FIELD_PORT(x)		uint16_t x;
#define PARAM_FIELD_PORTS(x)		struct param_ports x;
#define PARAM_FIELD_ADDR4(x)		struct addr x;
#define PARAM_FIELD_ADDR6(x)		struct addr x;
#define PARAM_FIELD_ENDPOINTS(x)	struct param_endpoints x;
#define PARAM_FIELD_NETS(x)		struct param_nets x;
#define PARAM_FIELD_INTERFACES(x)	struct param_interfaces x;
#define PARAM_FIELD_FEEDBACK(x)		struct param_feedback x;
#define PARAM_FIELD_MAPS(x)		struct maps *x;
#define PARAM_FIELD_MLIST(x)		struct mlist *x;

struct params {
	bool is_lmtp;			/* loaded by params_load_lmtp */
#define X(kind, name, def, min, max, words, help) PARAM_FIELD_##kind(name)
	PARAMS(X)
#undef X
};

/* What the defaults of the computed parameters come from. */
struct params_system {
	struct conf *conf;
	const char *config_directory;
	char host[256];			/* as the system says, with or without domain */
	char process_id[16];
	char process_name[64];
	char myhostname[576];		/* storage for the answers of params_default */
	char mydomain[320];
};

/* Asks the system for its name and number: start only. config_directory (borrowed) may be NULL. */
void params_system_init(struct params_system *sys, const char *process_name, const char *config_directory);

/* A conf whose defaults are ours; sys must stay as long as it. Freed by the caller with conf_free. NULL: no memory. */
struct conf *params_conf_new(struct params_system *sys);
const char *params_default(struct slice name, void *params_system);

/* Fills every field and makes the checks that span parameters. Returns 0, or the number of errors in conf so far;
 * then the params must not be used. */
int params_load(struct params *ret_params, struct conf *conf);

/* The same for LMTP: every field smtp_xxx has the value of lmtp_xxx. */
int params_load_lmtp(struct params *ret_params, struct conf *conf);

/* The level that smtp_tls_security_level and the three switches it replaced mean together (P 3.1). */
enum param_tls_level params_tls_level(enum param_tls_level level, bool use, bool enforce, bool enforce_peername);

/* Opens the tables of every MAPS and MLIST row and reads the files of their lists: start only, after params_load.
 * Returns 0, or the number of errors in conf so far. warn (may be NULL) hears one line for each oddity that is no
 * error. The lists are freed by params_close_tables, the tables belong to the set. */
typedef void params_line_fn(const char *line, void *context);

int params_open_tables(struct params *p, struct conf *conf, struct table_set *set, params_line_fn *warn, void *context);
void params_close_tables(struct params *p);

/* One line for each parameter that is set and has no effect, or that has a better name. */
void params_remarks(struct conf *conf, params_line_fn *fn, void *context);

/* A port number, or a name from known_tcp_ports in any case. 0 or -EINVAL. */
int params_port(const struct params *p, struct slice text, uint16_t *ret_port);

/* default_transport in two parts: do we speak LMTP, and where does all mail go? That is relayhost when there is no next
 * hop in it, and the recipient's domain when both are empty. */
bool params_wants_lmtp(const struct params *p);
/* Which of Postfix's two clients we are: the word behind the tag of a log line. */
static inline const char *params_client_name(const struct params *p)
{
	return p->is_lmtp ? "lmtp" : "smtp";
}

struct slice params_next_hop(const struct params *p);

/* Is this letter in smtp_service_flags? */
static inline bool params_service_flag(const struct params *p, char flag)
{
	return p->smtp_service_flags[0] != '\0' && strchr(p->smtp_service_flags, flag) != NULL;
}

/* By family, too: no IPv4 network contains an IPv6 address. */
bool params_nets_contain(const struct param_nets *nets, const struct addr *a);

/* The table, for --help and the manual page. form is the accepted form in words. */
struct param_description {
	const char *name;
	const char *def;		/* empty also for what is computed at start */
	const char *form;		/* empty for a heading */
	const char *help;
	const char *phase;		/* when it matters, in words */
	const char *remark;		/* what stands between it and its effect; empty: nothing */
	const char *twin;		/* what LMTP reads in its place; the name itself: the same */
	bool is_heading;
};

/* Calls fn for each row in order; the text is good during the call. */
void params_describe(void (*fn)(const struct param_description *d, void *context), void *context);
