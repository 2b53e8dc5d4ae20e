/* softmax.c: what is computed row by row over (rows, n): softmax, log_softmax, the negative log-likelihood on logits, and
 * rows of unit length. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EXP  0.3  /* one value's cost where an exponential is computed, and where none is */
#define NS_EACH 0.08
#define NS_ROW  10.0 /* and each row's: joining lanes */

#define FNN_SELF "drivers/softmax.c"
#include "each_real.h"
#else

/* out: y, dx, or the losses; a and b: the inputs in the order of the public functions */
struct FN(rows)
{
    REAL *out;
    const REAL *a, *b, *t, *weight;
    const int64_t *target;
    ptrdiff_t n;
    int log;
    double smoothing, eps;
};

static void FN(over_rows)(const struct FN(rows) *d, ptrdiff_t rows, double ns_each, fnn_body body)
{
    fnn_parallel(rows, ns_each * (double)d->n + NS_ROW, body, d);
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
    FN(over_rows)(&d, rows, NS_EXP, FN(softmax_body));
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
    FN(over_rows)(&d, rows, log ? NS_EXP : NS_EACH, FN(dsoftmax_body));
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
    FN(over_rows)(&d, rows, NS_EXP, FN(nll_body));
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
    FN(over_rows)(&d, rows, NS_EXP, FN(dnll_body));
}

static void FN(pick_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(rows) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t t = (ptrdiff_t)d->target[r];
        const REAL w = t < 0 ? 0 : d->weight ? d->weight[t] : 1;
        d->out[r] = w == 0 ? 0 : -w * d->a[r * d->n + t]; /* a class of weight 0 costs nothing, even at -inf */
    }
}

void FN(fnn_pick)(REAL *loss, const REAL *x, const int64_t *target, const REAL *weight, ptrdiff_t rows, ptrdiff_t n)
{
    const struct FN(rows) d = {.out = loss, .a = x, .weight = weight, .target = target, .n = n};
    fnn_parallel(rows, NS_ROW, FN(pick_body), &d);
}

static void FN(dpick_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(rows) *d = job;
    memset(d->out + begin * d->n, 0, (size_t)((end - begin) * d->n) * sizeof(REAL));
    for (ptrdiff_t r = begin; r < end; r++)
        if (d->target[r] >= 0)
            d->out[r * d->n + d->target[r]] = -d->a[r] * (d->weight ? d->weight[d->target[r]] : 1);
}

void FN(fnn_dpick)(REAL *dx, const REAL *dloss, const int64_t *target, const REAL *weight, ptrdiff_t rows, ptrdiff_t n)
{
    const struct FN(rows) d = {.out = dx, .a = dloss, .weight = weight, .target = target, .n = n};
    FN(over_rows)(&d, rows, NS_EACH, FN(dpick_body));
}

static void FN(soft_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(rows) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
        d->out[r] = (REAL)TIER->soft_nll(d->a + r * d->n, d->t + r * d->n, d->n, d->weight, d->smoothing);
}

void FN(fnn_soft_nll)(REAL *loss, const REAL *x, const REAL *t, const REAL *weight, ptrdiff_t rows, ptrdiff_t n, double smoothing)
{
    const struct FN(rows) d = {.out = loss, .a = x, .t = t, .weight = weight, .n = n, .smoothing = smoothing};
    FN(over_rows)(&d, rows, NS_EXP, FN(soft_body));
}

/* with respect to the logits, or, without t, to the probabilities */
static void FN(dsoft_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(rows) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t at = r * d->n;
        if (d->t)
            TIER->dsoft_nll(d->out + at, d->b + at, d->t + at, d->n, d->weight, d->smoothing, (double)d->a[r]);
        else
            TIER->tsoft_nll(d->out + at, d->b + at, d->n, d->weight, d->smoothing, (double)d->a[r]);
    }
}

void FN(fnn_dsoft_nll)(REAL *dx, const REAL *dloss, const REAL *x, const REAL *t, const REAL *weight, ptrdiff_t rows, ptrdiff_t n,
                       double smoothing)
{
    const struct FN(rows) d = {.out = dx, .a = dloss, .b = x, .t = t, .weight = weight, .n = n, .smoothing = smoothing};
    FN(over_rows)(&d, rows, NS_EXP, FN(dsoft_body));
}

void FN(fnn_tsoft_nll)(REAL *dt, const REAL *dloss, const REAL *x, const REAL *weight, ptrdiff_t rows, ptrdiff_t n, double smoothing)
{
    const struct FN(rows) d = {.out = dt, .a = dloss, .b = x, .weight = weight, .n = n, .smoothing = smoothing};
    FN(over_rows)(&d, rows, NS_EXP, FN(dsoft_body));
}

static void FN(unit_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(rows) *d = job;
    for (ptrdiff_t at = begin * d->n; at < end * d->n; at += d->n)
        if (d->b)
            TIER->dunit_row(d->out + at, d->b + at, d->a + at, d->n, d->eps);
        else
            TIER->unit_row(d->out + at, d->a + at, d->n, d->eps);
}

void FN(fnn_unit_rows)(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t n, double eps)
{
    const struct FN(rows) d = {.out = y, .a = x, .n = n, .eps = eps};
    FN(over_rows)(&d, rows, NS_EACH, FN(unit_body));
}

void FN(fnn_dunit_rows)(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t rows, ptrdiff_t n, double eps)
{
    const struct FN(rows) d = {.out = dx, .a = x, .b = dy, .n = n, .eps = eps};
    FN(over_rows)(&d, rows, NS_EACH, FN(unit_body));
}
#endif
