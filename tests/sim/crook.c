#include "tests/sim/crook.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/check.h"
#include "tests/peers/families.h"
#include "tests/sim/fault.h"
#include "tests/sim/ledger.h"
#include "tests/sim/server.h"
#include "tests/sim/tape.h"
#include "tests/sim/world.h"

#define FAR_IN_BODY	2000u	/* octets: rows that count further expect larger mails than storms have */

struct crook {
	struct peer peer;
	const struct family_row *row;
	struct peer_trick tricks[FAMILY_TRICKS_MAX];
};

static struct crook crooks[CROOKS_MAX];
static unsigned crook_count;

void crooks_forget(void)
{
	for (unsigned i = 0; i < crook_count; i++)
		peer_done(&crooks[i].peer);
	crook_count = 0;
}

unsigned crook_commits(void)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < crook_count; i++)
		sum += crooks[i].peer.commits;
	return sum;
}

static void on_commit(struct peer *peer, const struct peer_commit *commit)
{
	(void)peer;
	ledger_commit(commit->rcpt, commit->content, LEDGER_TAKES_EITHER);
}

static bool has_way_of_its_own(const struct sim_link *link)
{
	return link->buffer_to_peer > 0 || link->octets_per_s > 0 || link->cut_to_engine.kind != SIM_CUT_NONE ||
	       link->cut_to_peer.kind != SIM_CUT_NONE;
}

/* The habit moves to the connection that is about to be made. */
static enum sim_answer on_connect(struct sim_host *host, struct sim_conn *c)
{
	struct crook *crook = host->context;
	const enum sim_answer answer = server_draw_way(c);

	if (answer != SIM_ACCEPT || !fault_strikes(FAULT_CROOK))
		return answer;
	for (unsigned i = 0; i < crook->peer.trick_count; i++)
		crook->tricks[i].connection = crook->peer.connections + 1;
	if (has_way_of_its_own(&crook->row->link))
		*sim_link_of(c) = crook->row->link;
	return crook->row->refused > 0 ? SIM_REFUSE : crook->row->answer;
}

static bool has_line(struct slice text, char first)
{
	const char line[] = { '\n', first };

	return text.len > 0 && (text.ptr[0] == first || memmem(text.ptr, text.len, line, sizeof(line)) != NULL);
}

/* A yes ahead of the dot is found out as long as the mail is larger than what fits into the way (row WIN-05). Those of
 * a storm are not: the last octet has left when the yes is read, and there is no telling that it lies. */
static bool is_liar(const struct family_row *row)
{
	bool lies = false;

	for (unsigned i = 0; i < FAMILY_TRICKS_MAX; i++)
		if (row->tricks[i].stage == PEER_BODY || row->tricks[i].stage == PEER_DATA)
			lies |= has_line(row->tricks[i].text, '2');
	return lies;
}

/* Rows that need another main.cf, or another name of the server, are for tests/peers/hostile.c alone. */
static bool fits(const struct family_row *row, bool lmtp)
{
	return !is_liar(row) && row->conf == NULL && row->name_of_server == NULL && !(row->flags & FAMILY_LOOP_CHECK) &&
	       ((row->flags & FAMILY_LMTP) != 0) == lmtp;
}

/* The nth of those that fit, and how many there are. */
static const struct family_row *row_at(unsigned nth, bool lmtp, unsigned *ret_count)
{
	const struct family_row *found = NULL;

	*ret_count = 0;
	for (unsigned f = 0; f < family_count; f++)
		for (unsigned i = 0; i < *families[f].count; i++)
			if (fits(&families[f].rows[i], lmtp) && (*ret_count)++ == nth)
				found = &families[f].rows[i];
	return found;
}

static const struct family_row *draw_row(bool lmtp)
{
	unsigned count;

	(void)row_at(0, lmtp, &count);
	return row_at(tape_below(count), lmtp, &count);
}

static void take_habits(struct crook *crook)
{
	for (unsigned i = 0; i < FAMILY_TRICKS_MAX && crook->row->tricks[i].connection != 0; i++) {
		struct peer_trick *trick = &crook->tricks[crook->peer.trick_count++];

		*trick = crook->row->tricks[i];
		trick->connection = UINT32_MAX;		/* none yet */
		if (trick->stage == PEER_BODY && trick->at > FAR_IN_BODY)
			trick->at = tape_range(1, FAR_IN_BODY);
	}
}

/* Mails and recipients are others here than in the row's own play: what it could say counts, too. */
static bool may_refuse(const struct family_row *row)
{
	bool says_no = strpbrk(row->outcome, "b?") != NULL || (row->flags & FAMILY_UNRULY) != 0;

	for (unsigned i = 0; i < FAMILY_TRICKS_MAX; i++)
		says_no |= has_line(row->tricks[i].text, '5');
	return says_no;
}

void crook_add(const char *address, bool lmtp, bool *ret_refuses)
{
	uint32_t offers = SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_ENHANCEDSTATUSCODES;

	ASSERT(crook_count < CROOKS_MAX);
	struct crook *crook = &crooks[crook_count++];

	*crook = (struct crook){ .row = draw_row(lmtp) };
	if (crook->row->flags & FAMILY_NO_PIPELINING)
		offers &= ~(uint32_t)SMTP_CAP_PIPELINING;
	if (crook->row->flags & FAMILY_BDAT)
		offers |= SMTP_CAP_CHUNKING;
	if (world_params()->smtp_sasl_auth_enable)
		offers |= SMTP_CAP_AUTH;
	peer_init(&crook->peer, "mx", offers);
	crook->peer.lmtp = lmtp;
	crook->peer.no_ehlo = crook->row->flags & FAMILY_NO_EHLO;
	crook->peer.tricks = crook->tricks;
	crook->peer.on_commit = on_commit;
	take_habits(crook);
	struct sim_host *h = sim_host_add(address, lmtp ? 24 : 25, &peer_program, crook);

	h->on_connect = on_connect;
	if (getenv("SIM_VERBOSE") != NULL)
		(void)fprintf(stderr, "%s: %s\n", address, crook->row->name);
	*ret_refuses = may_refuse(crook->row);
}

void crooks_heal(void)
{
	for (unsigned i = 0; i < crook_count; i++)
		crooks[i].peer.trick_count = 0;
}

void crooks_check(void)
{
	for (unsigned i = 0; i < crook_count; i++) {
		const struct crook *c = &crooks[i];

		if (c->peer.violation_count > 0 && !(c->row->flags & FAMILY_UNRULY))
			ledger_fail("manners: %s (before one of whom is said: %s)", c->peer.violations[0], c->row->name);
	}
}
