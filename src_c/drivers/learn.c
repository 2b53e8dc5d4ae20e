/* learn.c: the LEARN rows of activations.def with parameters of their own for each channel. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.5

#define FNN_SELF "drivers/learn.c"
#include "each_real.h"
#else

/* out = f(x), or, with dy, dx; see fastnn.h for the memory orders */
struct FN(channels)
{
    int act, last;
    REAL *out;
    const REAL *dy, *x, *a, *b;
    ptrdiff_t c, s;
};

static void FN(last_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(channels) *d = job;
    for (ptrdiff_t at = begin * d->c; at < end * d->c; at += d->c)
        if (d->dy)
            TIER->dact_each[d->act](d->out + at, d->dy + at, d->x + at, d->c, d->a, d->b);
        else
            TIER->act_each[d->act](d->out + at, d->x + at, d->c, d->a, d->b);
}

static void FN(first_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(channels) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t at = r * d->s, j = r % d->c;
        if (d->dy)
            TIER->dact[d->act](d->out + at, d->dy + at, d->x + at, d->s, (double)d->a[j], (double)d->b[j]);
        else
            TIER->act[d->act](d->out + at, d->x + at, d->s, (double)d->a[j], (double)d->b[j]);
    }
}

static void FN(over_channels)(const struct FN(channels) *d, ptrdiff_t n)
{
    if (d->last)
        fnn_parallel(n * d->s, NS_EACH * (double)d->c, FN(last_body), d);
    else
        fnn_parallel(n * d->c, NS_EACH * (double)d->s, FN(first_body), d);
}

void FN(fnn_act_channels)(int act, REAL *y, const REAL *x, const REAL *a, const REAL *b, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s,
                          int last)
{
    const struct FN(channels) d = {act, last, y, NULL, x, a, b, c, s};
    if (c == 1)
        FN(fnn_act_forward)(act, y, x, n * s, (double)a[0], (double)b[0]);
    else
        FN(over_channels)(&d, n);
}

void FN(fnn_dact_channels)(int act, REAL *dx, const REAL *dy, const REAL *x, const REAL *a, const REAL *b, ptrdiff_t n, ptrdiff_t c,
                           ptrdiff_t s, int last)
{
    const struct FN(channels) d = {act, last, dx, dy, x, a, b, c, s};
    if (c == 1)
        FN(fnn_act_backward)(act, dx, dy, x, n * s, (double)a[0], (double)b[0]);
    else
        FN(over_channels)(&d, n);
}

void FN(fnn_act_params)(int act, double *da, double *db, double *work, const REAL *dy, const REAL *x, const REAL *a, const REAL *b,
                        ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last)
{
    FN(fnn_channel_sums)(da, db, work, TIER->param_first[act], TIER->param_last[act], dy, x, a, b, b, n, c, s, last);
}
#endif
