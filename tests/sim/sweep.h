/* sweep.h - every operation of a scenario fails once, and from then on, with each of its errors (section 4f)
 *
 *	sweep_all(lists, ARRAY_LEN(lists), 1, run, &scenario);	run sets machine_fault to sweep_strike
 *
 * The scenario runs once to count its operations; then again for each operation, each result of its list, one-shot and
 * persistent. Each list has a process of its own: what a killed engine held goes with it, as it does in earnest. With
 * a stride of n a result strikes one operation of n, the next result the ones beside them.
 */
#pragma once

#include "tests/sim/machine.h"

struct sweep_list {
	enum flight_kind kind;
	int results[14];		/* until 0 */
};

struct sweep {
	unsigned count[FLIGHT_KINDS];	/* operations of this kind so far */
	enum flight_kind kind;		/* the one to fail; 0: none */
	unsigned at;			/* counted from 1 */
	int result;
	bool persistent;
	bool asleep;			/* nothing is counted, nothing fails */
	unsigned struck;
};
extern struct sweep sweep;

/* For machine_fault. */
int sweep_strike(enum flight_kind kind);

/* Prints what fails at present. */
void sweep_say(void);

/* Returns the number of runs; a list in which one does not come back fails the test. */
unsigned sweep_all(const struct sweep_list *lists, size_t list_count, unsigned stride,
		   void (*run)(const void *scenario), const void *scenario);
