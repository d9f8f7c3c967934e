/* A whole file replaced through the seam. */
#include "core/file_put.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/reactor.h"
#include "tests/test.h"

static struct reactor reactor;
static struct file_put put;
static char folder[64], path[128], large[300000];
static int result;
static unsigned calls;

static int setup(void **state)
{
	const struct io_conf io = { .core = 0, .files_max = 64, .arena_size = MIB(1), .recv_bufs = 8 };

	(void)state;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &io), 0);
	(void)snprintf(folder, sizeof(folder), "/tmp/ringpost-put-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/file", folder);
	file_put_init(&put);
	calls = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)rmdir(folder);
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

static void on_put(struct file_put *p, int err)
{
	assert_ptr_equal(p, &put);
	assert_false(file_put_is_busy(p));
	result = err;
	calls++;
}

static int replace(const char *name, struct slice text, bool durable)
{
	const unsigned before = calls;

	file_put(&put, name, text, durable, on_put);
	assert_int_equal(calls, before);
	assert_true(file_put_is_busy(&put));
	for (unsigned i = 0; i < 1000 && calls == before; i++) {
		assert_int_equal(reactor_turn(&reactor, 0), 0);
		(void)usleep(100);
	}
	assert_int_equal(calls, before + 1);
	return result;
}

static void assert_content(struct slice text)
{
	char *found;
	size_t len;

	assert_int_equal(file_read(path, sizeof(large), &found, &len), 0);
	assert_true(slice_eq(slice_of(found, len), text));
	free(found);
}

static void a_file_is_replaced(void **state)
{
	(void)state;
	memset(large, 'x', sizeof(large));
	assert_int_equal(replace(path, slice_of(large, sizeof(large)), true), 0);
	assert_content(slice_of(large, sizeof(large)));
	assert_int_equal(replace(path, SLICE("short"), false), 0);
	assert_content(SLICE("short"));
	assert_int_equal(replace(path, SLICE(""), false), 0);
	assert_content(SLICE(""));
}

static void what_cannot_be_is_said(void **state)
{
	char nowhere[160];

	(void)state;
	(void)snprintf(nowhere, sizeof(nowhere), "%s/absent/file", folder);
	assert_int_equal(replace(nowhere, SLICE("x"), true), -ENOENT);
	assert_int_equal(replace(path, SLICE("still works"), true), 0);
	assert_content(SLICE("still works"));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("a file is replaced by a longer and a shorter one", a_file_is_replaced, setup, teardown),
		CLAIM_WITH("what cannot be is said, and the next one can", what_cannot_be_is_said, setup, teardown),
	};
	return cmocka_run_group_tests_name("core/file_put", claims, NULL, NULL);
}
