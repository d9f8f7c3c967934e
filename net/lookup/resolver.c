#include "net/lookup/resolver.h"

#include <ares.h>
#include <errno.h>
#include <stdlib.h>

#include "core/addr.h"
#include "core/err.h"
#include "core/map.h"
#include "core/pool.h"
#include "core/random.h"
#include "core/reactor.h"
#include "net/lookup/answer_store.h"
#include "net/lookup/dns_servers.h"
#include "net/lookup/fd_watch.h"
#include "net/wire/address.h"

/* An MX answer of three hosts takes one chunk, the largest one (DNS_RECORDS_MAX long names) about 260. */
#define CHUNKS_PER_ENTRY 2u
#define CHUNKS_MIN	1024u
/* What every resolver can send without splitting it on the way (DNS flag day 2020). */
#define UDP_SIZE	1232u
/* A connection that breaks fails all who share it: they are asked for again, this often. */
#define RESENDS_MAX	3u
/* Where the library cuts datagrams once any server has answered FORMERR to EDNS. */
#define UDP_CUT		512
#define KEY_MAX		(2u + DNS_NAME_WIRE_MAX)

enum entry_state {
	ENTRY_QUEUED,	/* in r->queued: too many questions are under way */
	ENTRY_ASKED,	/* the library has it */
	ENTRY_READY	/* an answer is here: in r->ready while somebody waits for it, else in r->idle */
};

struct entry {
	struct map_node node;
	struct list place;		/* r->queued, r->ready or r->idle */
	struct list waiters;
	struct resolver *resolver;
	enum entry_state state;
	enum answer_class class;
	const char *why;
	uint64_t expires_ns;
	struct answer_chunk *answer;
	uint16_t type;
	uint16_t hops;			/* alias steps in answers before this one */
	uint32_t chain_ttl_s;		/* least TTL of those */
	bool chain_authentic;
	bool without_edns;		/* the server did not understand OPT */
	bool by_tcp;
	uint8_t resends;
	uint32_t breaks;		/* of its lane, when the question was sent */
	uint16_t key_len;
	uint16_t asked_len;
	char key[KEY_MAX];		/* type, name in lower case */
	char asked[DNS_NAME_WIRE_MAX];	/* the name in the question: at first that of the key, then an alias's target */
};

/* Truncated answers are asked for again on a channel of their own. On a common one, the library counts a connection
 * that breaks as a failed try of every question at that server, whoever's answer broke it. */
struct lane {
	ares_channel channel;
	struct resolver *resolver;
	uint32_t breaks;		/* sockets the library has closed */
};

struct resolver {
	unsigned core;
	struct lane udp;
	struct lane tcp;
	struct map map;
	struct pool entries;
	struct answer_store answers;
	struct list queued;		/* entries */
	struct list ready;		/* entries */
	struct list idle;		/* entries, least recently used first */
	struct list invalid;		/* queries whose name is none */
	struct list starved;		/* queries for which there is no entry */
	struct task deliver;
	struct wheel_timer timer;
	unsigned inflight;
	unsigned inflight_max;
	bool dnssec;
	bool careful;
	bool validation_seen;		/* records have come, validated or not */
	void (*unvalidated)(void *context);
	void *unvalidated_context;
	bool closing;
	struct resolver *next_leaving;
	struct resolver_stats stats;
	struct fd_watch watch;
	struct dns_answer decoded;	/* what has just come in */
	struct dns_answer shown;	/* what callbacks look at */
};

/* Ended, but with polls still in the kernel, per core. They go with their last completion; when the core ends first,
 * they stay reachable from here until the process does. */
static struct resolver *leaving[CORE_COUNT_MAX];

static void deliver_all(struct task *task);
static void on_timer(struct wheel_timer *timer);
static void on_ready(struct fd_watch *watch, void *owner, int fd, bool can_read, bool can_write);
static void on_returned(struct fd_watch *watch);
static void on_socket_state(void *context, int fd, int readable, int writable);
static void on_answer(void *context, int status, int timeouts, unsigned char *packet, int len);
static void question_send(struct entry *e);
static void pump(struct resolver *r);
static void on_closed(struct fd_watch *watch);

