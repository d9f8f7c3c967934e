/* The resolver with a library that calls back whenever it likes: this file is c-ares. */
#include "net/lookup/resolver.h"

#include <ares.h>

#include "core/clock.h"
#include "core/reactor.h"
#include "tests/test.h"

#define HELD_MAX 16

enum outcome { ANSWER_NOW, ANSWER_LATER, ANSWER_TWICE };

/* --- the library ------------------------------------------------------------------------------ */

struct held {
	ares_callback fn;
	void *context;
	unsigned char packet[512];
	int len;
};

/* Two channels: what a resolver opens. */
struct ares_channeldata {
	struct ares_options options;
	struct held held[HELD_MAX];
	unsigned count;
};

static struct {
	const char *version;
	enum outcome outcome;
	unsigned rcodes[8];		/* of the answers, one after the other; 16: truncated */
	unsigned answered;
	unsigned inside;		/* calls of callbacks that have not returned */
	unsigned reentered;		/* calls of ours meanwhile */
	unsigned sent;
	unsigned destroyed;
	int flags;
	unsigned char last[512];
} lib;

static void call_back(const struct held *h, int status)
{
	unsigned char packet[512];
	unsigned rcode = lib.rcodes[lib.answered++ % ARRAY_LEN(lib.rcodes)];

	memcpy(packet, h->packet, (size_t)h->len);
	packet[2] = (unsigned char)(packet[2] | 0x80 | (rcode == 16 ? 0x02 : 0));
	packet[3] = (unsigned char)(rcode & 15);
	lib.inside++;
	h->fn(h->context, status, 0, status == ARES_SUCCESS ? packet : NULL, status == ARES_SUCCESS ? h->len : 0);
	lib.inside--;
}

int ares_library_init(int flags)
{
	(void)flags;
	return ARES_SUCCESS;
}

void ares_library_cleanup(void)
{
}

const char *ares_version(int *version)
{
	(void)version;
	return lib.version;
}

int ares_init_options(ares_channel *ret_channel, struct ares_options *options, int mask)
{
	struct ares_channeldata *c = calloc(1, sizeof(*c));

	(void)mask;
	assert_non_null(c);
	c->options = *options;
	lib.flags = options->flags;
	*ret_channel = c;
	return ARES_SUCCESS;
}

int ares_set_servers_ports(ares_channel channel, struct ares_addr_port_node *servers)
{
	(void)channel;
	(void)servers;
	return ARES_SUCCESS;
}

void ares_send(ares_channel c, const unsigned char *packet, int len, ares_callback fn, void *context)
{
	struct held h = { .fn = fn, .context = context, .len = len };

	lib.reentered += lib.inside > 0;
	lib.sent++;
	memcpy(h.packet, packet, (size_t)len);
	memcpy(lib.last, packet, (size_t)len);
	if (lib.outcome == ANSWER_NOW) {
		call_back(&h, ARES_ECONNREFUSED);
	} else {
		assert_true(c->count < HELD_MAX);
		c->held[c->count++] = h;
	}
}

void ares_process_fd(ares_channel c, ares_socket_t read_fd, ares_socket_t write_fd)
{
	struct held now[HELD_MAX];
	unsigned count = c->count;

	(void)read_fd;
	(void)write_fd;
	lib.reentered += lib.inside > 0;
	memcpy(now, c->held, sizeof(now));
	c->count = 0;
	for (unsigned i = 0; i < count; i++) {
		call_back(&now[i], ARES_SUCCESS);
		if (lib.outcome == ANSWER_TWICE)
			call_back(&now[i], ARES_SUCCESS);
	}
}

struct timeval *ares_timeout(ares_channel c, struct timeval *max, struct timeval *tv)
{
	(void)max;
	*tv = (struct timeval){ .tv_usec = 1000 };
	return c->count > 0 ? tv : NULL;
}

/* As the library does it: everybody is told, then sockets are closed, then memory goes. */
void ares_destroy(ares_channel c)
{
	lib.destroyed++;
	for (unsigned i = 0; i < c->count; i++)
		call_back(&c->held[i], ARES_EDESTRUCTION);
	c->options.sock_state_cb(c->options.sock_state_cb_data, 1000, 0, 0);
	free(c);
}

/* --- a resolver ------------------------------------------------------------------------------- */

static struct reactor reactor;
static struct resolver *resolver;
static struct query queries[4];
static enum answer_class classes[4];
static unsigned answers[4];

static void take(struct query *q, const struct answer *answer)
{
	answers[q - queries]++;
	classes[q - queries] = answer->class;
	/* Those who are told may well not want to hear of another. */
	if (q == &queries[2])
		resolver_cancel(&queries[3]);
}

static void open_one(bool dnssec)
{
	const struct resolver_conf conf = { .servers = "127.0.0.1", .entries_max = 8, .dnssec = dnssec };

	assert_int_equal(resolver_new(&conf, &resolver), 0);
	memset(answers, 0, sizeof(answers));
}

static void ask(unsigned i, const char *name)
{
	query_init(&queries[i], take);
	resolver_ask(resolver, &queries[i], DNS_TYPE_A, slice_of_str(name));
	assert_int_equal(answers[i], 0);
}

