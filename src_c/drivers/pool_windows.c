/* pool_windows.c: where the windows of pooling lie, and how scratch memory is laid out. */
#include "pool.h"

#define MOST  64   /* channels that are worked on together: four cache lines of floats */
#define PIECE 4096 /* values of rows of x that are worked on together; they stay in the first-level cache */
#define SMALL (PIECE / MOST) /* planes whose rows have at most so many values are turned (pool.c) */
#define TURNS 16384 /* values of planes that are turned together; of large planes, STRIP_LANES are */
#define LARGE 3136 /* values of the largest planes that are turned: x and its gradient fit into the second-level cache */
#define HEAD  8    /* doubles that a part of scratch memory begins with: struct fnn_part */

ptrdiff_t fnn_pool_begin(const struct fnn_pool_axis *a, ptrdiff_t i)
{
    if (!a->kernel)
        return i * a->size / a->outputs;
    const ptrdiff_t at = i * a->stride - a->padding;
    return at >= 0 ? at : (a->dilation - -at % a->dilation) % a->dilation;
}

ptrdiff_t fnn_pool_end(const struct fnn_pool_axis *a, ptrdiff_t i)
{
    if (!a->kernel)
        return ((i + 1) * a->size + a->outputs - 1) / a->outputs;
    return fnn_min(i * a->stride - a->padding + a->dilation * (a->kernel - 1) + 1, a->size);
}

ptrdiff_t fnn_pool_run_end(const struct fnn_pool_axis *a, ptrdiff_t i)
{
    if (!a->kernel)
        return a->size % a->outputs ? i + 1 : a->outputs;
    const ptrdiff_t room = a->size + a->padding - a->dilation * (a->kernel - 1) - 1;
    return i * a->stride < a->padding || room < i * a->stride ? i + 1 : room / a->stride + 1;
}

double fnn_pool_count(const struct fnn_pool_axis *a, ptrdiff_t i, int padded)
{
    const ptrdiff_t at = i * a->stride - a->padding;
    return (double)(padded && a->kernel ? fnn_min(at + a->kernel, a->size + a->padding) - at : fnn_pool_end(a, i) - fnn_pool_begin(a, i));
}

static ptrdiff_t most_taps(const struct fnn_pool_axis *a)
{
    return fnn_min(a->kernel ? a->kernel : a->size / (a->outputs ? a->outputs : 1) + 2, a->size);
}

ptrdiff_t fnn_pool_channels(const struct fnn_pool *g)
{
    const ptrdiff_t fit = PIECE / g->w.size / STRIP_LANES * STRIP_LANES, most = fit < MOST ? fit : MOST;
    return fnn_min(g->inner, most > STRIP_LANES ? most : STRIP_LANES);
}

ptrdiff_t fnn_pool_lines(const struct fnn_pool *g)
{
    const ptrdiff_t fit = PIECE / 2 / g->w.size;
    return g->inner > 1 || fit < 1 ? 1 : fnn_min(fit, g->h.outputs);
}

/* Into how many parts a row of x is taken apart: the distance between windows, or 1 if the row is read as it lies */
static ptrdiff_t step_of(const struct fnn_pool *g)
{
    const ptrdiff_t step = g->w.kernel ? g->w.stride : g->w.size % g->w.outputs ? 1 : g->w.size / g->w.outputs;
    return g->inner > 1 || g->w.outputs == 1 ? 1 : fnn_min(step, g->w.size);
}

struct pool_space fnn_pool_space(const struct fnn_pool *g, double *memory)
{
    const ptrdiff_t rows = most_taps(&g->d) * most_taps(&g->h), columns = most_taps(&g->w), m = fnn_pool_channels(g) * fnn_pool_lines(g);
    const ptrdiff_t step = step_of(g), part = (g->w.size + step - 1) / step;
    double *const row = memory + HEAD + 2 * rows + columns, *const places = row + g->w.size * m;
    double *const apart = places + g->w.outputs * m;
    ptrdiff_t *const tables = (ptrdiff_t *)(void *)(memory + HEAD);
    return (struct pool_space){tables, tables + rows, tables + rows + columns, row, apart, (uint32_t *)(void *)places, step, part,
                          HEAD + 2 * rows + columns + (g->w.size + g->w.outputs) * m + (step > 1 ? 2 * fnn_pool_lines(g) * rows * step * part : 0)};
}

