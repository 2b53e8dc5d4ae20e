/* pool.c: pooling over whole arrays (kernels/pool.inc), channels first in memory (inner = 1) or last (inner channels).
 *
 * A row of outputs is cut into runs of windows of one size at one distance: of those that the padding does not cut off, and
 * each other by itself.  Means, and gradients of means, go over the rows of a window first and then along the one row that
 * remains.  Forward, an item is one row of outputs.  Backward windows overlap, so an item is a whole plane, or some channels
 * of one. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH  0.05 /* one place of one window */
#define MOST     64   /* channels of a piece: four cache lines of floats */
#define PIECE    4096 /* values of a row of x that are worked on together; they stay in the first-level cache */
#define HEAD     8    /* doubles that a part of scratch memory begins with: struct fnn_part */

/* Where window i begins and ends, cut off where the axis does */
static ptrdiff_t begin_of(const struct fnn_pool_axis *a, ptrdiff_t i)
{
    if (!a->kernel)
        return i * a->size / a->outputs;
    const ptrdiff_t at = i * a->stride - a->padding;
    return at >= 0 ? at : (a->dilation - -at % a->dilation) % a->dilation;
}

static ptrdiff_t end_of(const struct fnn_pool_axis *a, ptrdiff_t i)
{
    if (!a->kernel)
        return ((i + 1) * a->size + a->outputs - 1) / a->outputs;
    return fnn_min(i * a->stride - a->padding + a->dilation * (a->kernel - 1) + 1, a->size);
}

/* One beyond the last of the windows from i on that have the size of window i and lie equally far apart */
static ptrdiff_t run_end(const struct fnn_pool_axis *a, ptrdiff_t i)
{
    if (!a->kernel)
        return a->size % a->outputs ? i + 1 : a->outputs;
    const ptrdiff_t room = a->size + a->padding - a->dilation * (a->kernel - 1) - 1;
    return i * a->stride < a->padding || room < i * a->stride ? i + 1 : room / a->stride + 1;
}

/* What window i adds to the divisor as a factor */
static double count_of(const struct fnn_pool_axis *a, ptrdiff_t i, int padded)
{
    const ptrdiff_t at = i * a->stride - a->padding;
    return (double)(padded && a->kernel ? fnn_min(at + a->kernel, a->size + a->padding) - at : end_of(a, i) - begin_of(a, i));
}

static ptrdiff_t most_taps(const struct fnn_pool_axis *a)
{
    return fnn_min(a->kernel ? a->kernel : a->size / (a->outputs ? a->outputs : 1) + 2, a->size);
}

/* Channels of a piece: 1 if they come first */
static ptrdiff_t channels_of(const struct fnn_pool *g)
{
    const ptrdiff_t fit = PIECE / g->w.size / STRIP_LANES * STRIP_LANES, most = fit < MOST ? fit : MOST;
    return fnn_min(g->inner, most > STRIP_LANES ? most : STRIP_LANES);
}

/* The distance at which outputs along w are kept apart in scratch memory, so that those of each tap lie side by side */
static ptrdiff_t step_of(const struct fnn_pool *g)
{
    const ptrdiff_t step = g->w.kernel ? g->w.stride : g->w.size % g->w.outputs ? 1 : g->w.size / g->w.outputs;
    return g->inner > 1 ? 1 : fnn_min(step, g->w.size);
}

/* A part of scratch memory: offsets of taps, of the two kinds that a step has; one row of x in doubles, the places of the maxima
 * of a row of outputs, and rows of x apart in `step` parts of `part` values */
struct space
{
    ptrdiff_t *rows, *columns, *targets;
    double *row, *apart;
    uint32_t *places;
    ptrdiff_t step, part, total;
};

static struct space space_of(const struct fnn_pool *g, double *memory)
{
    const ptrdiff_t rows = most_taps(&g->d) * most_taps(&g->h), columns = most_taps(&g->w), m = channels_of(g);
    const ptrdiff_t step = step_of(g), part = (g->w.size + step - 1) / step;
    double *const row = memory + HEAD + 2 * rows + columns, *const places = row + g->w.size * m;
    double *const apart = places + g->w.outputs * m;
    ptrdiff_t *const tables = (ptrdiff_t *)(void *)(memory + HEAD);
    return (struct space){tables, tables + rows, tables + rows + columns, row, apart, (uint32_t *)(void *)places, step, part,
                          HEAD + 2 * rows + columns + (g->w.size + g->w.outputs) * m + (step > 1 ? (rows + 1) * step * part : 0)};
}

