/* combine.c: two arrays to one, and rows added where an index says. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.15 /* one element of a sum of two arrays */
#define GRAIN   4096
#define NARROW  64 /* columns that one item adds to: at least four cache lines of a row */

#define FNN_SELF "drivers/combine.c"
#include "each_real.h"
#else

struct FN(combine)
{
    REAL *y;
    const REAL *x1, *x2;
    ptrdiff_t n;
    int multiply;
};

static void FN(combine_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(combine) *d = job;
    const ptrdiff_t from = begin * GRAIN, n = fnn_min(end * GRAIN, d->n) - from;
    (d->multiply ? TIER->multiply : TIER->add)(d->y + from, d->x1 + from, d->x2 + from, n);
}

void FN(fnn_combine)(REAL *y, const REAL *x1, const REAL *x2, ptrdiff_t n, int multiply)
{
    const struct FN(combine) d = {y, x1, x2, n, multiply};
    fnn_parallel((n + GRAIN - 1) / GRAIN, NS_EACH * GRAIN, FN(combine_body), &d);
}

struct FN(scatter)
{
    REAL *table;
    const int64_t *index;
    const REAL *x;
    ptrdiff_t n, c;
};

/* Each item is a strip of columns, so that the rows of one index are added in their order */
static void FN(scatter_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(scatter) *d = job;
    const ptrdiff_t from = begin * NARROW, width = fnn_min(end * NARROW, d->c) - from;
    for (ptrdiff_t i = 0; i < d->n; i++)
    {
        REAL *row = d->table + d->index[i] * d->c + from;
        TIER->add(row, row, d->x + i * d->c + from, width);
    }
}

void FN(fnn_scatter_add)(REAL *table, const int64_t *index, const REAL *x, ptrdiff_t n, ptrdiff_t c)
{
    const struct FN(scatter) d = {table, index, x, n, c};
    fnn_parallel((c + NARROW - 1) / NARROW, 2 * NS_EACH * NARROW * (double)n, FN(scatter_body), &d);
}
#endif
