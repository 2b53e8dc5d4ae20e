/* pool_max.c: maximum pooling, the places of the maxima, and the gradient, which goes to these places. */
#ifndef REAL
#include "pool.h"

#define FNN_SELF "drivers/pool_max.c"
#include "each_real.h"
#else

static void FN(max_rows)(const struct pool_job *job, const struct pool_space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct fnn_pool *g = job->g;
    const REAL *const x = (const REAL *)job->x + X_AT(g);
    REAL *const y = (REAL *)job->y + Y_AT(g);
    const ptrdiff_t rows = fnn_pool_rows(s->rows, g, row), line = fnn_pool_line(g, row, lines);
    const ptrdiff_t from = g->inner == 1 ? line : g->inner, to = g->inner == 1 ? g->w.outputs : g->inner;
    REAL *const apart = (REAL *)(void *)s->apart;
    const int is_apart = s->step > 1;
    if (is_apart)
        FN(fnn_pool_part_rows)(apart, x, s, g, rows, lines, line);
    OVER_RUNS(g, j, struct fnn_taps p = fnn_pool_windows(g, s, j, end, lines, m, from, to); const ptrdiff_t first = fnn_pool_begin(&g->w, j);
              p.row_count = rows;
              if (is_apart) fnn_pool_columns_apart(s, &p, first), p.rows = s->targets, p.from = rows * s->step * s->part;
              TIER->max_taps(y + j * g->inner, is_apart ? apart : x + first * g->inner, &p);)
}

void FN(fnn_max_pool)(const struct FN(fnn_max_pool) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    FN(fnn_pool_run_turned)((struct pool_job){.g = &g, .rows = FN(max_rows), .x = o->x, .y = o->y, .work = o->work, .m = g.inner, .lines = fnn_pool_lines(&g)});
}

static void FN(index_rows)(const struct pool_job *job, const struct pool_space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct FN(fnn_max_pool_index) *o = job->o;
    const struct fnn_pool *g = job->g;
    (void)lines;
    const ptrdiff_t rows = fnn_pool_rows(s->rows, g, row);
    OVER_RUNS(g, j, struct fnn_taps p = fnn_pool_windows(g, s, j, end, 1, m, g->inner, m); const ptrdiff_t first = fnn_pool_begin(&g->w, j);
              const ptrdiff_t step = end - j > 1 ? fnn_pool_begin(&g->w, j + 1) - first : 0; p.row_count = rows;
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
    fnn_pool_run((struct pool_job){.g = &g, .rows = FN(index_rows), .o = o, .work = o->work, .m = fnn_pool_channels(&g), .lines = 1});
}

static void FN(dmax_rows)(const struct pool_job *job, const struct pool_space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines,
                         ptrdiff_t channel, ptrdiff_t m)
{
    const struct fnn_pool *g = job->g;
    const REAL *const x = (const REAL *)job->x + X_AT(g), *const dy = (const REAL *)job->dy + Y_AT(g);
    const ptrdiff_t rows = fnn_pool_rows(s->rows, g, row), line = fnn_pool_line(g, row, lines), size = s->step * s->part;
    const ptrdiff_t from = g->inner == 1 ? line : g->inner, to = g->inner == 1 ? g->w.outputs : g->inner;
    REAL *const dx = (REAL *)job->dx + X_AT(g), *const apart = (REAL *)(void *)s->apart, *const gradient = apart + rows * lines * size;
    const int is_apart = s->step > 1;
    if (is_apart)
    {
        FN(fnn_pool_part_rows)(apart, x, s, g, rows, lines, line);
        FN(fnn_pool_part_rows)(gradient, dx, s, g, rows, lines, line);
    }
    OVER_RUNS(g, j, struct fnn_taps p = fnn_pool_windows(g, s, j, end, lines, m, from, to); const ptrdiff_t first = fnn_pool_begin(&g->w, j);
              p.row_count = rows; p.to = p.n;
              if (is_apart) fnn_pool_columns_apart(s, &p, first), p.rows = s->targets, p.from = rows * size;
              TIER->place_taps(s->places, is_apart ? apart : x + first * g->inner, &p); p.to = to;
              TIER->dmax_taps(is_apart ? gradient : dx + first * g->inner, dy + j * g->inner, s->places, &p);)
    for (ptrdiff_t r = 0; r < rows * lines && is_apart; r++)
        FN(fnn_pool_join)(dx + s->rows[r % rows] + r / rows * line, gradient + r * size, s, g->w.size);
}

static void FN(dmax_clear)(const struct pool_job *job, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m)
{
    FN(fnn_pool_clear)(job->dx, job->g, plane, channel, m);
}

void FN(fnn_max_pool_backward)(const struct FN(fnn_max_pool_backward) *o)
{
    const struct fnn_pool g = FNN_POOL(o);
    /* rows of outputs that add to the same values of dx are taken one after the other */
    const int overlaps = g.h.kernel ? g.h.dilation * (g.h.kernel - 1) >= g.h.stride : g.h.size % g.h.outputs != 0;
    FN(fnn_pool_run_turned)((struct pool_job){.g = &g, .rows = FN(dmax_rows), .clear = FN(dmax_clear), .x = o->x, .dy = o->dy, .dx = o->dx,
                                              .work = o->work, .m = fnn_pool_channels(&g), .lines = overlaps ? 1 : fnn_pool_lines(&g)});
}
#endif
