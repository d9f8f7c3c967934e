#include "tests/unit/net/smtp/puppet.h"

#include "tests/test.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/clock.h"

const char puppet_message[] = "(everything up to the final dot)";

static bool listen_at_addr(struct puppet *p)
{
	static const int on = 1;

	p->cut_after = SIZE_MAX;
	for (unsigned i = 0; i < PUPPET_CONNS; i++)
		p->conns[i].fd = -1;
	p->listener = socket(p->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(p->listener >= 0);
	assert_int_equal(setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	if (p->recv_buf > 0)
		assert_int_equal(setsockopt(p->listener, SOL_SOCKET, SO_RCVBUF, &p->recv_buf, sizeof(p->recv_buf)), 0);
	if (bind(p->listener, &p->addr.sa, p->addr.len) < 0) {
		close(p->listener);
		return false;
	}
	p->is_open = true;
	assert_int_equal(listen(p->listener, 128), 0);
	if (p->addr.sa.sa_family == AF_UNIX)
		return true;
	p->addr.len = sizeof(p->addr.in6);
	assert_int_equal(getsockname(p->listener, &p->addr.sa, &p->addr.len), 0);
	return true;
}

bool puppet_open(struct puppet *p, const char *ip, uint16_t port)
{
	assert_int_equal(addr_parse_ip(slice_of_str(ip), port, &p->addr), 0);
	return listen_at_addr(p);
}

bool puppet_open_unix(struct puppet *p, const char *endpoint)
{
	assert_int_equal(addr_parse_endpoint(slice_of_str(endpoint), &p->addr), 0);
	return listen_at_addr(p);
}

static void hang_up(struct puppet *p, struct puppet_conn *c)
{
	if (c->fd < 0 || c->has_ended)
		return;
	close(c->fd);
	c->has_ended = true;
	p->open--;
}

void puppet_close(struct puppet *p)
{
	for (unsigned i = 0; i < PUPPET_CONNS && p->is_open; i++) {
		struct puppet_conn *c = &p->conns[i];

		hang_up(p, c);
		free(c->got);
		free(c->out);
	}
	if (p->is_open)
		close(p->listener);
	memset(p, 0, sizeof(*p));
}

static void append(char **buf, size_t *len, size_t *cap, const char *data, size_t n, uint8_t mask)
{
	if (*cap - *len < n) {
		*cap = 2 * *cap + n + 4096;
		*buf = realloc(*buf, *cap);
		assert_non_null(*buf);
	}
	for (size_t i = 0; i < n; i++)
		(*buf)[*len + i] = (char)(data[i] ^ mask);
	*len += n;
}

static void say(const struct puppet *p, struct puppet_conn *c, const char *answer, enum puppet_then then)
{
	if (answer != NULL)
		append(&c->out, &c->out_len, &c->out_cap, answer, strlen(answer), p->mask);
	c->then = then;
	c->then_due = then != PUPPET_GO_ON;
}

static void act(struct puppet *p, struct puppet_conn *c, enum puppet_then then)
{
	const struct linger at_once = { .l_onoff = 1 };

	c->then_due = false;
	switch (then) {
	case PUPPET_GO_ON:
		return;
	case PUPPET_RESET:
		assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
		hang_up(p, c);
		return;
	case PUPPET_CLOSE:
		hang_up(p, c);
		return;
	case PUPPET_HALF_CLOSE:
		IGNORE(shutdown(c->fd, SHUT_WR)); /* the client may have gone: as good */
		return;
	case PUPPET_STOP_READING:
		c->is_deaf = true;
		return;
	}
}

/* --- talking ------------------------------------------------------------------------------------------------------ */

static bool talk(struct puppet *p, struct puppet_conn *c)
{
	size_t n = c->out_len - c->out_sent;

	if (clock_mono_ns() < c->hold_until_ns)
		return false;
	if (n > 0 && p->said < p->cut_after) {
		n = MIN(n, p->cut_after - p->said);
		n = p->chunk > 0 ? MIN(n, p->chunk) : n;
		ssize_t sent = send(c->fd, c->out + c->out_sent, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			return false;
		if (sent < 0) {
			hang_up(p, c);
			return true;
		}
		c->out_sent += (size_t)sent;
		p->said += (size_t)sent;
		c->hold_until_ns = p->chunk_wait_ns > 0 ? clock_mono_ns() + p->chunk_wait_ns : 0;
		return true;
	}
	if (p->said >= p->cut_after && !c->then_due && p->cut_then != PUPPET_GO_ON) {
		act(p, c, p->cut_then);
		p->cut_then = PUPPET_GO_ON;
		return true;
	}
	if (n == 0 && c->then_due) {
		act(p, c, c->then);
		return true;
	}
	return false;
}

/* --- listening ---------------------------------------------------------------------------------------------------- */

static bool hear(struct puppet *p, struct puppet_conn *c)
{
	static char buf[1 << 16];
	size_t most = sizeof(buf);

	if (c->is_deaf)
		return false;
	if (p->read_rate > 0) {
		uint64_t allowed = (clock_mono_ns() - c->read_since_ns) * p->read_rate / NS_PER_SEC;

		most = allowed > c->read_count ? MIN(most, (size_t)(allowed - c->read_count)) : 0;
	}
	if (most == 0)
		return false;
	ssize_t n = recv(c->fd, buf, most, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		hang_up(p, c);
		return true;
	}
	c->read_count += (size_t)n;
	append(&c->got, &c->got_len, &c->got_cap, buf, (size_t)n, p->mask);
	return true;
}

/* Takes a message off what came in. False when its end is not there yet. */
static bool take_message(struct puppet_conn *c)
{
	static const char end[] = "\r\n.\r\n";
	const char *from = c->got + c->used;
	size_t len = c->got_len - c->used;
	const char *at = len >= 5 ? memmem(from, len, end, 5) : NULL;

	if (len >= 3 && memcmp(from, end + 2, 3) == 0)
		c->used += 3;
	else if (at != NULL)
		c->used += (size_t)(at - from) + 5;
	else
		return false;
	return true;
}

/* --- playing the script ------------------------------------------------------------------------------------------- */

static void compare(const struct puppet_conn *c, const char *expect, size_t len)
{
	size_t n = MIN(len, c->got_len - c->used);

	if (n > 0 && memcmp(c->got + c->used, expect, n) != 0)
		fail_msg("step %u: expected \"%s\", got \"%.*s\"", c->step, expect, (int)(c->got_len - c->used),
			 c->got + c->used);
}

static bool play(struct puppet *p, struct puppet_conn *c)
{
	const struct puppet_step *s = &p->script[c->step];

	if (s->expect == NULL && s->answer == NULL && s->then == PUPPET_GO_ON)
		return false; /* the end of the script */
	if (s->expect == puppet_message) {
		if (!take_message(c))
			return false;
	} else if (s->expect != NULL) {
		size_t len = strlen(s->expect);

		compare(c, s->expect, len);
		if (c->got_len - c->used < len)
			return false;
		c->used += len;
	}
	c->step++;
	say(p, c, s->answer, s->then);
	return true;
}

bool puppet_is_through(const struct puppet *p, unsigned conn)
{
	const struct puppet_conn *c = &p->conns[conn];
	const struct puppet_step *s = &p->script[c->step];

	return s->expect == NULL && s->answer == NULL && s->then == PUPPET_GO_ON && c->used == c->got_len;
}

void puppet_interrupt(struct puppet *p, unsigned conn, const char *answer, enum puppet_then then)
{
	assert_true(p->conns[conn].fd >= 0 && !p->conns[conn].has_ended);
	say(p, &p->conns[conn], answer, then);
}

struct slice puppet_got(const struct puppet *p, unsigned conn)
{
	return slice_of(p->conns[conn].got, p->conns[conn].got_len);
}

/* --- serving by rules --------------------------------------------------------------------------------------------- */

static struct puppet_rule *rule_for(struct puppet *p, struct slice line)
{
	for (struct puppet_rule *r = p->rules; r != NULL && r->prefix != NULL; r++) {
		struct slice prefix = slice_of_str(r->prefix);

		if (r->times == UINT_MAX || prefix.len > line.len || !slice_eq(prefix, slice_head(line, prefix.len)) ||
		    (prefix.len == 0 && line.len > 0))
			continue;
		if (r->times > 0 && --r->times == 0)
			r->times = UINT_MAX; /* used up */
		return r;
	}
	return NULL;
}

static const char *usual_answer(const struct puppet *p, struct slice line)
{
	static char hello[512];
	size_t n;

	if (line.len == 0)
		return "220 puppet.test ESMTP\r\n";
	if (line.ptr[0] == 'D')
		return "354 go on\r\n";
	if (line.ptr[0] == 'Q')
		return "221 bye\r\n";
	if (line.ptr[0] != 'E')
		return "250 2.0.0 ok\r\n";
	n = (size_t)snprintf(hello, sizeof(hello), "250-puppet.test\r\n");
	for (struct slice rest = slice_of_str(p->caps != NULL ? p->caps : "PIPELINING"); rest.len > 0;) {
		ptrdiff_t end = slice_find_char(rest, 0, '\n');
		struct slice word = slice_head(rest, end < 0 ? rest.len : (size_t)end);

		slice_skip(&rest, MIN(rest.len, word.len + 1));
		n += (size_t)snprintf(hello + n, sizeof(hello) - n, "250%c%.*s\r\n", rest.len > 0 ? '-' : ' ',
				      SLICE_FMT(word));
	}
	return hello;
}

static void answer_line(struct puppet *p, struct puppet_conn *c, struct slice line)
{
	struct puppet_rule *rule = rule_for(p, line);
	const char *answer = rule != NULL ? rule->answer : usual_answer(p, line);
	bool is_yes = answer != NULL && answer[0] == '2';

	if (line.len > 0 && line.ptr[0] == 'M')
		c->rcpts = 0;
	if (line.len > 1 && line.ptr[0] == 'R' && line.ptr[1] == 'C' && is_yes)
		c->rcpts++;
	p->rcpts_max = MAX(p->rcpts_max, c->rcpts);
	if (line.len > 0 && line.ptr[0] == 'D')
		c->in_message = answer != NULL && answer[0] == '3';
	if (line.len > 0 && line.ptr[0] == 'Q')
		p->quits++;
	if (line.len > 0 && line.ptr[0] == '.' && is_yes && c->rcpts > 0) {
		p->messages++;
		c->messages++;
	}
	if (line.len > 0 && line.ptr[0] == '.' && p->dot_wait_ns > 0)
		c->hold_until_ns = clock_mono_ns() + p->dot_wait_ns;
	say(p, c, answer, rule != NULL ? rule->then : line.len > 0 && line.ptr[0] == 'Q' ? PUPPET_CLOSE : PUPPET_GO_ON);
}

static bool serve(struct puppet *p, struct puppet_conn *c)
{
	if (c->step == 0) {
		c->step = 1;
		answer_line(p, c, slice_of("", 0));
		return true;
	}
	if (c->in_message) {
		if (!take_message(c))
			return false;
		c->in_message = false;
		answer_line(p, c, SLICE(".\r\n"));
		return true;
	}
	if (c->used == c->got_len)
		return false;	/* perhaps there is no memory for it yet either */
	struct slice rest = slice_of(c->got + c->used, c->got_len - c->used);
	ptrdiff_t end = slice_find_char(rest, 0, '\n');

	if (end < 0)
		return false;
	c->used += (size_t)end + 1;
	answer_line(p, c, slice_head(rest, (size_t)end));
	return true;
}

/* --- everybody at once -------------------------------------------------------------------------------------------- */

static bool accept_one(struct puppet *p)
{
	static const int on = 1;
	int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct puppet_conn *c = &p->conns[p->accepted % PUPPET_CONNS];

	if (fd < 0)
		return false;
	IGNORE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))); /* chunks would merely come later */
	assert_true(c->fd < 0 || c->has_ended);
	free(c->got);
	free(c->out);
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->read_since_ns = clock_mono_ns();
	p->accepted++;
	p->open++;
	p->open_max = MAX(p->open_max, p->open);
	return true;
}

static bool pull(struct puppet *p, struct puppet_conn *c)
{
	bool moved = talk(p, c);

	if (!c->has_ended)
		moved |= hear(p, c);
	if (c->has_ended || c->out_sent < c->out_len || c->then_due)
		return moved;
	return (p->script != NULL ? play(p, c) : serve(p, c)) || moved;
}

bool puppet_pull(struct puppet *p)
{
	bool moved = p->is_open && accept_one(p);

	for (unsigned i = 0; i < PUPPET_CONNS && p->is_open; i++)
		if (p->conns[i].fd >= 0 && !p->conns[i].has_ended)
			moved |= pull(p, &p->conns[i]);
	return moved;
}
