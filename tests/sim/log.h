/* log.h - the log's writer in the simulator: lines go to a function, after every turn */
#pragma once

#include "core/log.h"

typedef void log_sink_fn(void *context, enum log_level level, struct slice program, struct slice text);

/* NULL: lines vanish. */
void log_set_sink(log_sink_fn *fn, void *context);

/* Takes what is in the rings. */
void log_drain(void);
