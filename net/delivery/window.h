/* window.h - how many sessions to one destination at a time (B 23: the feedback of Postfix's queue manager)
 *
 * Starts small, grows with every delivery that went well, shrinks when the destination itself fails, and says when it
 * looks dead. What happens to single messages (4xx to MAIL, RCPT or the dot) says nothing about the destination.
 *
 * never    looks at a clock; knows nothing of sessions but their number
 */
#pragma once

#include "net/params.h"

struct window_conf {
	uint32_t initial;
	uint32_t limit;			/* 0: none */
	uint32_t failed_cohort_limit;	/* 0: never dead */
	struct param_feedback positive;
	struct param_feedback negative;
};

#define WINDOW_PPM UINT64_C(1000000)

struct window {
	uint64_t size_ppm;		/* sessions allowed, in millionths */
	uint64_t failed_ppm;		/* failures since the last success, in windows full of them */
	bool dead;
};

/* The destination is split into this many shards, each with its part of every limit, and this is the one with that
 * index. The parts add up to the whole when there are not more shards than smtp_destination_concurrency_limit. */
struct window_conf window_conf_of(const struct params *p, unsigned shards, unsigned index);

void window_init(struct window *w, const struct window_conf *conf);

/* Sessions allowed now, at least 1. */
static inline uint32_t window_size(const struct window *w)
{
	return (uint32_t)(w->size_ppm / WINDOW_PPM);
}

/* A delivery did not fail because of the destination. busy: sessions in use, that one included. */
void window_success(struct window *w, const struct window_conf *conf, uint32_t busy);

/* The destination failed. Returns true when it counts as dead from now on: suspend it, then call window_revive. */
bool window_failure(struct window *w, const struct window_conf *conf);

void window_revive(struct window *w, const struct window_conf *conf, uint32_t busy);
