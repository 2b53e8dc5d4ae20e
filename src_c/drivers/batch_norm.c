/* batch_norm.c: batch normalization over whole arrays, and sums over channels for whoever needs them.  kernels/batch_norm.inc has the
 * formulas and the two memory orders.
 *
 * Work is cut into (block, channel) cells of fixed size, whose partial sums go to `work` and are joined in block order:
 * who computed which cell does not matter. */
#ifndef REAL
#include <math.h>
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_SUM       0.12 /* one value's cost in a pass that sums, and in one that writes */
#define NS_WRITE     0.1 
#define STRIP_BYTES  (512 << 10) /* of one array: with a second one it fills most second-level caches */
#define COEFFICIENTS 7    /* vectors of c values: two sums, mean, mean_lo, scale, and two more */

static ptrdiff_t blocks_of(ptrdiff_t m) { return (m + REDUCE_BLOCK - 1) / REDUCE_BLOCK; }
static ptrdiff_t strips_of(ptrdiff_t c) { return (c + STRIP - 1) / STRIP; }
ptrdiff_t fnn_norm_work(ptrdiff_t n, ptrdiff_t c, ptrdiff_t s) { return (2 * blocks_of(n * s) + COEFFICIENTS) * c; }

#define FNN_SELF "drivers/batch_norm.c"
#include "each_real.h"
#else

/* Everything a pass may need; each uses its part.  first, second: the (block, channel) partial sums. */
struct FN(norm)
{
    ptrdiff_t n, c, s;
    int last;
    REAL *out;
    const REAL *x, *dy, *mean, *mean_lo, *scale, *shift, *slope;
    double *first, *second;
    FN(fnn_sums_first) *sums_first;
    FN(fnn_sums_last) *sums_last;
};

/* One cell: channels from c0, values from .. from + count of each; `at` is its place among the partial sums */
struct FN(cell)
{
    ptrdiff_t c0, from, count, at;
};

static struct FN(cell) FN(cell)(const struct FN(norm) *d, ptrdiff_t number)
{
    const ptrdiff_t width = d->last ? strips_of(d->c) : d->c, block = number / width, from = block * REDUCE_BLOCK;
    const ptrdiff_t c0 = number % width * (d->last ? STRIP : 1);
    const struct FN(cell) cell = {c0, from, fnn_min(d->n * d->s - from, REDUCE_BLOCK), block * d->c + c0};
    return cell;
}

/* Runs a pass over the (block, channel) cells */
static void FN(over_cells)(const struct FN(norm) *d, fnn_body body)
{
    const ptrdiff_t m = d->n * d->s, width = d->last ? strips_of(d->c) : d->c;
    const double values = (double)(fnn_min(m, REDUCE_BLOCK) * (d->last ? fnn_min(STRIP, d->c) : 1));
    fnn_parallel(blocks_of(m) * width, NS_SUM * values, body, d);
}

/* Runs a pass that writes every value: over (sample, channel) rows, or over rows of all channels */
static void FN(over_values)(const struct FN(norm) *d, fnn_body body)
{
    if (d->last)
        fnn_parallel(d->n * d->s, NS_WRITE * (double)d->c, body, d);
    else
        fnn_parallel(d->n * d->c, NS_WRITE * (double)d->s, body, d);
}

static void FN(moments_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(norm) *d = job;
    const ptrdiff_t c = d->c, s = d->s;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const struct FN(cell) k = FN(cell)(d, i);
        double *mean = d->first + k.at, *m2 = d->second + k.at;
        if (d->last)
            TIER->moments_last(mean, m2, d->x + k.from * c + k.c0, fnn_min(STRIP, c - k.c0), c, k.count);
        else
            TIER->moments_first(mean, m2, d->x + k.c0 * s, s, c * s, k.from, k.count);
    }
}

/* The mean square of m values from its sum, never below 0; NaN stays */
static void FN(finish_variance)(double *var, ptrdiff_t m, ptrdiff_t c)
{
    for (ptrdiff_t j = 0; j < c; j++)
        var[j] = var[j] > 0 ? var[j] / (double)m : var[j] == var[j] ? 0 : var[j];
}