/* --- asking ---------------------------------------------------------------------------------------------------- */

static struct slice entry_key(const struct entry *e)
{
	return slice_of(e->key, e->key_len);
}

static struct slice entry_name(const struct entry *e)
{
	return slice_of(e->key + 2, e->key_len - 2u);
}

static bool entry_has_key(const struct map_node *node, struct slice key)
{
	return slice_eq(entry_key(container_of(node, struct entry, node)), key);
}

static struct slice key_make(char key[static KEY_MAX], enum dns_type type, struct slice name)
{
	key[0] = (char)((unsigned)type >> 8);
	key[1] = (char)type;
	for (size_t i = 0; i < name.len; i++)
		key[2 + i] = ascii_lower(name.ptr[i]);
	return slice_of(key, 2 + name.len);
}

/* Gives up what has not been asked for the longest time. False when every entry is in use. */
static bool evict(struct resolver *r)
{
	struct list *oldest = list_pop_front(&r->idle);

	if (oldest == NULL)
		return false;
	struct entry *e = container_of(oldest, struct entry, place);

	ASSERT(e->state == ENTRY_READY && list_is_empty(&e->waiters));
	map_remove(&r->map, &e->node);
	answer_store_free(&r->answers, &e->answer);
	pool_put(&r->entries, &e);
	r->stats.evicted++;
	return true;
}

static struct entry *entry_take(struct resolver *r, struct slice key, uint64_t hash)
{
	if (pool_free(&r->entries) == 0 && !evict(r))
		return NULL;
	struct entry *e = pool_take(&r->entries);

	memset(e, 0, offsetof(struct entry, key));
	list_init(&e->place);
	list_init(&e->waiters);
	e->resolver = r;
	e->type = (uint16_t)((unsigned char)key.ptr[0] << 8 | (unsigned char)key.ptr[1]);
	e->key_len = (uint16_t)key.len;
	memcpy(e->key, key.ptr, key.len);
	map_insert(&r->map, &e->node, hash);
	return e;
}

/* Starts an entry from the beginning, or puts it in line. */
static void entry_ask(struct entry *e)
{
	struct resolver *r = e->resolver;
	struct slice name = entry_name(e);

	answer_store_free(&r->answers, &e->answer);
	e->hops = 0;
	e->chain_ttl_s = UINT32_MAX;
	e->chain_authentic = true;
	e->without_edns = false;
	e->by_tcp = false;
	e->resends = 0;
	e->asked_len = (uint16_t)name.len;
	memcpy(e->asked, name.ptr, name.len);
	e->state = ENTRY_QUEUED;
	list_remove(&e->place);
	list_push_back(&r->queued, &e->place);
}

/* The entry for key with a question under way or a fresh answer; NULL when there is no room. */
static struct entry *entry_get(struct resolver *r, struct slice key)
{
	uint64_t hash = map_hash(&r->map, key);
	struct map_node *node = map_find(&r->map, hash, key, entry_has_key);
	struct entry *e;

	if (node == NULL) {
		e = entry_take(r, key, hash);
		if (e != NULL)
			entry_ask(e);
		return e;
	}
	e = container_of(node, struct entry, node);
	if (e->state != ENTRY_READY) {
		r->stats.shared++;
	} else if (e->expires_ns > reactor_now() || !list_is_empty(&e->waiters)) {
		r->stats.cached++;
	} else {
		entry_ask(e);
	}
	return e;
}

/* Ties a query to its entry, or lets it wait for one. */
static void query_place(struct resolver *r, struct query *q)
{
	char storage[KEY_MAX];
	struct entry *e = entry_get(r, key_make(storage, q->type, q->name));

	if (e == NULL) {
		list_push_back(&r->starved, &q->node);
		return;
	}
	list_push_back(&e->waiters, &q->node);
	if (e->state == ENTRY_READY) {
		list_remove(&e->place);
		list_push_back(&r->ready, &e->place);
		reactor_post(&r->deliver);
	}
}

