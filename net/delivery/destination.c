/* destination.c - a nexthop: its queue, its route, its health */
#include "core/log.h"
#include "core/maps.h"
#include "core/random.h"
#include "net/delivery/delivery_internal.h"

/* --- the queue -------------------------------------------------------------------------------- */

void destination_wake(struct destination *dst)
{
	reactor_post(&dst->dispatch);
}

void destination_push_ready(struct destination *dst, struct job *job, bool first)
{
	if (job->ready_ns == 0)
		job->ready_ns = reactor_now();
	if (first)
		list_push_front(&dst->ready, &job->node);
	else
		list_push_back(&dst->ready, &job->node);
}

void destination_new_round(struct job *job)
{
	job->tried[0] = 0;
	job->tried[1] = 0;
	job->asked = 0;
	job->sessions = 0;
	job->plain_at = 0;
	job->element = 0;
	job->completed = false;
	job->begun_ns = 0;
	job->wrap_told = false;
}

uint64_t destination_request_end(const struct destination *dst, struct job *job)
{
	if (job->begun_ns == 0)
		job->begun_ns = reactor_now();
	return job->begun_ns + dst->delivery->conf.params->daemon_timeout_ns;
}

static bool is_late(const struct destination *dst, const struct job *job)
{
	return job->begun_ns != 0 && reactor_now() >= job->begun_ns + dst->delivery->conf.params->daemon_timeout_ns;
}

unsigned destination_address_now(const struct destination *dst, unsigned address, uint32_t generation)
{
	if (address >= ROUTE_ADDRESSES_MAX || generation == dst->route_generation)
		return address;
	return generation + 1 == dst->route_generation ? dst->moved[address] : LANE_ADDRESS_GONE;
}

/* Whoever has been away for longer than one generation begins anew; job.asked keeps that from going on for ever. */
void destination_sync_tried(struct destination *dst, struct job *job)
{
	const uint64_t before[2] = { job->tried[0], job->tried[1] };

	if (job->route_generation == dst->route_generation)
		return;
	job->tried[0] = 0;
	job->tried[1] = 0;
	for (unsigned i = 0; i < ROUTE_ADDRESSES_MAX; i++) {
		unsigned now = destination_address_now(dst, i, job->route_generation);

		if ((before[i / 64] >> (i % 64) & 1) && now != LANE_ADDRESS_GONE)
			job->tried[now / 64] |= UINT64_C(1) << (now % 64);
	}
	if (job->plain_at > 0) {
		unsigned now = destination_address_now(dst, job->plain_at - 1u, job->route_generation);

		job->plain_at = (uint8_t)(now == LANE_ADDRESS_GONE ? 0 : now + 1);
	}
	job->route_generation = dst->route_generation;
}

void destination_mark_tried(struct job *job, unsigned address)
{
	const uint64_t bit = UINT64_C(1) << (address % 64);

	job->asked += address >= ROUTE_ADDRESSES_MAX || !(job->tried[address / 64] & bit);
	if (address < ROUTE_ADDRESSES_MAX)
		job->tried[address / 64] |= bit;
}

/* Hosts that let us wait until the list has changed would be asked for ever: a round asks as many as there are. */
bool destination_has_next(const struct destination *dst, const struct job *job)
{
	return job->asked < dst->route->count && !is_late(dst, job) &&
	       route_next(dst->route, job->tried, reactor_now()) >= 0;
}

static bool fits(const struct job *job, unsigned address)
{
	return address < ROUTE_ADDRESSES_MAX && !(job->tried[address / 64] >> (address % 64) & 1);
}

struct job *destination_pop_for(struct destination *dst, const struct lane *lane)
{
	unsigned looked = 0;

	list_for_each(node, &dst->ready) {
		struct job *job = list_entry(node, struct job, node);

		destination_sync_tried(dst, job);
		if (fits(job, lane->address) && lane_fits(lane, job)) {
			list_remove(node);
			return job;
		}
		if (++looked == DISPATCH_LOOK_AHEAD)
			break;
	}
	return NULL;
}