void FN(fnn_norm_stats)(double *mean, double *var, double *work, const REAL *x, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last)
{
    const ptrdiff_t m = n * s, blocks = blocks_of(m);
    const struct FN(norm) d = {.n = n, .c = c, .s = s, .last = last, .x = x, .first = work, .second = work + blocks * c};
    FN(over_cells)(&d, FN(moments_body));
    memcpy(mean, d.first, (size_t)c * sizeof *mean);
    memcpy(var, d.second, (size_t)c * sizeof *var);
    for (ptrdiff_t b = 1; b < blocks; b++)
    {
        const double before = (double)(b * REDUCE_BLOCK), count = (double)fnn_min(m - b * REDUCE_BLOCK, REDUCE_BLOCK);
        for (ptrdiff_t j = 0; j < c; j++)
        {
            const double delta = d.first[b * c + j] - mean[j];
            mean[j] += delta * (count / (before + count));
            var[j] += d.second[b * c + j] + delta * delta * (before * count / (before + count));
        }
    }
    FN(finish_variance)(var, m, c);
}

/* mean as a sum of two REALs, so that x - mean keeps its digits where the mean is large */
static void FN(split_mean)(REAL *high, REAL *low, const double *mean, ptrdiff_t c)
{
    for (ptrdiff_t j = 0; j < c; j++)
    {
        high[j] = (REAL)mean[j];
        low[j] = isfinite(high[j]) ? (REAL)(mean[j] - (double)high[j]) : 0;
    }
}

static void FN(normalize_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(norm) *d = job;
    if (d->last)
    {
        TIER->normalize_last(d->out + begin * d->c, d->x + begin * d->c, end - begin, d->c, d->mean, d->mean_lo, d->scale, d->shift);
        return;
    }
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t j = r % d->c;
        TIER->normalize_first(d->out + r * d->s, d->x + r * d->s, d->s, d->mean[j], d->mean_lo[j], d->scale[j], d->shift[j]);
    }
}

/* What normalize needs of c channels */
static void FN(coefficients)(REAL *high, REAL *low, REAL *scale, REAL *shift, const double *mean, const double *rstd,
                             const REAL *gamma, const REAL *beta, ptrdiff_t c)
{
    FN(split_mean)(high, low, mean, c);
    for (ptrdiff_t j = 0; j < c; j++)
    {
        scale[j] = (REAL)(gamma ? (double)gamma[j] * rstd[j] : rstd[j]);
        shift[j] = beta ? beta[j] : 0;
    }
}

void FN(fnn_norm_forward)(REAL *y, double *work, const REAL *x, const double *mean, const double *rstd, const REAL *gamma,
                          const REAL *beta, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last)
{
    REAL *high = (REAL *)work, *low = high + c, *scale = low + c, *shift = scale + c;
    FN(coefficients)(high, low, scale, shift, mean, rstd, gamma, beta, c);
    const struct FN(norm) d = {.n = n, .c = c, .s = s, .last = last, .out = y, .x = x, .mean = high, .mean_lo = low, .scale = scale, .shift = shift};
    FN(over_values)(&d, FN(normalize_body));
}

static void FN(sums_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(norm) *d = job;
    const ptrdiff_t c = d->c, s = d->s;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const struct FN(cell) k = FN(cell)(d, i);
        double *u = d->first + k.at, *v = d->second + k.at;
        const ptrdiff_t at = d->last ? k.from * c + k.c0 : k.c0 * s;
        const REAL *a = d->mean + k.c0, *b = d->mean_lo + k.c0, *r = d->scale + k.c0;
        if (d->last)
            d->sums_last(u, v, d->dy + at, d->x + at, fnn_min(STRIP, c - k.c0), c, k.count, a, b, r);
        else
            d->sums_first(u, v, d->dy + at, d->x + at, s, c * s, k.from, k.count, *a, *b, *r);
    }
}

void FN(fnn_channel_sums)(double *u, double *v, double *work, FN(fnn_sums_first) *first, FN(fnn_sums_last) *last_kernel,
                          const REAL *dy, const REAL *x, const REAL *a, const REAL *b, const REAL *r, ptrdiff_t n, ptrdiff_t c,
                          ptrdiff_t s, int last)
{
    const ptrdiff_t blocks = blocks_of(n * s);
    const struct FN(norm) d = {.n = n, .c = c, .s = s, .last = last, .x = x, .dy = dy, .mean = a, .mean_lo = b, .scale = r,
                               .first = work, .second = work + blocks * c, .sums_first = first, .sums_last = last_kernel};
    FN(over_cells)(&d, FN(sums_body));
    for (ptrdiff_t j = 0; j < c; j++)
        u[j] = v[j] = 0;
    for (ptrdiff_t i = 0; i < blocks * c; i++)
    {
        u[i % c] += d.first[i];
        v[i % c] += d.second[i];
    }
}

