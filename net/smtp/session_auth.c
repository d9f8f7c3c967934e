#include "net/smtp/session_auth.h"

#include <errno.h>
#include <fcntl.h>

#include "core/err.h"
#include "core/log.h"
#include "net/smtp/session_internal.h"
#include "net/smtp/session_tls.h"

static_assert(AUTH_SECRET_MAX + 3 * AUTH_USER_MAX + AUTH_HOST_MAX + 100 < AUTH_OCTETS_MAX / 4 * 3,
	      "a token fits into a line");

#define COMMAND_MAX	512u		/* with CR LF: what a server has to take (RFC 5321 4.5.3.1.4) */
#define TELLTALE_MIN	4u		/* octets of a secret that nobody says by chance */

const struct slice session_hidden = SLICE("[hidden]");

/* --- exchanges -------------------------------------------------------------------------------- */

static void on_serve(struct task *task)
{
	struct session_auth_pool *p = container_of(task, struct session_auth_pool, serve);

	while (pool_free(&p->pool) > 0 && !list_is_empty(&p->waiting))
		session_auth_go_on(list_entry(list_pop_front(&p->waiting), struct session, auth_wait));
}

int session_auth_pool_init(struct session_auth_pool *p, bool *ret_is_locked)
{
	list_init(&p->waiting);
	task_init(&p->serve, on_serve);
	int r = pool_init(&p->pool, "authentications", sizeof(struct session_auth), SESSION_AUTHS);

	if (r == 0)
		*ret_is_locked = pool_hide(&p->pool) == 0;
	return r;
}

void session_auth_pool_done(struct session_auth_pool *p)
{
	if (p->pool.memory != NULL)
		reactor_unpost(&p->serve);
	pool_done(&p->pool);
}

static void put(struct session_auth *a)
{
	struct session_auth_pool *p = a->pool;

	ASSERT(!a->op.in_kernel);
	if (a->has_begun)
		auth_end(&a->auth);
	explicit_bzero(a, offsetof(struct session_auth, auth));
	pool_put(&p->pool, &a);
	if (!list_is_empty(&p->waiting))
		reactor_post(&p->serve);
	if (p->put != NULL)
		p->put(p);
}

/* Whatever is in the kernel brings its end back to the pool. */
static void let_go(struct session *s)
{
	struct session_auth *a = s->auth;

	s->auth = NULL;
	list_remove(&s->auth_wait);
	if (a == NULL)
		return;
	a->session = NULL;
	if (a->op.in_kernel)
		io_cancel(&a->op);
	else
		put(a);
}

/* What was said still stands in the memory that commands are written in. */
void session_auth_wipe(struct session *s)
{
	if (s->work_is_secret && s->work != NULL)
		explicit_bzero(s->work->out, sizeof(s->work->out));
	s->work_is_secret = false;
}

void session_auth_init(struct session *s, const struct session_auth_wish *wish)
{
	s->auth_wish = *wish;
	s->auth = NULL;
	list_init(&s->auth_wait);
	s->is_authenticated = false;
	s->auth_rank = 0;
	s->work_is_secret = false;
}

/* At once, or when the kernel has done with it. */
static void wipe_said(struct session *s)
{
	s->work_is_secret = true;
	if (conn_is_quiet(&s->conn))
		session_auth_wipe(s);
}

void session_auth_done(struct session *s)
{
	s->work_is_secret |= s->auth != NULL;
	session_auth_wipe(s);
	let_go(s);
}

/* --- how it ends ------------------------------------------------------------------------------ */

static void fail(struct session *s, enum session_auth_trouble trouble, int err)
{
	s->failure.auth = trouble;
	wipe_said(s);
	let_go(s);
	session_hello_fail(s, err);
}

static void fail_by_reply(struct session *s, const struct smtp_reply *reply)
{
	s->failure.auth = SESSION_AUTH_REFUSED;
	wipe_said(s);
	session_hello_fail_by_reply(s, reply);	/* whose text may be in the exchange */
	let_go(s);
}