void destination_starve(struct destination *dst)
{
	if (list_is_empty(&dst->node))
		list_push_back(&dst->delivery->starving, &dst->node);
}

void destination_stand_trial(struct destination *dst)
{
	if (!list_is_empty(&dst->node))
		return;
	list_push_back(&dst->delivery->on_trial[dst->credit], &dst->node);
	dst->is_on_trial = true;
}

void destination_answer(struct destination *dst, struct job *job, const struct lane *lane, struct outcome outcome,
			enum session_state step, struct slice why, bool hop_failed)
{
	if (trial_answer(dst, job, lane, outcome, step, why, hop_failed))
		return;
	destination_push_ready(dst, job, true);
	destination_starve(dst);
}

/* --- health ----------------------------------------------------------------------------------- */

/* As Postfix's queue manager does: worth while as soon as one delivery follows another within a second, and until there
 * is neither that nor another one under way (B 18.2). */
void destination_note_start(struct destination *dst, bool riding)
{
	bool back_to_back =
		riding || (dst->last_done_ns != 0 && reactor_now() - dst->last_done_ns <= CACHE_BACK_TO_BACK_NS);

	if (dst->cache_always || !dst->delivery->conf.params->smtp_connection_cache_on_demand)
		return;
	if (back_to_back) {
		dst->cache_load = true;
		dst->cache_store = true;
	} else if (dst->busy <= 1) {
		dst->cache_store = false;
	}
}

void destination_worked(struct destination *dst)
{
	if (dst->window.dead)
		return;
	window_success(&dst->window, dst->window_conf, dst->busy);
	if (dst->credit == CREDIT_GOOD)
		return;
	dst->credit = CREDIT_GOOD;
	destination_wake(dst);		/* it need not stand in line any more */
}

void destination_failed(struct destination *dst, struct enhanced_code dsn, struct slice why)
{
	struct delivery *d = dst->delivery;

	/* Who has worked may lose a session now and then. */
	if (dst->credit == CREDIT_NEW)
		dst->credit = CREDIT_DOUBTED;
	if (!window_failure(&dst->window, dst->window_conf))
		return;
	dst->credit = CREDIT_DOUBTED;
	struct str text = STR(dst->suspended_text);

	str_add_cut(&text, why, sizeof(dst->suspended_text));
	dst->suspended_len = (uint16_t)text.len;
	dst->suspended_dsn = dsn;
	dst->suspended_until_ns = reactor_now() + d->conf.params->minimal_backoff_time_ns;
	dst->cache_load = dst->cache_always;
	dst->cache_store = dst->cache_always;
	metric_add(&metric_suspended, 1);
}

static bool is_suspended(struct destination *dst)
{
	if (dst->suspended_until_ns == 0)
		return false;
	if (reactor_now() < dst->suspended_until_ns)
		return true;
	dst->suspended_until_ns = 0;
	window_revive(&dst->window, dst->window_conf, dst->busy);
	return false;
}

/* While a destination rests, everybody who asks for it is told so, and comes back later by his own timetable (B 23). */
static void answer_suspended(struct destination *dst)
{
	char storage[ROUTE_TEXT + 64];
	struct str why = STR(storage);
	const struct outcome soft = { OUTCOME_SOFT, dst->suspended_dsn };

	str_add_cstr(&why, "delivery temporarily suspended: ");
	str_add_cut(&why, slice_of(dst->suspended_text, dst->suspended_len), sizeof(dst->suspended_text));
	for (unsigned n = 0; n < DISPATCH_BITE; n++) {
		struct list *node = list_pop_front(&dst->ready);

		if (node == NULL)
			return;
		if (!trial_answer(dst, list_entry(node, struct job, node), NULL, soft, SESSION_CONNECT, str_slice(&why),
				  false)) {
			list_push_front(&dst->ready, node);
			destination_starve(dst);
			return;
		}
	}
	destination_wake(dst);
}

