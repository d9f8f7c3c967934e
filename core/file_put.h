/* file_put.h - a whole file replaced through the seam: what stands under the name is the old text or the new one
 *
 *	path.new: open -> write ... -> [sync] -> rename to path
 *
 * One file at a time. Without durable, a crash of the machine may leave a damaged file: for what carries a checksum.
 *
 * bounds   path and ".new" are shorter than FILE_PUT_PATH
 * memory   path and text are the caller's, and stay put until fn
 * errors   fn hears the first one; path.new may be left over
 * thread   one core
 */
#pragma once

#include "core/io.h"
#include "core/str.h"

#define FILE_PUT_PATH	1024u

enum file_put_step { FILE_PUT_IDLE, FILE_PUT_OPEN, FILE_PUT_WRITE, FILE_PUT_SYNC, FILE_PUT_RENAME };

struct file_put {
	/* private */
	enum file_put_step step;
	struct op op;
	int file;
	const char *path;
	struct slice text;	/* what is left of it */
	uint64_t at;
	bool durable;
	void (*fn)(struct file_put *p, int err);
	char fresh[FILE_PUT_PATH];
};

void file_put_init(struct file_put *p);

static inline bool file_put_is_busy(const struct file_put *p)
{
	return p->step != FILE_PUT_IDLE;
}

/* Never calls fn from inside. */
void file_put(struct file_put *p, const char *path, struct slice text, bool durable,
	      void (*fn)(struct file_put *p, int err));
