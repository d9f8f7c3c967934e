#include "tests/unit/net/source/inject_secure.h"

#include <stdio.h>

#include "crypto/library.h"
#include "net/source/inject_conn.h"
#include "tests/test.h"

#define PKI	TEST_PKI "/"

struct tls_room room;
struct tls_context *trust;
const struct tls_check check = { .names = SLICE("mx.example.org"), .depth_max = 9, .digest = -1 };

struct secure secures[SECURES];

struct tls_context *server_context(const char *name)
{
	char cert[512], key[512], text[256];
	struct str why = STR(text);
	struct tls_context *context = NULL;
	const struct tls_serve_conf conf = { .cert_file = cert, .key_file = key, .now_ns = clock_wall_ns() };

	(void)snprintf(cert, sizeof(cert), PKI "%s.pem", name);
	(void)snprintf(key, sizeof(key), PKI "%s.key", name);
	if (tls_context_new_server(&conf, &why, &context) < 0)
		fail_msg("%s", str_cstr(&why));
	return context;
}

void prepare_tls(void)
{
	const struct tls_context_conf conf = { .ca_file = PKI "root.pem", .now_ns = clock_wall_ns() };
	static bool started;
	char text[256];
	struct str why = STR(text);

	if (!started) {
		assert_int_equal(crypto_library_start(), 0);
		assert_int_equal(tls_room_init(&room, ARRAY_LEN(secures)), 0);
		started = true;
	}
	inject_stage_prepare();
	params.smtpd_tls_security_level = INJECT_TLS_MAY;
	params.smtpd_starttls_timeout_ns = 300 * NS_PER_SEC;
	params.smtpd_tls_loglevel = 1;
	offer_wrapped_tls();
	assert_int_equal(tls_context_new(&conf, &why, &trust), 0);
}

int set_up_tls(void **state)
{
	(void)state;
	prepare_tls();
	start_listening();
	assert_null(inject_set_tls(inject, server_context("server")));
	return 0;
}

int tear_down_tls(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(secures); i++) {
		tls_done(&secures[i].tls);
		secures[i].c = NULL;
	}
	tls_context_retire(&trust);
	if (inject != NULL)
		params.smtpd_tls_security_level = INJECT_TLS_MAY;	/* as when it was made */
	return inject_stage_teardown(state);
}

/* Carries what there is, both ways. */
void pump(struct secure *s, struct slice say)
{
	struct slice in = slice_of(s->c->in, s->c->len), plain, wire;
	size_t taken;

	while (in.len > 0 && !s->is_over) {
		s->is_over = tls_unwrap(&s->tls, clock_wall_ns(), &in, &plain) < 0;
		assert_true(s->len + plain.len < sizeof(s->text));
		memcpy(s->text + s->len, plain.ptr, plain.len);
		s->len += plain.len;
	}
	s->text[s->len] = '\0';
	s->c->len = 0;
	do {
		const struct iovec piece = { (void *)(uintptr_t)say.ptr, say.len };

		if (tls_wrap(&s->tls, &piece, say.len > 0, &wire, &taken) < 0)
			break;
		slice_skip(&say, taken);
		client_send(s->c, wire.ptr, wire.len);
	} while (wire.len > 0);
}

struct secure *shake_hands(struct client *c, enum tls_version version)
{
	const struct tls_wish wish = { .version_min = version, .version_max = version, .check = &check };
	struct secure *s = &secures[0];

	while (s->c != NULL)
		s++;
	s->c = c;
	s->is_over = false;
	s->len = 0;
	assert_int_equal(tls_open(&s->tls, &room, trust, &wish), 0);
	PUMP_UNTIL(s, tls_is_open(&s->tls) || s->is_over || s->c->eof);
	return s;
}

void leave_tls(struct secure *s)
{
	vanish(s->c);
	tls_done(&s->tls);
	s->c = NULL;
}

bool has_reply(const struct secure *s)
{
	const char *line = s->text;

	for (; strchr(line, '\n') != NULL; line = strchr(line, '\n') + 1)
		if (line[3] == ' ')
			return true;
	return false;
}

void ask_tls(struct secure *s, const char *text, const char *code)
{
	pump(s, slice_of_str(text));
	PUMP_UNTIL(s, has_reply(s) || s->c->eof);
	if (strncmp(s->text, code, strlen(code)) != 0)
		fail_msg("to %s not %s: %s", text, code, s->text);
	s->len = 0;
}