/* --- the route -------------------------------------------------------------------------------- */

static void put_route(struct destination *dst, struct route **route)
{
	route_done(*route);
	pool_put(&dst->delivery->routes, route);
}

/* Where the addresses of the old list are in the new one, if they still are there. */
static void find_moved(struct destination *dst, const struct route *old)
{
	for (unsigned k = 0; k < ROUTE_ADDRESSES_MAX; k++)
		dst->moved[k] = LANE_ADDRESS_GONE;
	for (unsigned k = 0; k < old->count; k++) {
		struct addr addr = route_addr(old, k);

		for (unsigned i = 0; i < dst->route->count && dst->moved[k] == LANE_ADDRESS_GONE; i++) {
			struct addr other = route_addr(dst->route, i);

			if (!addr_eq(&addr, &other))
				continue;
			dst->moved[k] = (uint8_t)i;
			dst->route->addresses[i].avoid_until_ns = old->addresses[k].avoid_until_ns;
		}
	}
}

/* Who has been found to be one host is not another one, or one who is known with less certainty, because he has the
 * same address. */
static void forget_changed_hosts(struct destination *dst, const struct route *old)
{
	list_for_each(node, &dst->all_lanes) {
		struct lane *lane = list_entry(node, struct lane, all_node);
		unsigned at = lane->address;

		if (at >= ROUTE_ADDRESSES_MAX || lane->tls == NULL || lane->tls->level <= TLS_LEVEL_ENCRYPT ||
		    dst->moved[at] == LANE_ADDRESS_GONE)
			continue;
		if (!route_is_same_host(old, at, dst->route, dst->moved[at]))
			lane->address = LANE_ADDRESS_GONE;
	}
}

/* Lanes keep their connection, and jobs their knowledge of who has been tried. */
static void renumber(struct destination *dst)
{
	unsigned looked = 0;

	list_for_each(node, &dst->all_lanes) {
		struct lane *lane = list_entry(node, struct lane, all_node);

		if (lane->address < ROUTE_ADDRESSES_MAX)
			lane->address = dst->moved[lane->address];
		if (lane->leader != NULL)
			destination_sync_tried(dst, lane->leader);
		lane_sync_tried(lane);
	}
	/* Those who are between two hosts stand in front. */
	list_for_each(node, &dst->ready) {
		destination_sync_tried(dst, list_entry(node, struct job, node));
		if (++looked == DISPATCH_BITE)
			break;
	}
}

static void take_new_route(struct destination *dst)
{
	struct route *old = dst->route;

	dst->route = dst->route_next;
	dst->route_next = NULL;
	if (old == NULL)
		return;
	dst->route_generation++;
	find_moved(dst, old);
	forget_changed_hosts(dst, old);
	renumber(dst);
	put_route(dst, &old);
	delivery_feed(dst->delivery);
}

void destination_on_tlsa(struct route *r)
{
	destination_wake(container_of(r, struct route_owner, route)->destination);
}

static void on_route(struct route *r)
{
	struct destination *dst = container_of(r, struct route_owner, route)->destination;

	CHECK_MAGIC(dst, DESTINATION_MAGIC);
	ASSERT(r == dst->route_next);
	/* A resolver that fails for a moment does not take away what works. */
	if (r->count == 0 && r->error.class == 4 && dst->route != NULL && dst->route->count > 0) {
		dst->route->expires_ns = r->expires_ns;
		put_route(dst, &dst->route_next);
	} else {
		take_new_route(dst);
	}
	destination_wake(dst);
}

