#include "tests/sim/injector.h"

#include <stdlib.h>

#include "tests/sim/fault.h"
#include "tests/sim/ledger.h"
#include "tests/sim/net.h"
#include "tests/sim/tape.h"

#define CLIENTS_MAX	8u
#define WIRE_MAX	KIB(512)
#define GIVE_UP_NS	(600 * NS_PER_SEC)

enum step { STEP_GREETING, STEP_HELLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_DOT, STEP_QUIT };

struct client {
	struct sim_alarm again;
	struct sim_conn *c;		/* NULL: not connected */
	enum step step;
	uint32_t id;			/* of the message under way */
	bool under_way;
	unsigned rcpt;
	unsigned left;			/* messages in this session */
	char line[1024];
	size_t len;
};

static struct injectors_conf conf;
static struct client clients[CLIENTS_MAX];
static unsigned accepted;
static bool stopped;

unsigned injectors_accepted(void)
{
	return accepted;
}

static bool is_enough(void)
{
	return stopped || accepted >= conf.messages || ledger_count() >= LEDGER_IDS - CLIENTS_MAX;
}

bool injectors_are_done(void)
{
	for (unsigned i = 0; i < conf.clients; i++)
		if (clients[i].c != NULL)
			return false;
	return is_enough();
}

/* --- what is said -------------------------------------------------------------------------------- */

static void say(struct client *cl, enum step step, const char *text)
{
	cl->step = step;
	sim_send_text(cl->c, text);
}

static void begin_message(struct client *cl)
{
	unsigned domains[LEDGER_RCPTS];
	const unsigned rcpts = (unsigned)tape_range(1, conf.rcpts_max);
	const uint32_t size = (uint32_t)tape_range(0, tape_below(8) == 7 ? conf.size_max : 600);
	char text[64];
	struct str out = STR(text);

	if (is_enough() || cl->left-- == 0) {
		say(cl, STEP_QUIT, "QUIT\r\n");
		return;
	}
	for (unsigned i = 0; i < rcpts; i++)
		domains[i] = tape_below(conf.domains);
	cl->id = ledger_offer(tape_noise(), size, domains, rcpts);
	cl->under_way = true;
	cl->rcpt = 0;
	str_printf(&out, "MAIL FROM:<s%u@client.test>\r\n", cl->id);
	say(cl, STEP_MAIL, str_cstr(&out));
}

static void say_rcpt(struct client *cl)
{
	char text[96];
	struct str out = STR(text);

	str_add_cstr(&out, "RCPT TO:<");
	ledger_add_address(&out, cl->id, cl->rcpt++);
	str_add_cstr(&out, ">\r\n");
	say(cl, STEP_RCPT, str_cstr(&out));
}

static void say_content(struct client *cl)
{
	static char wire[WIRE_MAX];
	struct str out = STR(wire);
	const struct slice content = ledger_content(ledger_at(cl->id), cl->id);
	const size_t half = content.len / 2;

	for (size_t i = 0; i < content.len; i++) {
		if (content.ptr[i] == '.' && content.ptr[i - 1] == '\n')
			str_add_char(&out, '.');
		str_add_char(&out, content.ptr[i]);
		if (i == half && fault_strikes(FAULT_INJECTOR_LEAVES)) {
			sim_send(cl->c, str_slice(&out));
			sim_reset(cl->c);
			return;
		}
	}
	str_add_cstr(&out, ".\r\n");
	ASSERT(!str_is_full(&out));
	ledger_at(cl->id)->state = OFFER_DOT_SENT;
	cl->step = STEP_DOT;
	sim_send(cl->c, str_slice(&out));
	if (fault_strikes(FAULT_INJECTOR_LEAVES))
		sim_close(cl->c);
}

/* --- what is answered ---------------------------------------------------------------------------- */

static void refused(struct client *cl)
{
	ledger_at(cl->id)->state = OFFER_REFUSED;
	cl->under_way = false;
	say(cl, STEP_QUIT, "QUIT\r\n");
}

