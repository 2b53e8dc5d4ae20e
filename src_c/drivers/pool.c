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
#define PIECE    4096 /* values of rows of x that are worked on together; they stay in the first-level cache */
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

/* Whether there is one window, of the whole axis */
static int is_covered(const struct fnn_pool_axis *a)
{
    return a->outputs == 1 && (!a->kernel || (a->kernel == a->size && !a->padding && a->dilation == 1));
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

/* Rows of outputs that are worked on together, where channels come first */
static ptrdiff_t lines_of(const struct fnn_pool *g)
{
    const ptrdiff_t fit = PIECE / 2 / g->w.size;
    return g->inner > 1 || fit < 1 ? 1 : fnn_min(fit, g->h.outputs);
}

/* The distance at which outputs along w are kept apart in scratch memory, so that those of each tap lie side by side */
static ptrdiff_t step_of(const struct fnn_pool *g)
{
    const ptrdiff_t step = g->w.kernel ? g->w.stride : g->w.size % g->w.outputs ? 1 : g->w.size / g->w.outputs;
    return g->inner > 1 || g->w.outputs == 1 ? 1 : fnn_min(step, g->w.size);
}

/* A part of scratch memory: offsets of taps; a row of x for each line of outputs, in doubles; the places of their maxima; rows of
 * x, each apart in `step` parts of `part` values */
struct space
{
    ptrdiff_t *rows, *columns, *targets;
    double *row, *apart;
    uint32_t *places;
    ptrdiff_t step, part, total;
};

static struct space space_of(const struct fnn_pool *g, double *memory)
{
    const ptrdiff_t rows = most_taps(&g->d) * most_taps(&g->h), columns = most_taps(&g->w), m = channels_of(g) * lines_of(g);
    const ptrdiff_t step = step_of(g), part = (g->w.size + step - 1) / step;
    double *const row = memory + HEAD + 2 * rows + columns, *const places = row + g->w.size * m;
    double *const apart = places + g->w.outputs * m;
    ptrdiff_t *const tables = (ptrdiff_t *)(void *)(memory + HEAD);
    return (struct space){tables, tables + rows, tables + rows + columns, row, apart, (uint32_t *)(void *)places, step, part,
                          HEAD + 2 * rows + columns + (g->w.size + g->w.outputs) * m + (step > 1 ? 2 * lines_of(g) * rows * step * part : 0)};
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

/* How far apart in x the windows of one line of outputs and the next begin */
static ptrdiff_t line_of(const struct fnn_pool *g, ptrdiff_t row, ptrdiff_t lines)
{
    const ptrdiff_t ih = row % g->h.outputs;
    return lines > 1 ? (begin_of(&g->h, ih + 1) - begin_of(&g->h, ih)) * g->w.size * g->inner : 0;
}

/* The windows of outputs j to `end` of `lines` rows, m channels of them.  Channels last, the places of x are `from` values apart
 * and those of y `to`; first, it is the lines that are. */
static struct fnn_taps run_of(const struct fnn_pool *g, const struct space *s, ptrdiff_t j, ptrdiff_t end, ptrdiff_t lines, ptrdiff_t m,
                              ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t gap = g->inner == 1 ? 1 : from;
    const ptrdiff_t first = begin_of(&g->w, j), step = end - j > 1 ? begin_of(&g->w, j + 1) - first : 1;
    struct fnn_taps p = {.rows = s->rows, .row_count = 0, .columns = s->columns, .divisor = 1, .to = to};
    for (ptrdiff_t at = first; at < end_of(&g->w, j); at += g->w.dilation)
        s->columns[p.column_count++] = (at - first) * gap;
    p.n = g->inner == 1 ? end - j : m;
    p.step = g->inner == 1 ? step : 1;
    p.segments = g->inner == 1 ? lines : end - j;
    p.from = g->inner == 1 ? from : step * from;
    return p;
}

static const ptrdiff_t none[1] = {0};

/* All m channels of the places of whole rows of x, and of `lines` rows of scratch memory */
static struct fnn_taps whole_rows(const struct fnn_pool *g, const ptrdiff_t *rows, ptrdiff_t count, ptrdiff_t lines, ptrdiff_t line,
                                  ptrdiff_t m)
{
    const int whole = m == g->inner;
    return (struct fnn_taps){.rows = rows, .row_count = count, .columns = none, .column_count = 1, .n = whole ? g->w.size * m : m,
                             .step = 1, .segments = whole ? lines : g->w.size, .from = whole ? line : g->inner,
                             .to = whole ? g->w.size * m : m, .divisor = 1};
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
    void (*rows)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines, ptrdiff_t channel,
                 ptrdiff_t m);
    void (*clear)(const struct pool_job *job, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m); /* backward */
    const void *o;
    double *work;
    ptrdiff_t m, lines;
};

/* Rows from `row` to `end` of a plane, as many lines at a time as have windows of one kind */
static void over_rows(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t end, ptrdiff_t channel)
{
    const ptrdiff_t m = fnn_min(job->m, job->g->inner - channel);
    for (ptrdiff_t lines; row < end; row += lines)
    {
        const ptrdiff_t ih = row % job->g->h.outputs;
        lines = fnn_min(fnn_min(job->lines, end - row), run_end(&job->g->h, ih) - ih);
        job->rows(job, s, plane, row, lines, channel, m);
    }
}

static void pool_body(const void *given, ptrdiff_t begin, ptrdiff_t end)
{
    const struct pool_job *job = given;
    const struct fnn_pool *g = job->g;
    const ptrdiff_t rows = g->d.outputs * g->h.outputs, pieces = (g->inner + job->m - 1) / job->m;
    const ptrdiff_t bands = (rows + job->lines - 1) / job->lines;
    const ptrdiff_t total = space_of(g, job->work).total;
    double *const part = fnn_take_part(job->work, total * (ptrdiff_t)sizeof(double), g->slots);
    const struct space s = space_of(g, part);
    for (ptrdiff_t i = begin; i < end; i++)
        if (job->clear)
        {
            const ptrdiff_t plane = i / pieces, channel = i % pieces * job->m;
            job->clear(job, plane, channel, fnn_min(job->m, g->inner - channel));
            over_rows(job, &s, plane, 0, rows, channel);
        }
        else
            for (ptrdiff_t channel = 0; channel < g->inner; channel += job->m)
            {
                const ptrdiff_t row = i % bands * job->lines;
                over_rows(job, &s, i / bands, row, fnn_min(row + job->lines, rows), channel);
            }
    fnn_return_part((struct fnn_part *)(void *)part);
}

static void run_pool(struct pool_job job)
{
    const struct fnn_pool *g = job.g;
    const ptrdiff_t rows = g->d.outputs * g->h.outputs, bands = (rows + job.lines - 1) / job.lines;
    const ptrdiff_t total = space_of(g, job.work).total;
    const double values = (double)(g->d.size * g->h.size * g->w.size), results = (double)(rows * g->w.outputs);
    const double ns = NS_EACH * (values > results ? values : results); /* of a plane of one channel whose windows do not overlap */
    for (ptrdiff_t i = 0; i < g->slots; i++)
        ((struct fnn_part *)(void *)(job.work + i * total))->taken = 0;
    if (job.clear)
        fnn_parallel(g->outer * ((g->inner + job.m - 1) / job.m), 3 * ns * (double)job.m, pool_body, &job);
    else
        fnn_parallel(g->outer * bands, ns * (double)g->inner / (double)bands, pool_body, &job);
}

static void part_f64(double *apart, const double *row, const struct space *s, ptrdiff_t n); /* sums of either type are double */

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

/* The rows of x that `lines` rows of outputs read, in their parts; s->targets says where each of one line's begins */
static void FN(part_rows)(REAL *apart, const REAL *x, const struct space *s, const struct fnn_pool *g, ptrdiff_t rows, ptrdiff_t lines,
                          ptrdiff_t line)
{
    for (ptrdiff_t r = 0; r < rows * lines; r++)
    {
        s->targets[r % rows] = r % rows * s->step * s->part;
        FN(part)(apart + r * s->step * s->part, x + s->rows[r % rows] + r / rows * line, s, g->w.size);
    }
}

static void FN(max_rows)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_max_pool) *o = job->o;
    const struct fnn_pool *g = job->g;
    const ptrdiff_t rows = rows_of(s->rows, g, row), line = line_of(g, row, lines);
    const ptrdiff_t from = g->inner == 1 ? line : g->inner, to = g->inner == 1 ? g->w.outputs : g->inner;
    REAL *const apart = (REAL *)(void *)s->apart;
    const int is_apart = s->step > 1;
    if (is_apart)
        FN(part_rows)(apart, o->x + X_AT(g), s, g, rows, lines, line);
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, lines, m, from, to); const ptrdiff_t first = begin_of(&g->w, j);
              p.row_count = rows;
              if (is_apart) columns_apart(s, &p, first), p.rows = s->targets, p.from = rows * s->step * s->part;
              TIER->max_taps(o->y + Y_AT(g) + j * g->inner, is_apart ? apart : o->x + X_AT(g) + first * g->inner, &p);)
}