/* DNS itself could carry other names; what we ask for is always a host or a domain. */
static bool is_askable(enum dns_type type, struct slice name)
{
	if (type == DNS_TYPE_NS && slice_eq(name, SLICE(".")))
		return true;
	return name.len <= DNS_NAME_WIRE_MAX - 2 && address_domain_is_valid(name, false);
}

void resolver_ask(struct resolver *r, struct query *q, enum dns_type type, struct slice name)
{
	ASSERT(!query_is_waiting(q));
	r->stats.asked++;
	q->resolver = r;
	q->type = type;
	q->name = name;
	if (!is_askable(type, name)) {
		list_push_back(&r->invalid, &q->node);
		reactor_post(&r->deliver);
		return;
	}
	query_place(r, q);
	pump(r);
}

void resolver_warm(struct resolver *r, enum dns_type type, struct slice name)
{
	char storage[KEY_MAX];

	if (!is_askable(type, name))
		return;
	r->stats.asked++;
	(void)entry_get(r, key_make(storage, type, name));	/* no room: nobody waits, nothing is lost */
	pump(r);
}

void resolver_cancel(struct query *q)
{
	list_remove(&q->node);
}

/* --- questions and answers ------------------------------------------------------------------------------------- */

static const char *why_of_status(int status)
{
	switch (status) {
	case ARES_ETIMEOUT:
		return "no DNS server answered in time";
	case ARES_ECONNREFUSED:
		return "every DNS server failed or refused";
	case ARES_ENOMEM:
		return "no memory for a DNS question";
	case ARES_EBADRESP:
		return "damaged DNS answer";
	default:
		return "DNS lookup failed";
	}
}

/* The entry has its verdict. */
static void entry_settle(struct entry *e, enum answer_class class, const char *why, uint32_t ttl_s)
{
	struct resolver *r = e->resolver;

	e->class = class;
	e->why = why;
	e->state = ENTRY_READY;
	e->expires_ns = reactor_now() + ttl_s * NS_PER_SEC;
	if (class == ANSWER_RETRY || class == ANSWER_FAIL)
		r->stats.failed++;
	list_remove(&e->place);
	list_push_back(list_is_empty(&e->waiters) ? &r->idle : &r->ready, &e->place);
	reactor_post(&r->deliver);	/* for its waiters, or for those who starve for an entry */
}

/* It goes out with the next pump, which is never inside the library: one that is called from its own callback may close
 * the very socket it is reading from (CVE-2025-31498, CVE-2025-62408, row SUP-02). Its turn has come already. */
static void question_again(struct entry *e)
{
	e->state = ENTRY_QUEUED;
	list_remove(&e->place);
	list_push_front(&e->resolver->queued, &e->place);
}

static void question_send(struct entry *e)
{
	struct resolver *r = e->resolver;
	uint8_t packet[DNS_QUESTION_MAX];
	uint16_t id;

	list_remove(&e->place);
	e->state = ENTRY_ASKED;
	/* Not to be guessed by whoever wants to answer in the server's place (RFC 5452 4.3). */
	random_fill(&id, sizeof(id));
	bool without = e->without_edns || (r->careful && !r->dnssec);
	int len = dns_question_write(slice_of(e->asked, e->asked_len), e->type, id, without ? 0 : UDP_SIZE, r->dnssec,
				     packet, sizeof(packet));

	if (len < 0) {
		entry_settle(e, ANSWER_NOT_FOUND, "alias to a name that cannot be asked for", RESOLVER_RETRY_S);
		return;
	}
	struct lane *lane = e->by_tcp ? &r->tcp : &r->udp;

	e->breaks = lane->breaks;
	r->inflight++;
	r->stats.sent++;
	ares_send(lane->channel, packet, len, on_answer, e);
}

