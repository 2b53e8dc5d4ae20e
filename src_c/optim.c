/* optim.c: one optimizer step over all parameters in one parallel region. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "parallel.h"

#define TILE    4096 /* elements of one item */
#define NS_EACH 0.5

#define FNN_SELF "optim.c"
#include "each_real.h"
#else

/* Up to three states beside each parameter and its gradient; `states` of them are in use, or NULL */
struct FN(step)
{
    REAL **p, **grad, **state[3];
    const ptrdiff_t *sizes;
    ptrdiff_t count;
    const void *hyper;
    void (*update)(const struct FN(step) *d, ptrdiff_t tensor, ptrdiff_t at, ptrdiff_t n);
};

/* Items number the tiles of the first tensor, then the second's, and so on */
static void FN(step_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(step) *d = job;
    ptrdiff_t first = 0;
    for (ptrdiff_t t = 0; t < d->count && first < end; t++)
    {
        const ptrdiff_t tiles = (d->sizes[t] + TILE - 1) / TILE;
        const ptrdiff_t from = begin > first ? begin - first : 0, to = end - first < tiles ? end - first : tiles;
        if (from < to)
            d->update(d, t, from * TILE, (to * TILE < d->sizes[t] ? to * TILE : d->sizes[t]) - from * TILE);
        first += tiles;
    }
}

static void FN(run_step)(const struct FN(step) *d)
{
    ptrdiff_t tiles = 0, elements = 0;
    for (ptrdiff_t t = 0; t < d->count; t++)
    {
        tiles += (d->sizes[t] + TILE - 1) / TILE;
        elements += d->sizes[t];
    }
    if (tiles > 0)
        fnn_parallel(tiles, NS_EACH * (double)elements / (double)tiles, FN(step_body), d);
}

/* state i of tensor t from element `at`, or NULL */
static REAL *FN(state)(const struct FN(step) *d, int i, ptrdiff_t t, ptrdiff_t at)
{
    return d->state[i] ? d->state[i][t] + at : NULL;
}

static void FN(sgd_update)(const struct FN(step) *d, ptrdiff_t t, ptrdiff_t at, ptrdiff_t n)
{
    TIER->sgd(d->p[t] + at, FN(state)(d, 0, t, at), d->grad[t] + at, n, d->hyper);
}

void FN(fnn_sgd)(REAL **p, REAL **buffer, REAL **grad, const ptrdiff_t *sizes, ptrdiff_t count, const struct fnn_sgd *h)
{
    const struct FN(step) d = {p, grad, {buffer}, sizes, count, h, FN(sgd_update)};
    FN(run_step)(&d);
}

static void FN(adam_update)(const struct FN(step) *d, ptrdiff_t t, ptrdiff_t at, ptrdiff_t n)
{
    TIER->adam(d->p[t] + at, FN(state)(d, 0, t, at), FN(state)(d, 1, t, at), FN(state)(d, 2, t, at), d->grad[t] + at, n, d->hyper);
}

void FN(fnn_adam)(REAL **p, REAL **m, REAL **v, REAL **vmax, REAL **grad, const ptrdiff_t *sizes, ptrdiff_t count,
                  const struct fnn_adam *h)
{
    const struct FN(step) d = {p, grad, {m, v, vmax}, sizes, count, h, FN(adam_update)};
    FN(run_step)(&d);
}
#endif