static void ask_route(struct destination *dst)
{
	struct delivery *d = dst->delivery;
	struct route_owner *owner;

	if (dst->route_next != NULL)
		return;		/* asked already */
	owner = pool_take(&d->routes);
	if (owner == NULL) {
		destination_starve(dst);
		return;
	}
	owner->destination = dst;
	dst->route_next = &owner->route;
	route_init(dst->route_next, &d->route, on_route);
	/* What fails hard at a relay is its operator's mistake; LMTP has no such safety net (B 25). */
	route_start(dst->route_next, slice_of(dst->nexthop, dst->nexthop_len),
		    dst->is_relayhost && !d->conf.params->is_lmtp);
}

/* "smtp:next hop" of best_mx_transport; empty: it names a transport that does not exist here. */
static struct slice best_mx_next_hop(const struct params *p)
{
	struct slice rest = slice_of_str(p->best_mx_transport);

	if (!slice_has_prefix(rest, SLICE("smtp:")))
		return SLICE("");
	slice_skip(&rest, strlen("smtp:"));
	return slice_trim(rest);
}

static void on_handed_over(struct note *note)
{
	struct job *job = container_of(note, struct job, note);

	CHECK_MAGIC(job, JOB_MAGIC);
	destination_admit_job(delivery_self(), job);
}

/* In the middle of a round as well: whoever has been deferred in it waits, the others do not. Each destination has one
 * core, which alone keeps its limits. */
static void send_to(struct job *job, struct slice nexthop)
{
	struct destination *dst = job->destination;

	job->nexthop = nexthop;
	job->core = delivery_core_of(nexthop);
	job->destination = NULL;
	destination_new_round(job);
	note_init(&job->note, on_handed_over);
	xcall_send(job->core, &job->note);
	destination_job_left(dst);
}

/* We are the best mail exchanger of this domain (B 4): its mail goes where the operator says, and never back. */
static void hand_over(struct destination *dst)
{
	const struct outcome soft = { OUTCOME_SOFT, { 4, 3, 5 } };
	struct slice nexthop = best_mx_next_hop(dst->delivery->conf.params);
	bool is_usable = nexthop.len > 0 && nexthop.len <= JOB_NEXTHOP_MAX &&
			 !slice_eq(nexthop, slice_of(dst->nexthop, dst->nexthop_len));

	for (unsigned n = 0; n < DISPATCH_BITE; n++) {
		struct list *node = list_pop_front(&dst->ready);

		if (node == NULL)
			return;
		struct job *job = list_entry(node, struct job, node);

		if (is_usable)
			send_to(job, nexthop);
		else
			destination_answer(dst, job, NULL, soft, SESSION_CONNECT,
					   SLICE("server configuration error: best_mx_transport names no transport "
						 "that exists here"), false);
	}
	destination_wake(dst);
}

static bool is_for_ourselves(const struct destination *dst)
{
	const struct mx_error *e = &dst->route->error;

	return e->class == 5 && e->subject == 4 && e->detail == 6 &&
	       dst->delivery->conf.params->best_mx_transport[0] != '\0';
}

static void answer_no_route(struct destination *dst)
{
	const struct mx_error *e = &dst->route->error;
	const struct outcome outcome = {
		e->class == 4 ? OUTCOME_SOFT : OUTCOME_HARD, { e->class, e->subject, e->detail },
	};
	struct slice why = slice_of_str(e->text);

	for (unsigned n = 0; n < DISPATCH_BITE; n++) {
		struct list *node = list_pop_front(&dst->ready);

		if (node == NULL)
			return;
		struct job *job = list_entry(node, struct job, node);

		if (!trial_answer(dst, job, NULL, outcome, SESSION_CONNECT, why, n == 0)) {
			list_push_front(&dst->ready, node);
			destination_starve(dst);
			return;
		}
	}
	destination_wake(dst);
}

/* --- dispatch --------------------------------------------------------------------------------- */

/* All addresses of this round are used up: what the last one said has been settled already, so this is a job that came
 * back with none left, because the route has shrunk. A new round it is. -1: no address may be connected to any more. */
