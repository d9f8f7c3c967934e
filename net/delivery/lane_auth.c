/* lane_auth.c - who we are in a session: credentials, what was refused before, what makes a session somebody's own */
#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "net/delivery/delivery_internal.h"

static struct credentials_peer credentials_peer(const struct destination *dst, const struct job *job, unsigned address)
{
	struct credentials_peer peer = {
		.sender = job->msg->sender,
		.host = route_host(dst->route, address),
		.destination = slice_of(dst->nexthop, dst->nexthop_len),
	};
	struct destination_name hop;

	if (route_element(dst->route, peer.destination, address, &hop))
		peer.destination = hop.text;
	return peer;
}

int lane_identify(const struct destination *dst, const struct job *job, unsigned address,
		  struct credentials_id *ret_who, struct str *why)
{
	const struct delivery *d = dst->delivery;

	*ret_who = (struct credentials_id){ 0 };
	if (!d->conf.params->smtp_sasl_auth_enable)
		return 0;
	const struct credentials_peer peer = credentials_peer(dst, job, address);

	return credentials_identify(&d->generic, &peer, &d->salt, ret_who, why);
}

/* Another sender may be somebody else (case 367). */
bool lane_is_of_same(const struct lane *lane, const struct job *job)
{
	const struct params *p = lane->destination->delivery->conf.params;
	struct credentials_id who;
	char storage[256];
	struct str why = STR(storage);

	if (!p->smtp_sasl_auth_enable || !p->smtp_sender_dependent_authentication)
		return true;
	if (lane->address == LANE_ADDRESS_GONE || lane_identify(lane->destination, job, lane->address, &who, &why) < 0)
		return false;
	return credentials_are_equal(&who, &lane->who);
}

static uint64_t refusal_keep_ns(const struct params *p)
{
	return p->smtp_sasl_auth_cache_name[0] != '\0' ? p->smtp_sasl_auth_cache_time_ns : AUTH_MEMORY_SHORT_NS;
}

/* What the server has said before stands for what it would say now. */
static int recall_refusal(struct lane *lane)
{
	struct delivery *d = lane->destination->delivery;
	struct session_failure *f = &lane->session.failure;
	uint64_t keep_ns = refusal_keep_ns(d->conf.params);
	const struct auth_refusal *r = auth_memory_find(&d->refused, &lane->who, keep_ns, reactor_queue_now());

	if (r == NULL)
		return 0;
	f->auth = SESSION_AUTH_REMEMBERED;
	f->code = r->code;
	f->dsn = r->dsn;
	f->text_len = r->text_len;
	memcpy(f->text, r->text, r->text_len);
	return -EACCES;
}

/* They may have changed since the session was opened; then it is nobody else's. */
int lane_on_credentials(struct session *s, struct auth_credentials *ret)
{
	struct lane *lane = container_of(s, struct lane, session);
	struct destination *dst = lane->destination;
	char storage[SESSION_FAILURE_MAX];
	struct str why = STR(storage);

	CHECK_MAGIC(lane, LANE_MAGIC);
	if (lane->leader == NULL || lane->address == LANE_ADDRESS_GONE)
		return ERR_TABLE;	/* nobody knows any more who wanted to be whom */
	const struct credentials_peer peer = credentials_peer(dst, lane->leader, lane->address);
	int r = credentials_find(&dst->delivery->generic, &peer, ret, &why);

	if (r == 0)
		str_add_cstr(&why, "smtp_sasl_password_maps: what was there a moment ago is gone");
	if (r <= 0) {
		log_put(LOG_LEVEL_WARNING, delivery_log_name(), str_slice(&why));
		return ERR_TABLE;
	}
	const struct credentials_id before = lane->who;

	credentials_id_of(ret, peer.host, &dst->delivery->salt, &lane->who);
	if (!credentials_are_equal(&before, &lane->who))
		lane->cached.key.len = 0;
	r = recall_refusal(lane);
	return r < 0 ? r : 1;
}

void lane_note_auth(struct lane *lane)
{
	struct delivery *d = lane->destination->delivery;
	const struct session_failure *f = &lane->session.failure;

	if (f->auth == SESSION_AUTH_REFUSED && f->code == 535)
		auth_memory_note(&d->refused, &lane->who, f->code, f->dsn, slice_of(f->text, f->text_len),
				 reactor_queue_now());
}
