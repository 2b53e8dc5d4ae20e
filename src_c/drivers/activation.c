/* activation.c: the element-wise functions over whole arrays. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define TILE    2048 /* elements of one item of work: a multiple of a cache line, so that two threads never write to the same one */
#define NS_EXP     0.3  /* nanoseconds for one element of a function with exponentials; elu takes 0.24, gelu 0.6 */
#define NS_MEMORY  0.05 /* of a function without: as long as it takes to read and write it */
#define NS_COLLECT 0.3  /* more for an element of a strided array, which is first copied to contiguous memory */
#define STREAM  1024 /* elements that are computed in the first-level cache before they are stored past the other caches */
#define COLLECT 512  /* elements of a strided row that are copied together at a time */

static const double costs[] = {
#define MEMORY NS_MEMORY
#define EXP    NS_EXP
#define ACT(name, parameters, cost, saved, value, gradient) cost,
#include "tables/activations.def"
#undef ACT
#undef MEMORY
#undef EXP
};

/* A derivative that reads y needs no exponential */
static double ns_each(ptrdiff_t act, int backward)
{
    return backward && fnn_acts[act].saves_y ? NS_MEMORY : costs[act];
}

#define FNN_SELF "drivers/activation.c"
#include "each_real.h"
#else

/* out = f(x), or, with dy, out = dx from dy and the saved tensor x */
struct FN(dense)
{
    REAL *out;
    const REAL *dy, *x;
    ptrdiff_t act, n;
    double a, b;
};

static void FN(dense_part)(const struct FN(dense) *d, REAL *out, ptrdiff_t at, ptrdiff_t n)
{
    if (d->dy)
        TIER->dact[d->act](out, d->dy + at, d->x + at, n, d->a, d->b);
    else
        TIER->act[d->act](out, d->x + at, n, d->a, d->b);
}

static void FN(dense_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(dense) *d = job;
    const ptrdiff_t at = begin * TILE, n = (end * TILE < d->n ? end * TILE : d->n) - at;
    FN(dense_part)(d, d->out + at, at, n);
}

static void FN(streamed_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(dense) *d = job;
    const ptrdiff_t stop = end * TILE < d->n ? end * TILE : d->n;
    for (ptrdiff_t at = begin * TILE; at < stop; at += STREAM)
    {
        REAL made[STREAM];
        const ptrdiff_t n = stop - at < STREAM ? stop - at : STREAM;
        FN(dense_part)(d, made, at, n);
        fnn_tier->stream(d->out + at, made, (size_t)n * sizeof(REAL));
    }
}

/* Whether to store past the caches: input and output together are larger than the last one, so that the result would be evicted
 * before anybody reads it.  A call in place has the lines in the cache already. */
static void FN(run_dense)(const struct FN(dense) *d)
{
    const int large = 2 * d->n * (ptrdiff_t)sizeof(REAL) > fnn_cache_bytes && d->out != d->x && d->out != d->dy;
    fnn_parallel((d->n + TILE - 1) / TILE, ns_each(d->act, d->dy != NULL) * TILE, large ? FN(streamed_body) : FN(dense_body), d);
}

void FN(fnn_activation)(const struct FN(fnn_activation) *o)
{
    const struct FN(dense) d = {o->y, NULL, o->x, o->act, o->n, o->a, o->b};
    FN(run_dense)(&d);
}

void FN(fnn_activation_backward)(const struct FN(fnn_activation_backward) *o)
{
    const struct FN(dense) d = {o->dx, o->dy, o->saved, o->act, o->n, o->a, o->b};
    FN(run_dense)(&d);
}

/* The same over rows; the strides are those between rows and between elements */
struct FN(strided)
{
    REAL *out;
    const REAL *dy, *x;
    const ptrdiff_t *out_stride, *dy_stride, *x_stride;
    ptrdiff_t act, n;
    double a, b;
};

/* `count` elements from p on, `step` apart: p itself if they lie side by side, else a copy in the buffer */
static const REAL *FN(collect)(REAL *buffer, const REAL *p, ptrdiff_t step, ptrdiff_t count)
{
    if (step == 1)
        return p;
    for (ptrdiff_t i = 0; i < count; i++)
        buffer[i] = p[i * step];
    return buffer;
}

static void FN(strided_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(strided) *d = job;
    for (ptrdiff_t r = begin; r < end; r++)
        for (ptrdiff_t at = 0; at < d->n; at += COLLECT)
        {
            REAL xs[COLLECT], dys[COLLECT], outs[COLLECT];
            const ptrdiff_t count = d->n - at < COLLECT ? d->n - at : COLLECT, step = d->out_stride[1];
            const REAL *x = FN(collect)(xs, d->x + r * d->x_stride[0] + at * d->x_stride[1], d->x_stride[1], count);
            REAL *to = d->out + r * d->out_stride[0] + at * step, *out = step == 1 ? to : outs;
            if (d->dy)
            {
                const REAL *dy = d->dy + r * d->dy_stride[0] + at * d->dy_stride[1];
                TIER->dact[d->act](out, FN(collect)(dys, dy, d->dy_stride[1], count), x, count, d->a, d->b);
            }
            else
                TIER->act[d->act](out, x, count, d->a, d->b);
            if (out != to)
                for (ptrdiff_t i = 0; i < count; i++)
                    to[i * step] = outs[i];
        }
}

static void FN(run_strided)(const struct FN(strided) *d, ptrdiff_t rows)
{
    fnn_parallel(rows, (NS_COLLECT + ns_each(d->act, d->dy != NULL)) * (double)d->n, FN(strided_body), d);
}

void FN(fnn_activation_rows)(const struct FN(fnn_activation_rows) *o)
{
    const struct FN(strided) d = {o->y, NULL, o->x, o->y_strides, NULL, o->x_strides, o->act, o->n, o->a, o->b};
    FN(run_strided)(&d, o->rows);
}

void FN(fnn_activation_rows_backward)(const struct FN(fnn_activation_rows_backward) *o)
{
    const struct FN(strided) d = {o->dx, o->dy, o->saved, o->dx_strides, o->dy_strides, o->saved_strides, o->act, o->n, o->a, o->b};
    FN(run_strided)(&d, o->rows);
}
#endif