static int address_for(struct destination *dst, struct job *job)
{
	destination_sync_tried(dst, job);
	int i = route_next(dst->route, job->tried, reactor_now());

	if (i >= 0)
		return i;
	destination_new_round(job);
	return route_next(dst->route, job->tried, reactor_now());
}

static bool carry_on_idle(struct destination *dst)
{
	if (!dst->cache_load)
		return false;
	list_for_each(node, &dst->idle) {
		struct lane *lane = list_entry(node, struct lane, node);
		struct job *job = destination_pop_for(dst, lane);

		if (job == NULL)
			continue;
		if (lane_carry(lane, job))
			return true;
		destination_push_ready(dst, job, true);
		destination_starve(dst);
		return false;
	}
	return false;
}

static bool rate_allows(struct destination *dst)
{
	uint64_t delay = dst->delivery->conf.params->smtp_destination_rate_delay_ns;

	if (delay == 0)
		return true;
	if (reactor_now() < dst->next_start_ns) {
		timer_arm_at(&dst->wake, dst->next_start_ns);
		return false;
	}
	dst->next_start_ns = reactor_now() + delay;
	return true;
}

/* An idle session that somebody else has left with this address, or with any that is as good (B 18.3). */
static struct lane *borrow(struct destination *dst, const struct job *job, unsigned address)
{
	const struct route *r = dst->route;
	struct lane *lane = NULL;

	if (!dst->cache_load)
		return NULL;
	if (r->addresses[address].is_worse)
		return lane_borrow(dst, job, address);
	for (unsigned i = 0; i < r->count && lane == NULL; i++)
		if (r->addresses[i].element == r->addresses[address].element && !r->addresses[i].is_worse &&
		    fits(job, i))
			lane = lane_borrow(dst, job, i);
	return lane;
}

/* The first job whose next host is not one of those whose TLSA records are being asked for; NULL: all of them wait. */
static struct job *job_to_open(struct destination *dst, int *ret_address)
{
	unsigned looked = 0;

	list_for_each(node, &dst->ready) {
		struct job *job = list_entry(node, struct job, node);

		*ret_address = address_for(dst, job);
		if (*ret_address < 0 || !route_is_asking_tlsa(dst->route, (unsigned)*ret_address))
			return job;
		if (++looked == DISPATCH_LOOK_AHEAD)
			break;
	}
	return NULL;
}

static bool open_new(struct destination *dst)
{
	int address;

	if (dst->busy >= window_size(&dst->window))
		return false;
	struct job *job = job_to_open(dst, &address);

	if (job == NULL) {
		dst->next_start_ns = 0;	/* nothing has been started */
		return false;
	}
	if (address < 0) {
		route_give_up(dst->route);
		return true;	/* to look it up anew */
	}
	struct lane *lane = borrow(dst, job, (unsigned)address);

	list_remove(&job->node);
	enum lane_start start = lane == NULL		? lane_open(dst, job, (unsigned)address) :
				lane_carry(lane, job)	? LANE_BEGUN : LANE_STARVED;

	if (start == LANE_BEGUN)
		return true;
	destination_push_ready(dst, job, true);
	if (start == LANE_STARVED)
		destination_starve(dst);
	else
		dst->next_start_ns = 0;
	return start == LANE_WAITS;	/* another job may go elsewhere */
}

static void on_dispatch(struct task *task)
{
	struct destination *dst = container_of(task, struct destination, dispatch);
	struct delivery *d = dst->delivery;

	CHECK_MAGIC(dst, DESTINATION_MAGIC);
	if (!list_is_empty(&dst->ready) && !dst->is_on_trial)
		list_remove(&dst->node);	/* not starving: it may be again below */
	while (!list_is_empty(&dst->ready) && !d->draining) {
		if (is_suspended(dst)) {
			answer_suspended(dst);
			return;
		}
		if (dst->route == NULL || !route_is_usable(dst->route, reactor_now()))
			ask_route(dst);
		if (dst->route == NULL || dst->route->state != ROUTE_READY)
			return;		/* on_route comes back */
		if (dst->route->count == 0) {
			if (dst->route_next == NULL && is_for_ourselves(dst))
				hand_over(dst);
			else if (dst->route_next == NULL)
				answer_no_route(dst);
			return;
		}
		if (!rate_allows(dst))
			return;
		if (!carry_on_idle(dst) && !open_new(dst))
			return;
	}
}

