/* reduce.c: sums in a fixed order, of all values and of columns. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.2

#define FNN_SELF "drivers/reduce.c"
#include "each_real.h"
#else

void FN(fnn_sum)(const struct FN(fnn_sum) *o) { *o->total = TIER->row_dot(o->x, NULL, o->n); }

static void FN(columns_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_column_sums) *o = job;
    for (ptrdiff_t from = begin * STRIP; from < fnn_min(end * STRIP, o->c); from += STRIP)
        TIER->column_sums(o->sums + from, o->x + from, o->rows, fnn_min(STRIP, o->c - from), o->c);
}

void FN(fnn_column_sums)(const struct FN(fnn_column_sums) *o)
{
    fnn_parallel((o->c + STRIP - 1) / STRIP, NS_EACH * (double)o->rows * STRIP, FN(columns_body), o);
}
#endif