static void FN(dnormalize_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(norm) *d = job;
    if (d->last)
    {
        const ptrdiff_t at = begin * d->c;
        TIER->dnormalize_last(d->out + at, d->dy + at, d->x + at, end - begin, d->c, d->mean, d->mean_lo, d->scale, d->shift, d->slope);
        return;
    }
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t j = r % d->c, at = r * d->s;
        TIER->dnormalize_first(d->out + at, d->dy + at, d->x + at, d->s, d->mean[j], d->mean_lo[j], d->scale[j], d->shift[j], d->slope[j]);
    }
}

/* dgamma, dbeta, and what dnormalize needs, of c channels of m values; scale holds rstd */
static void FN(gradient_coefficients)(REAL *dgamma, REAL *dbeta, REAL *scale, REAL *shift, REAL *slope, const double *sum,
                                      const double *dot, const double *rstd, const REAL *gamma, ptrdiff_t m, ptrdiff_t c,
                                      int training)
{
    for (ptrdiff_t j = 0; j < c; j++)
    {
        dbeta[j] = (REAL)sum[j];
        dgamma[j] = (REAL)dot[j];
        scale[j] = (REAL)(gamma ? (double)gamma[j] * rstd[j] : rstd[j]);
        shift[j] = training ? (REAL)(sum[j] / (double)m) : 0;
        slope[j] = (REAL)(dot[j] / (double)m * rstd[j]);
    }
}

/* -- strip by strip: the values of STRIP channels stay in the second-level cache between the pass that sums and the one that
 * writes; the kernels, and so the bits, are those of the two passes over everything */
struct FN(strips)
{
    ptrdiff_t m, c;
    REAL *out, *high, *low, *scale, *shift, *slope, *dgamma, *dbeta;
    const REAL *x, *dy, *gamma, *beta;
    double *first, *second, *rstd; /* mean and variance, or the two sums */
    double eps;
};

static int FN(fits_strips)(ptrdiff_t m, ptrdiff_t c, int last)
{
    return last && m <= REDUCE_BLOCK && m * STRIP * (ptrdiff_t)sizeof(REAL) <= STRIP_BYTES && c > STRIP;
}

static void FN(train_strip)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(strips) *d = job;
    for (ptrdiff_t j = begin * STRIP, w; j < fnn_min(end * STRIP, d->c); j += STRIP)
    {
        w = fnn_min(STRIP, d->c - j);
        TIER->moments_last(d->first + j, d->second + j, d->x + j, w, d->c, d->m);
        FN(finish_variance)(d->second + j, d->m, w);
        for (ptrdiff_t i = j; i < j + w; i++)
            d->rstd[i] = 1 / sqrt(d->second[i] + d->eps);
        FN(coefficients)(d->high + j, d->low + j, d->scale + j, d->shift + j, d->first + j, d->rstd + j,
                         d->gamma ? d->gamma + j : NULL, d->beta ? d->beta + j : NULL, w);
        for (ptrdiff_t r = j; r < d->m * d->c; r += d->c)
            TIER->normalize_last(d->out + r, d->x + r, 1, w, d->high + j, d->low + j, d->scale + j, d->shift + j);
    }
}

static void FN(backward_strip)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(strips) *d = job;
    for (ptrdiff_t j = begin * STRIP, w; j < fnn_min(end * STRIP, d->c); j += STRIP)
    {
        w = fnn_min(STRIP, d->c - j);
        TIER->grad_sums_last(d->first + j, d->second + j, d->dy + j, d->x + j, w, d->c, d->m, d->high + j, d->low + j, d->scale + j);
        FN(gradient_coefficients)(d->dgamma + j, d->dbeta + j, d->scale + j, d->shift + j, d->slope + j, d->first + j, d->second + j,
                                  d->rstd + j, d->gamma ? d->gamma + j : NULL, d->m, w, 1);
        for (ptrdiff_t r = j; r < d->m * d->c; r += d->c)
            TIER->dnormalize_last(d->out + r, d->dy + r, d->x + r, 1, w, d->high + j, d->low + j, d->scale + j, d->shift + j, d->slope + j);
    }
}

