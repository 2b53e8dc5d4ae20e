/* batch_norm.c: batch normalization over whole arrays, and sums over channels, which other drivers use too.  kernels/batch_norm.inc has the
 * formulas and the two memory orders.
 *
 * Work is cut into (block, channel) cells of fixed size.  Their partial sums go to `work` and are added in the order of the
 * blocks, so that the result does not depend on which thread computed which cell. */
#ifndef REAL
#define FNN_HOT_DRIVER
#include <math.h>
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_SUM       0.12 /* nanoseconds for one value in a pass that sums */
#define NS_WRITE     0.1  /* nanoseconds for one value in a pass that writes */
#define STRIP_BYTES  (512 << 10) /* largest strip of one array: two such strips fill most second-level caches */
#define COEFFICIENTS 7    /* vectors of c values: two sums, mean, mean_lo, scale, and two more */

static ptrdiff_t blocks_of(ptrdiff_t m) { return (m + REDUCE_BLOCK - 1) / REDUCE_BLOCK; }
static ptrdiff_t strips_of(ptrdiff_t c) { return (c + STRIP - 1) / STRIP; }
ptrdiff_t fnn_channel_work(ptrdiff_t n, ptrdiff_t c, ptrdiff_t s) { return (2 * blocks_of(n * s) + COEFFICIENTS) * c; }

#define FNN_SELF "drivers/batch_norm.c"
#include "each_real.h"
#else

/* The arguments of all passes; each pass uses some of them.  first, second: the (block, channel) partial sums. */
struct FN(norm)
{
    ptrdiff_t n, c, s, last;
    REAL *out;
    const REAL *x, *dy, *mean, *mean_lo, *scale, *shift, *slope;
    double *first, *second;
    FN(fnn_sums_first) *sums_first;
    FN(fnn_sums_last) *sums_last;
};

/* One cell: channels from c0 on, and of each the values from .. from + count - 1; `at` is its place among the partial sums */
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

/* The mean of m squares from their sum: rounding cannot make it negative, and NaN stays NaN */
static void FN(finish_variance)(double *var, ptrdiff_t m, ptrdiff_t c)
{
    for (ptrdiff_t j = 0; j < c; j++)
        var[j] = var[j] > 0 ? var[j] / (double)m : var[j] == var[j] ? 0 : var[j];
}

static void FN(stats)(double *mean, double *var, double *work, const REAL *x, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, ptrdiff_t last)
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

