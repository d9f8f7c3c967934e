/* xcall.h - hand a struct to another core
 *
 * A note is embedded in the struct it carries; sending gives the struct away until its function runs on the other core.
 * Notes between two cores arrive in the order they were sent. To the own core they arrive later in the same turn.
 *
 * bounds   XCALL_RING notes under way per direction; more wait with the sender (as many as there are structs to send)
 * cost     one wake-up (MSG_RING) per turn and target, and only when the target sleeps
 */
#pragma once

#include "core/list.h"

#define NOTE_MAGIC UINT32_C(0x6e6f7465)

struct note;
typedef void note_fn(struct note *note);

struct note {
	uint32_t magic;
	note_fn *fn;
	struct list node;	/* waiting with the sender */
};

void note_init(struct note *n, note_fn *fn);
void xcall_send(unsigned core, struct note *n);

/* --- used by reactor and runtime alone -------------------------------------------------------- */

struct xcall;

/* Rings for count cores. Start only, before the threads. 0 or -ENOMEM. */
int xcall_start(unsigned count);
void xcall_stop(void);

/* Runs what has arrived for core. Returns how many. */
size_t xcall_receive(unsigned core);

/* Moves what waits with the sender into the rings, wakes whoever sleeps. Returns true while something still waits. */
bool xcall_flush(unsigned core);

/* Declares that core is about to sleep; false when something arrived meanwhile, and then it must not. */
bool xcall_may_sleep(unsigned core);
void xcall_awake(unsigned core);

/* Does a note wait in a ring for core? */
bool xcall_has_arrived(unsigned core);