struct fnn_pool fnn_pool_turned(const struct fnn_pool *g)
{
    struct fnn_pool turned = *g;
    const ptrdiff_t values = fnn_pool_values(g), fit = TURNS / values / STRIP_LANES * STRIP_LANES;
    if (g->inner == 1 && g->w.size <= SMALL && values <= LARGE && g->outer >= STRIP_LANES)
        turned.outer = 1, turned.inner = fnn_min(fit ? fnn_min(fit, MOST) : STRIP_LANES, g->outer);
    return turned;
}

ptrdiff_t fnn_pool_part_size(const struct fnn_pool *g)
{
    static double unused[1];
    const struct fnn_pool turned = fnn_pool_turned(g);
    const ptrdiff_t size = fnn_pool_space(g, unused).total, of_turned = fnn_pool_space(&turned, unused).total;
    const ptrdiff_t copies = turned.inner * (2 * fnn_pool_values(g) + fnn_pool_results(g));
    return turned.inner == g->inner ? size : size > of_turned + copies ? size : of_turned + copies;
}

ptrdiff_t fnn_pool_rows(ptrdiff_t *rows, const struct fnn_pool *g, ptrdiff_t row)
{
    const ptrdiff_t id = row / g->h.outputs, ih = row % g->h.outputs;
    ptrdiff_t n = 0;
    for (ptrdiff_t d = fnn_pool_begin(&g->d, id); d < fnn_pool_end(&g->d, id); d += g->d.dilation)
        for (ptrdiff_t h = fnn_pool_begin(&g->h, ih); h < fnn_pool_end(&g->h, ih); h += g->h.dilation)
            rows[n++] = (d * g->h.size + h) * g->w.size * g->inner;
    return n;
}

ptrdiff_t fnn_pool_line(const struct fnn_pool *g, ptrdiff_t row, ptrdiff_t lines)
{
    const ptrdiff_t ih = row % g->h.outputs;
    return lines > 1 ? (fnn_pool_begin(&g->h, ih + 1) - fnn_pool_begin(&g->h, ih)) * g->w.size * g->inner : 0;
}

struct fnn_taps fnn_pool_windows(const struct fnn_pool *g, const struct pool_space *s, ptrdiff_t j, ptrdiff_t end, ptrdiff_t lines,
                                 ptrdiff_t m, ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t gap = g->inner == 1 ? 1 : from;
    const ptrdiff_t first = fnn_pool_begin(&g->w, j), step = end - j > 1 ? fnn_pool_begin(&g->w, j + 1) - first : 1;
    struct fnn_taps p = {.rows = s->rows, .row_count = 0, .columns = s->columns, .divisor = 1, .to = to};
    for (ptrdiff_t at = first; at < fnn_pool_end(&g->w, j); at += g->w.dilation)
        s->columns[p.column_count++] = (at - first) * gap;
    p.n = g->inner == 1 ? end - j : m;
    p.step = g->inner == 1 ? step : 1;
    p.segments = g->inner == 1 ? lines : end - j;
    p.from = g->inner == 1 ? from : step * from;
    return p;
}

struct fnn_taps fnn_pool_whole_rows(const struct fnn_pool *g, const ptrdiff_t *rows, ptrdiff_t count, ptrdiff_t lines, ptrdiff_t line,
                                    ptrdiff_t m)
{
    const int whole = m == g->inner;
    return (struct fnn_taps){.rows = rows, .row_count = count, .columns = fnn_pool_none, .column_count = 1, .n = whole ? g->w.size * m : m,
                             .step = 1, .segments = whole ? lines : g->w.size, .from = whole ? line : g->inner,
                             .to = whole ? g->w.size * m : m, .divisor = 1};
}

void fnn_pool_columns_apart(const struct pool_space *s, struct fnn_taps *p, ptrdiff_t first)
{
    for (ptrdiff_t c = 0; c < p->column_count; c++)
    {
        const ptrdiff_t at = first + s->columns[c];
        s->columns[c] = at % s->step * s->part + at / s->step;
    }
    p->step = 1;
}

const ptrdiff_t fnn_pool_none[1] = {0};

ptrdiff_t fnn_pool_work(struct fnn_pool g)
{
    return g.slots * fnn_pool_part_size(&g);
}
