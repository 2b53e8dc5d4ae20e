/* loss.c: losses of two tensors over whole arrays.  Sums are made of blocks of fixed size, joined in order. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "parallel.h"

#define NS_EACH 0.2

ptrdiff_t fnn_loss_work(ptrdiff_t n) { return (n + REDUCE_BLOCK - 1) / REDUCE_BLOCK; }

static ptrdiff_t min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

static const char *const names[] = {
#define LOSS(name, value, gradient) #name,
#include "losses.def"
#undef LOSS
};

const char *fnn_loss_name(int loss) { return names[loss]; }

#define FNN_SELF "loss.c"
#include "each_real.h"
#else

struct FN(pair)
{
    int loss;
    REAL *out;
    double *sums;
    const REAL *dloss, *x, *t;
    ptrdiff_t n;
    double a, scale;
};

static void FN(each_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(pair) *d = job;
    const ptrdiff_t at = begin * REDUCE_BLOCK, n = min(end * REDUCE_BLOCK, d->n) - at;
    TIER->loss[d->loss](d->out + at, d->x + at, d->t + at, n, d->a);
}

void FN(fnn_loss)(int loss, REAL *out, const REAL *x, const REAL *t, ptrdiff_t n, double a)
{
    const struct FN(pair) d = {.loss = loss, .out = out, .x = x, .t = t, .n = n, .a = a};
    fnn_parallel(fnn_loss_work(n), NS_EACH * REDUCE_BLOCK, FN(each_body), &d);
}

static void FN(sum_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(pair) *d = job;
    for (ptrdiff_t b = begin; b < end; b++)
    {
        const ptrdiff_t at = b * REDUCE_BLOCK;
        d->sums[b] = TIER->loss_sum[d->loss](d->x + at, d->t + at, min(REDUCE_BLOCK, d->n - at), d->a);
    }
}

double FN(fnn_loss_sum)(int loss, double *work, const REAL *x, const REAL *t, ptrdiff_t n, double a)
{
    const struct FN(pair) d = {.loss = loss, .sums = work, .x = x, .t = t, .n = n, .a = a};
    double sum = 0;
    fnn_parallel(fnn_loss_work(n), NS_EACH * REDUCE_BLOCK, FN(sum_body), &d);
    for (ptrdiff_t b = 0; b < fnn_loss_work(n); b++)
        sum += work[b];
    return sum;
}

static void FN(backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(pair) *d = job;
    const ptrdiff_t at = begin * REDUCE_BLOCK, n = min(end * REDUCE_BLOCK, d->n) - at;
    TIER->dloss[d->loss](d->out + at, d->dloss ? d->dloss + at : NULL, d->x + at, d->t + at, n, d->a, d->scale);
}

void FN(fnn_dloss)(int loss, REAL *dx, const REAL *dloss, const REAL *x, const REAL *t, ptrdiff_t n, double a, double scale)
{
    const struct FN(pair) d = {.loss = loss, .out = dx, .dloss = dloss, .x = x, .t = t, .n = n, .a = a, .scale = scale};
    fnn_parallel(fnn_loss_work(n), NS_EACH * REDUCE_BLOCK, FN(backward_body), &d);
}
#endif
