/* fault.h - everything that may go wrong in the world, with its probability: the swarm's knobs
 *
 * All are zero unless somebody sets them. Each strikes by the tape, at its own place in the code, and is remembered, so
 * that a campaign can say what it has covered.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*	  name               what happens */
#define FAULTS(X)									\
	X(SHORT_SEND,      "a send takes a part of what was offered")			\
	X(RECEIVE_ENDS,    "a multishot receive stops after a piece (row URG-05)")	\
	X(NO_BUFFER,       "no receive buffer, although there are some (row URG-06)")	\
	X(LATE_CORE,       "a core does not get the CPU for up to 50 ms")		\
	X(LATE_RESULT,     "a result comes up to 10 ms later")				\
	X(NO_FILES,        "no descriptor for a connect or an open")			\
	X(COPIED,          "zero copy copies after all")				\
	X(READ_ERROR,      "a read fails")						\
	X(WRITE_ERROR,     "a write fails")						\
	X(SYNC_ERROR,      "a sync fails, and half of what it covered is lost")		\
	X(SHORT_IO,        "a read or write does a part")				\
	X(SLOW_DISK,       "an operation on a file takes up to 2 s")			\
	X(DISK_FULL,       "no space left for a while")					\
	X(DNS_TROUBLE,     "a question fails softly")					\
	X(REFUSE,          "a connection is refused")					\
	X(BLACKHOLE,       "a connection is never answered")				\
	X(CUT_FINISH,      "a stream ends somewhere")					\
	X(CUT_RESET,       "a connection is reset somewhere")				\
	X(CUT_SILENCE,     "a stream falls silent somewhere")				\
	X(SLOW_LINK,       "little bandwidth, much latency")				\
	X(SMALL_SEGMENTS,  "octets come in pieces of 1 to 7")				\
	X(SLOW_REPLY,      "a server thinks before it answers")				\
	X(TARPIT,          "a server does not answer any more")				\
	X(NOT_READING,     "a server stops to read in the middle of a message")		\
	X(SOFT_NO,         "a server says 4xx")						\
	X(HARD_NO,         "a server says 5xx")						\
	X(GARBAGE,         "a server says what is no reply")				\
	X(ODD_REPLY,       "a server says more lines than one expects")			\
	X(HANG_UP,         "a server closes or resets instead of a reply")		\
	X(REPLY_LOST,      "a server commits, and then hangs up")			\
	X(INJECTOR_LEAVES, "an injector hangs up in the middle")			\
	X(KILL,            "the engine is killed")					\
	X(POWER_CUT,       "the power fails")						\
	X(CLOCK_STEP,      "the wall clock is set")					\
	X(SUSPEND,         "the machine sleeps for up to 8 h")				\
	X(CROOK,           "a server of a hostile family shows its habit")

enum fault {
#define X(name, words) FAULT_##name,
	FAULTS(X)
#undef X
	FAULT_COUNT
};

extern uint32_t fault_rates[FAULT_COUNT];	/* in millionths */
extern uint64_t fault_seen;			/* bits: which have struck since the process began */

bool fault_strikes(enum fault f);
/* It has struck where chance was asked in another way. */
void fault_note(enum fault f);

/* From now on all goes well. What was seen stays. */
void fault_heal(void);

const char *fault_name(enum fault f);