/* False when there is no room even without all that nobody waits for. */
static bool entry_keep_answer(struct entry *e, const struct dns_answer *dns)
{
	struct resolver *r = e->resolver;

	ASSERT(e->answer == NULL);
	while (!answer_store_has_room(&r->answers, dns))
		if (!evict(r))
			return false;
	e->answer = answer_store_put(&r->answers, dns);
	return true;
}

static uint32_t clamp_ttl(uint32_t ttl_s, uint32_t max)
{
	return MIN(MAX(ttl_s, RESOLVER_TTL_MIN_S), max);
}

/* The alias leads out of the answer: some servers leave the rest of the way to us. */
static void alias_follow(struct entry *e, const struct dns_answer *dns)
{
	struct slice owner = dns_answer_owner(dns);

	e->hops = (uint16_t)(e->hops + dns->hops);
	e->chain_ttl_s = MIN(e->chain_ttl_s, dns->ttl_s);
	e->chain_authentic = e->chain_authentic && dns->authentic;
	if (!is_askable(e->type, owner)) {
		entry_settle(e, ANSWER_NOT_FOUND, "alias to a name that cannot be asked for", RESOLVER_RETRY_S);
		return;
	}
	e->asked_len = (uint16_t)owner.len;
	memcpy(e->asked, owner.ptr, owner.len);
	question_again(e);
}

static void note_validation(struct resolver *r, bool authentic)
{
	if (r->validation_seen)
		return;
	r->validation_seen = true;
	if (r->dnssec && !authentic && r->unvalidated != NULL)
		r->unvalidated(r->unvalidated_context);
}

/* NOERROR: records, nothing, or an alias without what it stands for. */
static void judge_noerror(struct entry *e, struct dns_answer *dns)
{
	struct resolver *r = e->resolver;

	if (dns->hops_exceeded || e->hops + dns->hops > DNS_HOPS_MAX) {
		entry_settle(e, ANSWER_NOT_FOUND, "more than 10 aliases in a row", RESOLVER_RETRY_S);
		return;
	}
	if (dns->count > 0) {
		dns->hops = (uint16_t)(dns->hops + e->hops);
		dns->authentic = dns->authentic && e->chain_authentic;
		note_validation(r, dns->authentic);
		uint32_t ttl_s = clamp_ttl(MIN(dns->ttl_s, e->chain_ttl_s), RESOLVER_TTL_MAX_S);

		if (entry_keep_answer(e, dns))
			entry_settle(e, ANSWER_FOUND, "found", ttl_s);
		else
			entry_settle(e, ANSWER_RETRY, "no room for a DNS answer", RESOLVER_RETRY_S);
	} else if (dns->dropped > 0) {
		entry_settle(e, ANSWER_RETRY, "DNS answer too large", RESOLVER_RETRY_S);
	} else if (dns->hops > 0 && !dns->negative_ttl) {
		alias_follow(e, dns);
	} else {
		entry_settle(e, ANSWER_NOT_FOUND, "no such record", clamp_ttl(dns->ttl_s, RESOLVER_NEGATIVE_MAX_S));
	}
}

static void judge(struct entry *e, struct dns_answer *dns)
{
	switch (dns->rcode) {
	case DNS_RCODE_NOERROR:
		judge_noerror(e, dns);
		return;
	case DNS_RCODE_NXDOMAIN:
		entry_settle(e, ANSWER_NOT_FOUND, "no such name", clamp_ttl(dns->ttl_s, RESOLVER_NEGATIVE_MAX_S));
		return;
	case DNS_RCODE_FORMERR:
		if (!e->without_edns) {
			/* Servers from before RFC 6891 say so. */
			e->without_edns = true;
			question_again(e);
			return;
		}
		entry_settle(e, ANSWER_FAIL, "the DNS server did not understand the question", RESOLVER_RETRY_S);
		return;
	case DNS_RCODE_SERVFAIL:
		entry_settle(e, ANSWER_RETRY, "DNS server failure", RESOLVER_RETRY_S);
		return;
	case DNS_RCODE_REFUSED:
	case DNS_RCODE_NOTIMP:
		entry_settle(e, ANSWER_RETRY, "every DNS server failed or refused", RESOLVER_RETRY_S);
		return;
	default:
		entry_settle(e, ANSWER_FAIL, "the DNS server reports a permanent error", RESOLVER_RETRY_S);
		return;
	}
}