/* The statistics, rstd of eps, and the result of both */
void FN(fnn_norm_train)(REAL *y, double *mean, double *var, double *rstd, double *work, const REAL *x, const REAL *gamma,
                        const REAL *beta, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last, double eps)
{
    if (FN(fits_strips)(n * s, c, last))
    {
        REAL *high = (REAL *)work;
        struct FN(strips) d = {.m = n * s, .c = c, .out = y, .x = x, .high = high, .low = high + c, .scale = high + 2 * c,
                               .shift = high + 3 * c, .gamma = gamma, .beta = beta, .first = mean, .second = var, .rstd = rstd, .eps = eps};
        fnn_parallel(strips_of(c), (NS_SUM + NS_WRITE) * (double)(n * s * STRIP), FN(train_strip), &d);
        return;
    }
    FN(fnn_norm_stats)(mean, var, work, x, n, c, s, last);
    for (ptrdiff_t j = 0; j < c; j++)
        rstd[j] = 1 / sqrt(var[j] + eps);
    FN(fnn_norm_forward)(y, work, x, mean, rstd, gamma, beta, n, c, s, last);
}

/* dgamma and dbeta are always made, dx only where it is not NULL; training: through the batch's own statistics */
void FN(fnn_norm_backward)(REAL *dx, REAL *dgamma, REAL *dbeta, double *work, const REAL *dy, const REAL *x, const double *mean,
                           const double *rstd, const REAL *gamma, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last, int training)
{
    const ptrdiff_t m = n * s, blocks = blocks_of(m);
    double *sum = work + 2 * blocks * c, *dot = sum + c;
    REAL *high = (REAL *)(dot + c), *low = high + c, *scale = low + c, *shift = scale + c, *slope = shift + c;
    struct FN(norm) d = {.n = n, .c = c, .s = s, .last = last, .out = dx, .x = x, .dy = dy, .mean = high, .mean_lo = low,
                         .scale = scale, .shift = shift, .slope = slope};
    FN(split_mean)(high, low, mean, c);
    for (ptrdiff_t j = 0; j < c; j++)
        scale[j] = (REAL)rstd[j];
    if (dx && training && FN(fits_strips)(m, c, last))
    {
        struct FN(strips) strips = {.m = m, .c = c, .out = dx, .x = x, .dy = dy, .high = high, .low = low, .scale = scale, .shift = shift,
                                    .slope = slope, .dgamma = dgamma, .dbeta = dbeta, .gamma = gamma, .first = sum, .second = dot,
                                    .rstd = (double *)rstd};
        fnn_parallel(strips_of(c), (NS_SUM + NS_WRITE) * (double)(m * STRIP), FN(backward_strip), &strips);
        return;
    }
    FN(fnn_channel_sums)(sum, dot, work, TIER->grad_sums_first, TIER->grad_sums_last, dy, x, high, low, scale, n, c, s, last);
    FN(gradient_coefficients)(dgamma, dbeta, scale, shift, slope, sum, dot, rstd, gamma, m, c, training);
    if (dx && training)
        FN(over_values)(&d, FN(dnormalize_body));
    if (!dx || training)
        return;
    /* Fixed statistics: dx = scale dy, which is normalize with a mean of 0.  x, which may be infinite, has no part in it. */
    memset(high, 0, (size_t)(2 * c) * sizeof *high);
    d.x = dy;
    FN(over_values)(&d, FN(normalize_body));
}

static void FN(mix_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(norm) *d = job;
    for (ptrdiff_t j = begin; j < end; j++)
    {
        const REAL mean = d->mean[j], low = d->mean_lo[j];
        TIER->mix_first(d->out + j * d->s, d->dy + j * d->s, d->x + j * d->s, d->s, mean, low, d->scale[j], d->slope[j], d->shift[j]);
    }
}

void FN(fnn_norm_mix)(REAL *dx, double *work, const REAL *dy, const REAL *x, const double *mean, const REAL *scale,
                      const REAL *slope, const REAL *shift, ptrdiff_t c, ptrdiff_t s)
{
    REAL *high = (REAL *)work, *low = high + c;
    const struct FN(norm) d = {.n = 1, .c = c, .s = s, .out = dx, .x = x, .dy = dy, .mean = high, .mean_lo = low,
                               .scale = scale, .slope = slope, .shift = shift};
    FN(split_mean)(high, low, mean, c);
    FN(over_values)(&d, FN(mix_body));
}
#endif
