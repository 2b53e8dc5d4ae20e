/* embedding.c: the gradient of a table whose rows were looked up: each row of dy is added to the row that its index names. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.3
#define NARROW  64 /* columns of one item: at least four cache lines of each row */

#define FNN_SELF "drivers/embedding.c"
#include "each_real.h"
#else

/* Each item is a strip of columns and goes through all indices: rows with the same index are added in order */
static void FN(scatter_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_scatter_add) *o = job;
    const ptrdiff_t from = begin * NARROW, width = fnn_min(end * NARROW, o->c) - from;
    for (ptrdiff_t i = 0; i < o->n; i++)
    {
        REAL *row = o->table + o->index[i] * o->c + from;
        TIER->add(row, row, o->x + i * o->c + from, width);
    }
}

void FN(fnn_scatter_add)(const struct FN(fnn_scatter_add) *o)
{
    fnn_parallel((o->c + NARROW - 1) / NARROW, NS_EACH * NARROW * (double)o->n, FN(scatter_body), o);
}
#endif
