/* injector.h - clients that bring mail to the engine's listener, and write down what they were promised
 *
 * Each dials, greets, brings a few messages and reads every reply. What is refused or lost is tried again with a new
 * id, until enough is accepted or injectors_stop is called.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct injectors_conf {
	const char *listener;		/* address; port 25 */
	unsigned messages;		/* that are to be accepted */
	unsigned domains;		/* d0.test ... */
	unsigned rcpts_max;
	uint32_t size_max;
	unsigned clients;		/* at a time */
	uint64_t pause_ns;		/* between two connections of a client, at most */
};

void injectors_start(const struct injectors_conf *conf);
/* No message is begun any more. */
void injectors_stop(void);
/* Enough was accepted, or stopped, and nobody is connected. */
bool injectors_are_done(void);
unsigned injectors_accepted(void);