static bool is_truncated(struct slice packet)
{
	return packet.len > 2 && (packet.ptr[2] & 0x02) != 0;
}

static void answer_take(struct entry *e, struct slice packet)
{
	struct resolver *r = e->resolver;

	if (!e->by_tcp && is_truncated(packet)) {
		e->by_tcp = true;
		question_again(e);
	} else if (dns_answer_decode(packet, slice_of(e->asked, e->asked_len), e->type, &r->decoded) == 0) {
		judge(e, &r->decoded);
	} else if (!e->by_tcp && packet.len == UDP_CUT) {
		e->by_tcp = true;
		question_again(e);
	} else {
		entry_settle(e, ANSWER_RETRY, "damaged DNS answer", RESOLVER_RETRY_S);
	}
}

/* Called by the library, from inside ares_send or ares_process_fd; whoever called those calls pump afterwards. */
static void on_answer(void *context, int status, int timeouts, unsigned char *packet, int len)
{
	struct entry *e = context;
	struct resolver *r = e->resolver;

	(void)timeouts;
	if (r->closing)
		return;
	ASSERT(e->state == ENTRY_ASKED && r->inflight > 0);
	r->inflight--;
	if (status == ARES_SUCCESS) {
		answer_take(e, slice_of(packet, (size_t)len));
	} else if (status == ARES_ECONNREFUSED && e->by_tcp && e->breaks != r->tcp.breaks && e->resends < RESENDS_MAX) {
		e->resends++;
		question_again(e);
	} else {
		entry_settle(e, ANSWER_RETRY, why_of_status(status), RESOLVER_RETRY_S);
	}
}

/* --- telling --------------------------------------------------------------------------------------------------- */

static void tell(struct list *waiters, const struct answer *answer)
{
	struct list *node;

	/* A callback may cancel others of this list: always the first one that is left. */
	while ((node = list_pop_front(waiters)) != NULL) {
		struct query *q = container_of(node, struct query, node);

		q->fn(q, answer);
	}
}

static void entry_deliver(struct entry *e)
{
	struct resolver *r = e->resolver;
	struct answer answer = { .class = e->class, .why = e->why };
	struct list now;

	ASSERT(e->state == ENTRY_READY);
	if (e->class == ANSWER_FOUND) {
		answer_store_read(e->answer, &r->shown);
		answer.dns = &r->shown;
	}
	list_init(&now);
	list_splice_back(&now, &e->waiters);
	/* While it is in no list it cannot be evicted; who asks for it now finds it in place again. */
	tell(&now, &answer);
	if (list_is_empty(&e->place) && list_is_empty(&e->waiters) && e->state == ENTRY_READY)
		list_push_back(&r->idle, &e->place);
}

static void deliver_all(struct task *task)
{
	struct resolver *r = container_of(task, struct resolver, deliver);
	struct answer invalid = { .class = ANSWER_INVALID, .why = "not a domain name" };
	struct list batch, *node;

	list_init(&batch);
	list_splice_back(&batch, &r->ready);
	while ((node = list_pop_front(&batch)) != NULL)
		entry_deliver(container_of(node, struct entry, place));
	list_splice_back(&batch, &r->invalid);
	tell(&batch, &invalid);
	/* Entries have come free. Whoever still finds none goes to the end of the line: stop after one round. */
	list_splice_back(&batch, &r->starved);
	while ((node = list_pop_front(&batch)) != NULL)
		query_place(r, container_of(node, struct query, node));
	pump(r);
}

/* --- sockets and time ------------------------------------------------------------------------------------------ */

static uint64_t lane_delay_ns(const struct lane *lane)
{
	struct timeval tv;

	if (ares_timeout(lane->channel, NULL, &tv) == NULL)
		return UINT64_MAX;
	return (uint64_t)tv.tv_sec * NS_PER_SEC + (uint64_t)tv.tv_usec * NS_PER_US + NS_PER_MS;
}