ptrdiff_t fnn_pool_work(struct fnn_pool g)
{
    static double none[1];
    return g.slots * space_of(&g, none).total;
}

/* The offsets of the rows of x that output row `row` reads; how many */
static ptrdiff_t rows_of(ptrdiff_t *rows, const struct fnn_pool *g, ptrdiff_t row)
{
    const ptrdiff_t id = row / g->h.outputs, ih = row % g->h.outputs;
    ptrdiff_t n = 0;
    for (ptrdiff_t d = begin_of(&g->d, id); d < end_of(&g->d, id); d += g->d.dilation)
        for (ptrdiff_t h = begin_of(&g->h, ih); h < end_of(&g->h, ih); h += g->h.dilation)
            rows[n++] = (d * g->h.size + h) * g->w.size * g->inner;
    return n;
}

/* The windows of outputs j to `end` of a row, m channels of them; places of x are `gap` values apart, those of y `to` */
static struct fnn_taps run_of(const struct fnn_pool *g, const struct space *s, ptrdiff_t j, ptrdiff_t end, ptrdiff_t m, ptrdiff_t gap,
                              ptrdiff_t to)
{
    const ptrdiff_t first = begin_of(&g->w, j), step = end - j > 1 ? begin_of(&g->w, j + 1) - first : 1;
    struct fnn_taps p = {.rows = s->rows, .row_count = 0, .columns = s->columns, .divisor = 1, .from = step * gap, .to = to};
    for (ptrdiff_t at = first; at < end_of(&g->w, j); at += g->w.dilation)
        s->columns[p.column_count++] = (at - first) * gap;
    p.n = g->inner == 1 ? end - j : m;
    p.step = g->inner == 1 ? step : 1;
    p.segments = g->inner == 1 ? 1 : end - j;
    return p;
}

static const ptrdiff_t none[1] = {0};

/* All m channels of the w places of a row of x, which are `gap` apart, and m apart on the other side, as one tap or as rows */
static struct fnn_taps whole_row(const struct fnn_pool *g, const ptrdiff_t *rows, ptrdiff_t count, ptrdiff_t m)
{
    const int one = m == g->inner;
    return (struct fnn_taps){.rows = rows, .row_count = count, .columns = none, .column_count = 1, .n = one ? g->w.size * m : m,
                             .step = 1, .segments = one ? 1 : g->w.size, .from = g->inner, .to = m, .divisor = 1};
}

/* In parts: place `at` of x stands in part at % step.  The columns of a run from place `first` on as such. */
static void columns_apart(const struct space *s, struct fnn_taps *p, ptrdiff_t first)
{
    for (ptrdiff_t c = 0; c < p->column_count; c++)
    {
        const ptrdiff_t at = first + s->columns[c];
        s->columns[c] = at % s->step * s->part + at / s->step;
    }
    p->step = 1;
}

/* fnn_parallel's bodies take one of these */
struct pool_job
{
    const struct fnn_pool *g;
    void (*row)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t channel, ptrdiff_t m);
    void (*clear)(const struct pool_job *job, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m); /* backward */
    const void *o;
    double *work;
    ptrdiff_t m;
};

static void pool_body(const void *given, ptrdiff_t begin, ptrdiff_t end)
{
    const struct pool_job *job = given;
    const struct fnn_pool *g = job->g;
    const ptrdiff_t rows = g->d.outputs * g->h.outputs, pieces = (g->inner + job->m - 1) / job->m;
    const ptrdiff_t total = space_of(g, job->work).total;
    double *const part = fnn_take_part(job->work, total * (ptrdiff_t)sizeof(double), g->slots);
    const struct space s = space_of(g, part);
    for (ptrdiff_t i = begin; i < end; i++)
        if (job->clear)
        {
            const ptrdiff_t plane = i / pieces, channel = i % pieces * job->m, m = fnn_min(job->m, g->inner - channel);
            job->clear(job, plane, channel, m);
            for (ptrdiff_t row = 0; row < rows; row++)
                job->row(job, &s, plane, row, channel, m);
        }
        else
            for (ptrdiff_t channel = 0; channel < g->inner; channel += job->m)
                job->row(job, &s, i / rows, i % rows, channel, fnn_min(job->m, g->inner - channel));
    fnn_return_part((struct fnn_part *)(void *)part);
}

