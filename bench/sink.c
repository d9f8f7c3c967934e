/* sink.c - an SMTP server that swallows mail, with TLS, for tools/bench: what smtp-sink is without
 *
 *	bench_sink ADDRESS PORT		IPv4; "mesg=N" on its output for each message
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "bench/alone_sink.h"

int main(int argc, char **argv)
{
	static const int on = 1;
	const struct alone_sink_conf conf = { .tls = true, .counter = 1 };
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 3 || inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1) {
		fprintf(stderr, "usage: bench_sink ADDRESS PORT\n");
		return 2;
	}
	addr.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));	/* without it, bind says so */
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 4096) < 0) {
		perror("bench_sink");
		return 1;
	}
	alone_sink_serve(listener, &conf);
	return 0;
}
