/* class_loss.c: losses of rows of logits or log-probabilities; the target of a row is a class, or a probability for each class. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EXP  0.3  /* nanoseconds for one value with an exponential */
#define NS_EACH 0.08 /* and without */
#define NS_ROW  10.0 /* for one row: the lanes of its vectors are added */

#define FNN_SELF "drivers/class_loss.c"
#include "each_real.h"
#else

void FN(fnn_classes)(const struct FN(fnn_classes) *o)
{
    for (ptrdiff_t r = 0; r < o->rows; r++)
    {
        o->y[r] = o->x[r];
        if (o->y[r] < 0 || o->y[r] >= o->n)
            *o->wrong = 1;
    }
}

static void FN(over_rows)(ptrdiff_t rows, ptrdiff_t n, double ns_each, fnn_body body, const void *o)
{
    fnn_parallel(rows, ns_each * (double)n + NS_ROW, body, o);
}

static void FN(nll_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_nll) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
        o->loss[r] = o->target[r] < 0 ? 0 : (REAL)TIER->nll(o->x + r * o->n, o->n, o->target[r], o->weight, o->smoothing);
}

void FN(fnn_nll)(const struct FN(fnn_nll) *o) { FN(over_rows)(o->rows, o->n, NS_EXP, FN(nll_body), o); }

static void FN(nll_backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_nll_backward) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
        if (o->target[r] < 0)
            memset(o->dx + r * o->n, 0, (size_t)o->n * sizeof(REAL));
        else
        {
            const REAL dloss = o->dloss ? o->dloss[r] : (REAL)o->scale;
            TIER->dnll(o->dx + r * o->n, o->x + r * o->n, o->n, o->target[r], o->weight, o->smoothing, (double)dloss);
        }
}

void FN(fnn_nll_backward)(const struct FN(fnn_nll_backward) *o)
{
    FN(over_rows)(o->rows, o->n, NS_EXP, FN(nll_backward_body), o);
}

static void FN(pick_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_pick) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t t = (ptrdiff_t)o->target[r];
        const REAL w = t < 0 ? 0 : o->weight ? o->weight[t] : 1;
        o->loss[r] = w == 0 ? 0 : -w * o->x[r * o->n + t]; /* a class of weight 0 costs nothing, even at -inf */
    }
}

void FN(fnn_pick)(const struct FN(fnn_pick) *o) { fnn_parallel(o->rows, NS_ROW, FN(pick_body), o); }

static void FN(pick_backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_pick_backward) *o = job;
    memset(o->dx + begin * o->n, 0, (size_t)((end - begin) * o->n) * sizeof(REAL));
    for (ptrdiff_t r = begin; r < end; r++)
        if (o->target[r] >= 0)
            o->dx[r * o->n + o->target[r]] = -o->dloss[r] * (o->weight ? o->weight[o->target[r]] : 1);
}

void FN(fnn_pick_backward)(const struct FN(fnn_pick_backward) *o)
{
    FN(over_rows)(o->rows, o->n, NS_EACH, FN(pick_backward_body), o);
}

static void FN(soft_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_soft_nll) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
        o->loss[r] = (REAL)TIER->soft_nll(o->x + r * o->n, o->t + r * o->n, o->n, o->weight, o->smoothing);
}

void FN(fnn_soft_nll)(const struct FN(fnn_soft_nll) *o) { FN(over_rows)(o->rows, o->n, NS_EXP, FN(soft_body), o); }

static void FN(soft_backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_soft_nll_backward) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t at = r * o->n;
        TIER->dsoft_nll(o->dx + at, o->x + at, o->t + at, o->n, o->weight, o->smoothing, (double)o->dloss[r]);
    }
}

void FN(fnn_soft_nll_backward)(const struct FN(fnn_soft_nll_backward) *o)
{
    FN(over_rows)(o->rows, o->n, NS_EXP, FN(soft_backward_body), o);
}

static void FN(soft_target_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_soft_nll_target_backward) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
        TIER->tsoft_nll(o->dt + r * o->n, o->x + r * o->n, o->n, o->weight, o->smoothing, (double)o->dloss[r]);
}

void FN(fnn_soft_nll_target_backward)(const struct FN(fnn_soft_nll_target_backward) *o)
{
    FN(over_rows)(o->rows, o->n, NS_EXP, FN(soft_target_body), o);
}
#endif
