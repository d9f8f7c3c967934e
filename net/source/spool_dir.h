/* spool_dir.h - the directory of a spool: whose it is, in what format, and which journals are in it
 *
 *	<spool_directory>/VERSION	"ringpost-spool 2"; a later one is refused, and nothing touched (row SPL-12)
 *			  lock		held by the one instance that uses it (row WIN-06)
 *			  journal-0 ...	one directory of segments for each core that ever accepted mail
 *
 * formats  2: envelopes carry what DSN, SMTPUTF8 and XFORWARD need. 1 is read, and becomes 2 when it is opened, so that
 *          a release that reads 1 alone refuses what this one is about to write.
 * errors   those of file_check_dir; -EWOULDBLOCK: another instance has it; ERR_VERSION; what the system says
 * never    called after start; deletes anything
 */
#pragma once

#include "core/journal.h"
#include "core/str.h"

#define SPOOL_DIR_VERSION 2u
#define SPOOL_DIR_LOCK_WAIT_MS 5000u	/* the kernel may hold a killed predecessor's lock that long (row URG-25) */

struct spool_dir {
	int lock;		/* a Unix descriptor, never given to the ring; -1: none */
};

/* Checks and locks it, writes VERSION into a new one. *ret_why says in words what is wrong and how it should be. */
int spool_dir_open(const char *path, struct spool_dir *ret_dir, struct str *ret_why);
void spool_dir_close(struct spool_dir *dir);

/* Bit k: there is a journal-<k>. */
uint64_t spool_dir_journals(const char *path);

/* "path/journal-3"; path is not too long (spool_dir_open has measured it). */
void spool_dir_journal_path(const char *path, unsigned index, char ret_path[JOURNAL_PATH_MAX]);
