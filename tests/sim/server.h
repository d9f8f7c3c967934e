/* server.h - a receiving server of a storm: honest unless a fault strikes, strict, with a commit point
 *
 * It answers line by line, in order, after as much time as the tape says; speaks ESMTP with a choice of PIPELINING,
 * 8BITMIME, SIZE and CHUNKING; commits at the end of the content, before its 250 leaves. It dies with a sentence
 * (ledger_fail) when the client breaks the rules: QUIT or anything but the next transaction behind the dot, commands
 * ahead of their turn where PIPELINING was not offered, bare CR or LF, recipients nobody offered.
 *
 * While a server says nothing on purpose, the client's patience is measured: it has to hang up within its own time-out
 * for that state and a second.
 */
#pragma once

#include "net/params.h"
#include "tests/sim/net.h"

#define SERVER_KEYWORDS 4u

#define SERVERS_MAX 64u

/* There is none any more: before the first of a world, or after its end. */
void servers_forget(void);

/* A host with this behaviour; keywords: bits of what it offers. */
struct sim_host *server_add(const char *address, unsigned keywords, const struct params *params);
/* The same, speaking LMTP on port 24: a reply for each recipient behind the content. */
struct sim_host *server_add_lmtp(const char *address, unsigned keywords, const struct params *params);

/* What the way to any host is like, this time. */
enum sim_answer server_draw_way(struct sim_conn *c);

/* How many messages all servers have committed. */
unsigned server_commits(void);
