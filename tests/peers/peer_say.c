#include "tests/peers/peer_impl.h"

#include "core/str.h"

#define ENDLESS_STEP_NS	(NS_PER_MS / 2)
#define ENDLESS_AHEAD	KIB(256)	/* octets under way of something endless */
#define DEAF_NS		(100 * NS_PER_MS)

/* --- saying ----------------------------------------------------------------------------------- */

static void rest_of_trickle(struct talk *t)
{
	struct saying *s = &t->saying;

	talk_send(t, slice_of(s->text.ptr + s->at, 1));
	if (++s->at < s->text.len)
		sim_wake_in(t->conn, s->ns);
	else
		t->busy = false;
}

static void more_of_endless(struct talk *t)
{
	struct saying *s = &t->saying;

	for (unsigned i = 0; i < 64 && sim_octets_unarrived(t->conn) < ENDLESS_AHEAD; i++)
		talk_send(t, s->text);
	sim_wake_in(t->conn, ENDLESS_STEP_NS);
}

/* All of text is under way: what does the deed want now? True: go on as if nothing had been. */
static bool after_saying(struct talk *t)
{
	struct saying *s = &t->saying;

	switch (s->deed) {
	case PEER_SAY_CLOSE:
	case PEER_REPLY_CLOSE:
		talk_end(t, false);
		return false;
	case PEER_SAY_RESET:
	case PEER_REPLY_RESET:
		if (sim_octets_unarrived(t->conn) == 0) {
			talk_end(t, true);
			return false;
		}
		sim_wake_in(t->conn, NS_PER_MS);	/* a reset would overtake what was said */
		return false;
	case PEER_SAY_LATER:
		s->text = s->later;
		s->deed = PEER_LATE;
		sim_wake_in(t->conn, s->ns);
		return false;
	default:
		return true;
	}
}

static void say_now(struct talk *t)
{
	if (t->saying.text.len > 0)
		talk_send(t, t->saying.text);
	t->saying.text = SLICE("");
	if (after_saying(t))
		t->busy = false;
}

void talk_begin_saying(struct talk *t)
{
	struct saying *s = &t->saying;

	t->busy = true;
	switch (s->deed) {
	case PEER_SILENT:
		t->busy = false;
		return;
	case PEER_MUTE:
		t->mute = true;
		return;
	case PEER_STOP_READING:
		sim_read(t->conn, false);
		return;
	case PEER_LATE:
		sim_wake_in(t->conn, s->ns);
		return;
	case PEER_LOSE_REST:
		t->deaf = true;
		t->input_len = 0;
		sim_wake_in(t->conn, DEAF_NS);
		return;
	case PEER_TRICKLE:
		rest_of_trickle(t);
		return;
	case PEER_ENDLESS:
		more_of_endless(t);
		return;
	default:
		if (t->peer->reply_ns > 0)
			sim_wake_in(t->conn, t->peer->reply_ns);
		else
			say_now(t);
		return;
	}
}

const struct peer_trick *talk_trick(const struct talk *t, enum peer_stage stage)
{
	for (unsigned i = 0; i < t->peer->trick_count; i++) {
		const struct peer_trick *trick = &t->peer->tricks[i];

		if (trick->stage == stage && (trick->nth == 0 || trick->nth == t->times[stage]) &&
		    (trick->connection == 0 || trick->connection == t->number))
			return trick;
	}
	return NULL;
}

/* The class of the last line of what is said: '2', '3', '4', '5'; '?' for what is no reply. */
static char class_of(struct slice text)
{
	size_t from = 0;

	for (size_t i = 0; i + 1 < text.len; i++)
		if (text.ptr[i] == '\n')
			from = i + 1;
	return text.len - from >= 3 && text.ptr[from] >= '2' && text.ptr[from] <= '5' ? text.ptr[from] : '?';
}

char talk_answer(struct talk *t, enum peer_stage stage, const char *reply)
{
	struct str text = STR(t->reply);
	const struct peer_trick *trick;

	t->times[stage]++;
	trick = talk_trick(t, stage);
	t->saying = (struct saying){ .deed = trick != NULL	     ? trick->deed :
					      stage == PEER_QUIT ? PEER_REPLY_CLOSE :
								    PEER_HONEST };
	str_add_cstr(&text, trick != NULL && trick->deed == PEER_SAY_FIRST ? "" : reply);
	if (trick != NULL && trick->deed == PEER_SAY_FIRST) {
		str_add(&text, trick->text);
		str_add_cstr(&text, reply);
	}
	if (trick != NULL && trick->deed == PEER_SAY_AFTER)
		str_add(&text, trick->text);
	t->saying.text = str_slice(&text);
	char class = class_of(slice_of_str(reply));

	t->liberal |= trick != NULL && stage == PEER_EHLO;
	if (trick != NULL) {
		t->saying.ns = trick->ns;
		t->saying.later = trick->text;
		switch (trick->deed) {
		case PEER_SAY:
		case PEER_SAY_CLOSE:
		case PEER_SAY_RESET:
		case PEER_ENDLESS:
			t->saying.text = trick->text;
			class = class_of(trick->text);
			break;
		case PEER_TRICKLE:
			if (trick->text.len > 0) {
				t->saying.text = trick->text;
				class = class_of(trick->text);
			}
			break;
		default:
			break;
		}
	}
	talk_begin_saying(t);
	return class;
}

void talk_on_time(struct talk *t)
{
	t->deaf = false;
	switch (t->saying.deed) {
	case PEER_TRICKLE:
		rest_of_trickle(t);
		break;
	case PEER_ENDLESS:
		more_of_endless(t);
		break;
	default:
		say_now(t);
		break;
	}
}
