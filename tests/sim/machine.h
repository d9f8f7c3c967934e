/* machine.h - the simulated machine from inside: virtual time, cores, operations in flight
 *
 *	machine.c	time, events, whose turn it is		seam.c	core/io.h: operations, files, buffers
 *	net.c		connections (net.h)			disk.c	files and directories (disk.h)
 *	zone.c		net/lookup/resolver.h (zone.h)		log.c	the log's writer
 *
 *	for ever: events due -> one core that has something to do, by chance -> else time jumps to the next event
 *
 * An operation is started (seam.c keeps it as a flight), looked at when the core's turn ends, as on a real submit, and
 * completed by whatever moment decides its result; its callback runs in a later turn, in an order of chance among all
 * that are ready.
 *
 * never    included by tests of behaviour: those need net.h, zone.h, world.h
 */
#pragma once

#include "core/reactor.h"
#include "tests/sim/net.h"

#define MACHINE_CORES_MAX	4u
#define MACHINE_FLIGHTS_MAX	4096u	/* a core */
#define MACHINE_TURN_NS		UINT64_C(2000)	/* what a turn of a core takes */

enum flight_kind {
	FLIGHT_CONNECT = 1, FLIGHT_ACCEPT, FLIGHT_RECV, FLIGHT_SEND, FLIGHT_SHUTDOWN, FLIGHT_OPEN, FLIGHT_READ,
	FLIGHT_WRITE, FLIGHT_FDATASYNC, FLIGHT_FSYNC, FLIGHT_FALLOCATE, FLIGHT_RENAME, FLIGHT_UNLINK, FLIGHT_QUERY,
	FLIGHT_KINDS
};

/* One operation in the kernel. */
struct flight {
	struct op *op;			/* NULL: free */
	unsigned core;
	uint32_t index;			/* in its core's table; op->slot */
	uint32_t generation;
	enum flight_kind kind;
	bool decided;			/* the result is known; of a receive or accept: something was there once */
	bool ready;			/* its callback is due */
	bool cancelled;
	bool submitted;
	bool zero_copy;
	bool notify;			/* zero copy: the result has been told, the buffer not given back yet */
	bool sync;			/* io_write_sync */
	int res;
	int fault;			/* FAULT_IS_END: a receive ends; _SHORT, _ALMOST: one octet goes, or all but
					 * one; see machine_fault */
	int file;			/* -1: none */
	uint64_t checksum;		/* of what may not change meanwhile */
	const struct addr *remote, *local;
	struct addr *ret_peer;
	int *ret_file;
	struct iovec iov[IO_IOV_MAX];
	unsigned iov_count;
	void *buf;
	size_t len;
	uint64_t offset;
	const char *path, *path_new;
	int flags;
	struct sim_conn *conn;		/* connecting */
	struct list node;		/* of those started in this turn */
	uint32_t next_free;
};

enum file_kind { FILE_FREE, FILE_SOCKET, FILE_LISTENER, FILE_INODE, FILE_DIRECTORY };

struct machine_file {
	enum file_kind kind;
	unsigned ops;			/* in the kernel; must be 0 at io_close */
	struct sim_conn *conn;		/* NULL while connecting */
	struct flight *recv, *send;
	struct addr addr;		/* of a listener */
	struct list waiting;		/* accepts */
	struct list arrived;		/* connections nobody has accepted yet */
	unsigned inode;
};

struct machine_core {
	struct reactor reactor;
	unsigned index;
	bool is_open;
	bool awake;
	uint64_t until_ns;		/* asleep until */
	uint64_t not_before_ns;		/* somebody else has the CPU */
	struct machine_file *files;
	unsigned files_max;
	unsigned files_open;
	int *free_files;
	unsigned free_file_count;
	struct flight *flights;		/* stays when the process ends: events may still name one */
	uint32_t flight_free, flight_fresh, flight_count;
	struct list started;
	struct flight *ready[MACHINE_FLIGHTS_MAX];
	unsigned ready_count;
	char *buf_memory;
	unsigned buf_count, bufs_out;
	uint32_t *bufs_free;
	bool buf_kept;
	struct list buf_waiters;
	char *arena;
	size_t arena_size, arena_used;
	uint64_t dice;			/* the engine's own chance */
};

