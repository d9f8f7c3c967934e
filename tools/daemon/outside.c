/* outside.c - the service manager and the metrics file */
#include "tools/daemon/daemon.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

/* Written beside and renamed, so that a reader never sees half of it. Not synced: it is rewritten in a second. */
void outside_write_metrics(const struct params *params)
{
	static char text[METRICS_TEXT];
	struct str out = STR(text);
	char beside[600];

	if (params->metrics_file[0] == '\0')
		return;
	metric_write_all(&out);
	(void)snprintf(beside, sizeof(beside), "%s.new", params->metrics_file);
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	bool whole = write(fd, out.ptr, out.len) == (ssize_t)out.len;

	close(fd);
	if (!whole || rename(beside, params->metrics_file) < 0)
		(void)unlink(beside);
}
