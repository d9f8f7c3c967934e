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

/* What may go wrong by itself; in millionths of the operations of that kind. */
struct disk_faults {
	uint32_t read_error, write_error, sync_error;	/* -EIO */
	uint32_t short_io;
	uint32_t slow;			/* takes up to 2 s */
	uint64_t space;			/* octets in all files; more is -ENOSPC. 0: no bound */
};
extern struct disk_faults disk_faults;

/* An empty disk. */
void disk_format(void);

/* Power is gone. Writes under way may have come through. Before machine_end. */
void disk_crash(void);
/* The process is gone, the cache is not: files are closed, writes under way may have come through. */
void disk_kill(void);

int disk_mkdir(const char *path);
int disk_list(const char *path, void (*fn)(const char *name, void *context), void *context);

unsigned disk_open_files(void);
