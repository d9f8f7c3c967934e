/* zero_copy.h - when a send need not be copied: one core's decision, and what it has pinned (rows URG-15, URG-16)
 *
 * A send without copying costs a second completion, and pins its memory until the peer has acknowledged the last octet.
 * That pays for large sends, and only where the kernel really does not copy: it always does on loopback, and with some
 * network cards. So the first large send to a peer is a question; while its answer is out, and where it was "copied",
 * the next ones are copied at once. After ZERO_COPY_AGAIN_NS the question is asked anew.
 *
 * bounds   limit octets pinned on this core, an eighth of that by one peer: a peer that reads slowly gets copies, which
 *          the kernel bounds by its own socket buffers
 * errors   a kernel that refuses (too little locked memory, no such operation) is not asked for as long
 * memory   peers by hash of their address; two that share a place share its decision
 * never    does I/O: net/smtp/conn.c asks and tells
 */
#pragma once

#include "core/addr.h"

#define ZERO_COPY_PEERS		1024u
#define ZERO_COPY_PEER_SHARE	8u
#define ZERO_COPY_AGAIN_NS	(600 * NS_PER_SEC)

enum zero_copy_word {
	ZERO_COPY_UNKNOWN,		/* nobody has asked, or long ago */
	ZERO_COPY_ASKED,		/* the answer is on its way */
	ZERO_COPY_WORKS,
	ZERO_COPY_COPIES,		/* without need: the kernel copies */
};

struct zero_copy_peer {
	enum zero_copy_word word;
	uint64_t until_ns;		/* of COPIES: then it is forgotten */
	size_t pinned;
};

struct zero_copy {
	size_t threshold;		/* octets from which it pays; 0: never */
	size_t limit;
	size_t pinned;
	uint64_t refused_until_ns;	/* the kernel did not take it */
	uint64_t seed[2];
	struct zero_copy_peer peers[ZERO_COPY_PEERS];
};

/* Start only. Registers the metrics. */
void zero_copy_init(struct zero_copy *z, size_t threshold, size_t limit);

/* For measurements: from now on whatever may be pinned goes without being copied, whether the kernel copies or not. */
void zero_copy_force(void);

/* Where this peer's decision is kept; NULL: it is reached without a network. */
struct zero_copy_peer *zero_copy_peer(struct zero_copy *z, const struct addr *remote);

/* Is this one to go without being copied? */
bool zero_copy_may(struct zero_copy *z, struct zero_copy_peer *p, size_t len, uint64_t now_ns);

/* It goes; size octets are pinned. */
void zero_copy_begin(struct zero_copy *z, struct zero_copy_peer *p, size_t size);

/* The kernel has let go of them. told: it has said whether it copied. */
void zero_copy_end(struct zero_copy *z, struct zero_copy_peer *p, size_t size, bool told, bool copied, uint64_t now_ns);

/* It did not take it. True: that says nothing about the connection, send it otherwise. */
bool zero_copy_refused(struct zero_copy *z, int err, uint64_t now_ns);