extern struct machine_core machine_cores[MACHINE_CORES_MAX];
extern unsigned machine_core_count;

/* The core that has the thread; NULL: none, the world outside acts. */
struct machine_core *machine_self(void);

void machine_start(unsigned cores, uint64_t wall_ns);
/* The process is gone: its memory, and every operation. What its kernel does with the connections: see net_on_death. */
void machine_end(void);

/* And with it the world: nothing is going to happen any more, and time begins again. */
void machine_forget(void);

/* Runs fn as if on that core, before its first turn or between two. */
void machine_on_core(unsigned core, void (*fn)(void *context), void *context);
/* After that: when does it want to run? */
void machine_core_ready(unsigned core);

/* One step: events, or one core's turn, or a jump in time, not beyond limit_ns. False: nothing to do before limit_ns,
 * which it now is. */
bool machine_step(uint64_t limit_ns);

/* Calls fn(context, arg) at a moment. There is no taking back: who is called looks whether it still counts. */
void machine_at(uint64_t at_ns, void (*fn)(void *context, uint64_t arg), void *context, uint64_t arg);
/* When the next event is due; UINT64_MAX: none. */
uint64_t machine_next_event(void);

void machine_step_wall(int64_t by_ns);
/* The machine sleeps: the monotonic clock stands still, the others go on. */
void machine_suspend(uint64_t ns);

/* --- flights ---------------------------------------------------------------------------------- */

/* The result is known: the callback runs in one of the next turns. Of a receive or accept: there is something. */
void flight_ready(struct flight *f, int res);
/* The same after a while. */
void flight_ready_in(struct flight *f, int res, uint64_t delay_ns);

/* A flight for an op of ours that no file belongs to: the resolver's. */
struct flight *flight_start(struct op *op, enum flight_kind kind, int file);

/* What the sweep of single faults wants: called for every operation when it is looked at. < 0: this is its result.
 * FAULT_IS_LOST: of a sync, -EIO, and half of what it covered is gone. FAULT_IS_SERVFAIL and what follows are for
 * questions. */
enum {
	FAULT_IS_NONE, FAULT_IS_END, FAULT_IS_SHORT, FAULT_IS_ALMOST, FAULT_IS_LOST,
	FAULT_IS_SERVFAIL, FAULT_IS_TIMEOUT, FAULT_IS_DAMAGED, FAULT_IS_REFUSED,
};
extern int (*machine_fault)(enum flight_kind kind);

/* --- net*.c, for seam.c ------------------------------------------------------------------------- */

void net_connect(struct flight *f);
void net_send(struct flight *f);
void net_receive(struct flight *f);
void net_accept(struct flight *f);
void net_shutdown(struct machine_file *file, int how);
void net_close(struct machine_file *file);	/* a socket or listener: connections that wait there are reset */
void net_cancel_connect(struct flight *f);
/* A piece for the engine into buf: octets, 0 at the end, negative errno; *ret_more: another one is there already. */
int net_take(struct machine_file *file, char *buf, size_t size, bool *ret_more);
bool net_has_something(const struct machine_file *file);
/* The next connection that waits at a listener, or NULL. */
struct sim_conn *net_take_arrived(struct machine_file *listener);
void net_bind(struct sim_conn *c, unsigned core, int file, struct addr *ret_peer);

void net_clear(void);		/* no hosts, no connections */
/* The process ended: kernel closes its sockets (killed), or nobody hears of it (power). */
void net_on_death(bool power);
unsigned net_conns_open(void);	/* at the engine's end */

/* --- disk.c, for seam.c ------------------------------------------------------------------------- */

void disk_submit(struct flight *f);
void disk_close(struct machine_file *file);
