/* normalize.c: scales rows to unit length. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.08
#define NS_ROW  10.0 /* nanoseconds for one row: the lanes of its vectors are added */

#define FNN_SELF "drivers/normalize.c"
#include "each_real.h"
#else

static void FN(forward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_unit_rows) *o = job;
    for (ptrdiff_t at = begin * o->n; at < end * o->n; at += o->n)
        TIER->unit_row(o->y + at, o->x + at, o->n, o->eps);
}

void FN(fnn_unit_rows)(const struct FN(fnn_unit_rows) *o)
{
    fnn_parallel(o->rows, NS_EACH * (double)o->n + NS_ROW, FN(forward_body), o);
}

static void FN(backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_unit_rows_backward) *o = job;
    for (ptrdiff_t at = begin * o->n; at < end * o->n; at += o->n)
        TIER->dunit_row(o->dx + at, o->dy + at, o->x + at, o->n, o->eps);
}

void FN(fnn_unit_rows_backward)(const struct FN(fnn_unit_rows_backward) *o)
{
    fnn_parallel(o->rows, NS_EACH * (double)o->n + NS_ROW, FN(backward_body), o);
}
#endif