/* After everything that may have moved the library: fill its hands, watch its sockets, keep its time. */
static void pump(struct resolver *r)
{
	while (r->inflight < r->inflight_max && !list_is_empty(&r->queued))
		question_send(container_of(r->queued.next, struct entry, place));
	fd_watch_start(&r->watch);
	uint64_t delay_ns = min_u64(lane_delay_ns(&r->udp), lane_delay_ns(&r->tcp));

	if (delay_ns == UINT64_MAX)
		timer_cancel(&r->timer);
	else
		timer_arm_in(&r->timer, delay_ns);
}

static void on_ready(struct fd_watch *watch, void *owner, int fd, bool can_read, bool can_write)
{
	struct lane *lane = owner;

	(void)watch;
	ares_process_fd(lane->channel, can_read ? fd : ARES_SOCKET_BAD, can_write ? fd : ARES_SOCKET_BAD);
}

static void on_returned(struct fd_watch *watch)
{
	pump(container_of(watch, struct resolver, watch));
}

static void on_timer(struct wheel_timer *timer)
{
	struct resolver *r = container_of(timer, struct resolver, timer);

	fd_watch_retry(&r->watch);
	ares_process_fd(r->udp.channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	ares_process_fd(r->tcp.channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	pump(r);
}

/* Called by the library when it opens a socket, changes its mind about one, or is about to close it (neither readable
 * nor writable). */
static void on_socket_state(void *context, int fd, int readable, int writable)
{
	struct lane *lane = context;

	if (!readable && !writable)
		lane->breaks++;
	fd_watch_want(&lane->resolver->watch, lane, fd, readable != 0, writable != 0);
}

/* --- start and end --------------------------------------------------------------------------------------------- */

int resolver_library_open(void)
{
	return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS ? 0 : -ENOMEM;
}

void resolver_library_close(void)
{
	ares_library_cleanup();
}

struct library resolver_library(void)
{
	return (struct library){ .name = "c-ares", .built = ARES_VERSION_STR, .linked = ares_version(NULL) };
}

static int servers_set(ares_channel channel, const struct addr *servers, unsigned count)
{
	struct ares_addr_port_node nodes[DNS_SERVERS_MAX] = { 0 };

	for (unsigned i = 0; i < count; i++) {
		nodes[i].family = servers[i].sa.sa_family;
		nodes[i].udp_port = nodes[i].tcp_port = addr_port(&servers[i]);
		nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
		if (servers[i].sa.sa_family == AF_INET)
			memcpy(&nodes[i].addr.addr4, &servers[i].in.sin_addr, sizeof(servers[i].in.sin_addr));
		else
			memcpy(&nodes[i].addr.addr6, &servers[i].in6.sin6_addr, sizeof(servers[i].in6.sin6_addr));
	}
	return ares_set_servers_ports(channel, nodes) == ARES_SUCCESS ? 0 : -ENOMEM;
}

/* Releases that free what they are still reading when a question is asked again from inside (CVE-2025-31498,
 * CVE-2025-62408): because an answer is a failure, or disagrees about EDNS or cookies. */
bool resolver_library_is_suspect(const char *version)
{
	uint32_t v = version_parse(version);

	return v >= VERSION(1, 32, 3) && v < VERSION(1, 34, 6);
}

static int lane_open(struct lane *lane, const struct resolver_conf *conf, int flags)
{
	struct ares_options options = {
		.flags = flags | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
			 (lane->resolver->careful ? ARES_FLAG_NOCHECKRESP : ARES_FLAG_EDNS),
		.timeout = (int)(conf->timeout_ms > 0 ? conf->timeout_ms : 3000),
		.tries = (int)(conf->tries > 0 ? conf->tries : 3),
		.ednspsz = UDP_SIZE,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = lane,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;
	struct addr servers[DNS_SERVERS_MAX];
	int count = 0;

	if (conf->servers != NULL) {
		count = dns_servers_parse(slice_of_str(conf->servers), servers, DNS_SERVERS_MAX);
		if (count < 0)
			return count;
	}
	int status = ares_init_options(&lane->channel, &options, mask);

	if (status != ARES_SUCCESS)
		return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
	return count > 0 ? servers_set(lane->channel, servers, (unsigned)count) : 0;
}

static int lanes_open(struct resolver *r, const struct resolver_conf *conf)
{
	r->udp.resolver = r->tcp.resolver = r;
	int err = lane_open(&r->udp, conf, ARES_FLAG_IGNTC);

	return err < 0 ? err : lane_open(&r->tcp, conf, ARES_FLAG_USEVC);
}

static int stores_open(struct resolver *r, size_t entries_max)
{
	size_t chunks = MAX(entries_max * CHUNKS_PER_ENTRY, CHUNKS_MIN);
	int err = map_init(&r->map, entries_max);

	if (err < 0)
		return err;
	err = pool_init(&r->entries, "dns names", sizeof(struct entry), entries_max);
	if (err < 0)
		return err;
	return answer_store_init(&r->answers, chunks);
}

int resolver_new(const struct resolver_conf *conf, struct resolver **ret_resolver)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int err;

	if (r == NULL)
		return -ENOMEM;
	r->core = reactor_self()->core;
	list_init(&r->queued);
	list_init(&r->ready);
	list_init(&r->idle);
	list_init(&r->invalid);
	list_init(&r->starved);
	task_init(&r->deliver, deliver_all);
	wheel_timer_init(&r->timer, on_timer);
	fd_watch_init(&r->watch, on_ready, on_returned);
	r->inflight_max = conf->inflight_max > 0 ? conf->inflight_max : 256;
	r->dnssec = conf->dnssec;
	r->careful = conf->careful || resolver_library_is_suspect(ares_version(NULL));
	r->unvalidated = conf->unvalidated;
	r->unvalidated_context = conf->context;
	err = stores_open(r, conf->entries_max > 0 ? conf->entries_max : 16384);
	if (err == 0)
		err = lanes_open(r, conf);
	if (err < 0) {
		resolver_free(&r);
		return err;
	}
	*ret_resolver = r;
	return 0;
}

static void forget_all(struct list *queries)
{
	while (list_pop_front(queries) != NULL)
		;
}

static void entry_drop(struct map_node *node, void *context)
{
	struct resolver *r = context;
	struct entry *e = container_of(node, struct entry, node);

	forget_all(&e->waiters);
	map_remove(&r->map, &e->node);
	answer_store_free(&r->answers, &e->answer);
	pool_put(&r->entries, &e);
}

void resolver_free(struct resolver **resolver)
{
	struct resolver *r = *resolver;

	if (r == NULL)
		return;
	*resolver = NULL;
	r->closing = true;
	timer_cancel(&r->timer);
	reactor_unpost(&r->deliver);
	if (r->udp.channel != NULL)
		ares_destroy(r->udp.channel);
	if (r->tcp.channel != NULL)
		ares_destroy(r->tcp.channel);
	forget_all(&r->invalid);
	forget_all(&r->starved);
	if (r->map.slots != NULL)
		map_for_each(&r->map, entry_drop, r);
	answer_store_done(&r->answers);
	pool_done(&r->entries);
	map_done(&r->map);
	r->next_leaving = leaving[r->core];
	leaving[r->core] = r;
	fd_watch_close(&r->watch, on_closed);
}

/* The kernel has let go of every poll. */
static void on_closed(struct fd_watch *watch)
{
	struct resolver *r = container_of(watch, struct resolver, watch);
	struct resolver **at = &leaving[r->core];

	while (*at != r)
		at = &(*at)->next_leaving;
	*at = r->next_leaving;
	free(r);
}

void resolver_read_stats(const struct resolver *r, struct resolver_stats *ret_stats)
{
	*ret_stats = r->stats;
	ret_stats->entries = (unsigned)r->map.count;
	ret_stats->inflight = r->inflight;
}
