/* pool.c: pooling over whole arrays (kernels/pool.inc), channels first in memory (inner = 1) or last (inner channels).
 *
 * Forward, an item is one row of outputs.  Backward windows overlap, so an item is a whole plane, or NARROW channels of one. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.2 /* one place of one window */
#define NARROW  64  /* channels of a piece: four cache lines of floats */

/* Windows along one axis; kernel 0: even shares of it (tables/ops/pool.def) */
struct axis
{
    ptrdiff_t size, outputs, kernel, stride, padding, dilation;
};

/* Where window i begins and ends, cut off where the axis does */
static ptrdiff_t begin_of(const struct axis *a, ptrdiff_t i)
{
    if (!a->kernel)
        return i * a->size / a->outputs;
    const ptrdiff_t at = i * a->stride - a->padding;
    return at >= 0 ? at : (a->dilation - -at % a->dilation) % a->dilation;
}

static ptrdiff_t end_of(const struct axis *a, ptrdiff_t i)
{
    if (!a->kernel)
        return ((i + 1) * a->size + a->outputs - 1) / a->outputs;
    return fnn_min(i * a->stride - a->padding + a->dilation * (a->kernel - 1) + 1, a->size);
}

/* One beyond the last of the windows from i on that have the size of window i and lie equally far apart */
static ptrdiff_t run_end(const struct axis *a, ptrdiff_t i)
{
    if (!a->kernel)
        return a->size % a->outputs ? i + 1 : a->outputs;
    const ptrdiff_t room = a->size + a->padding - a->dilation * (a->kernel - 1) - 1;
    return i * a->stride < a->padding || room < i * a->stride ? i + 1 : room / a->stride + 1;
}

/* The fields of any of the ops that windows are made of */
struct pool
{
    struct axis d, h, w;
    ptrdiff_t outer, inner;
    int padded;
    double divisor;
};

#define AXIS(o, a) {(o)->a, (o)->y##a, (o)->k##a, (o)->s##a, (o)->p##a, (o)->e##a}
#define POOL(o)    AXIS(o, d), AXIS(o, h), AXIS(o, w), (o)->outer, (o)->inner

#define POOL_VALUES(o) ((o)->outer * (o)->d * (o)->h * (o)->w * (o)->inner)

/* What window i adds to the divisor as a factor */
static double count_of(const struct pool *g, const struct axis *a, ptrdiff_t i)
{
    const ptrdiff_t at = i * a->stride - a->padding;
    if (g->divisor != 0)
        return 1;
    return (double)(g->padded && a->kernel ? fnn_min(at + a->kernel, a->size + a->padding) - at : end_of(a, i) - begin_of(a, i));
}

typedef void piece_body(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at);

/* body for the pieces of row `row` of a plane's outputs, over m channels from `channel` on */
static void over_row(const struct pool *g, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t channel, ptrdiff_t m, piece_body body,
                     const void *job)
{
    const struct axis *d = &g->d, *h = &g->h, *w = &g->w;
    const ptrdiff_t id = row / h->outputs, ih = row % h->outputs;
    const ptrdiff_t x_at = plane * d->size * h->size * w->size * g->inner + channel;
    const double rows = g->divisor != 0 ? g->divisor : count_of(g, d, id) * count_of(g, h, ih);
    struct fnn_windows p = {.d = {begin_of(d, id), end_of(d, id), d->dilation}, .h = {begin_of(h, ih), end_of(h, ih), h->dilation},
                            .rows = h->size, .places = w->size, .dilation = w->dilation, .m = m, .gap = g->inner};
    for (ptrdiff_t j = 0, end; j < w->outputs; j = end)
        for (end = run_end(w, j); j < end; j += p.n)
        {
            p.n = fnn_min(end - j, POOL_PIECE / m);
            p.first = begin_of(w, j);
            p.step = p.n > 1 ? begin_of(w, j + 1) - p.first : 1;
            p.taps = (end_of(w, j) - p.first + w->dilation - 1) / w->dilation;
            p.divisor = rows * count_of(g, w, j);
            body(job, &p, x_at, ((plane * d->outputs * h->outputs + row) * w->outputs + j) * g->inner + channel);
        }
}

