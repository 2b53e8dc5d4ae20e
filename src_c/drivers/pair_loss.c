/* pair_loss.c: losses of two or three tensors over whole arrays.  Sums are made in blocks of fixed size, which are joined in
 * order. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.2

ptrdiff_t fnn_pair_loss_work(ptrdiff_t n) { return (n + REDUCE_BLOCK - 1) / REDUCE_BLOCK; }

static const unsigned char takes_three[] = {
#define LOSS(name, value, dx, dt)      0,
#define LOSS3(name, value, dx, dt, da) 1,
#include "tables/losses.def"
#undef LOSS
#undef LOSS3
};

int fnn_loss_takes_three(int loss) { return takes_three[loss]; }

#define FNN_SELF "drivers/pair_loss.c"
#include "each_real.h"
#else

struct FN(pair)
{
    FN(fnn_loss_loop) *loop;
    REAL *out;
    double *sums;
    const REAL *dloss, *x, *t, *as, *w;
    ptrdiff_t n;
    double a, b, scale;
};

/* Kernels read a value of every array for each element.  These buffers hold constants in place of arrays that were left out. */
struct FN(ready)
{
    REAL a[REDUCE_BLOCK], dy[REDUCE_BLOCK];
};

static void FN(fill)(REAL *values, double value)
{
    for (ptrdiff_t i = 0; i < REDUCE_BLOCK; i++)
        values[i] = (REAL)value;
}

/* Runs the loop over one block; dy is the product of scale, dloss and w, as far as the caller gave them */
static void FN(run_block)(const struct FN(pair) *d, struct FN(ready) *ready, REAL *out, ptrdiff_t at, ptrdiff_t n)
{
    const REAL scale = (REAL)d->scale, *dloss = d->dloss ? d->dloss + at : NULL, *w = d->w ? d->w + at : NULL;
    if (dloss || w)
        for (ptrdiff_t i = 0; i < n; i++)
            ready->dy[i] = scale * (dloss ? dloss[i] : 1) * (w ? w[i] : 1);
    d->loop(out, ready->dy, d->x + at, d->t + at, d->as ? d->as + at : ready->a, (REAL)d->b, n);
}

static void FN(each_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(pair) *d = job;
    struct FN(ready) ready;
    FN(fill)(ready.a, d->a);
    FN(fill)(ready.dy, d->scale);
    for (ptrdiff_t at = begin * REDUCE_BLOCK; at < fnn_min(end * REDUCE_BLOCK, d->n); at += REDUCE_BLOCK)
        FN(run_block)(d, &ready, d->out + at, at, fnn_min(REDUCE_BLOCK, d->n - at));
}

void FN(fnn_pair_loss)(const struct FN(fnn_pair_loss) *o)
{
    const struct FN(pair) d = {.loop = TIER->loss[o->row], .out = o->out, .x = o->x, .t = o->t, .as = o->each, .w = o->weight,
                               .n = o->n, .a = o->a, .b = o->b, .scale = 1};
    fnn_parallel(fnn_pair_loss_work(o->n), NS_EACH * REDUCE_BLOCK, FN(each_body), &d);
}

static void FN(sum_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(pair) *d = job;
    struct FN(ready) ready;
    REAL losses[REDUCE_BLOCK];
    FN(fill)(ready.a, d->a);
    FN(fill)(ready.dy, d->scale);
    for (ptrdiff_t b = begin; b < end; b++)
    {
        const ptrdiff_t at = b * REDUCE_BLOCK, n = fnn_min(REDUCE_BLOCK, d->n - at);
        FN(run_block)(d, &ready, losses, at, n);
        d->sums[b] = TIER->row_dot(losses, NULL, n);
    }
}

void FN(fnn_pair_loss_sum)(const struct FN(fnn_pair_loss_sum) *o)
{
    const struct FN(pair) d = {.loop = TIER->loss[o->row], .sums = o->sums, .x = o->x, .t = o->t, .as = o->each, .w = o->weight,
                               .n = o->n, .a = o->a, .b = o->b, .scale = 1};
    double sum = 0;
    fnn_parallel(fnn_pair_loss_work(o->n), NS_EACH * REDUCE_BLOCK, FN(sum_body), &d);
    for (ptrdiff_t b = 0; b < fnn_pair_loss_work(o->n); b++)
        sum += o->sums[b];
    *o->total = sum;
}

void FN(fnn_pair_loss_backward)(const struct FN(fnn_pair_loss_backward) *o)
{
    FN(fnn_loss_loop) *const loops[] = {TIER->xloss[o->row], TIER->tloss[o->row], TIER->aloss[o->row]};
    const struct FN(pair) d = {.loop = loops[o->of], .out = o->out, .dloss = o->dloss,
                               .x = o->x, .t = o->t, .as = o->each, .w = o->weight, .n = o->n, .a = o->a, .b = o->b, .scale = o->scale};
    fnn_parallel(fnn_pair_loss_work(o->n), NS_EACH * REDUCE_BLOCK, FN(each_body), &d);
}
#endif