static void succeed(struct session *s)
{
	s->is_authenticated = true;
	s->auth_mech = s->auth->auth.mech;
	s->auth_rank = auth_mech_rank(s->auth_mech);
	if (s->debug_level > 0)
		log_line(LOG_LEVEL_INFO, params_client_name(s->params), "%.*s: authenticated with %s",
			 SLICE_FMT(session_peer(s)), auth_mech_name(s->auth->auth.mech));
	wipe_said(s);
	let_go(s);
	session_hello_ready(s);
}

/* --- saying ----------------------------------------------------------------------------------- */

static void say_shown(struct session *s, struct slice text, struct slice shown)
{
	struct str command = conn_command(&s->conn, text.len + 2);

	s->deadline_key = UINT64_MAX;	/* each answer has a time of its own */
	session_trace(s, true, shown);
	str_add(&command, text);
	str_add_cstr(&command, "\r\n");
	if (str_is_full(&command))
		session_lose(s, -ENOBUFS);
	else
		conn_command_add(&s->conn, &command);
}

/* The response, as much as there is room for; the rest when that has left. False: nothing more now. */
bool session_auth_push(struct session *s)
{
	struct session_auth *a = s->auth;

	if (a == NULL || a->line_said == a->line_len)
		return false;
	size_t n = MIN(a->line_len - a->line_said, CONN_OUT);
	struct str command = conn_command(&s->conn, n);

	if (str_is_full(&command))
		return false;
	str_add(&command, slice_of(a->line + a->line_said, n));
	conn_command_add(&s->conn, &command);
	a->line_said += n;
	return a->line_said < a->line_len;
}

static void say_response(struct session *s)
{
	struct session_auth *a = s->auth;

	a->line[a->said_len] = '\r';
	a->line[a->said_len + 1] = '\n';
	a->line_len = a->said_len + 2;
	a->line_said = 0;
	s->deadline_key = UINT64_MAX;
	session_trace(s, true, session_hidden);
}

/* RFC 4954 4: the server has to hear that it is over. What it answers changes nothing. */
static void cancel(struct session *s, int err)
{
	s->auth->is_cancelled = true;
	s->auth->err = err;
	say_shown(s, SLICE("*"), SLICE("*"));
}

/* --- the dialogue ----------------------------------------------------------------------------- */

static void say_auth(struct session *s, struct slice first)
{
	char storage[COMMAND_MAX], shown_storage[64];
	struct str text = STR(storage), shown = STR(shown_storage);
	struct session_auth *a = s->auth;

	str_printf(&text, "AUTH %s", auth_mech_name(a->auth.mech));
	str_add(&shown, str_slice(&text));
	a->first_waits = first.ptr != NULL && text.len + 1 + first.len + 2 > COMMAND_MAX;
	if (first.ptr != NULL && !a->first_waits) {
		str_add_char(&text, ' ');
		str_add(&text, first.len > 0 ? first : SLICE("="));	/* case 356 */
		str_add_char(&shown, ' ');
		str_add(&shown, session_hidden);
	}
	say_shown(s, str_slice(&text), str_slice(&shown));
	explicit_bzero(storage, sizeof(storage));
}

static void begin(struct session *s, enum auth_mech mech)
{
	struct session_auth *a = s->auth;
	const struct auth_peer peer = {
		.host = session_host(s),
		.port = (uint16_t)addr_port(&s->conn.remote),
		.authzid = s->params->send_cyrus_sasl_authzid,
	};
	struct str first = str_over(a->line, AUTH_OCTETS_MAX);

	a->has_begun = true;
	int r = auth_begin(&a->auth, mech, &a->credentials, &peer, &first);

	if (r < 0) {
		fail(s, SESSION_AUTH_BROKEN, r);
		return;
	}
	say_auth(s, r > 0 ? str_slice(&first) : (struct slice){ 0 });
	a->said_len = first.len;
	a->line_len = a->first_waits ? first.len : 0;
	a->line_said = a->line_len;
}

