/* file.h - whole-file helpers for start and for the moments when blocking is right; never on a turn
 *
 * memory   file_read allocates; the caller frees
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"

/* Reads a regular file of at most max octets. *ret_text is malloc'd and NUL-terminated. -EFBIG when larger. */
int file_read(const char *path, size_t max, char **ret_text, size_t *ret_len);

/* Replaces path by text: writes path.new, fsyncs, renames, fsyncs the directory. */
int file_replace(const char *path, struct slice text);

/* Takes an exclusive lock on path (created 0600), retrying up to wait_ms: after SIGKILL the kernel may hold a
 * predecessor's lock for some milliseconds (row URG-25). Returns the descriptor, never given to the ring, or
 * -EWOULDBLOCK. */
int file_lock(const char *path, unsigned wait_ms);

/* Is this a directory that we own and nobody else may write (row OSR-12)? -ENOENT, -ENOTDIR, -EPERM (wrong owner),
 * -EACCES (group or others may write), -EROFS. */
int file_check_dir(const char *path);