static void on_wake(struct wheel_timer *timer)
{
	destination_wake(container_of(timer, struct destination, wake));
}

/* --- coming and going ------------------------------------------------------------------------- */

static bool key_is(const struct map_node *node, struct slice key)
{
	const struct destination *dst = container_of(node, struct destination, by_nexthop);

	return slice_eq(slice_of(dst->nexthop, dst->key_len), key);
}

static void give_back_routes(struct destination *dst)
{
	if (dst->route_next != NULL)
		put_route(dst, &dst->route_next);
	if (dst->route != NULL)
		put_route(dst, &dst->route);
}

/* With nothing to do a destination keeps what it has learned, and makes room when others need it. */
void destination_rest(struct destination *dst)
{
	struct delivery *d = dst->delivery;

	if (dst->jobs > 0 || dst->lanes > 0)
		return;
	give_back_routes(dst);
	list_remove(&dst->node);
	dst->is_on_trial = false;
	list_push_back(&d->unused, &dst->node);
	delivery_feed(d);
}

void destination_job_left(struct destination *dst)
{
	ASSERT(dst->jobs > 0);
	dst->jobs--;
	destination_rest(dst);
}

static void forget(struct destination *dst)
{
	struct delivery *d = dst->delivery;

	if (d->recent == dst)
		d->recent = NULL;
	map_remove(&d->by_nexthop, &dst->by_nexthop);
}

static struct destination *evict(struct delivery *d)
{
	struct list *node = list_pop_front(&d->unused);

	if (node == NULL)
		return NULL;
	struct destination *dst = list_entry(node, struct destination, node);

	timer_cancel(&dst->wake);
	reactor_unpost(&dst->dispatch);
	forget(dst);
	return dst;
}

void destination_forget(struct destination *dst)
{
	struct delivery *d = dst->delivery;

	ASSERT(dst->lanes == 0);
	give_back_routes(dst);
	list_remove(&dst->node);
	timer_cancel(&dst->wake);
	reactor_unpost(&dst->dispatch);
	forget(dst);
	dst->magic = 0;
	pool_put(&d->destinations, &dst);
}

/* By the first name of the list, without brackets and port (case 545). A table that fails keeps nothing open. */
static bool is_always_cached(const struct delivery *d, struct slice nexthop)
{
	struct destination_name first;
	const char *why;

	return d->conf.params->smtp_connection_cache_destinations != NULL &&
	       nexthop_next(&d->nexthop, &nexthop, &first, &why) > 0 &&
	       mlist_match(d->conf.params->smtp_connection_cache_destinations, first.host) > 0;
}

/* A session of this destination is one to look at, whatever host it leads to (debug_peer_list). */
static bool is_watched(const struct delivery *d, struct slice nexthop)
{
	struct destination_name first;
	const char *why;

	return d->conf.params->debug_peer_list != NULL &&
	       nexthop_next(&d->nexthop, &nexthop, &first, &why) > 0 &&
	       mlist_match_host(d->conf.params->debug_peer_list, first.host, first.is_literal ? &first.addr : NULL,
				true) > 0;
}

/* Two recipients who are taken for the same one share a window, and that is all. */
static struct slice key_of(const struct delivery *d, struct job *job, struct str *storage)
{
	const uint64_t rcpt = is_by_rcpt(d) ? map_hash(&d->by_nexthop, job_next_rcpt(job)->addr) : 0;

	str_add(storage, job->nexthop);
	if (is_by_rcpt(d))
		str_add(storage, slice_of(&rcpt, sizeof(rcpt)));
	ASSERT(!str_is_full(storage));
	return str_slice(storage);
}