/* What stands behind the code. */
static struct slice challenge_of(const struct smtp_reply *reply)
{
	struct slice text = reply->text;

	slice_skip(&text, MIN(text.len, 4));
	return text;
}

static void answer(struct session *s, const struct smtp_reply *reply)
{
	struct session_auth *a = s->auth;
	struct slice challenge = challenge_of(reply);
	struct str response = str_over(a->line, AUTH_OCTETS_MAX);

	if (reply->lines > 1 || reply->text_cut) {
		cancel(s, reply->lines > 1 ? ERR_PROTO : -EMSGSIZE);
		return;
	}
	if (a->first_waits) {
		a->first_waits = false;
		if (challenge.len == 0)
			say_response(s);
		else
			cancel(s, ERR_PROTO);	/* case 355 */
		return;
	}
	int r = auth_step(&a->auth, challenge, &response);

	a->said_len = response.len;
	if (r < 0)
		cancel(s, r);
	else
		say_response(s);
}

/* The server says yes. Has it proved who it is, where it has to? */
static bool is_believed(const struct session_auth *a)
{
	return a->auth.is_done || !(auth_mech_properties(a->auth.mech) & AUTH_MUTUAL);
}

void session_auth_reply(struct session *s, const struct smtp_reply *reply)
{
	struct session_auth *a = s->auth;

	if (a->line_said < a->line_len)
		session_lose(s, ERR_PROTO);	/* it has not heard all of it (row RPL-08) */
	else if (reply->code == 421)
		fail_by_reply(s, reply);
	else if (a->is_cancelled)
		fail(s, SESSION_AUTH_BROKEN, a->err);
	else if (reply->code / 100 == 2 && is_believed(a))
		succeed(s);
	else if (reply->code / 100 == 2)
		fail(s, SESSION_AUTH_BROKEN, -EKEYREJECTED);
	else if (reply->code / 100 == 3)
		answer(s, reply);
	else
		fail_by_reply(s, reply);
}

/* --- what others may read --------------------------------------------------------------------- */