static void run_pool(struct pool_job job)
{
    const struct fnn_pool *g = job.g;
    const ptrdiff_t rows = g->d.outputs * g->h.outputs, total = space_of(g, job.work).total;
    const double values = (double)(g->d.size * g->h.size * g->w.size), results = (double)(rows * g->w.outputs);
    const double ns = NS_EACH * (values > results ? values : results); /* of a plane of one channel whose windows do not overlap */
    for (ptrdiff_t i = 0; i < g->slots; i++)
        ((struct fnn_part *)(void *)(job.work + i * total))->taken = 0;
    if (job.clear)
        fnn_parallel(g->outer * ((g->inner + job.m - 1) / job.m), 3 * ns * (double)job.m, pool_body, &job);
    else
        fnn_parallel(g->outer * rows, ns * (double)g->inner / (double)rows, pool_body, &job);
}

#define FNN_SELF "drivers/pool.c"
#include "each_real.h"
#else

/* Where channel `channel` of a plane of x begins, and of a row of outputs */
#define X_AT(g) (plane * (g)->d.size * (g)->h.size * (g)->w.size * (g)->inner + channel)
#define Y_AT(g) ((plane * (g)->d.outputs * (g)->h.outputs + row) * (g)->w.outputs * (g)->inner + channel)
/* body for each run of windows of a row, from output j on */
#define OVER_RUNS(g, j, ...)                                                                                           \
    for (ptrdiff_t j = 0, end; j < (g)->w.outputs; j = end)                                                            \
    {                                                                                                                  \
        end = run_end(&(g)->w, j);                                                                                     \
        __VA_ARGS__                                                                                                    \
    }

static void FN(max_row)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_max_pool) *o = job->o;
    const struct fnn_pool *g = job->g;
    const ptrdiff_t rows = rows_of(s->rows, g, row);
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, m, g->inner, g->inner); p.row_count = rows;
              TIER->max_taps(o->y + Y_AT(g) + j * g->inner, o->x + X_AT(g) + begin_of(&g->w, j) * g->inner, &p);)
}

void FN(fnn_max_pool)(const struct FN(fnn_max_pool) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    run_pool((struct pool_job){&g, FN(max_row), NULL, o, o->work, g.inner});
}

static void FN(index_row)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_max_pool_index) *o = job->o;
    const struct fnn_pool *g = job->g;
    const ptrdiff_t rows = rows_of(s->rows, g, row);
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, m, g->inner, m); const ptrdiff_t first = begin_of(&g->w, j);
              const ptrdiff_t step = p.from / g->inner; p.row_count = rows;
              TIER->place_taps(s->places, o->x + X_AT(g) + first * g->inner, &p);
              for (ptrdiff_t i = 0; i < (end - j) * m; i++)
              {
                  const ptrdiff_t tap = s->places[i], r = p.column_count ? tap / p.column_count : 0;
                  o->index[Y_AT(g) + (j + i / m) * g->inner + i % m] =
                      s->places[i] == FNN_NOWHERE ? -1
                                                  : s->rows[r] / g->inner + first + i / m * step + tap % p.column_count * g->w.dilation;
              })
}

void FN(fnn_max_pool_index)(const struct FN(fnn_max_pool_index) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    run_pool((struct pool_job){&g, FN(index_row), NULL, o, o->work, channels_of(&g)});
}

static void FN(mean_row)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_avg_pool) *o = job->o;
    const struct fnn_pool *g = job->g;
    const int padded = o->padded != 0;
    const double rows = count_of(&g->d, row / g->h.outputs, padded) * count_of(&g->h, row % g->h.outputs, padded);
    const struct fnn_taps whole = whole_row(g, s->rows, rows_of(s->rows, g, row), m);
    TIER->sum_taps(s->row, o->x + X_AT(g), &whole);
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, m, m, g->inner); p.rows = none; p.row_count = 1;
              p.divisor = o->divisor != 0 ? o->divisor : rows * count_of(&g->w, j, padded);
              TIER->mean_taps(o->y + Y_AT(g) + j * g->inner, s->row + begin_of(&g->w, j) * m, &p);)
}

void FN(fnn_avg_pool)(const struct FN(fnn_avg_pool) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    run_pool((struct pool_job){&g, FN(mean_row), NULL, o, o->work, channels_of(&g)});
}

static void FN(clear_places)(REAL *dx, const struct fnn_pool *g, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m)
{
    const ptrdiff_t places = g->d.size * g->h.size * g->w.size;
    dx += X_AT(g);
    for (ptrdiff_t i = 0, whole = m == g->inner ? places : 1; i < places; i += whole)
        memset(dx + i * g->inner, 0, (size_t)(whole * m) * sizeof(REAL));
}

