/* letter.h - a message of a script as the engine gets it */
#pragma once

#include "tests/dialogue/script.h"
#include "tests/sim/world.h"

struct letter {
	struct world_mail mail;
	const struct script_message *script;
	struct slice wire_dot;		/* its content on the wire, final dot included */
	uint64_t offered_ns;
	struct rcpt *rcpts;
	bool *answered;			/* each has had an outcome */
};

void letter_write(struct letter *letter, const struct script_message *script);

void letter_answered(struct letter *letter, const struct rcpt *rcpt);
bool letter_has_answers(const struct letter *letter);

/* No name: the first one. NULL: there is none. */
const struct letter *letter_named(const struct letter *letters, unsigned count, struct slice name);
/* The first that goes to this recipient and has not had an answer for it, or else the last that goes there. */
const struct letter *letter_to(const struct letter *letters, unsigned count, struct slice rcpt);
