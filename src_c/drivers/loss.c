/* loss.c: losses of two tensors over whole arrays.  Sums are made of blocks of fixed size, joined in order. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.2

ptrdiff_t fnn_loss_work(ptrdiff_t n) { return (n + REDUCE_BLOCK - 1) / REDUCE_BLOCK; }

static const char *const names[] = {
#define LOSS(name, value, dx, dt) #name,
#include "tables/losses.def"
#undef LOSS
};

const char *fnn_loss_name(int loss) { return names[loss]; }

#define FNN_SELF "drivers/loss.c"
#include "each_real.h"
#else

struct FN(pair)
{
    FN(fnn_loss_loop) *loop;
    REAL *out;
    double *sums;
    const REAL *dloss, *x, *t, *as, *w;
    ptrdiff_t n;
    double a, scale;
};

/* Values made ready for a loop that reads one from each array */
struct FN(ready)
{
    REAL a[REDUCE_BLOCK], dy[REDUCE_BLOCK];
};

static void FN(fill)(REAL *values, double value)
{
    for (ptrdiff_t i = 0; i < REDUCE_BLOCK; i++)
        values[i] = (REAL)value;
}

/* out = the loop over one block; its dy is scale dloss w, those that are there */
static void FN(run_block)(const struct FN(pair) *d, struct FN(ready) *ready, REAL *out, ptrdiff_t at, ptrdiff_t n)
{
    const REAL scale = (REAL)d->scale, *dloss = d->dloss ? d->dloss + at : NULL, *w = d->w ? d->w + at : NULL;
    if (dloss || w)
        for (ptrdiff_t i = 0; i < n; i++)
            ready->dy[i] = scale * (dloss ? dloss[i] : 1) * (w ? w[i] : 1);
    d->loop(out, ready->dy, d->x + at, d->t + at, d->as ? d->as + at : ready->a, n);
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

void FN(fnn_loss)(int loss, REAL *out, const REAL *x, const REAL *t, const REAL *as, const REAL *w, ptrdiff_t n, double a)
{
    const struct FN(pair) d = {.loop = TIER->loss[loss], .out = out, .x = x, .t = t, .as = as, .w = w, .n = n, .a = a, .scale = 1};
    fnn_parallel(fnn_loss_work(n), NS_EACH * REDUCE_BLOCK, FN(each_body), &d);
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

double FN(fnn_loss_sum)(int loss, double *work, const REAL *x, const REAL *t, const REAL *as, const REAL *w, ptrdiff_t n, double a)
{
    const struct FN(pair) d = {.loop = TIER->loss[loss], .sums = work, .x = x, .t = t, .as = as, .w = w, .n = n, .a = a, .scale = 1};
    double sum = 0;
    fnn_parallel(fnn_loss_work(n), NS_EACH * REDUCE_BLOCK, FN(sum_body), &d);
    for (ptrdiff_t b = 0; b < fnn_loss_work(n); b++)
        sum += work[b];
    return sum;
}

void FN(fnn_dloss)(int loss, REAL *out, const REAL *dloss, const REAL *x, const REAL *t, const REAL *as, const REAL *w, ptrdiff_t n,
                   double a, double scale, int of_target)
{
    const struct FN(pair) d = {.loop = of_target ? TIER->tloss[loss] : TIER->xloss[loss], .out = out, .dloss = dloss, .x = x,
                               .t = t, .as = as, .w = w, .n = n, .a = a, .scale = scale};
    fnn_parallel(fnn_loss_work(n), NS_EACH * REDUCE_BLOCK, FN(each_body), &d);
}

double FN(fnn_sum)(const REAL *x, ptrdiff_t n) { return TIER->row_dot(x, NULL, n); }
#endif