static void on_dot_answered(struct client *cl, bool good)
{
	if (!good) {
		refused(cl);
		return;
	}
	ledger_at(cl->id)->state = OFFER_ACCEPTED;
	ledger_at(cl->id)->at_ns = sim_now();
	cl->under_way = false;
	accepted++;
	begin_message(cl);
}

static void on_reply(struct client *cl, char code)
{
	const bool good = code == '2' || code == '3';

	switch (cl->step) {
	case STEP_GREETING:
		if (good)
			say(cl, STEP_HELLO, "EHLO client.test\r\n");
		else
			sim_close(cl->c);
		break;
	case STEP_HELLO:
		begin_message(cl);
		break;
	case STEP_MAIL:
	case STEP_RCPT:
		if (!good)
			refused(cl);
		else if (cl->rcpt < ledger_at(cl->id)->rcpt_count)
			say_rcpt(cl);
		else
			say(cl, STEP_DATA, "DATA\r\n");
		break;
	case STEP_DATA:
		if (good)
			say_content(cl);
		else
			refused(cl);
		break;
	case STEP_DOT:
		on_dot_answered(cl, good);
		break;
	case STEP_QUIT:
		sim_close(cl->c);
		break;
	}
}

static void on_octets(struct sim_conn *c, struct slice data)
{
	struct client *cl = sim_context(c);

	for (size_t i = 0; i < data.len; i++) {
		ASSERT(cl->len < sizeof(cl->line));
		cl->line[cl->len++] = data.ptr[i];
		if (data.ptr[i] != '\n')
			continue;
		cl->len = 0;
		if (cl->line[3] != '-')
			on_reply(cl, cl->line[0]);
	}
}

/* --- sessions ------------------------------------------------------------------------------------ */

static void on_finish(struct sim_conn *c)
{
	sim_close(c);
}

/* The engine has gone silent for good, as after a power cut. */
static void on_time(struct sim_conn *c)
{
	sim_reset(c);
}

/* Without the reply to the dot nobody knows: the state stays OFFER_DOT_SENT. */
static void on_gone(struct sim_conn *c)
{
	struct client *cl = sim_context(c);

	if (cl->under_way && ledger_at(cl->id)->state == OFFER_BEGUN)
		ledger_at(cl->id)->state = OFFER_REFUSED;
	cl->under_way = false;
	cl->c = NULL;
	if (!is_enough())
		sim_alarm_in(&cl->again, NS_PER_MS + tape_range(0, conf.pause_ns));
}

static const struct sim_program program = {
	.on_data = on_octets, .on_finish = on_finish, .on_time = on_time, .on_gone = on_gone,
};

static void on_again(struct sim_alarm *alarm)
{
	struct client *cl = alarm->context;
	struct sim_link link = { 0 };

	if (is_enough())
		return;
	if (fault_strikes(FAULT_SMALL_SEGMENTS)) {
		link.segment_to_engine = (uint32_t)tape_range(1, 100);
		link.segment_to_peer = 1;
	}
	if (fault_strikes(FAULT_CUT_RESET))
		link.cut_to_peer = (struct sim_cut){ SIM_CUT_RESET, tape_range(0, 600) };
	cl->step = STEP_GREETING;
	cl->len = 0;
	cl->left = (unsigned)tape_range(1, 5);
	cl->c = sim_dial("10.0.0.9", conf.listener, 25, &link, &program, cl);
	sim_wake_in(cl->c, GIVE_UP_NS);
}

void injectors_start(const struct injectors_conf *c)
{
	conf = *c;
	ASSERT(conf.clients <= CLIENTS_MAX);
	accepted = 0;
	stopped = false;
	for (unsigned i = 0; i < conf.clients; i++) {
		clients[i] = (struct client){ .again = { .fn = on_again, .context = &clients[i] } };
		sim_alarm_in(&clients[i].again, NS_PER_MS * (i + 1));
	}
}

void injectors_stop(void)
{
	stopped = true;
}
