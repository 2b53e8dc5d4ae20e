/* margins.c: margins between the scores of a row's own classes and all others.  The others are packed, block by block, so that
 * the loops over them have no branch. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.5
#define NS_ROW  20.0

#define FNN_SELF "drivers/margins.c"
#include "each_real.h"
#else

/* Packs the values that are not taken; returns how many there are */
static ptrdiff_t FN(others)(REAL *packed, const REAL *x, const uint8_t *taken, ptrdiff_t n)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < n; i++)
    {
        packed[count] = x[i];
        count += !taken[i];
    }
    return count;
}

/* sum max(0, from + x)^p over n values, at most a block; NaN gives NaN */
static double FN(margin_sum)(const REAL *x, ptrdiff_t n, REAL from, int square)
{
    REAL over[REDUCE_BLOCK];
    for (ptrdiff_t i = 0; i < n; i++)
        over[i] = from + x[i] <= 0 ? 0 : from + x[i];
    return TIER->row_dot(over, square ? over : NULL, n);
}

/* dx += d times the derivative of each term; returns the sum of what was added; NaN adds nothing */
static double FN(dmargin_sum)(REAL *dx, const REAL *x, ptrdiff_t n, REAL from, int square, REAL d)
{
    REAL slope[REDUCE_BLOCK];
    if (square)
        for (ptrdiff_t i = 0; i < n; i++)
            slope[i] = from + x[i] > 0 ? d * (2 * (from + x[i])) : 0;
    else
        for (ptrdiff_t i = 0; i < n; i++)
            slope[i] = from + x[i] > 0 ? d : 0;
    for (ptrdiff_t i = 0; i < n; i++)
        dx[i] += slope[i];
    return TIER->row_dot(slope, NULL, n);
}

static void FN(margins_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_margins) *o = job;
    REAL packed[REDUCE_BLOCK];
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const REAL *x = o->x + r * o->n;
        const int64_t *t = o->target + r * o->k;
        double sum = 0;
        for (ptrdiff_t at = 0; at < o->n; at += REDUCE_BLOCK)
        {
            const ptrdiff_t count = FN(others)(packed, x + at, o->taken + r * o->n + at, fnn_min(REDUCE_BLOCK, o->n - at));
            for (ptrdiff_t j = 0; j < o->k && t[j] >= 0; j++)
                sum += (o->weight ? (double)o->weight[t[j]] : 1) *
                       FN(margin_sum)(packed, count, (REAL)o->margin - x[t[j]], (int)o->square);
        }
        o->loss[r] = (REAL)(sum / (double)o->n);
    }
}

void FN(fnn_margins)(const struct FN(fnn_margins) *o)
{
    fnn_parallel(o->rows, NS_EACH * (double)o->n + NS_ROW, FN(margins_body), o);
}

static void FN(margins_backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_margins_backward) *o = job;
    REAL packed[REDUCE_BLOCK], dpacked[REDUCE_BLOCK];
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const REAL *x = o->x + r * o->n;
        const int64_t *t = o->target + r * o->k;
        const double each = (double)o->dloss[r] / (double)o->n;
        REAL *dx = o->dx + r * o->n;
        memset(dx, 0, (size_t)o->n * sizeof *dx);
        for (ptrdiff_t at = 0; at < o->n; at += REDUCE_BLOCK)
        {
            const ptrdiff_t n = fnn_min(REDUCE_BLOCK, o->n - at);
            const uint8_t *taken = o->taken + r * o->n + at;
            ptrdiff_t count = FN(others)(packed, x + at, taken, n);
            memset(dpacked, 0, sizeof dpacked);
            for (ptrdiff_t j = 0; j < o->k && t[j] >= 0; j++)
            {
                const REAL d = (REAL)(each * (o->weight ? (double)o->weight[t[j]] : 1));
                dx[t[j]] -= (REAL)FN(dmargin_sum)(dpacked, packed, count, (REAL)o->margin - x[t[j]], (int)o->square, d);
            }
            count = 0;
            for (ptrdiff_t i = 0; i < n; i++)
                if (!taken[i])
                    dx[at + i] = dpacked[count++];
        }
    }
}

void FN(fnn_margins_backward)(const struct FN(fnn_margins_backward) *o)
{
    fnn_parallel(o->rows, 2 * NS_EACH * (double)o->n + NS_ROW, FN(margins_backward_body), o);
}
#endif
