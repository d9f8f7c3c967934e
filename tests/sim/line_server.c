#include "tests/sim/line_server.h"

#include <stdlib.h>

struct dialogue {
	struct line_server *server;
	char line[4096];
	size_t len;
	bool in_data;
	size_t chunk_left;
	bool chunk_last;
};

static const char *reply_for(const struct line_server *s, struct slice line, const char *usual)
{
	for (const struct line_rule *r = s->rules; r != NULL && r->prefix != NULL; r++)
		if (line.len == 0 ? r->prefix[0] == '\0' :
				    r->prefix[0] != '\0' && slice_has_prefix(line, slice_of_str(r->prefix)))
			return r->reply;
	return usual;
}

static bool say(struct sim_conn *c, struct slice line, const char *usual)
{
	const struct dialogue *d = sim_context(c);
	const char *reply = reply_for(d->server, line, usual);

	if (reply == NULL)
		sim_close(c);
	else
		sim_send_text(c, reply);
	return reply != NULL && (reply[0] == '2' || reply[0] == '3');
}

static void on_open(struct sim_conn *c)
{
	struct dialogue *d = calloc(1, sizeof(*d));

	ASSERT(d != NULL);
	d->server = sim_context(c);
	sim_set_context(c, d);
	(void)say(c, (struct slice){ 0 }, "220 mx.test ESMTP\r\n");	/* either way it is up to the client */
}

static void say_hello(struct sim_conn *c, const struct dialogue *d, struct slice line)
{
	char text[512];
	struct str out = STR(text);

	str_add_cstr(&out, "250-mx.test\r\n");
	str_add_cstr(&out, d->server->keywords != NULL ? d->server->keywords : "");
	str_add_cstr(&out, "250 HELP\r\n");
	(void)say(c, line, str_cstr(&out));
}

static void begin_chunk(struct dialogue *d, struct slice line)
{
	uint64_t size = 0;
	const ptrdiff_t end = slice_find_char(line, 5, ' ');

	d->chunk_last = end > 0;
	slice_skip(&line, 5);
	ASSERT(slice_to_u64(slice_head(line, d->chunk_last ? (size_t)end - 5 : line.len - 2), SIZE_MAX, &size) == 0);
	d->chunk_left = (size_t)size;
}

static void on_line(struct sim_conn *c, struct dialogue *d, struct slice line)
{
	if (d->in_data && !slice_eq(line, SLICE(".\r\n"))) {
		d->server->octets += line.len;
	} else if (d->in_data) {
		d->in_data = false;
		d->server->messages += say(c, SLICE("."), "250 2.0.0 taken\r\n");
	} else if (slice_has_prefix(line, SLICE("EHLO"))) {
		say_hello(c, d, line);
	} else if (slice_has_prefix(line, SLICE("DATA"))) {
		d->in_data = say(c, line, "354 go\r\n");
	} else if (slice_has_prefix(line, SLICE("BDAT "))) {
		begin_chunk(d, line);
	} else if (slice_has_prefix(line, SLICE("QUIT"))) {
		(void)say(c, line, "221 bye\r\n");
		sim_close(c);
	} else {
		(void)say(c, line, "250 ok\r\n");
	}
}

static size_t take_chunk(struct sim_conn *c, struct dialogue *d, size_t most)
{
	const size_t n = MIN(d->chunk_left, most);

	d->server->octets += n;
	d->chunk_left -= n;
	if (d->chunk_left == 0 && d->chunk_last)
		d->server->messages += say(c, SLICE("."), "250 2.0.0 taken\r\n");
	else if (d->chunk_left == 0)
		(void)say(c, SLICE("BDAT"), "250 ok\r\n");
	return n;
}

static void on_data(struct sim_conn *c, struct slice data)
{
	struct dialogue *d = sim_context(c);

	while (data.len > 0) {
		if (d->chunk_left > 0) {
			slice_skip(&data, take_chunk(c, d, data.len));
			continue;
		}
		ASSERT(d->len < sizeof(d->line));
		d->line[d->len++] = data.ptr[0];
		slice_skip(&data, 1);
		if (d->line[d->len - 1] != '\n')
			continue;
		const size_t len = d->len;

		d->len = 0;
		on_line(c, d, slice_of(d->line, len));
	}
}

static void on_finish(struct sim_conn *c)
{
	sim_close(c);
}

static void on_gone(struct sim_conn *c)
{
	free(sim_context(c));
}

const struct sim_program line_server_program = {
	.on_open = on_open, .on_data = on_data, .on_finish = on_finish, .on_gone = on_gone,
};

struct sim_host *line_server_add(const char *address, uint16_t port, struct line_server *server)
{
	return sim_host_add(address, port, &line_server_program, server);
}
