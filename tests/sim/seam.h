/* seam.h - core/io.h in the simulator: what machine and network need of it */
#pragma once

#include "tests/sim/machine.h"

/* The core's turn has ended: the kernel looks at what was started in it, in order. */
void seam_submit(struct machine_core *c);

int seam_file_take(unsigned core, enum file_kind kind);		/* -ENFILE: none left */
struct machine_file *seam_file(unsigned core, int file);

/* A buffer that is being read into may be written now. */
void seam_unpoison(void *buf, size_t len);