static void turns(unsigned count)
{
	while (count-- > 0)
		assert_int_equal(reactor_turn(&reactor, clock_mono_ns() + 3 * NS_PER_MS), 0);
}

static int set_up(void **state)
{
	const struct io_conf io = { .files_max = 64, .arena_size = MIB(1) };

	(void)state;
	memset(&lib, 0, sizeof(lib));
	lib.version = "1.34.6";
	lib.outcome = ANSWER_LATER;
	assert_int_equal(xcall_start(1), 0);
	return reactor_open(&reactor, &io);
}

static int tear_down(void **state)
{
	(void)state;
	resolver_free(&resolver);
	turns(2);
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

/* Each of these answers leads to one more question: without EDNS, by TCP. */
static void what_is_asked_again_is_not_asked_from_inside(void **state)
{
	static const unsigned rcodes[] = { 1, 16, 3 };

	(void)state;
	memcpy(lib.rcodes, rcodes, sizeof(rcodes));
	open_one(false);
	ask(0, "a.test");
	turns(20);
	assert_int_equal(lib.sent, 3);
	assert_int_equal(lib.reentered, 0);
	assert_int_equal(answers[0], 1);
	assert_int_equal(classes[0], ANSWER_NOT_FOUND);
}

static void an_answer_inside_of_the_question_comes_later(void **state)
{
	(void)state;
	lib.outcome = ANSWER_NOW;
	open_one(false);
	ask(0, "a.test");
	ask(1, "a.test");
	turns(2);
	assert_int_equal(lib.reentered, 0);
	assert_int_equal(answers[0] + answers[1], 2);
	assert_int_equal(classes[1], ANSWER_RETRY);
}

static void nobody_hears_of_the_end(void **state)
{
	(void)state;
	open_one(false);
	ask(0, "a.test");
	ask(1, "b.test");
	resolver_free(&resolver);
	turns(5);
	assert_int_equal(lib.destroyed, 2);
	assert_int_equal(answers[0] + answers[1], 0);
	assert_false(query_is_waiting(&queries[0]) || query_is_waiting(&queries[1]));
}

static void who_has_cancelled_is_not_told(void **state)
{
	(void)state;
	memset(lib.rcodes, 0, sizeof(lib.rcodes));
	open_one(false);
	ask(0, "a.test");
	resolver_cancel(&queries[0]);
	ask(2, "b.test");
	ask(3, "b.test");
	turns(5);
	assert_int_equal(answers[0], 0);
	assert_int_equal(answers[2], 1);
	assert_int_equal(answers[3], 0);
}

/* In a process of its own, with a ring of its own. */
static void be_told(void *context)
{
	(void)set_up(NULL);
	lib.outcome = *(enum outcome *)context;
	for (unsigned i = 0; i < ARRAY_LEN(lib.rcodes); i++)
		lib.rcodes[i] = 3;
	open_one(false);
	ask(0, "a.test");
	turns(5);
	assert_int_equal(answers[0], 1);
}

/* The entry may stand for another question by then. */
static void an_answer_that_comes_twice_stops_us(void **state)
{
	enum outcome once = ANSWER_LATER, twice = ANSWER_TWICE;

	(void)state;
	assert_false(test_dies(be_told, &once));
	assert_true(test_dies(be_told, &twice));
}

/* The number of additional records. */
static bool has_edns(void)
{
	return lib.last[11] == 1;
}

static void suspect_releases_get_no_reason_to_ask_again(void **state)
{
	static const struct {
		const char *version;
		bool is_suspect;
	} versions[] = {
		{ "1.18.1", false }, { "1.32.2", false }, { "1.32.3", true },
		{ "1.34.5", true },  { "1.34.6", false }, { "2.0.0", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		for (unsigned dnssec = 0; dnssec < 2; dnssec++) {
			lib.version = versions[i].version;
			open_one(dnssec > 0);
			ask(0, "a.test");
			assert_int_equal((lib.flags & ARES_FLAG_NOCHECKRESP) != 0, versions[i].is_suspect);
			assert_int_equal((lib.flags & ARES_FLAG_EDNS) != 0, !versions[i].is_suspect);
			assert_int_equal(has_edns(), dnssec > 0 || !versions[i].is_suspect);
			resolver_free(&resolver);
			turns(2);
		}
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("what is asked again is not asked from inside the library (row SUP-02)",
			   what_is_asked_again_is_not_asked_from_inside, set_up, tear_down),
		CLAIM_WITH("an answer inside of the question comes later (row SUP-02)",
			   an_answer_inside_of_the_question_comes_later, set_up, tear_down),
		CLAIM_WITH("nobody hears of the end (row SUP-02)", nobody_hears_of_the_end, set_up, tear_down),
		CLAIM_WITH("who has cancelled is not told (row SUP-02)", who_has_cancelled_is_not_told, set_up, tear_down),
		CLAIM("an answer that comes twice stops us (row SUP-02)", an_answer_that_comes_twice_stops_us),
		CLAIM_WITH("suspect releases get no reason to ask again (row SUP-01)",
			   suspect_releases_get_no_reason_to_ask_again, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("net/lookup/resolver_library", claims, NULL, NULL);
}
