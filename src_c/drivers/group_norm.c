/* group_norm.c: layer, group, instance and RMS normalization over whole arrays (kernels/group_norm.inc).
 *
 * Forward, each row is one item.  Backward, an item is one group of a few neighbouring samples, as many as the shape says;
 * what they add to the parameters' gradients goes to `work` and is joined in the order of samples. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.16

/* Samples of one item backward: about 65,536 values, few enough for many items and many enough to share a sum */
static ptrdiff_t samples_of_item(ptrdiff_t g, ptrdiff_t k, ptrdiff_t s)
{
    const ptrdiff_t count = 65536 / (g * k * s);
    return count < 1 ? 1 : count > 64 ? 64 : count;
}

static ptrdiff_t blocks_of(ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s)
{
    const ptrdiff_t each = samples_of_item(g, k, s);
    return (rows / g + each - 1) / each;
}

ptrdiff_t fnn_group_norm_work(ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s) { return (2 * blocks_of(rows, g, k, s) + 1) * g * k; }

#define FNN_SELF "drivers/group_norm.c"
#include "each_real.h"
#else

struct FN(groups)
{
    REAL *out;
    double *mean, *rstd, *dgamma, *dbeta;
    const REAL *dy, *x, *gamma, *beta;
    ptrdiff_t rows, g, k, s;
    double eps;
    int centre;
};

static void FN(forward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(groups) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t at = r * d->k * d->s, own = r % d->g * d->k;
        TIER->group_norm(d->out ? d->out + at : NULL, d->mean + r, d->rstd + r, d->x + at, d->k, d->s, d->gamma ? d->gamma + own : NULL,
                         d->beta ? d->beta + own : NULL, d->eps, d->centre);
    }
}

void FN(fnn_group_norm)(REAL *y, double *mean, double *rstd, const REAL *x, const REAL *gamma, const REAL *beta, ptrdiff_t rows,
                        ptrdiff_t g, ptrdiff_t k, ptrdiff_t s, double eps, int centre)
{
    const struct FN(groups) d = {.out = y, .mean = mean, .rstd = rstd, .x = x, .gamma = gamma, .beta = beta, .g = g, .k = k,
                                 .s = s, .eps = eps, .centre = centre};
    fnn_parallel(rows, NS_EACH * (double)(k * s), FN(forward_body), &d);
}

static void FN(backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(groups) *d = job;
    const ptrdiff_t each = samples_of_item(d->g, d->k, d->s), samples = d->rows / d->g;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t first = item / d->g * each, own = item % d->g, part = item * d->k;
        const ptrdiff_t last = fnn_min(first + each, samples), step = d->s > 1 || d->g > 1 ? 1 : 4;
        for (ptrdiff_t sample = first; sample < last; sample += step)
        {
            const ptrdiff_t r = sample * d->g + own, at = r * d->k * d->s;
            const REAL *gamma = d->gamma + own * d->k;
            if (d->s == 1)
                TIER->dlayer_rows(d->out + at, d->dgamma + part, d->dbeta + part, d->dy + at, d->x + at, fnn_min(step, last - sample),
                                  d->k, d->mean + r, d->rstd + r, gamma, d->centre);
            else
                TIER->dgroup_norm(d->out + at, d->dgamma + part, d->dbeta + part, d->dy + at, d->x + at, d->k, d->s, d->mean[r],
                                  d->rstd[r], gamma, d->centre);
        }
    }
}

void FN(fnn_dgroup_norm)(REAL *dx, REAL *dgamma, REAL *dbeta, double *work, const REAL *dy, const REAL *x, const double *mean,
                         const double *rstd, const REAL *gamma, ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s, int centre)
{
    const ptrdiff_t blocks = blocks_of(rows, g, k, s), c = g * k;
    REAL *ones = (REAL *)(work + 2 * blocks * c); /* a row's gradient reads weights, even where there are none */
    const struct FN(groups) d = {.out = dx, .mean = (double *)mean, .rstd = (double *)rstd, .dgamma = work, .dbeta = work + blocks * c,
                                 .dy = dy, .x = x, .gamma = gamma ? gamma : ones, .rows = rows, .g = g, .k = k, .s = s, .centre = centre};
    memset(work, 0, (size_t)(2 * blocks * c) * sizeof *work);
    for (ptrdiff_t j = 0; !gamma && j < c; j++)
        ones[j] = 1;
    fnn_parallel(blocks * g, NS_EACH * (double)(k * s) * (double)samples_of_item(g, k, s), FN(backward_body), &d);
    for (ptrdiff_t b = 1; b < blocks; b++)
        for (ptrdiff_t j = 0; j < c; j++)
        {
            d.dbeta[j] += d.dbeta[b * c + j];
            d.dgamma[j] += d.dgamma[b * c + j];
        }
    for (ptrdiff_t j = 0; j < c; j++)
    {
        dbeta[j] = (REAL)d.dbeta[j];
        dgamma[j] = (REAL)d.dgamma[j];
    }
}
#endif