struct pool_job
{
    const struct pool *g;
    piece_body *body;
    const void *o;
};

static void rows_body(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct pool_job *each = job;
    const struct pool *g = each->g;
    const ptrdiff_t rows = g->d.outputs * g->h.outputs;
    for (ptrdiff_t i = begin; i < end; i++)
        for (ptrdiff_t channel = 0; channel < g->inner; channel += NARROW)
            over_row(g, i / rows, i % rows, channel, fnn_min(NARROW, g->inner - channel), each->body, each->o);
}

static void over_rows(const struct pool *g, piece_body body, const void *o)
{
    const struct pool_job job = {g, body, o};
    const double taps = (double)(g->d.size * g->h.size * g->w.size) / (double)(g->d.outputs * g->h.outputs * g->w.outputs); /* of a window that overlaps no other */
    fnn_parallel(g->outer * g->d.outputs * g->h.outputs, NS_EACH * (double)(g->w.outputs * g->inner) * (taps < 1 ? 1 : taps), rows_body, &job);
}

static ptrdiff_t parts_of(const struct pool *g) { return (g->inner + NARROW - 1) / NARROW; }

static void planes_body(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct pool_job *each = job;
    const struct pool *g = each->g;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const ptrdiff_t channel = i % parts_of(g) * NARROW;
        for (ptrdiff_t row = 0; row < g->d.outputs * g->h.outputs; row++)
            over_row(g, i / parts_of(g), row, channel, fnn_min(NARROW, g->inner - channel), each->body, each->o);
    }
}

static void over_planes(const struct pool *g, piece_body body, const void *o)
{
    const struct pool_job job = {g, body, o};
    const double values = (double)(g->d.size * g->h.size * g->w.size) * (double)fnn_min(NARROW, g->inner);
    fnn_parallel(g->outer * parts_of(g), 8 * NS_EACH * values, planes_body, &job);
}

#define FNN_SELF "drivers/pool.c"
#include "each_real.h"
#else

static void FN(max_body)(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at)
{
    const struct FN(fnn_max_pool) *o = job;
    TIER->max_windows(o->y + y_at, o->x + x_at, p);
}

void FN(fnn_max_pool)(const struct FN(fnn_max_pool) *o)
{
    const struct pool g = {POOL(o), 0, 0};
    over_rows(&g, FN(max_body), o);
}

static void FN(index_body)(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at)
{
    const struct FN(fnn_max_pool_index) *o = job;
    TIER->max_places(o->index + y_at, o->x + x_at, p);
}

void FN(fnn_max_pool_index)(const struct FN(fnn_max_pool_index) *o)
{
    const struct pool g = {POOL(o), 0, 0};
    over_rows(&g, FN(index_body), o);
}

static void FN(mean_body)(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at)
{
    const struct FN(fnn_avg_pool) *o = job;
    TIER->mean_windows(o->y + y_at, o->x + x_at, p);
}

void FN(fnn_avg_pool)(const struct FN(fnn_avg_pool) *o)
{
    const struct pool g = {POOL(o), o->padded != 0, o->divisor};
    over_rows(&g, FN(mean_body), o);
}

static void FN(dmax_body)(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at)
{
    const struct FN(fnn_max_pool_backward) *o = job;
    TIER->dmax_windows(o->dx + x_at, o->dy + y_at, o->x + x_at, p);
}

void FN(fnn_max_pool_backward)(const struct FN(fnn_max_pool_backward) *o)
{
    const struct pool g = {POOL(o), 0, 0};
    memset(o->dx, 0, (size_t)(POOL_VALUES(o)) * sizeof(REAL));
    over_planes(&g, FN(dmax_body), o);
}

static void FN(dmean_body)(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at)
{
    const struct FN(fnn_avg_pool_backward) *o = job;
    TIER->dmean_windows(o->dx + x_at, o->dy + y_at, p);
}

void FN(fnn_avg_pool_backward)(const struct FN(fnn_avg_pool_backward) *o)
{
    const struct pool g = {POOL(o), o->padded != 0, o->divisor};
    memset(o->dx, 0, (size_t)(POOL_VALUES(o)) * sizeof(REAL));
    over_planes(&g, FN(dmean_body), o);
}
#endif