void FN(fnn_batch_norm_stats)(const struct FN(fnn_batch_norm_stats) *o)
{
    FN(stats)(o->mean, o->var, o->work, o->x, o->n, o->c, o->s, o->last);
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

/* Computes what the kernels normalize_first and normalize_last need: mean = high + low, scale and shift of c channels */
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

void FN(fnn_batch_norm)(const struct FN(fnn_batch_norm) *o)
{
    const ptrdiff_t c = o->c;
    REAL *high = (REAL *)o->work, *low = high + c, *scale = low + c, *shift = scale + c;
    FN(coefficients)(high, low, scale, shift, o->mean, o->rstd, o->gamma, o->beta, c);
    const struct FN(norm) d = {.n = o->n, .c = c, .s = o->s, .last = o->last, .out = o->y, .x = o->x, .mean = high, .mean_lo = low,
                               .scale = scale, .shift = shift};
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
                          ptrdiff_t s, ptrdiff_t last)
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

/* Computes dgamma, dbeta and what the kernels dnormalize_first and dnormalize_last need, for c channels of m values; on entry
 * scale holds rstd */
static void FN(gradient_coefficients)(REAL *dgamma, REAL *dbeta, REAL *scale, REAL *shift, REAL *slope, const double *sum,
                                      const double *dot, const double *rstd, const REAL *gamma, ptrdiff_t m, ptrdiff_t c,
                                      ptrdiff_t training)
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

/* -- strip by strip: the values of STRIP channels stay in the second-level cache between the pass that sums and the pass that
 * writes.  The kernels are those of the two passes over everything, and so are the bits. */
struct FN(strips)
{
    ptrdiff_t m, c;
    REAL *out, *high, *low, *scale, *shift, *slope, *dgamma, *dbeta;
    const REAL *x, *dy, *gamma, *beta;
    double *first, *second, *rstd; /* mean and variance, or the two sums */
    double eps;
};

static int FN(fits_strips)(ptrdiff_t m, ptrdiff_t c, ptrdiff_t last)
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

void FN(fnn_reciprocal_std)(const struct FN(fnn_reciprocal_std) *o)
{
    for (ptrdiff_t j = 0; j < o->n; j++)
        o->rstd[j] = 1 / sqrt(o->var[j] + o->eps);
}

void FN(fnn_running_average)(const struct FN(fnn_running_average) *o)
{
    for (ptrdiff_t j = 0; j < o->n; j++)
        o->running[j] = (REAL)((1 - o->momentum) * (double)o->running[j] + o->momentum * (o->factor * o->batch[j]));
}

/* Updates the running statistics by those of a batch with m values a channel.  They take the unbiased variance, as PyTorch's do. */
static void FN(follow)(const struct FN(fnn_batch_norm_train) *o, const double *var, ptrdiff_t m)
{
    const struct FN(fnn_running_average) mean_of = {o->running_mean, o->mean, o->c, o->momentum, 1};
    const struct FN(fnn_running_average) var_of = {o->running_var, var, o->c, o->momentum, (double)m / (double)(m - 1)};
    if (o->running_mean)
        FN(fnn_running_average)(&mean_of);
    if (o->running_var)
        FN(fnn_running_average)(&var_of);
}

void FN(fnn_batch_norm_train)(const struct FN(fnn_batch_norm_train) *o)
{
    const ptrdiff_t c = o->c, m = o->n * o->s;
    double *var = o->work + fnn_channel_work(o->n, c, o->s);
    if (FN(fits_strips)(m, c, o->last))
    {
        REAL *high = (REAL *)o->work;
        struct FN(strips) d = {.m = m, .c = c, .out = o->y, .x = o->x, .high = high, .low = high + c, .scale = high + 2 * c,
                               .shift = high + 3 * c, .gamma = o->gamma, .beta = o->beta, .first = o->mean, .second = var,
                               .rstd = o->rstd, .eps = o->eps};
        fnn_parallel(strips_of(c), (NS_SUM + NS_WRITE) * (double)(m * STRIP), FN(train_strip), &d);
    }
    else
    {
        const struct FN(fnn_reciprocal_std) reciprocal = {o->rstd, var, c, o->eps};
        const struct FN(fnn_batch_norm) forward = {.y = o->y, .work = o->work, .x = o->x, .mean = o->mean, .rstd = o->rstd,
                                                   .gamma = o->gamma, .beta = o->beta, .n = o->n, .c = c, .s = o->s, .last = o->last};
        FN(stats)(o->mean, var, o->work, o->x, o->n, c, o->s, o->last);
        FN(fnn_reciprocal_std)(&reciprocal);
        FN(fnn_batch_norm)(&forward);
    }
    FN(follow)(o, var, m);
}

void FN(fnn_batch_norm_eval)(const struct FN(fnn_batch_norm_eval) *o)
{
    const struct FN(fnn_batch_norm) forward = {.y = o->y, .work = o->work, .x = o->x, .mean = o->mean, .rstd = o->rstd,
                                               .gamma = o->gamma, .beta = o->beta, .n = o->n, .c = o->c, .s = o->s, .last = o->last};
    for (ptrdiff_t j = 0; j < o->c; j++)
    {
        o->mean[j] = (double)o->running_mean[j];
        o->rstd[j] = 1 / sqrt((double)o->running_var[j] + o->eps);
    }
    FN(fnn_batch_norm)(&forward);
}

/* The mean as two REALs and rstd as one, as the kernel `grad_sums` reads them */
static void FN(rounded)(REAL *high, REAL *low, REAL *scale, const double *mean, const double *rstd, ptrdiff_t c)
{
    FN(split_mean)(high, low, mean, c);
    for (ptrdiff_t j = 0; j < c; j++)
        scale[j] = (REAL)rstd[j];
}

void FN(fnn_batch_norm_sums)(const struct FN(fnn_batch_norm_sums) *o)
{
    REAL *high = (REAL *)(o->work + 2 * blocks_of(o->n * o->s) * o->c), *low = high + o->c, *scale = low + o->c;
    FN(rounded)(high, low, scale, o->mean, o->rstd, o->c);
    FN(fnn_channel_sums)(o->sum, o->dot, o->work, TIER->grad_sums_first, TIER->grad_sums_last, o->dy, o->x, high, low, scale, o->n,
                         o->c, o->s, o->last);
}

void FN(fnn_batch_norm_dx)(const struct FN(fnn_batch_norm_dx) *o)
{
    const ptrdiff_t c = o->c;
    REAL *high = (REAL *)o->work, *low = high + c, *scale = low + c, *shift = scale + c, *slope = shift + c, *unused = slope;
    const struct FN(norm) d = {.n = o->n, .c = c, .s = o->s, .last = o->last, .out = o->dx, .x = o->x, .dy = o->dy, .mean = high,
                               .mean_lo = low, .scale = scale, .shift = shift, .slope = slope};
    FN(split_mean)(high, low, o->mean, c);
    FN(gradient_coefficients)(unused, unused, scale, shift, slope, o->sum, o->dot, o->rstd, o->gamma, o->count, c, 1);
    FN(over_values)(&d, FN(dnormalize_body));
}

void FN(fnn_batch_norm_backward)(const struct FN(fnn_batch_norm_backward) *o)
{
    const ptrdiff_t c = o->c, m = o->n * o->s, blocks = blocks_of(m);
    double *sum = o->work + 2 * blocks * c, *dot = sum + c;
    REAL *high = (REAL *)(dot + c), *low = high + c, *scale = low + c, *shift = scale + c, *slope = shift + c;
    struct FN(norm) d = {.n = o->n, .c = c, .s = o->s, .last = o->last, .out = o->dx, .x = o->x, .dy = o->dy, .mean = high,
                         .mean_lo = low, .scale = scale, .shift = shift, .slope = slope};
    FN(rounded)(high, low, scale, o->mean, o->rstd, c);
    if (o->dx && o->training && FN(fits_strips)(m, c, o->last))
    {
        struct FN(strips) strips = {.m = m, .c = c, .out = o->dx, .x = o->x, .dy = o->dy, .high = high, .low = low, .scale = scale,
                                    .shift = shift, .slope = slope, .dgamma = o->dgamma, .dbeta = o->dbeta, .gamma = o->gamma,
                                    .first = sum, .second = dot, .rstd = (double *)o->rstd};
        fnn_parallel(strips_of(c), (NS_SUM + NS_WRITE) * (double)(m * STRIP), FN(backward_strip), &strips);
        return;
    }
    if (o->dgamma)
    {
        FN(fnn_channel_sums)(sum, dot, o->work, TIER->grad_sums_first, TIER->grad_sums_last, o->dy, o->x, high, low, scale, o->n, c,
                             o->s, o->last);
        FN(gradient_coefficients)(o->dgamma, o->dbeta, scale, shift, slope, sum, dot, o->rstd, o->gamma, m, c, o->training);
    }
    else
        for (ptrdiff_t j = 0; j < c; j++)
            scale[j] = (REAL)(o->gamma ? (double)o->gamma[j] * o->rstd[j] : o->rstd[j]), shift[j] = 0;
    if (o->dx && o->training)
        FN(over_values)(&d, FN(dnormalize_body));
    if (!o->dx || o->training)
        return;
    /* With fixed statistics dx = scale dy, which the forward kernels compute with a mean of 0.  x is not read, since it may be
     * infinite. */
    memset(high, 0, (size_t)(2 * c) * sizeof *high);
    d.x = o->dy;
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

void FN(fnn_channel_mix)(const struct FN(fnn_channel_mix) *o)
{
    REAL *high = (REAL *)o->work, *low = high + o->c;
    const struct FN(norm) d = {.n = 1, .c = o->c, .s = o->s, .out = o->dx, .x = o->x, .dy = o->dy, .mean = high, .mean_lo = low,
                               .scale = o->scale, .slope = o->slope, .shift = o->shift};
    FN(split_mean)(high, low, o->mean, o->c);
    FN(over_values)(&d, FN(mix_body));
}
#endif
