#include "tests/peers/peer_impl.h"

#include <stdlib.h>

/* --- the commit point -------------------------------------------------------------------------- */

static void commit_rcpt(struct talk *t, const char *rcpt, bool said)
{
	struct peer *peer = t->peer;
	struct peer_commit *c;

	if (peer->commits == PEER_LEDGER_MAX)
		return;
	if ((peer->commits & (peer->commits - 1)) == 0)
		peer->ledger = peer_must(realloc(peer->ledger, MAX(peer->commits * 2u, 1u) * sizeof(*c)));
	c = &peer->ledger[peer->commits++];
	*c = (struct peer_commit){
		.sender = slice_of_str(peer_keep(slice_of_str(t->sender))),
		.rcpt = slice_of_str(peer_keep(slice_of_str(rcpt))),
		.content = slice_of(t->content, t->content_len),
		.digest = peer_digest(PEER_DIGEST_START, slice_of(t->content, t->content_len)),
		.size = t->content_len,
		.connection = t->number,
		.chunked = t->chunked,
		.said = said,
	};
	if (peer->on_commit != NULL)
		peer->on_commit(peer, c);
	c->content = (struct slice){ 0 };
}

static void keep_content(struct talk *t)
{
	if (!t->peer->keep_content)
		return;
	free(t->peer->content);
	t->peer->content = peer_keep(slice_of(t->content, t->content_len));
	t->peer->content_len = t->content_len;
}

/* --- content ---------------------------------------------------------------------------------- */

static void answer_content(struct talk *t)
{
	unsigned count = t->peer->lmtp ? MAX(t->rcpt_count, 1u) : 1;
	bool mail = t->mail && t->rcpt_count > 0;

	/* LMTP's replies leave as one: tricks are told apart by nth. */
	for (unsigned i = 0; i < count; i++) {
		char class;
		const struct peer_trick *trick;

		class = talk_answer(t, PEER_DOT, mail ? "250 2.0.0 taken\r\n" : "554 5.5.1 no valid recipients\r\n");
		trick = talk_trick(t, PEER_DOT);
		if (mail && (class == '2' || (trick != NULL && trick->commit))) {
			unsigned from = t->peer->lmtp ? i : 0, to = t->peer->lmtp ? i + 1 : t->rcpt_count;

			for (unsigned r = from; r < to; r++)
				commit_rcpt(t, t->rcpts[r], class == '2');
		}
		if (t->closed || t->saying.deed == PEER_SAY_RESET)
			break;
	}
	keep_content(t);
	talk_forget_mail(t);
}

/* The transaction's end has been read: what may lie behind it is the next MAIL, when they may pipeline at all. */
static void check_behind_dot(struct talk *t)
{
	static const char mail[] = "MAIL FROM:";
	size_t n = MIN(t->input_len, sizeof(mail) - 1);

	if (n == 0)
		return;
	if (!(t->peer->offers & SMTP_CAP_PIPELINING))
		talk_violation(t, "something rides behind the end of data, and PIPELINING was not offered");
	else if (memcmp(t->input, mail, n) != 0)
		talk_violation(t, "%.*s rides behind the end of data", (int)MIN(t->input_len, (size_t)40), t->input);
}

/* The trick that is due after so many octets of the body, or NULL. */
static const struct peer_trick *body_trick(const struct talk *t, uint64_t octets)
{
	for (unsigned i = 0; i < t->peer->trick_count; i++) {
		const struct peer_trick *trick = &t->peer->tricks[i];

		if (trick->stage == PEER_BODY && trick->at == octets &&
		    (trick->connection == 0 || trick->connection == t->number))
			return trick;
	}
	return NULL;
}

static bool play_body_trick(struct talk *t)
{
	const struct peer_trick *trick = body_trick(t, t->body_octets);

	if (trick == NULL || t->body_tricked)
		return false;
	t->body_tricked = true;
	t->saying = (struct saying){ .deed = trick->deed, .text = trick->text, .ns = trick->ns, .later = trick->text };
	talk_begin_saying(t);
	return true;
}

/* Octet by octet: states are how much of "CR LF . CR LF" stands behind us. */
static bool body_octet(struct talk *t, char c)
{
	static const char end[] = "\r\n.\r\n";

	t->body_octets++;
	if (c == '\n' && t->dots != 1 && t->dots != 4)
		talk_violation(t, "a bare LF in the content");
	if ((t->dots == 1 || t->dots == 4) && c != '\n')
		talk_violation(t, "a bare CR in the content");
	if (c == end[t->dots]) {
		if (++t->dots == 5)
			return true;
		if (t->dots == 3)
			return false;	/* a dot at the line's beginning: stuffed, or the end */
		if (t->dots == 4)
			return false;
		talk_append(&t->content, &t->content_len, &t->content_cap, slice_of(&c, 1));
		return false;
	}
	if (t->dots == 4)
		talk_append(&t->content, &t->content_len, &t->content_cap, SLICE("\r"));
	t->dots = c == '\r' ? 1 : 0;
	talk_append(&t->content, &t->content_len, &t->content_cap, slice_of(&c, 1));
	return false;
}

void talk_read_body(struct talk *t)
{
	size_t i = 0;
	bool ended = false;
	bool tricked = play_body_trick(t);

	while (i < t->input_len && !ended && !tricked) {
		ended = body_octet(t, t->input[i++]);
		tricked = !ended && play_body_trick(t);
	}
	talk_drop_input(t, i);
	if (!ended)
		return;
	t->mode = MODE_COMMAND;
	check_behind_dot(t);
	answer_content(t);
}

void talk_read_chunk(struct talk *t)
{
	size_t n = MIN((uint64_t)t->input_len, t->chunk_left);

	talk_append(&t->content, &t->content_len, &t->content_cap, slice_of(t->input, n));
	talk_drop_input(t, n);
	t->chunk_left -= n;
	if (t->chunk_left > 0)
		return;
	t->mode = MODE_COMMAND;
	if (!t->chunk_last) {
		(void)talk_answer(t, PEER_BDAT, t->chunk_refused ? "503 5.5.1 MAIL first\r\n" : "250 2.0.0 chunk taken\r\n");
		return;
	}
	check_behind_dot(t);
	answer_content(t);
}
