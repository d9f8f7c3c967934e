/* table_server.h - somebody else's lookup table in a storm: slow, silent, gone, without an answer, as the tape says */
#pragma once

#include "core/slice.h"

struct table_row {
	const char *key, *value;
};

/* A socketmap table at this address: the rows, and "not found" for everything else. rows stay the caller's. One in a world. */
void table_server_add(const char *address, unsigned port, const struct table_row *rows, unsigned count);
