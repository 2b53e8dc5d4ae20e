/* group_norm.c: layer, group, instance and RMS normalization over whole arrays (kernels/group_norm.inc).  Each row is one
 * item; its part of the parameters' gradients goes to `work` and is joined in the order of rows. */
#ifndef REAL
#include <math.h>
#include <string.h>
#include "kernels.h"
#include "parallel.h"

#define NS_EACH 0.6

/* one value a channel and parameters that all rows share: columns are summed (layer norm) */
static int by_columns(ptrdiff_t g, ptrdiff_t s) { return g == 1 && s == 1; }

ptrdiff_t fnn_group_norm_work(ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s)
{
    return by_columns(g, s) ? fnn_norm_work(rows, k, 1) + 2 * k + 3 * rows : 2 * rows * k;
}

#define FNN_SELF "group_norm.c"
#include "each_real.h"
#else

struct FN(groups)
{
    REAL *out;
    double *mean, *rstd, *dgamma, *dbeta;
    const REAL *dy, *x, *gamma, *beta;
    ptrdiff_t g, k, s;
    double eps;
    int centre;
};

static void FN(forward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(groups) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t at = r * d->k * d->s, own = r % d->g * d->k;
        TIER->group_norm(d->out + at, d->mean + r, d->rstd + r, d->x + at, d->k, d->s, d->gamma ? d->gamma + own : NULL,
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
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t at = r * d->k * d->s, part = r * d->k;
        TIER->dgroup_norm(d->out ? d->out + at : NULL, d->dgamma ? d->dgamma + part : NULL, d->dbeta ? d->dbeta + part : NULL,
                          d->dy + at, d->x + at, d->k, d->s, d->mean[r], d->rstd[r],
                          d->gamma ? d->gamma + r % d->g * d->k : NULL, d->centre);
    }
}

/* Layer norm's dgamma and dbeta: the sums of the columns of (rows, k) */
static void FN(column_sums)(REAL *dgamma, REAL *dbeta, double *work, const struct FN(groups) *d, ptrdiff_t rows)
{
    const ptrdiff_t k = d->k;
    double *sum = work + fnn_norm_work(rows, k, 1), *dot = sum + k;
    REAL *high = (REAL *)(dot + k), *low = high + rows, *rstd = low + rows;
    for (ptrdiff_t r = 0; r < rows; r++)
    {
        high[r] = (REAL)d->mean[r];
        low[r] = isfinite(high[r]) ? (REAL)(d->mean[r] - (double)high[r]) : 0;
        rstd[r] = (REAL)d->rstd[r];
    }
    FN(fnn_channel_sums)(sum, dot, work, NULL, TIER->row_sums_last, d->dy, d->x, high, low, rstd, rows, k, 1, 1, 1);
    for (ptrdiff_t j = 0; j < k; j++)
    {
        dbeta[j] = (REAL)sum[j];
        dgamma[j] = (REAL)dot[j];
    }
}

/* dgamma and dbeta are always made, dx only where it is not NULL */
void FN(fnn_dgroup_norm)(REAL *dx, REAL *dgamma, REAL *dbeta, double *work, const REAL *dy, const REAL *x, const double *mean,
                         const double *rstd, const REAL *gamma, ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s, int centre)
{
    struct FN(groups) d = {.out = dx, .mean = (double *)mean, .rstd = (double *)rstd, .dy = dy, .x = x, .gamma = gamma, .g = g,
                           .k = k, .s = s, .centre = centre};
    if (!by_columns(g, s))
        d.dgamma = work, d.dbeta = work + rows * k;
    fnn_parallel(rows, NS_EACH * (double)(k * s), FN(backward_body), &d);
    if (by_columns(g, s))
    {
        FN(column_sums)(dgamma, dbeta, work, &d, rows);
        return;
    }
    for (ptrdiff_t j = 0; j < g * k; j++)
    {
        double sum = 0, dot = 0;
        for (ptrdiff_t i = j; i < rows * k; i += g * k)
        {
            sum += d.dbeta[i];
            dot += d.dgamma[i];
        }
        dbeta[j] = (REAL)sum;
        dgamma[j] = (REAL)dot;
    }
}
#endif
