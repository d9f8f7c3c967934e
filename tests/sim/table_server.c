#include "tests/sim/table_server.h"

#include <stdio.h>

#include "tests/sim/fault.h"
#include "tests/sim/server.h"
#include "tests/sim/tape.h"

#define LINE_MAX_OCTETS	2048u
#define TALKS_MAX	64u		/* each core has one at a time, but those that are over may linger */

/* One question at a time: "19:generic a@b.test," */
struct talk {
	bool used;
	char line[LINE_MAX_OCTETS];
	size_t len;
	char reply[LINE_MAX_OCTETS];
};

static struct talk talks[TALKS_MAX];
static const struct table_row *rows;
static unsigned row_count;

static void on_open(struct sim_conn *c)
{
	unsigned i = 0;

	while (i < TALKS_MAX && talks[i].used)
		i++;
	ASSERT(i < TALKS_MAX);
	talks[i].used = true;
	talks[i].len = 0;
	sim_set_context(c, &talks[i]);
}

static const char *value_of(struct slice key)
{
	for (unsigned i = 0; i < row_count; i++)
		if (slice_eq(key, slice_of_str(rows[i].key)))
			return rows[i].value;
	return NULL;
}

static void let_go(struct sim_conn *c)
{
	const struct talk *t = sim_context(c);

	sim_send_text(c, t->reply);
}

static void answer(struct sim_conn *c, struct slice key)
{
	struct talk *t = sim_context(c);
	const char *value = value_of(key);
	char text[LINE_MAX_OCTETS / 2];

	if (fault_strikes(FAULT_TARPIT))
		return;
	if (fault_strikes(FAULT_HANG_UP)) {
		sim_close(c);
		return;
	}
	if (fault_strikes(FAULT_SOFT_NO))
		(void)snprintf(text, sizeof(text), "TEMP later");
	else
		(void)snprintf(text, sizeof(text), "%s%s", value != NULL ? "OK " : "NOTFOUND ", value != NULL ? value : "");
	(void)snprintf(t->reply, sizeof(t->reply), "%zu:%s,", strlen(text), text);	/* both fit */
	if (fault_strikes(FAULT_SLOW_REPLY))
		sim_wake_in(c, tape_range(0, 3 * NS_PER_SEC));
	else
		let_go(c);
}

static void on_octets(struct sim_conn *c, struct slice data)
{
	struct talk *t = sim_context(c);

	ASSERT(data.len <= sizeof(t->line) - t->len);
	memcpy(t->line + t->len, data.ptr, data.len);
	t->len += data.len;
	const struct slice line = slice_of(t->line, t->len);
	const ptrdiff_t colon = slice_find_char(line, 0, ':');
	uint64_t size;

	if (colon < 0 || slice_to_u64(slice_head(line, (size_t)colon), LINE_MAX_OCTETS, &size) < 0 ||
	    line.len < (size_t)colon + 1 + size + 1)
		return;
	struct slice key = slice_of(line.ptr + colon + 1, (size_t)size);

	slice_skip(&key, (size_t)slice_find_char(key, 0, ' ') + 1);
	t->len = 0;
	answer(c, key);
}

static void on_finish(struct sim_conn *c)
{
	sim_close(c);
}

static void on_gone(struct sim_conn *c)
{
	struct talk *t = sim_context(c);

	t->used = false;
}

static const struct sim_program program = {
	.on_open = on_open, .on_data = on_octets, .on_time = let_go, .on_finish = on_finish, .on_gone = on_gone,
};

static enum sim_answer on_connect(struct sim_host *host, struct sim_conn *c)
{
	(void)host;
	return server_draw_way(c);
}

void table_server_add(const char *address, unsigned port, const struct table_row *its_rows, unsigned count)
{
	rows = its_rows;
	row_count = count;
	memset(talks, 0, sizeof(talks));
	sim_host_add(address, (uint16_t)port, &program, NULL)->on_connect = on_connect;
}
