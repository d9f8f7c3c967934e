/* crook.h - a host of a storm that has the habits of one hostile server (tests/peers/families.h)
 *
 * The row is drawn when the host is added; on which connections it shows itself, FAULT_CROOK decides. On the others it
 * is as honest and as strict as tests/peers/peer.h. What it commits goes into the storm's ledger; what the engine does
 * wrong there ends the storm, unless the row is one that loses track itself.
 *
 * bounds   CROOKS_MAX hosts
 */
#pragma once

#include "tests/sim/net.h"

#define CROOKS_MAX 64u

/* There is none any more. */
void crooks_forget(void);

/* ret_refuses: it may say 5xx to any recipient. lmtp: it speaks LMTP on port 24. */
void crook_add(const char *address, bool lmtp, bool *ret_refuses);

/* No bad habits any more. */
void crooks_heal(void);

/* Dies with a sentence when the client has broken a rule. */
void crooks_check(void);

/* How many recipients' mails all of them have committed. */
unsigned crook_commits(void);
