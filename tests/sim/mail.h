/* mail.h - the source of mail in memory, from inside: world.c puts it into the engine
 *
 * never    included by tests of behaviour: those need world.h
 */
#pragma once

#include "net/delivery/intake.h"
#include "tests/sim/world.h"

extern const struct source mail_source;

void mail_start(void);
/* Gives back what unfinished mail holds: delivery must be gone. */
void mail_stop(void);

bool mail_all_settled(void);
bool mail_all_finished(void);
