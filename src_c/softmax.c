/* softmax.c: softmax, log_softmax and the negative log-likelihood on logits, over the rows of (rows, n). */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "parallel.h"

#define NS_EACH 1.0 /* one value's cost: max, exp, sum, division */

#define FNN_SELF "softmax.c"
#include "each_real.h"
#else

/* out: y, dx, or the losses; a and b: the inputs in the order of the public functions */
struct FN(rows)
{
    REAL *out;
    const REAL *a, *b, *weight;
    const int64_t *target;
    ptrdiff_t n;
    int log;
    double smoothing;
};

static void FN(over_rows)(const struct FN(rows) *d, ptrdiff_t rows, fnn_body body)
{
    fnn_parallel(rows, NS_EACH * (double)d->n, body, d);
}

static void FN(softmax_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(rows) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
        (d->log ? TIER->log_softmax : TIER->softmax)(d->out + r * d->n, d->a + r * d->n, d->n);
}

void FN(fnn_softmax)(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t n, int log)
{
    const struct FN(rows) d = {.out = y, .a = x, .n = n, .log = log};
    FN(over_rows)(&d, rows, FN(softmax_body));
}

static void FN(dsoftmax_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(rows) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
        (d->log ? TIER->dlog_softmax : TIER->dsoftmax)(d->out + r * d->n, d->a + r * d->n, d->b + r * d->n, d->n);
}

void FN(fnn_dsoftmax)(REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t rows, ptrdiff_t n, int log)
{
    const struct FN(rows) d = {.out = dx, .a = dy, .b = y, .n = n, .log = log};
    FN(over_rows)(&d, rows, FN(dsoftmax_body));
}

static void FN(nll_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(rows) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
        d->out[r] = d->target[r] < 0 ? 0 : (REAL)TIER->nll(d->a + r * d->n, d->n, d->target[r], d->weight, d->smoothing);
}

void FN(fnn_nll)(REAL *loss, const REAL *x, const int64_t *target, const REAL *weight, ptrdiff_t rows, ptrdiff_t n,
                 double smoothing)
{
    const struct FN(rows) d = {.out = loss, .a = x, .weight = weight, .target = target, .n = n, .smoothing = smoothing};
    FN(over_rows)(&d, rows, FN(nll_body));
}

static void FN(dnll_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(rows) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
        if (d->target[r] < 0)
            memset(d->out + r * d->n, 0, (size_t)d->n * sizeof(REAL));
        else
            TIER->dnll(d->out + r * d->n, d->b + r * d->n, d->n, d->target[r], d->weight, d->smoothing, (double)d->a[r]);
}

void FN(fnn_dnll)(REAL *dx, const REAL *dloss, const REAL *x, const int64_t *target, const REAL *weight, ptrdiff_t rows,
                  ptrdiff_t n, double smoothing)
{
    const struct FN(rows) d = {.out = dx, .a = dloss, .b = x, .weight = weight, .target = target, .n = n, .smoothing = smoothing};
    FN(over_rows)(&d, rows, FN(dnll_body));
}
#endif