void FN(fnn_max_pool)(const struct FN(fnn_max_pool) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    run_pool((struct pool_job){&g, FN(max_rows), NULL, o, o->work, g.inner, lines_of(&g)});
}

static void FN(index_rows)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_max_pool_index) *o = job->o;
    const struct fnn_pool *g = job->g;
    (void)lines;
    const ptrdiff_t rows = rows_of(s->rows, g, row);
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, 1, m, g->inner, m); const ptrdiff_t first = begin_of(&g->w, j);
              const ptrdiff_t step = end - j > 1 ? begin_of(&g->w, j + 1) - first : 0; p.row_count = rows;
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
    run_pool((struct pool_job){&g, FN(index_rows), NULL, o, o->work, channels_of(&g), 1});
}

static void FN(mean_rows)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_avg_pool) *o = job->o;
    const struct fnn_pool *g = job->g;
    const int padded = o->padded != 0;
    const double rows = count_of(&g->d, row / g->h.outputs, padded) * count_of(&g->h, row % g->h.outputs, padded);
    const struct fnn_taps whole = whole_rows(g, s->rows, rows_of(s->rows, g, row), lines, line_of(g, row, lines), m);
    const int is_apart = s->step > 1;
    const ptrdiff_t size = is_apart ? s->step * s->part : g->w.size;
    const ptrdiff_t from = g->inner == 1 ? size : m, to = g->inner == 1 ? g->w.outputs : g->inner;
    TIER->sum_taps(s->row, o->x + X_AT(g), &whole);
    for (ptrdiff_t line = 0; line < lines && is_apart; line++)
        part_f64(s->apart + line * size, s->row + line * g->w.size, s, g->w.size);
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, lines, m, from, to); const ptrdiff_t first = begin_of(&g->w, j);
              p.rows = none; p.row_count = 1;
              p.divisor = o->divisor != 0 ? o->divisor : rows * count_of(&g->w, j, padded);
              if (is_apart) columns_apart(s, &p, first);
              TIER->mean_taps(o->y + Y_AT(g) + j * g->inner, is_apart ? s->apart : s->row + first * m, &p);)
}

