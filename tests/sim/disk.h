/* disk.h - the simulated disk: files and directories behind a volatile cache
 *
 * A write goes to the cache; fdatasync, fsync and synchronous writes make it durable, and cover only writes that were
 * complete when they began (row URG-19). Names are durable after fsync of their directory. A crash keeps, loses or
 * tears each unsynced sector and each unsynced name by itself, as the tape says. A failed sync leaves the cache clean,
 * half of it written: the next one succeeds (row SPL-07).
 *
 * bounds   DISK_INODES files, DISK_DIRS directories, DISK_FILE_MAX octets a file
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_INODES	256u
#define DISK_DIRS	80u
#define DISK_CHANGES	1024u
#define DISK_SECTOR	512u
#define DISK_FILE_MAX	(16u << 20)
#define DISK_PATH_MAX	256u

/* Octets in all files; more is -ENOSPC. 0: no bound. What else may go wrong: fault.h. */
extern uint64_t disk_space;

/* Reads do not fail: a recovery that cannot read a sector twice sets it aside and says so, which is a loss it announces
 * and no riddle. */
extern bool disk_spares_reads;

/* An empty disk. */
void disk_format(void);

/* Power is gone. Writes under way may have come through. Before machine_end. */
void disk_crash(void);
/* The process is gone, the cache is not: files are closed, writes under way may have come through. */
void disk_kill(void);

int disk_mkdir(const char *path);
int disk_list(const char *path, void (*fn)(const char *name, void *context), void *context);

unsigned disk_open_files(void);
