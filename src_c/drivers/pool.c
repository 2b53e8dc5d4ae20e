/* pool.c: pooling over whole arrays (kernels/pool.inc), channels first in memory (inner = 1) or last (inner channels).
 *
 * Forward, an item is one row of outputs.  Backward windows overlap, so an item is a whole plane, or NARROW channels of one. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.2 /* one place of one window */
#define NARROW  64  /* channels of a piece: four cache lines of floats */

/* The fields of any of the ops that windows are made of */
struct pool
{
    const int64_t *begin, *end, *runs;
    const double *counts; /* NULL for a maximum */
    ptrdiff_t outer, d, h, w, inner, yd, yh, yw, dilation_d, dilation_h, dilation_w, count;
};

#define POOL(o, counts)                                                                                                \
    {(o)->begin, (o)->end, (o)->runs, counts, (o)->outer, (o)->d, (o)->h, (o)->w, (o)->inner, (o)->yd, (o)->yh,        \
     (o)->yw, (o)->dilation_d, (o)->dilation_h, (o)->dilation_w, (o)->count}

#define POOL_VALUES(o) ((o)->outer * (o)->d * (o)->h * (o)->w * (o)->inner)

typedef void piece_body(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at);

/* body for the pieces of row `row` of a plane's outputs, over m channels from `channel` on */
static void over_row(const struct pool *g, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t channel, ptrdiff_t m, piece_body body,
                     const void *job)
{
    const ptrdiff_t id = row / g->yh, ih = g->yd + row % g->yh, iw = g->yd + g->yh;
    const ptrdiff_t x_at = plane * g->d * g->h * g->w * g->inner + channel;
    struct fnn_windows p = {.d = {g->begin[id], g->end[id], g->dilation_d}, .h = {g->begin[ih], g->end[ih], g->dilation_h},
                            .rows = g->h, .places = g->w, .dilation = g->dilation_w, .m = m, .gap = g->inner,
                            .rows_count = g->counts ? g->counts[id] * g->counts[ih] : 1};
    for (ptrdiff_t r = 0; r < g->count; r++)
        for (ptrdiff_t j = g->runs[r]; j < g->runs[r + 1]; j += p.n)
        {
            const int64_t *begin = g->begin + iw + j;
            p.n = fnn_min(g->runs[r + 1] - j, POOL_PIECE / m);
            p.step = p.n > 1 ? begin[1] - begin[0] : 1;
            p.first = begin[0];
            p.taps = (g->end[iw + j] - begin[0] + g->dilation_w - 1) / g->dilation_w;
            p.counts = g->counts ? g->counts + iw + j : NULL;
            body(job, &p, x_at, ((plane * g->yd * g->yh + row) * g->yw + j) * g->inner + channel);
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
    const ptrdiff_t rows = g->yd * g->yh;
    for (ptrdiff_t i = begin; i < end; i++)
        for (ptrdiff_t channel = 0; channel < g->inner; channel += NARROW)
            over_row(g, i / rows, i % rows, channel, fnn_min(NARROW, g->inner - channel), each->body, each->o);
}

static void over_rows(const struct pool *g, piece_body body, const void *o)
{
    const struct pool_job job = {g, body, o};
    const double taps = (double)(g->d * g->h * g->w) / (double)(g->yd * g->yh * g->yw); /* of a window that overlaps no other */
    fnn_parallel(g->outer * g->yd * g->yh, NS_EACH * (double)(g->yw * g->inner) * (taps < 1 ? 1 : taps), rows_body, &job);
}

static ptrdiff_t parts_of(const struct pool *g) { return (g->inner + NARROW - 1) / NARROW; }

static void planes_body(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct pool_job *each = job;
    const struct pool *g = each->g;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const ptrdiff_t channel = i % parts_of(g) * NARROW;
        for (ptrdiff_t row = 0; row < g->yd * g->yh; row++)
            over_row(g, i / parts_of(g), row, channel, fnn_min(NARROW, g->inner - channel), each->body, each->o);
    }
}

static void over_planes(const struct pool *g, piece_body body, const void *o)
{
    const struct pool_job job = {g, body, o};
    const double values = (double)(g->d * g->h * g->w) * (double)fnn_min(NARROW, g->inner);
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
    const struct pool g = POOL(o, NULL);
    over_rows(&g, FN(max_body), o);
}

static void FN(index_body)(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at)
{
    const struct FN(fnn_max_pool_index) *o = job;
    TIER->max_places(o->index + y_at, o->x + x_at, p);
}

void FN(fnn_max_pool_index)(const struct FN(fnn_max_pool_index) *o)
{
    const struct pool g = POOL(o, NULL);
    over_rows(&g, FN(index_body), o);
}

static void FN(mean_body)(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at)
{
    const struct FN(fnn_avg_pool) *o = job;
    TIER->mean_windows(o->y + y_at, o->x + x_at, p);
}

void FN(fnn_avg_pool)(const struct FN(fnn_avg_pool) *o)
{
    const struct pool g = POOL(o, o->counts);
    over_rows(&g, FN(mean_body), o);
}

static void FN(dmax_body)(const void *job, const struct fnn_windows *p, ptrdiff_t x_at, ptrdiff_t y_at)
{
    const struct FN(fnn_max_pool_backward) *o = job;
    TIER->dmax_windows(o->dx + x_at, o->dy + y_at, o->x + x_at, p);
}

void FN(fnn_max_pool_backward)(const struct FN(fnn_max_pool_backward) *o)
{
    const struct pool g = POOL(o, NULL);
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
    const struct pool g = POOL(o, o->counts);
    memset(o->dx, 0, (size_t)(POOL_VALUES(o)) * sizeof(REAL));
    over_planes(&g, FN(dmean_body), o);
}
#endif
