/* glu.c: the gated linear unit over rows of two halves, the values and their gates. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.3
#define GRAIN   2048 /* elements of one item of work, of one row */

#define FNN_SELF "drivers/glu.c"
#include "each_real.h"
#else

/* out (rows, n) from x (rows, 2 n), or, with dy (rows, n), out (rows, 2 n) */
struct FN(glu)
{
    REAL *out;
    const REAL *dy, *x;
    ptrdiff_t n, parts; /* parts: items of each row */
};

static void FN(glu_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(glu) *d = job;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t row = item / d->parts, from = item % d->parts * GRAIN, count = fnn_min(GRAIN, d->n - from);
        const ptrdiff_t one = row * d->n + from, two = one + row * d->n;
        const REAL *a = d->x + two, *b = a + d->n;
        if (d->dy)
            TIER->dglu(d->out + two, d->out + two + d->n, d->dy + one, a, b, count);
        else
            TIER->glu(d->out + one, a, b, count);
    }
}

void FN(fnn_glu)(REAL *out, const REAL *dy, const REAL *x, ptrdiff_t rows, ptrdiff_t n)
{
    const struct FN(glu) d = {out, dy, x, n, (n + GRAIN - 1) / GRAIN};
    fnn_parallel(rows * d.parts, NS_EACH * (double)fnn_min(GRAIN, n), FN(glu_body), &d);
}
#endif