/* Items: planes that one window covers */
static void FN(plane_body)(const void *given, ptrdiff_t begin, ptrdiff_t end)
{
    const struct pool_job *job = given;
    const struct FN(fnn_avg_pool) *o = job->o;
    const ptrdiff_t rows = o->d * o->h;
    const double divisor = o->divisor != 0 ? o->divisor : (double)(rows * o->w);
    TIER->plane_means(o->y + begin, o->x + begin * rows * o->w, end - begin, rows, o->w, divisor);
}

void FN(fnn_avg_pool)(const struct FN(fnn_avg_pool) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    if (g.inner == 1 && is_covered(&g.d) && is_covered(&g.h) && is_covered(&g.w))
    {
        fnn_parallel(g.outer, NS_EACH * (double)(o->d * o->h * o->w), FN(plane_body), &(struct pool_job){.o = o});
        return;
    }
    run_pool((struct pool_job){&g, FN(mean_rows), NULL, o, o->work, channels_of(&g), lines_of(&g)});
}

static void FN(clear_places)(REAL *dx, const struct fnn_pool *g, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m)
{
    const ptrdiff_t places = g->d.size * g->h.size * g->w.size;
    dx += X_AT(g);
    for (ptrdiff_t i = 0, whole = m == g->inner ? places : 1; i < places; i += whole)
        memset(dx + i * g->inner, 0, (size_t)(whole * m) * sizeof(REAL));
}

