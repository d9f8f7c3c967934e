#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/file.h"

static char dir[] = "/tmp/ringpost-file.XXXXXX";
static char path[128];

static const char *at(const char *name)
{
	assert_true(snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path));
	return path;
}

static void what_is_replaced_is_read_whole(void **state)
{
	static char big[100000];
	char *text;
	size_t len;

	(void)state;
	memset(big, 'b', sizeof(big));
	assert_int_equal(file_replace(at("a"), SLICE("one\0two")), 0);
	assert_int_equal(file_read(at("a"), 7, &text, &len), 0);
	assert_int_equal(len, 7);
	assert_memory_equal(text, "one\0two", 8);	/* and a NUL behind it */
	free(text);
	assert_int_equal(file_replace(at("a"), slice_of(big, sizeof(big))), 0);
	assert_int_equal(file_read(at("a"), sizeof(big), &text, &len), 0);
	assert_int_equal(len, sizeof(big));
	assert_memory_equal(text, big, len);
	assert_int_equal(text[len], 0);
	free(text);
	assert_int_equal(file_replace(at("a"), slice_of(NULL, 0)), 0);
	assert_int_equal(file_read(at("a"), 0, &text, &len), 0);
	assert_int_equal(len, 0);
	free(text);
	assert_int_equal(access(at("a.new"), F_OK), -1);
	assert_int_equal(unlink(at("a")), 0);
}

static void too_large_or_no_file_leaves_the_results_alone(void **state)
{
	char *text = path;
	size_t len = 99;

	(void)state;
	assert_int_equal(file_replace(at("a"), SLICE("12345678")), 0);
	assert_int_equal(file_read(at("a"), 7, &text, &len), -EFBIG);
	assert_int_equal(file_read(at("none"), 7, &text, &len), -ENOENT);
	assert_int_equal(file_read(dir, 7, &text, &len), -EISDIR);
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	assert_int_equal(file_read(at("fifo"), 7, &text, &len), -EINVAL);	/* and nobody waits for a writer */
	assert_ptr_equal(text, path);
	assert_int_equal(len, 99);
	assert_int_equal(unlink(at("fifo")), 0);
	assert_int_equal(unlink(at("a")), 0);
}

static void a_replacement_that_fails_leaves_the_old_file(void **state)
{
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(file_replace(at("a"), SLICE("old")), 0);
	assert_int_equal(mkdir(at("a.new"), 0700), 0);
	assert_true(file_replace(at("a"), SLICE("new")) < 0);
	assert_int_equal(file_read(at("a"), 10, &text, &len), 0);
	assert_memory_equal(text, "old", 4);
	free(text);
	assert_int_equal(file_replace(at("missing/a"), SLICE("x")), -ENOENT);
	assert_int_equal(rmdir(at("a.new")), 0);
	assert_int_equal(unlink(at("a")), 0);
}

/* Row URG-25: a killed predecessor's lock goes away within a moment, and that is waited for. */
static void a_lock_is_exclusive_and_waited_for(void **state)
{
	struct stat st;
	int fd = file_lock(at("lock"), 0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	uint64_t from = clock_mono_ns();

	assert_int_equal(file_lock(at("lock"), 50), -EWOULDBLOCK);
	assert_true(clock_mono_ns() - from >= 50 * NS_PER_MS);
	close(fd);
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	const pid_t child = fork();

	if (child == 0) {
		int held = file_lock(at("lock"), 0);

		(void)!write(ready[1], "x", 1);
		usleep(100000);
		_exit(held < 0);
	}
	char c;

	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(file_lock(at("lock"), 0), -EWOULDBLOCK);
	fd = file_lock(at("lock"), 5000);
	assert_true(fd >= 0);
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(unlink(at("lock")), 0);
}

/* Row OSR-12. */
static void a_directory_must_be_ours_alone(void **state)
{
	static const struct { mode_t mode; int r; } cases[] = {
		{ 0700, 0 }, { 0755, 0 }, { 0770, -EACCES }, { 0702, -EACCES }, { 0777, -EACCES },
	};

	(void)state;
	assert_int_equal(mkdir(at("d"), 0700), 0);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(chmod(at("d"), cases[i].mode), 0);
		assert_int_equal(file_check_dir(at("d")), cases[i].r);
	}
	assert_int_equal(rmdir(at("d")), 0);
	assert_int_equal(file_check_dir(at("d")), -ENOENT);
	assert_int_equal(file_replace(at("f"), SLICE("x")), 0);
	assert_int_equal(file_check_dir(at("f")), -ENOTDIR);
	assert_int_equal(unlink(at("f")), 0);
	/* Somebody else's: the root directory is, unless we are root, and then we can give one away. */
	if (geteuid() != 0) {
		assert_int_equal(file_check_dir("/"), -EPERM);
		return;
	}
	assert_int_equal(mkdir(at("d"), 0700), 0);
	assert_int_equal(chown(at("d"), 65534, (gid_t)-1), 0);
	assert_int_equal(file_check_dir(at("d")), -EPERM);
	assert_int_equal(rmdir(at("d")), 0);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("what is replaced is read whole", what_is_replaced_is_read_whole),
		CLAIM("too large or no file leaves the results alone", too_large_or_no_file_leaves_the_results_alone),
		CLAIM("a replacement that fails leaves the old file", a_replacement_that_fails_leaves_the_old_file),
		CLAIM("URG-25: a lock is exclusive and waited for", a_lock_is_exclusive_and_waited_for),
		CLAIM("OSR-12: a directory must be ours alone", a_directory_must_be_ours_alone),
	};

	return cmocka_run_group_tests_name("core/file", claims, setup, teardown);
}
