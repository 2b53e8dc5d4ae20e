/* pool_average.c: average pooling and its gradient.  Each window is added up over its rows first, for a whole row of x at a time,
 * and then along the one row that remains; the gradient goes the same way back. */
#ifndef REAL
#include <string.h>
#include "pool.h"
#include "runtime/parallel.h"

/* Whether there is one window, of the whole axis */
static int is_covered(const struct fnn_pool_axis *a)
{
    return a->outputs == 1 && (!a->kernel || (a->kernel == a->size && !a->padding && a->dilation == 1));
}

#define FNN_SELF "drivers/pool_average.c"
#include "each_real.h"
#else

static void FN(mean_rows)(const struct pool_job *job, const struct pool_space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_avg_pool) *o = job->o;
    const struct fnn_pool *g = job->g;
    const int padded = o->padded != 0;
    const double rows = fnn_pool_count(&g->d, row / g->h.outputs, padded) * fnn_pool_count(&g->h, row % g->h.outputs, padded);
    const struct fnn_taps whole = fnn_pool_whole_rows(g, s->rows, fnn_pool_rows(s->rows, g, row), lines, fnn_pool_line(g, row, lines), m);
    const int is_apart = s->step > 1;
    const ptrdiff_t size = is_apart ? s->step * s->part : g->w.size;
    const ptrdiff_t from = g->inner == 1 ? size : m, to = g->inner == 1 ? g->w.outputs : g->inner;
    TIER->sum_taps(s->row, (const REAL *)job->x + X_AT(g), &whole);
    for (ptrdiff_t line = 0; line < lines && is_apart; line++)
        fnn_pool_part_f64(s->apart + line * size, s->row + line * g->w.size, s, g->w.size);
    OVER_RUNS(g, j, struct fnn_taps p = fnn_pool_windows(g, s, j, end, lines, m, from, to); const ptrdiff_t first = fnn_pool_begin(&g->w, j);
              p.rows = fnn_pool_none; p.row_count = 1;
              p.divisor = o->divisor != 0 ? o->divisor : rows * fnn_pool_count(&g->w, j, padded);
              if (is_apart) fnn_pool_columns_apart(s, &p, first);
              TIER->mean_taps((REAL *)job->y + Y_AT(g) + j * g->inner, is_apart ? s->apart : s->row + first * m, &p);)
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
    FN(fnn_pool_run_turned)((struct pool_job){.g = &g, .rows = FN(mean_rows), .o = o, .x = o->x, .y = o->y, .work = o->work, .m = fnn_pool_channels(&g),
                                              .lines = fnn_pool_lines(&g)});
}

static void FN(dmean_rows)(const struct pool_job *job, const struct pool_space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_avg_pool_backward) *o = job->o;
    const struct fnn_pool *g = job->g;
    const int padded = o->padded != 0;
    const double rows = fnn_pool_count(&g->d, row / g->h.outputs, padded) * fnn_pool_count(&g->h, row % g->h.outputs, padded);
    REAL *const row_of_x = (REAL *)(void *)s->row, *const apart = (REAL *)(void *)s->apart, *const target = s->step > 1 ? apart : row_of_x;
    const ptrdiff_t size = s->step > 1 ? s->step * s->part : g->w.size * m;
    const ptrdiff_t from = g->inner == 1 ? size : m, to = g->inner == 1 ? g->w.outputs : g->inner;
    memset(target, 0, (size_t)(lines * size) * sizeof(REAL));
    OVER_RUNS(g, j, struct fnn_taps p = fnn_pool_windows(g, s, j, end, lines, m, from, to); const ptrdiff_t first = fnn_pool_begin(&g->w, j);
              p.rows = fnn_pool_none; p.row_count = 1;
              p.divisor = o->divisor != 0 ? o->divisor : rows * fnn_pool_count(&g->w, j, padded);
              if (s->step > 1) fnn_pool_columns_apart(s, &p, first);
              TIER->spread_taps(target + (s->step > 1 ? 0 : first * m), (const REAL *)job->dy + Y_AT(g) + j * g->inner, &p);)
    for (ptrdiff_t line = 0; line < lines && s->step > 1; line++)
        FN(fnn_pool_join)(row_of_x + line * g->w.size, apart + line * size, s, g->w.size);
    const struct fnn_taps whole = fnn_pool_whole_rows(g, s->rows, fnn_pool_rows(s->rows, g, row), lines, fnn_pool_line(g, row, lines), m);
    TIER->spread_taps((REAL *)job->dx + X_AT(g), row_of_x, &whole);
}

static void FN(dmean_clear)(const struct pool_job *job, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m)
{
    FN(fnn_pool_clear)(job->dx, job->g, plane, channel, m);
}

void FN(fnn_avg_pool_backward)(const struct FN(fnn_avg_pool_backward) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    FN(fnn_pool_run_turned)((struct pool_job){.g = &g, .rows = FN(dmean_rows), .clear = FN(dmean_clear), .o = o, .dy = o->dy, .dx = o->dx,
                                              .work = o->work, .m = fnn_pool_channels(&g), .lines = fnn_pool_lines(&g)});
}
#endif
