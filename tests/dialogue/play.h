/* play.h - one script played once: the real engine in the simulator, the script's server at the other end
 *
 *	script --> zone, hosts, main.cf --> world          messages in, outcomes and log lines back
 *	       '-> a server for each session ------------> what the client says is what the script says
 *
 * The first thing that differs ends the play. Everything that was said stands in the transcript.
 */
#pragma once

#include "tests/dialogue/script.h"

struct play;

/* segment: octets that arrive together, in both directions; 0: as they come. Prints what went wrong; the transcript,
 * too, when verbose or when something did. */
bool play_script(struct script *script, uint32_t segment, uint64_t seed, bool verbose);

/* --- for the server --------------------------------------------------------------------------- */

const struct script *play_of(const struct play *play);

/* A line of the transcript. */
void play_tell(struct play *play, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The first difference, and the line of the script that knows better. */
void play_fail(struct play *play, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool play_has_failed(const struct play *play);

/* A server has begun to speak: how many are in the middle of their scripts now? */
void play_count_busy(struct play *play);

/* What C <message> means: the content as it has to arrive, final dot included; NULL when there is no such message. */
const struct slice *play_wire(const struct play *play, struct slice name);
/* The same for chunks: not stuffed. */
const struct slice *play_content(const struct play *play, struct slice name);
