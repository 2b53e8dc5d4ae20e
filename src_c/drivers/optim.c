/* optim.c: one optimizer step over all parameters in one parallel region, and the check of all their gradients. */
#ifndef REAL
#include <math.h>
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define TILE    4096 /* elements of one item */
#define NS_EACH 0.5
#define NS_SUM  0.1

#define MOST_STATES 4

static int states_in(int rule) /* a rule's number of state arrays: the names in its list, separated by commas */
{
    int count = 1;
    if (strcmp(fnn_rules[rule].states, "(none)") == 0)
        return 0;
    for (const char *at = fnn_rules[rule].states; *at; at++)
        count += *at == ',';
    return count;
}

#define FNN_SELF "drivers/optim.c"
#include "each_real.h"
#else

struct FN(step)
{
    const struct FN(fnn_optimizer_step) *o;
    struct fnn_step h;
    int states;
};

static void FN(update)(const struct FN(step) *d, ptrdiff_t t, ptrdiff_t at, ptrdiff_t n)
{
    const struct FN(fnn_optimizer_step) *o = d->o;
    REAL *state[MOST_STATES] = {NULL};
    for (int i = 0; i < d->states; i++)
        state[i] = o->state[i * o->count + t] + at;
    TIER->step[o->rule](o->p[t] + at, o->grad[t] + at, state, n, o->hyper, &d->h);
}

/* Items are numbered through: first the tiles of the first tensor, then those of the second, and so on */
static void FN(step_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(step) *d = job;
    const ptrdiff_t *sizes = d->o->p_sizes;
    ptrdiff_t first = 0;
    for (ptrdiff_t t = 0; t < d->o->count && first < end; t++)
    {
        const ptrdiff_t tiles = (sizes[t] + TILE - 1) / TILE;
        const ptrdiff_t from = begin > first ? begin - first : 0, to = end - first < tiles ? end - first : tiles;
        if (from < to)
            FN(update)(d, t, from * TILE, (to * TILE < sizes[t] ? to * TILE : sizes[t]) - from * TILE);
        first += tiles;
    }
}

void FN(fnn_optimizer_step)(const struct FN(fnn_optimizer_step) *o)
{
    const struct FN(step) d = {o, {o->sign, o->weight_decay, o->keep, o->l1}, states_in((int)o->rule)};
    ptrdiff_t tiles = 0, elements = 0;
    for (ptrdiff_t t = 0; t < o->count; t++)
    {
        tiles += (o->p_sizes[t] + TILE - 1) / TILE;
        elements += o->p_sizes[t];
    }
    if (tiles > 0)
        fnn_parallel(tiles, NS_EACH * (double)elements / (double)tiles, FN(step_body), &d);
}

static void FN(sums_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_all_finite) *o = job;
    for (ptrdiff_t t = begin; t < end; t++)
        o->sums[t] = TIER->row_dot(o->x[t], NULL, o->x_sizes[t]);
}

void FN(fnn_all_finite)(const struct FN(fnn_all_finite) *o)
{
    ptrdiff_t elements = 0;
    for (ptrdiff_t t = 0; t < o->count; t++)
        elements += o->x_sizes[t];
    if (o->count > 0)
        fnn_parallel(o->count, NS_SUM * (double)elements / (double)o->count, FN(sums_body), o);
    *o->finite = 1;
    for (ptrdiff_t t = 0; t < o->count; t++)
        if (!isfinite(o->sums[t]))
            *o->finite = 0;
}
#endif