static bool has_inside(struct slice text, struct slice part)
{
	return part.len >= TELLTALE_MIN && memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

static bool repeats_secret(const struct session_auth *a, struct slice text)
{
	struct slice secret = slice_of(a->credentials.secret.octets, a->credentials.secret.len);

	return has_inside(text, secret) || has_inside(text, slice_of(a->line, a->said_len));
}

void session_auth_heard(struct session *s, struct smtp_reply *reply)
{
	if (reply->code / 100 == 3) {
		session_trace(s, false, SLICE("334 [hidden]"));
		return;
	}
	if (s->auth != NULL && repeats_secret(s->auth, reply->text)) {
		struct str covered = STR(s->auth->path);

		explicit_bzero((char *)(uintptr_t)reply->text.ptr, reply->text.len);	/* where the parser has it */
		str_printf(&covered, "%d [hidden: the server repeats what was said]", reply->code);
		reply->text = str_slice(&covered);
	}
	session_trace(s, false, reply->text);
}

/* --- which mechanism -------------------------------------------------------------------------- */

static bool is_in_tls(const struct session *s)
{
	return s->tls != NULL && s->tls->is_on;
}

static bool is_verified(const struct session *s)
{
	return is_in_tls(s) && session_tls_is_verified(s->tls);
}

static uint32_t required_properties(const struct session *s)
{
	static_assert((int)AUTH_NO_PLAINTEXT == BIT(0) && (int)AUTH_FORWARD_SECRECY == BIT(5), "the words' order");
	if (!is_in_tls(s))
		return s->params->smtp_sasl_security_options;
	return is_verified(s) ? s->params->smtp_sasl_tls_verified_security_options :
				s->params->smtp_sasl_tls_security_options;
}

uint32_t session_auth_by_name(const struct params *p)
{
	uint32_t named = 0;

	for (int i = 0; i < AUTH_MECH_COUNT; i++)
		if (mlist_names(p->smtp_sasl_mechanism_filter, slice_of_str(auth_mech_name((enum auth_mech)i))))
			named |= BIT(i);
	return named;
}

/* Which of those offered smtp_sasl_mechanism_filter lets pass, and which it has by name. 0 or an error of a table. */
static int filter(const struct session *s, struct auth_wish *wish)
{
	const struct mlist *list = s->params->smtp_sasl_mechanism_filter;

	wish->offered = s->caps.auth;
	for (int i = 0; i < AUTH_MECH_COUNT && list != NULL; i++) {
		struct slice name = slice_of_str(auth_mech_name((enum auth_mech)i));
		int r = wish->offered & BIT(i) ? mlist_match(list, name) : 0;

		if (r < 0)
			return r;
		if (r == 0)
			wish->offered &= ~BIT(i);
	}
	wish->named = session_auth_by_name(s->params);
	return 0;
}

static bool shows_certificate(const struct session *s)
{
	const struct params *p = s->params;

	return is_in_tls(s) && (p->smtp_tls_cert_file[0] != '\0' || p->smtp_tls_eccert_file[0] != '\0' ||
				p->smtp_tls_chain_files[0] != '\0');
}

static void choose(struct session *s)
{
	struct auth_wish wish = {
		.available = auth_library_mechs(),
		.required = required_properties(s),
		.rank_min = is_verified(s) ? 0 : s->auth_wish.rank_min,
		.has_token = s->auth->has_token,
		.has_certificate = shows_certificate(s),
	};
	int r = filter(s, &wish);

	if (r < 0) {
		log_line(LOG_LEVEL_WARNING, params_client_name(s->params), "smtp_sasl_mechanism_filter: %s",
			 err_text(r));
		fail(s, SESSION_AUTH_FINE, ERR_TABLE);
		return;
	}
	int mech = auth_mech_choose(&wish);

	if (mech >= 0) {
		begin(s, (enum auth_mech)mech);
		return;
	}
	wish.rank_min = 0;
	fail(s, auth_mech_choose(&wish) >= 0 ? SESSION_AUTH_WEAKER : SESSION_AUTH_NONE_LEFT, ERR_PROTO);
}

/* --- a token out of a file -------------------------------------------------------------------- */

static void token_failed(struct session *s, int err)
{
	log_line(LOG_LEVEL_WARNING, params_client_name(s->params), "no token for %.*s in %s: %s",
		 SLICE_FMT(session_peer(s)), s->auth->path, err_text(err));
	fail(s, SESSION_AUTH_FINE, ERR_TABLE);
}

/* The first line, without blanks around it. */
static void take_token(struct session *s)
{
	struct auth_secret *secret = &s->auth->credentials.secret;
	const char *end = memchr(secret->octets, '\n', secret->len);
	size_t len = end != NULL ? (size_t)(end - secret->octets) : secret->len;
	struct slice token = slice_trim(slice_of(secret->octets, len));

	for (size_t i = 0; i < token.len; i++)
		if (token.ptr[i] <= ' ' || token.ptr[i] > '~')
			token.len = 0;
	if (token.len == 0) {
		token_failed(s, ERR_SYNTAX);
		return;
	}
	memmove(secret->octets, token.ptr, token.len);
	explicit_bzero(secret->octets + token.len, sizeof(secret->octets) - token.len);
	secret->len = token.len;
	choose(s);
}

static void on_token_read(struct op *op, int res);

static void token_over(struct session_auth *a, int err)
{
	struct session *s = a->session;

	if (a->file >= 0)
		io_close(a->file);
	a->file = -1;
	if (s == NULL)
		put(a);
	if (s == NULL || s->conn.state != CONN_OPEN)
		return;		/* its end takes the exchange along */
	s->in_callback = true;
	if (err < 0)
		token_failed(s, err);
	else
		take_token(s);
	s->in_callback = false;
	session_pump(s);
}

static void read_more(struct session_auth *a)
{
	struct auth_secret *secret = &a->credentials.secret;

	op_init(&a->op, on_token_read);
	io_read(&a->op, a->file, secret->octets + secret->len, AUTH_SECRET_MAX - secret->len, secret->len);
}

static void on_token_read(struct op *op, int res)
{
	struct session_auth *a = container_of(op, struct session_auth, op);

	if (res <= 0 || a->session == NULL) {
		token_over(a, res);
		return;
	}
	a->credentials.secret.len += (unsigned)res;
	if (a->credentials.secret.len == AUTH_SECRET_MAX)
		token_over(a, -EFBIG);
	else
		read_more(a);
}

static void on_token_open(struct op *op, int res)
{
	struct session_auth *a = container_of(op, struct session_auth, op);

	a->file = res;
	if (res < 0 || a->session == NULL)
		token_over(a, res);
	else
		read_more(a);
}

static bool names_token(const struct auth_credentials *c)
{
	return slice_has_prefix(slice_of(c->secret.octets, c->secret.len), SLICE(SESSION_AUTH_TOKEN "/"));
}

static void read_token(struct session *s)
{
	struct session_auth *a = s->auth;
	struct str path = STR(a->path);

	str_add_cstr(&path, a->credentials.secret.octets + strlen(SESSION_AUTH_TOKEN));
	if (path.len == sizeof(a->path) || str_is_full(&path)) {
		str_clear(&path);
		(void)str_cstr(&path);
		token_failed(s, -ENAMETOOLONG);
		return;
	}
	(void)str_cstr(&path);
	a->has_token = true;
	a->credentials.secret.len = 0;
	op_init(&a->op, on_token_open);
	io_open(&a->op, a->path, O_RDONLY | O_NONBLOCK, 0);
}

/* --- whether ---------------------------------------------------------------------------------- */

static void take_credentials(struct session *s)
{
	int r = s->events->credentials(s, &s->auth->credentials);

	if (r == ERR_TABLE)
		fail(s, SESSION_AUTH_FINE, ERR_TABLE);
	else if (r < 0)
		fail(s, s->failure.auth, ERR_PROTO);	/* which whoever was asked has filled in */
	else if (r == 0) {
		let_go(s);		/* they have gone since */
		session_hello_ready(s);
	} else if (names_token(&s->auth->credentials))
		read_token(s);
	else
		choose(s);
}

/* An exchange from the pool, or a place in line. */
static void begin_exchange(struct session *s)
{
	struct session_auth *a = pool_take(&s->auth_wish.exchanges->pool);

	if (a == NULL) {
		list_push_back(&s->auth_wish.exchanges->waiting, &s->auth_wait);
		return;
	}
	memset(a, 0, offsetof(struct session_auth, line));
	op_init(&a->op, on_token_open);
	a->pool = s->auth_wish.exchanges;
	a->session = s;
	a->file = -1;
	s->auth = a;
	if (s->params->smtp_sasl_verified_only && !is_verified(s))
		fail(s, SESSION_AUTH_UNVERIFIED, ERR_PROTO);
	else
		take_credentials(s);
}

void session_auth_go_on(struct session *s)
{
	CHECK_MAGIC(s, SESSION_MAGIC);
	if (s->conn.state != CONN_OPEN)
		return;		/* it is ending */
	s->in_callback = true;
	begin_exchange(s);
	s->in_callback = false;
	session_pump(s);
}

bool session_auth_is_quiet(const struct session *s)
{
	return s->auth == NULL || s->auth->op.in_kernel;
}

bool session_auth_begin(struct session *s)
{
	if (!s->auth_wish.has_credentials || !(s->caps.bits & SMTP_CAP_AUTH))
		return false;		/* also where it is not offered: B 8.1 */
	session_enter(s, SESSION_AUTH);
	begin_exchange(s);
	return true;
}
