/* io_start.c - the part of the seam that runs before the first turn and may block */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/io.h"

static int sysctl_io_uring_disabled(void)
{
	char c = '0';
	int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;	/* kernels before 6.6 have no such switch */
	ssize_t n = read(fd, &c, 1);

	close(fd);
	return n == 1 ? c - '0' : 0;
}

const char *io_diagnosis(int err)
{
	static char text[256];

	switch (err) {
	case -ENOSYS:
		return "this kernel has no io_uring, or a seccomp filter hides it: run Linux 6.1 or newer, and in a container "
		       "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile";
	case -EPERM:
		if (sysctl_io_uring_disabled() > 0)
			return "io_uring is switched off: set the sysctl kernel.io_uring_disabled to 0 (or to 1 and give "
			       "this user the group in kernel.io_uring_group)";
		return "io_uring is forbidden by a seccomp filter: allow io_uring_setup, io_uring_enter and "
		       "io_uring_register in the container's seccomp profile";
	case -EACCES:
		return "io_uring is forbidden by a security module: look for a denial in the audit log";
	case -ENOMEM:
		return "not enough memory for io_uring: raise the limit of locked memory (ulimit -l, LimitMEMLOCK=) or lower "
		       "journal_memory";
	case -EMFILE:
	case -ENFILE:
		return "too few open files allowed: raise the limit (ulimit -n, LimitNOFILE=)";
	case -EINVAL:
	case -EOPNOTSUPP:
		return "this kernel's io_uring lacks an operation or a flag we need: run Linux 6.1 or newer";
	case -ELIBBAD:
		return "this program was built for a newer liburing than the one it runs with: install that, or build again";
	default:
		(void)snprintf(text, sizeof(text), "io_uring cannot be set up: %s", err_text(err));
		return text;
	}
}

/* reuse_port only after io_listen_check: it would let two programs share a port without either of them noticing. */
static int open_listener(const struct addr *addr, int backlog, bool reuse_port)
{
	static const int on = 1;
	int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int r = 0;

	if (addr->sa.sa_family != AF_UNIX) {
		r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (r == 0 && reuse_port)
			r = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
		if (r == 0 && addr->sa.sa_family == AF_INET6)
			r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		if (r == 0)	/* accepted sockets inherit it */
			r = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	if (r == 0)
		r = bind(fd, &addr->sa, addr->len);
	if (r == 0 && backlog > 0)
		r = listen(fd, backlog);
	if (r == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

int io_listen(const struct addr *addr, int backlog, int *ret_file)
{
	int fd = open_listener(addr, backlog, true);

	return fd < 0 ? fd : io_adopt(fd, ret_file);
}

/* A unix socket's file outlives whoever listened: it can be bound again only once it is gone, and it may go only when
 * nobody listens any more. 0: the way is free. */
static int clear_unix_path(const struct addr *addr)
{
	struct stat found;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	int r = connect(fd, &addr->sa, addr->len) < 0 ? -errno : 0;

	close(fd);
	if (r == -ENOENT)
		return 0;
	/* EAGAIN: somebody listens and has much to do; EPROTOTYPE: a socket of another kind is alive there. */
	if (r == 0 || r == -EAGAIN || r == -EPROTOTYPE)
		return -EADDRINUSE;
	if (r != -ECONNREFUSED)
		return r;
	if (lstat(addr->un.sun_path, &found) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(found.st_mode))
		return -EEXIST;
	return unlink(addr->un.sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Without SO_REUSEPORT, binding and listening succeed only when nobody else listens here. */
static int try_listen(const struct addr *addr)
{
	int r = addr->sa.sa_family == AF_UNIX ? clear_unix_path(addr) : 0;
	int fd = r < 0 ? r : open_listener(addr, 1, false);

	if (fd < 0)
		return fd;
	close(fd);
	io_listen_end(addr);
	return 0;
}

void io_listen_end(const struct addr *addr)
{
	if (addr->sa.sa_family == AF_UNIX)
		(void)unlink(addr->un.sun_path);	/* one that stays is found dead at the next start */
}

int io_listen_check(const struct addr *addr, unsigned wait_ms)
{
	uint64_t deadline = clock_mono_ns() + wait_ms * NS_PER_MS;

	for (;;) {
		int r = try_listen(addr);

		if (r != -EADDRINUSE || clock_mono_ns() >= deadline)
			return r;
		(void)usleep(10000);	/* only a pause; the loop looks at the clock */
	}
}

int io_mkdir(const char *path, unsigned mode)
{
	return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int io_list_dir(const char *path, void (*fn)(const char *name, void *context), void *context)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL)
		return -errno;
	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			fn(entry->d_name, context);
		errno = 0;
	}
	int r = -errno;

	closedir(dir);
	return r;
}
