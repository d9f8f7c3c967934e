/* outside.c - the service manager and the metrics file */
#include "tools/daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/err.h"
#include "core/log.h"
#include "core/metric.h"

#define METRICS_TEXT KIB(64)

/* sd_notify(3) is one datagram; a library for that would be the larger part. */
void outside_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(un.sun_path))
		return;
	memcpy(un.sun_path, path, strlen(path));
	if (path[0] == '@')
		un.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	/* A manager that does not listen learns nothing; we go on. */
	IGNORE(sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&un,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0);
	close(fd);
}

static void name_beside(const struct params *params, struct str *out)
{
	str_add_cstr(out, params->metrics_file);
	str_add(out, SLICE(".new"));
	(void)str_cstr(out);
}

static int open_beside(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : fd;
}

int outside_check_metrics(const struct params *params)
{
	char storage[PATH_MAX];
	struct str path = STR(storage);

	if (params->metrics_file[0] == '\0')
		return 0;
	name_beside(params, &path);
	int fd = open_beside(storage);

	if (fd < 0)
		return fd;
	close(fd);
	(void)unlink(storage);
	return 0;
}

/* Written beside and renamed, so that a reader never sees half of it. Not synced: it is rewritten in a second. */
static int write_metrics(const struct params *params)
{
	static char text[METRICS_TEXT];
	struct str out = STR(text);
	char storage[PATH_MAX];
	struct str path = STR(storage);
	int err = 0;

	metric_write_all(&out);
	name_beside(params, &path);
	int fd = open_beside(storage);

	if (fd < 0)
		return fd;
	if (write(fd, out.ptr, out.len) != (ssize_t)out.len)
		err = -ENOSPC;
	close(fd);
	if (err == 0 && rename(storage, params->metrics_file) < 0)
		err = -errno;
	if (err < 0)
		(void)unlink(storage);
	return err;
}

void outside_write_metrics(const struct params *params)
{
	static int before;

	if (params->metrics_file[0] == '\0')
		return;
	int err = write_metrics(params);

	if (err < 0 && before == 0)
		log_line(LOG_LEVEL_WARNING, "ringpostd", "cannot write metrics_file %s: %s", params->metrics_file, err_text(err));
	else if (err == 0 && before < 0)
		log_line(LOG_LEVEL_INFO, "ringpostd", "metrics_file %s is written again", params->metrics_file);
	before = err;
}
