#include "net/delivery/window.h"

static uint32_t part_of(uint32_t n, unsigned shards, unsigned index)
{
	return n == 0 ? 0 : MAX(n / shards + (index < n % shards), 1u);
}

struct window_conf window_conf_of(const struct params *p, unsigned shards, unsigned index)
{
	return (struct window_conf){
		.initial = part_of(p->smtp_initial_destination_concurrency, shards, index),
		.limit = part_of(p->smtp_destination_concurrency_limit, shards, index),
		.failed_cohort_limit = p->smtp_destination_concurrency_failed_cohort_limit,
		.positive = p->smtp_destination_concurrency_positive_feedback,
		.negative = p->smtp_destination_concurrency_negative_feedback,
	};
}

static void set_size(struct window *w, const struct window_conf *conf, uint64_t size_ppm)
{
	uint64_t limit = conf->limit > 0 ? conf->limit * WINDOW_PPM : UINT32_MAX * WINDOW_PPM;

	w->size_ppm = max_u64(min_u64(size_ppm, limit), WINDOW_PPM);
}

void window_init(struct window *w, const struct window_conf *conf)
{
	w->failed_ppm = 0;
	w->dead = false;
	set_size(w, conf, conf->initial * WINDOW_PPM);
}

static uint32_t square_root(uint32_t n)
{
	uint32_t root = 0;

	for (uint32_t bit = 1u << 15; bit > 0; bit >>= 1)
		if ((uint64_t)(root + bit) * (root + bit) <= n)
			root += bit;
	return root;
}

static uint64_t feedback_ppm(const struct param_feedback *f, uint32_t size)
{
	switch (f->divisor) {
	case FEEDBACK_CONSTANT:
		return f->ppm;
	case FEEDBACK_CONCURRENCY:
		return f->ppm / size;
	case FEEDBACK_SQRT_CONCURRENCY:
		return f->ppm / square_root(size);
	}
	UNREACHABLE();
}

void window_success(struct window *w, const struct window_conf *conf, uint32_t busy)
{
	w->failed_ppm = 0;
	/* Grow only while the window is what holds deliveries back. */
	if (window_size(w) < busy + conf->initial)
		set_size(w, conf, w->size_ppm + feedback_ppm(&conf->positive, window_size(w)));
}

bool window_failure(struct window *w, const struct window_conf *conf)
{
	uint64_t less = feedback_ppm(&conf->negative, window_size(w));

	if (w->dead)
		return false;
	/* Rounded up: a third of 1 is not 0.333333 three times. */
	w->failed_ppm += (WINDOW_PPM + window_size(w) - 1) / window_size(w);
	if (conf->failed_cohort_limit > 0 && w->failed_ppm >= conf->failed_cohort_limit * WINDOW_PPM) {
		w->dead = true;
		return true;
	}
	set_size(w, conf, w->size_ppm > less ? w->size_ppm - less : 0);
	return false;
}

void window_revive(struct window *w, const struct window_conf *conf, uint32_t busy)
{
	w->dead = false;
	w->failed_ppm = 0;
	set_size(w, conf, (busy > 0 ? busy : conf->initial) * WINDOW_PPM);
}
