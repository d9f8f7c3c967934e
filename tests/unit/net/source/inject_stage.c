#include "tests/unit/net/source/inject_stage.h"

#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "core/clock.h"
#include "core/metric.h"
#include "net/source/inject_conn.h"
#include "tests/unit/net/source/fake_spool.h"

static struct reactor reactor;
static struct addr_net home;
static struct addr endpoints[3];
struct params params;
struct inject *inject;
bool finishes_commits;
bool closed;
static char unix_dir[] = "/tmp/ringpost-inject.XXXXXX";


struct client clients[CLIENTS];

/* --- turns ---------------------------------------------------------------------------------------- */

static void client_read(struct client *c)
{
	while (c->fd >= 0 && !c->eof) {
		ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len - 1, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		c->reads++;
		if (n <= 0)
			c->eof = true;
		else
			c->len += (size_t)n;
		c->in[c->len] = '\0';
	}
}

void turn(void)
{
	assert_int_equal(reactor_turn(&reactor, clock_mono_ns() + NS_PER_MS), 0);
	if (finishes_commits)
		(void)fake_spool_finish();
	for (unsigned i = 0; i < CLIENTS; i++)
		client_read(&clients[i]);
}

void turns(unsigned n)
{
	while (n-- > 0)
		turn();
}

/* --- the listener --------------------------------------------------------------------------------- */

static bool find_port(struct addr *endpoint)
{
	static uint16_t port;

	if (port == 0)
		port = (uint16_t)(30000 + getpid() % 10000);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(addr_parse_ip(SLICE("127.0.0.1"), port++, endpoint), 0);
		if (io_listen_check(endpoint, 0) == 0)
			return true;
	}
	return false;
}

void offer_wrapped_tls(void)
{
	params.inject_smtps_listen = (struct param_endpoints){ &endpoints[ENDPOINT_TLS], 1 };
}

void start_listening(void)
{
	inject = inject_new(&params, 0, 1, NULL);
	assert_non_null(inject);
	assert_int_equal(inject_listen(inject), 0);
}

void inject_stage_prepare(void)
{
	const struct io_conf conf = { .files_max = 4096, .recv_bufs = BUFS };
	char path[128];
	struct str text = STR(path);

	fake_spool_reset();
	finishes_commits = true;
	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &conf), 0);
	assert_true(find_port(&endpoints[0]) && find_port(&endpoints[ENDPOINT_TLS]));
	(void)snprintf(unix_dir, sizeof(unix_dir), "/tmp/ringpost-inject.XXXXXX");
	assert_non_null(mkdtemp(unix_dir));
	str_printf(&text, "unix:%s/socket", unix_dir);
	assert_int_equal(addr_parse_endpoint(str_slice(&text), &endpoints[1]), 0);
	assert_int_equal(addr_net_parse(SLICE("127.0.0.0/8"), &home), 0);
	params = (struct params){
		.myhostname = "mx.test",
		.mynetworks = { &home, 1 },
		.smtpd_client_event_limit_exceptions = { &home, 1 },
		.inject_smtp_listen = { endpoints, 2 },
		.inject_connection_limit = 40,
		.smtpd_client_connection_count_limit = 50,
		.smtpd_timeout_ns = 300 * NS_PER_SEC,
		.message_size_limit = 100000,
		.smtpd_recipient_limit = 10,
		.smtpd_hard_error_limit = 20,
		.hopcount_limit = 50,
		.smtpd_forbid_bare_newline = BARE_NEWLINE_REJECT,
	};
}

int inject_stage_setup(void **state)
{
	(void)state;
	inject_stage_prepare();
	start_listening();
	return 0;
}

void on_closed(struct inject *i, void *context)
{
	assert_ptr_equal(i, inject);
	assert_ptr_equal(context, &closed);
	closed = true;
}

void vanish(struct client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

static void stop_listening(void)
{
	if (inject == NULL)
		return;
	closed = false;
	inject_close(inject, on_closed, &closed);
	assert_false(closed);
	TURN_UNTIL(closed);
	inject_free(&inject);
	assert_int_equal(fake_spool.drafts, 0);
	assert_int_equal(fake_spool.committing, 0);
	assert_int_equal(io_bufs_free(), BUFS);
}

int inject_stage_teardown(void **state)
{
	char path[64];

	(void)state;
	finishes_commits = true;
	for (unsigned i = 0; i < CLIENTS; i++)
		vanish(&clients[i]);
	stop_listening();
	turns(2);
	reactor_close(&reactor);
	xcall_stop();
	(void)snprintf(path, sizeof(path), "%s/socket", unix_dir);
	(void)unlink(path);
	return rmdir(unix_dir);
}

/* --- clients -------------------------------------------------------------------------------------- */

struct client *client_connect(unsigned endpoint)
{
	struct client *c = NULL;

	for (unsigned i = 0; i < CLIENTS && c == NULL; i++)
		if (clients[i].fd < 0)
			c = &clients[i];
	assert_non_null(c);
	c->eof = false;
	c->reads = 0;
	c->len = 0;
	c->in[0] = '\0';
	c->fd = socket(endpoints[endpoint].sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c->fd >= 0);
	assert_int_equal(connect(c->fd, &endpoints[endpoint].sa, endpoints[endpoint].len), 0);
	return c;
}

void client_send(struct client *c, const char *text, size_t len)
{
	uint64_t deadline = clock_mono_ns() + 20 * NS_PER_SEC;

	while (len > 0) {
		ssize_t n = send(c->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		assert_true(clock_mono_ns() < deadline);
		turn();
	}
}

unsigned replies_of(const struct client *c)
{
	unsigned n = 0;

	for (const char *line = c->in; line < c->in + c->len; line = strchr(line, '\n') + 1) {
		if (strchr(line, '\n') == NULL)
			break;
		n += line[3] == ' ';
	}
	return n;
}

void expect(struct client *c, const char *text)
{
	TURN_UNTIL(c->len >= strlen(text) || c->eof);
	assert_string_equal(c->in, text);
	c->len = 0;
	c->in[0] = '\0';
	c->reads = 0;
}

/* One more reply, which begins with code. */
void ask(struct client *c, const char *text, const char *code)
{
	client_send(c, text, strlen(text));
	TURN_UNTIL(replies_of(c) > 0 || c->eof);
	if (strncmp(c->in, code, strlen(code)) != 0)
		fail_msg("not %s: %s", code, c->in);
	c->len = 0;
	c->in[0] = '\0';
}

struct client *client_hello(void)
{
	struct client *c = client_connect(0);

	ask(c, "", "220 mx.test ESMTP");
	ask(c, "EHLO client.test\r\n", "250");
	return c;
}

struct client *client_begin_data(void)
{
	struct client *c = client_hello();
	static const char group[] = "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n";

	client_send(c, group, sizeof(group) - 1);
	expect(c, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End with <CR><LF>.<CR><LF>\r\n");
	return c;
}