/* Mail comes in bunches, and with a relay all of it goes to one place. */
static bool is_recent(const struct delivery *d, struct slice nexthop)
{
	return d->recent != NULL && !is_by_rcpt(d) &&
	       slice_eq(slice_of(d->recent->nexthop, d->recent->nexthop_len), nexthop);
}

/* Where the job's next recipient goes; NULL: too many destinations are busy. */
static struct destination *destination_of(struct delivery *d, struct job *job)
{
	if (is_recent(d, job->nexthop))
		return d->recent;
	NOT_ZEROED char text[JOB_NEXTHOP_MAX + sizeof(uint64_t) + 1];
	struct str storage = STR(text);
	struct slice nexthop = job->nexthop;
	struct slice key = key_of(d, job, &storage);
	uint64_t hash = map_hash(&d->by_nexthop, key);
	struct map_node *node = map_find(&d->by_nexthop, hash, key, key_is);
	struct destination *dst;

	if (node != NULL)
		return d->recent = container_of(node, struct destination, by_nexthop);
	dst = pool_take(&d->destinations);
	if (dst == NULL)
		dst = evict(d);
	if (dst == NULL)
		return NULL;
	ASSERT(key.len <= sizeof(dst->nexthop));
	memset(dst, 0, sizeof(*dst));
	dst->magic = DESTINATION_MAGIC;
	dst->delivery = d;
	list_init(&dst->node);
	list_init(&dst->ready);
	list_init(&dst->idle);
	list_init(&dst->all_lanes);
	wheel_timer_init(&dst->wake, on_wake);
	task_init(&dst->dispatch, on_dispatch);
	memcpy(dst->nexthop, key.ptr, key.len);
	dst->key_len = (uint16_t)key.len;
	dst->nexthop_len = (uint16_t)nexthop.len;
	dst->is_relayhost = slice_eq(nexthop, params_next_hop(d->conf.params));
	/* An error is no "yes", and DATA is always right. */
	dst->chunking = mlist_match(d->conf.params->smtp_chunking_destinations, nexthop) > 0;
	dst->is_watched = is_watched(d, nexthop);
	dst->cache_always = is_always_cached(d, nexthop);
	dst->cache_load = dst->cache_always;
	dst->cache_store = dst->cache_always;
	dst->window_conf = dst->is_relayhost ? &d->window_shard : &d->window;
	window_init(&dst->window, dst->window_conf);
	map_insert(&d->by_nexthop, &dst->by_nexthop, hash);
	return dst;
}

static void join(struct destination *dst, struct job *job)
{
	if (dst->jobs == 0 && dst->lanes == 0)
		list_remove(&dst->node);	/* out of unused */
	job->destination = dst;
	dst->jobs++;
}

void destination_take_job(struct delivery *d, struct job *job)
{
	if (job->due_ns > reactor_queue_now()) {
		delivery_defer(d, job);
		return;
	}
	job->due_ns = 0;
	destination_admit_job(d, job);
}

void destination_admit_job(struct delivery *d, struct job *job)
{
	struct destination *dst = destination_of(d, job);

	ASSERT(job->destination == NULL);
	if (dst == NULL) {
		metric_add(&metric_homeless, 1);
		list_push_back(&d->homeless, &job->node);
		return;
	}
	join(dst, job);
	destination_push_ready(dst, job, false);
	destination_wake(dst);
}

void destination_go_on(struct destination *dst, struct job *job)
{
	struct destination *next = is_by_rcpt(dst->delivery) ? destination_of(dst->delivery, job) : dst;

	/* Without room for one more it shares this one's window. */
	if (next == dst || next == NULL) {
		destination_push_ready(dst, job, true);
		return;
	}
	destination_new_round(job);
	join(next, job);
	destination_push_ready(next, job, false);
	destination_wake(next);
	destination_job_left(dst);
}
