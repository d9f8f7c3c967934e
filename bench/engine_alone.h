/* engine_alone.h - what the two clients under measurement share */
#pragma once

#include <stdint.h>

#include "core/base.h"

enum alone_mode {
	ALONE_RIDE,	/* the next transaction's commands behind the body: one round trip a message */
	ALONE_STEP,	/* no PIPELINING: every command waits for the reply to the one before */
	ALONE_FRESH,	/* a connection for every message */
	ALONE_MODES
};

struct alone_conf {
	enum alone_mode mode;
	unsigned sessions;
	uint16_t port;
	const char *body;	/* wire form, without the final dot */
	size_t body_len;
};

/* Messages the server has taken. */
extern uint64_t alone_count;
