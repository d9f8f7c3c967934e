/* median.h - of some runs, the one in the middle */
#pragma once

#include <stdlib.h>

static inline int median_by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* values are sorted; count > 0. */
static inline double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), median_by_value);
	return values[count / 2];
}