static void FN(dmean_rows)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_avg_pool_backward) *o = job->o;
    const struct fnn_pool *g = job->g;
    const int padded = o->padded != 0;
    const double rows = count_of(&g->d, row / g->h.outputs, padded) * count_of(&g->h, row % g->h.outputs, padded);
    REAL *const row_of_x = (REAL *)(void *)s->row, *const apart = (REAL *)(void *)s->apart, *const target = s->step > 1 ? apart : row_of_x;
    const ptrdiff_t size = s->step > 1 ? s->step * s->part : g->w.size * m;
    const ptrdiff_t from = g->inner == 1 ? size : m, to = g->inner == 1 ? g->w.outputs : g->inner;
    memset(target, 0, (size_t)(lines * size) * sizeof(REAL));
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, lines, m, from, to); const ptrdiff_t first = begin_of(&g->w, j);
              p.rows = none; p.row_count = 1;
              p.divisor = o->divisor != 0 ? o->divisor : rows * count_of(&g->w, j, padded);
              if (s->step > 1) columns_apart(s, &p, first);
              TIER->spread_taps(target + (s->step > 1 ? 0 : first * m), o->dy + Y_AT(g) + j * g->inner, &p);)
    for (ptrdiff_t line = 0; line < lines && s->step > 1; line++)
        FN(join)(row_of_x + line * g->w.size, apart + line * size, s, g->w.size);
    const struct fnn_taps whole = whole_rows(g, s->rows, rows_of(s->rows, g, row), lines, line_of(g, row, lines), m);
    TIER->spread_taps(o->dx + X_AT(g), row_of_x, &whole);
}

static void FN(dmean_clear)(const struct pool_job *job, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m)
{
    FN(clear_places)(((const struct FN(fnn_avg_pool_backward) *)job->o)->dx, job->g, plane, channel, m);
}

void FN(fnn_avg_pool_backward)(const struct FN(fnn_avg_pool_backward) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    run_pool((struct pool_job){&g, FN(dmean_rows), FN(dmean_clear), o, o->work, channels_of(&g), lines_of(&g)});
}

static void FN(dmax_rows)(const struct pool_job *job, const struct space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_max_pool_backward) *o = job->o;
    const struct fnn_pool *g = job->g;
    const ptrdiff_t rows = rows_of(s->rows, g, row), line = line_of(g, row, lines), size = s->step * s->part;
    const ptrdiff_t from = g->inner == 1 ? line : g->inner, to = g->inner == 1 ? g->w.outputs : g->inner;
    REAL *const dx = o->dx + X_AT(g), *const apart = (REAL *)(void *)s->apart, *const gradient = apart + rows * lines * size;
    const int is_apart = s->step > 1;
    if (is_apart)
    {
        FN(part_rows)(apart, o->x + X_AT(g), s, g, rows, lines, line);
        FN(part_rows)(gradient, dx, s, g, rows, lines, line);
    }
    OVER_RUNS(g, j, struct fnn_taps p = run_of(g, s, j, end, lines, m, from, to); const ptrdiff_t first = begin_of(&g->w, j);
              p.row_count = rows; p.to = p.n;
              if (is_apart) columns_apart(s, &p, first), p.rows = s->targets, p.from = rows * size;
              TIER->place_taps(s->places, is_apart ? apart : o->x + X_AT(g) + first * g->inner, &p); p.to = to;
              TIER->dmax_taps(is_apart ? gradient : dx + first * g->inner, o->dy + Y_AT(g) + j * g->inner, s->places, &p);)
    for (ptrdiff_t r = 0; r < rows * lines && is_apart; r++)
        FN(join)(dx + s->rows[r % rows] + r / rows * line, gradient + r * size, s, g->w.size);
}

static void FN(dmax_clear)(const struct pool_job *job, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m)
{
    FN(clear_places)(((const struct FN(fnn_max_pool_backward) *)job->o)->dx, job->g, plane, channel, m);
}

void FN(fnn_max_pool_backward)(const struct FN(fnn_max_pool_backward) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    /* what several rows of outputs add to one value is added row by row */
    const int overlaps = g.h.kernel ? g.h.dilation * (g.h.kernel - 1) >= g.h.stride : g.h.size % g.h.outputs != 0;
    run_pool((struct pool_job){&g, FN(dmax_rows), FN(dmax_clear), o, o->work, channels_of(&g), overlaps ? 1 : lines_of(&g)});
}
#endif
