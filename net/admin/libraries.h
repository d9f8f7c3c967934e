/* libraries.h - what is linked, what is known against it, and what we hold against that (rows SUP-01, TLS-02)
 *
 * A version says nothing about patches of a distribution's: what is in the range of a fault counts as having it.
 *
 * memory   the words are constants, or of the library
 * thread   start only, after the libraries themselves have been started
 */
#pragma once

#include "core/version.h"

enum library_state {
	LIBRARY_FINE,		/* nothing is known against it, that we know of */
	LIBRARY_GUARDED,	/* it has a fault that cannot be reached */
	LIBRARY_PARTLY,		/* it can be, in some set-ups */
	LIBRARY_EXPOSED,	/* it can be */
	LIBRARY_STATES
};

struct library_fault {
	enum library_state state;
	const char *known;	/* NULL with LIBRARY_FINE */
	const char *guard;	/* what stands between it and the world, or should */
};

#define LIBRARY_FAULTS_MAX 8u

struct library_report {
	struct library library;
	const char *remark;	/* "": none */
	unsigned fault_count;	/* 0: nothing */
	struct library_fault faults[LIBRARY_FAULTS_MAX];
};

/* True while there is one more: i is 0, 1, 2... */
bool libraries_report(unsigned i, struct library_report *ret_report);

/* Is this version of it in the range of a fault? The worst of them. */
enum library_state libraries_judge(const char *name, const char *version);

const char *library_state_name(enum library_state state);
