/* learn.c: the LEARN rows of activations.def, whose parameters are arrays with one value for each channel. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.5

#define FNN_SELF "drivers/learn.c"
#include "each_real.h"
#else

/* out = f(x), or, where dy is given, out = dx; tables/ops/activation.def explains the memory orders */
struct FN(channels)
{
    REAL *out;
    const REAL *dy, *x, *a, *b;
    ptrdiff_t act, n, c, s, last;
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

static void FN(over_channels)(const struct FN(channels) *d)
{
    if (d->last)
        fnn_parallel(d->n * d->s, NS_EACH * (double)d->c, FN(last_body), d);
    else
        fnn_parallel(d->n * d->c, NS_EACH * (double)d->s, FN(first_body), d);
}

void FN(fnn_activation_channels)(const struct FN(fnn_activation_channels) *o)
{
    if (o->c == 1)
    {
        const struct FN(fnn_activation) one = {o->y, o->x, o->act, o->n * o->s, (double)o->a[0], (double)o->b[0]};
        FN(fnn_activation)(&one);
        return;
    }
    const struct FN(channels) d = {o->y, NULL, o->x, o->a, o->b, o->act, o->n, o->c, o->s, o->last};
    FN(over_channels)(&d);
}

void FN(fnn_activation_channels_backward)(const struct FN(fnn_activation_channels_backward) *o)
{
    if (o->c == 1)
    {
        const struct FN(fnn_activation_backward) one = {o->dx, o->dy, o->x, o->act, o->n * o->s, (double)o->a[0], (double)o->b[0]};
        FN(fnn_activation_backward)(&one);
        return;
    }
    const struct FN(channels) d = {o->dx, o->dy, o->x, o->a, o->b, o->act, o->n, o->c, o->s, o->last};
    FN(over_channels)(&d);
}

void FN(fnn_activation_parameters_backward)(const struct FN(fnn_activation_parameters_backward) *o)
{
    FN(fnn_channel_sums)(o->da, o->db, o->work, TIER->param_first[o->act], TIER->param_last[o->act], o->dy, o->x, o->a, o->b, o->b,
                         o->n, o->c, o->s, o->last);
}
#endif