/* A row of x in its parts */
static void FN(part)(REAL *apart, const REAL *row, const struct space *s, ptrdiff_t n)
{
    const ptrdiff_t places[4] = {0, s->part, 0, 0}, whole = s->step == 2 && n / 2 >= STRIP_LANES ? n / 2 : 0;
    if (whole)
        TIER->unweave(apart, row, places, 2, whole);
    for (ptrdiff_t part = 0; part < s->step; part++)
        TIER->copy_apart(apart + part * s->part + whole, 1, row + part + whole * s->step, s->step,
                         (n - part + s->step - 1) / s->step - whole);
}

/* The parts of a row of x side by side again */
static void FN(join)(REAL *row, const REAL *apart, const struct space *s, ptrdiff_t n)
{
    const ptrdiff_t places[4] = {0, s->part, 0, 0}, whole = s->step == 2 && n / 2 >= STRIP_LANES ? n / 2 : 0;
    if (whole)
        TIER->weave(row, apart, places, 2, whole);
    for (ptrdiff_t part = 0; part < s->step; part++)
        TIER->copy_apart(row + part + whole * s->step, s->step, apart + part * s->part + whole, 1,
                         (n - part + s->step - 1) / s->step - whole);
}

static void FN(dmean_row)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_avg_pool_backward) *o = job->o;
    const struct fnn_pool *g = job->g;
    const int padded = o->padded != 0;
    const double rows = count_of(&g->d, row / g->h.outputs, padded) * count_of(&g->h, row % g->h.outputs, padded);
    REAL *const line = (REAL *)(void *)s->row, *const apart = (REAL *)(void *)s->apart, *const target = s->step > 1 ? apart : line;
    memset(target, 0, (size_t)(s->step > 1 ? s->step * s->part : g->w.size * m) * sizeof(REAL));
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, m, m, g->inner); const ptrdiff_t first = begin_of(&g->w, j);
              p.rows = none; p.row_count = 1;
              p.divisor = o->divisor != 0 ? o->divisor : rows * count_of(&g->w, j, padded);
              if (s->step > 1) columns_apart(s, &p, first);
              TIER->spread_taps(target + (s->step > 1 ? 0 : first * m), o->dy + Y_AT(g) + j * g->inner, &p);)
    if (s->step > 1)
        FN(join)(line, apart, s, g->w.size);
    const struct fnn_taps whole = whole_row(g, s->rows, rows_of(s->rows, g, row), m);
    TIER->spread_taps(o->dx + X_AT(g), line, &whole);
}

static void FN(dmean_clear)(const struct pool_job *job, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m)
{
    FN(clear_places)(((const struct FN(fnn_avg_pool_backward) *)job->o)->dx, job->g, plane, channel, m);
}

void FN(fnn_avg_pool_backward)(const struct FN(fnn_avg_pool_backward) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    run_pool((struct pool_job){&g, FN(dmean_row), FN(dmean_clear), o, o->work, channels_of(&g)});
}

static void FN(dmax_row)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_max_pool_backward) *o = job->o;
    const struct fnn_pool *g = job->g;
    const ptrdiff_t rows = rows_of(s->rows, g, row), size = s->step * s->part;
    REAL *const apart = (REAL *)(void *)s->apart, *const dx = o->dx + X_AT(g);
    for (ptrdiff_t r = 0; r < rows && s->step > 1; r++)
    {
        s->targets[r] = r * size;
        FN(part)(apart + r * size, dx + s->rows[r], s, g->w.size);
    }
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, m, g->inner, m); const ptrdiff_t first = begin_of(&g->w, j);
              p.row_count = rows; TIER->place_taps(s->places, o->x + X_AT(g) + first * g->inner, &p); p.to = g->inner;
              if (s->step > 1) columns_apart(s, &p, first), p.rows = s->targets;
              TIER->dmax_taps(s->step > 1 ? apart : dx + first * g->inner, o->dy + Y_AT(g) + j * g->inner, s->places, &p);)
    for (ptrdiff_t r = 0; r < rows && s->step > 1; r++)
        FN(join)(dx + s->rows[r], apart + r * size, s, g->w.size);
}

static void FN(dmax_clear)(const struct pool_job *job, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m)
{
    FN(clear_places)(((const struct FN(fnn_max_pool_backward) *)job->o)->dx, job->g, plane, channel, m);
}

void FN(fnn_max_pool_backward)(const struct FN(fnn_max_pool_backward) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    run_pool((struct pool_job){&g, FN(dmax_row), FN(dmax_clear), o, o->work, channels_of(&g)});
}
#endif
