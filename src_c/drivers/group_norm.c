/* group_norm.c: layer, group, instance and RMS normalization over whole arrays (kernels/group_norm.inc).
 *
 * Forward, each row is one item.  Backward, an item is one group of a few neighbouring samples, as many as the shape says;
 * what they add to the parameters' gradients goes to `work` and is joined in the order of samples. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.16

/* Samples of one item of the backward pass, about 65,536 values: small enough to give all threads items, large enough that
 * few partial sums are left to add */
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

static ptrdiff_t rows_at_once(ptrdiff_t g, ptrdiff_t s) { return s > 1 || g > 1 ? 1 : 4; }

/* Scratch memory holds the sums of each block of samples, ones in place of missing weights and zeros in place of missing means.  With
 * `spare` it also has room for an item's rows of dx, which the kernel writes even if nobody wants them. */
ptrdiff_t fnn_group_norm_work(ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s, ptrdiff_t centre, int spare)
{
    const ptrdiff_t blocks = blocks_of(rows, g, k, s);
    return (2 * blocks + 1) * g * k + (centre ? 0 : rows) + (spare ? blocks * g * rows_at_once(g, s) * k * s : 0);
}

#define FNN_SELF "drivers/group_norm.c"
#include "each_real.h"
#else

static void FN(forward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_group_norm) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t at = r * o->k * o->s, own = r % o->g * o->k;
        TIER->group_norm(o->y ? o->y + at : NULL, o->mean + r, o->rstd + r, o->x + at, o->k, o->s, o->gamma ? o->gamma + own : NULL,
                         o->beta ? o->beta + own : NULL, o->eps, (int)o->centre);
    }
}

void FN(fnn_group_norm)(const struct FN(fnn_group_norm) *o)
{
    fnn_parallel(o->rows, NS_EACH * (double)(o->k * o->s), FN(forward_body), o);
}

/* The op's record, with arrays of scratch memory in place of missing weights and means, which the kernels read in any case */
struct FN(blocks)
{
    const struct FN(fnn_group_norm_backward) *o;
    double *dgamma, *dbeta;
    const REAL *gamma;
    const double *mean;
    REAL *spare;
};

static void FN(backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(blocks) *d = job;
    const struct FN(fnn_group_norm_backward) *o = d->o;
    const ptrdiff_t each = samples_of_item(o->g, o->k, o->s), samples = o->rows / o->g;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t first = item / o->g * each, own = item % o->g, part = item * o->k;
        const ptrdiff_t last = fnn_min(first + each, samples), step = rows_at_once(o->g, o->s);
        for (ptrdiff_t sample = first; sample < last; sample += step)
        {
            const ptrdiff_t r = sample * o->g + own, at = r * o->k * o->s;
            const REAL *gamma = d->gamma + own * o->k;
            REAL *dx = o->dx ? o->dx + at : d->spare + item * step * o->k * o->s;
            if (o->s == 1)
                TIER->dlayer_rows(dx, d->dgamma + part, d->dbeta + part, o->dy + at, o->x + at, fnn_min(step, last - sample),
                                  o->k, d->mean + r, o->rstd + r, gamma, (int)o->centre);
            else
                TIER->dgroup_norm(dx, d->dgamma + part, d->dbeta + part, o->dy + at, o->x + at, o->k, o->s, d->mean[r],
                                  o->rstd[r], gamma, (int)o->centre);
        }
    }
}

void FN(fnn_group_norm_backward)(const struct FN(fnn_group_norm_backward) *o)
{
    const ptrdiff_t blocks = blocks_of(o->rows, o->g, o->k, o->s), c = o->g * o->k;
    double *zeros = o->work + 2 * blocks * c;
    REAL *ones = (REAL *)(zeros + (o->centre ? 0 : o->rows));
    const struct FN(blocks) d = {o, o->work, o->work + blocks * c, o->gamma ? o->gamma : ones, o->centre ? o->mean : zeros,
                                 (REAL *)(zeros + (o->centre ? 0 : o->rows) + c)};
    memset(o->work, 0, (size_t)((REAL *)ones - (REAL *)o->work) * sizeof(REAL));
    for (ptrdiff_t j = 0; !o->gamma && j < c; j++)
        ones[j] = 1;
    fnn_parallel(blocks * o->g, NS_EACH * (double)(o->k * o->s) * (double)samples_of_item(o->g, o->k, o->s), FN(backward_body), &d);
    for (ptrdiff_t b = 1; b < blocks; b++)
        for (ptrdiff_t j = 0; j < c; j++)
        {
            d.dbeta[j] += d.dbeta[b * c + j];
            d.dgamma[j] += d.dgamma[b * c + j];
        }
    for (ptrdiff_t j = 0; j < c; j++)
    {
        o->dbeta[j] = (REAL)d.dbeta[j];
        o->dgamma[j] = (REAL)d.dgamma[j];
    }
}
#endif
