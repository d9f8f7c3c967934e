/* unstuff_reference.h - the same octet by octet, as RFC 5321 4.5.2 says it */
#pragma once

#include "core/str.h"

static inline void unstuff_reference(struct slice in, struct str *out)
{
	bool line_start = true;

	for (size_t i = 0; i < in.len; i++) {
		if (!line_start || in.ptr[i] != '.')
			str_add_char(out, in.ptr[i]);
		line_start = in.ptr[i] == '\n';
	}
}
