/* combine.c: two arrays of one shape to one. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.15
#define GRAIN   4096

#define FNN_SELF "drivers/combine.c"
#include "each_real.h"
#else

static void FN(combine_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_combine) *o = job;
    const ptrdiff_t from = begin * GRAIN, n = fnn_min(end * GRAIN, o->n) - from;
    (o->multiply ? TIER->multiply : TIER->add)(o->y + from, o->x1 + from, o->x2 + from, n);
}

void FN(fnn_combine)(const struct FN(fnn_combine) *o)
{
    fnn_parallel((o->n + GRAIN - 1) / GRAIN, NS_EACH * GRAIN, FN(combine_body), o);
}
#endif
