/* fake_talkers.h - connections that talk through io.h to the fake kernel, and notice when an octet is not theirs
 *
 * Each talker connects to a port of its own, sends a stream only that port's owner would send, expects the one only it
 * would get, and is closed when both are over, when an error says so, or in the middle, by chance. Then it begins again
 * under another name. Whatever the kernel does meanwhile, every connection comes to its end and everything comes back.
 */
#pragma once

#include "core/io.h"

#define TALKERS_MAX 64u

struct talkers_report {
	uint64_t connections;	/* begun and ended */
	uint64_t whole;		/* of those, with all octets in both directions */
	uint64_t received;
	uint64_t turns;
};

/* Runs until `connections` have ended, `count` at a time, on the ring of the calling core. False: the bound of turns
 * was reached first. */
bool talkers_run(unsigned count, uint64_t connections, uint64_t turns_max, struct talkers_report *ret_report);
