/* glu.c: the gated linear unit over rows of two halves, the values and their gates. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.3
#define GRAIN   2048 /* elements of one item of work, all of the same row */

static ptrdiff_t parts_of(ptrdiff_t n) { return (n + GRAIN - 1) / GRAIN; } /* how many items a row has */

#define FNN_SELF "drivers/glu.c"
#include "each_real.h"
#else

/* One item: the places in the result (rows of n) and in the input (rows of 2 n) where it begins, and its number of elements */
struct FN(glu_item)
{
    ptrdiff_t one, two, count;
};

static struct FN(glu_item) FN(glu_item)(ptrdiff_t item, ptrdiff_t n)
{
    const ptrdiff_t row = item / parts_of(n), from = item % parts_of(n) * GRAIN;
    const struct FN(glu_item) place = {row * n + from, 2 * row * n + from, fnn_min(GRAIN, n - from)};
    return place;
}

static void FN(forward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_glu) *o = job;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const struct FN(glu_item) at = FN(glu_item)(i, o->n);
        TIER->glu(o->y + at.one, o->x + at.two, o->x + at.two + o->n, at.count);
    }
}

void FN(fnn_glu)(const struct FN(fnn_glu) *o)
{
    fnn_parallel(o->rows * parts_of(o->n), NS_EACH * (double)fnn_min(GRAIN, o->n), FN(forward_body), o);
}

static void FN(backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_glu_backward) *o = job;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const struct FN(glu_item) at = FN(glu_item)(i, o->n);
        REAL *dx = o->dx + at.two;
        TIER->dglu(dx, dx + o->n, o->dy + at.one, o->x + at.two, o->x + at.two + o->n, at.count);
    }
}

void FN(fnn_glu_backward)(const struct FN(fnn_glu_backward) *o)
{
    fnn_parallel(o->rows * parts_of(o->n), NS_EACH * (double)fnn_min(GRAIN, o->n), FN(backward_body), o);
}
#endif
