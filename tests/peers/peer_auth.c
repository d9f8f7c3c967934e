#include "core/str.h"
#include "crypto/base64.h"
#include "tests/peers/peer_impl.h"

/* Somebody who believes everybody: PLAIN, LOGIN and CRAM-MD5, by their number of responses. */

static void note_secret(struct talk *t, struct slice line)
{
	const char *secret = t->peer->secret;
	char storage[8192];
	struct str plain = STR(storage);
	ptrdiff_t blank = slice_find_last_char(line, ' ');

	if (secret == NULL)
		return;
	bool heard = memmem(line.ptr, line.len, secret, strlen(secret)) != NULL;

	slice_skip(&line, blank < 0 ? 0 : (size_t)blank + 1);
	if (base64_add_decoded(&plain, line) == 0)
		heard |= memmem(plain.ptr, plain.len, secret, strlen(secret)) != NULL;
	if (heard)
		t->peer->secret_heard |= BIT((t->number - 1) % 32);
}

/* What a client that hears this reply does next. */
static void answer(struct talk *t, enum peer_stage stage, const char *reply)
{
	char class = talk_answer(t, stage, reply);

	t->in_auth = class == '3';
	t->peer->authenticated += class == '2';
}

static void on_response(struct talk *t, struct slice line)
{
	if (slice_eq(line, SLICE("*")))
		answer(t, PEER_AUTH_STEP, "501 5.7.0 cancelled\r\n");
	else if (t->responses > 1)
		answer(t, PEER_AUTH_STEP, "334 UGFzc3dvcmQ6\r\n");
	else
		answer(t, PEER_AUTH_STEP, "235 2.7.0 welcome\r\n");
	t->responses -= t->responses > 0;
}

static void on_command(struct talk *t, struct slice rest)
{
	ptrdiff_t blank = slice_find_char(rest, 0, ' ');
	struct slice mech = blank < 0 ? rest : slice_head(rest, (size_t)blank);

	t->responses = slice_eq(mech, SLICE("LOGIN")) ? 2 : blank < 0 ? 1 : 0;
	if (t->responses == 0)
		answer(t, PEER_AUTH, "235 2.7.0 welcome\r\n");
	else if (slice_eq(mech, SLICE("CRAM-MD5")))
		answer(t, PEER_AUTH, "334 PDEuMkBteD4=\r\n");
	else
		answer(t, PEER_AUTH, t->responses == 2 ? "334 VXNlcm5hbWU6\r\n" : "334 \r\n");
}

bool talk_auth_line(struct talk *t, struct slice line)
{
	bool is_command = slice_has_prefix_nocase(line, SLICE("AUTH "));

	note_secret(t, line);
	if (!t->in_auth && !is_command)
		return false;
	if (t->input_len > 0)
		talk_violation(t, "something rides behind AUTH");
	if (t->in_auth) {
		on_response(t, line);
		return true;
	}
	if (!(t->peer->offers & SMTP_CAP_AUTH))
		talk_violation(t, "AUTH was not offered");
	slice_skip(&line, strlen("AUTH "));
	on_command(t, line);
	return true;
}
