/* pool.c: how the work of pooling is split among threads, and how rows of x are taken apart (pool.h).
 *
 * Forward, an item of work is some rows of outputs.  Backward, windows that overlap add to the same values, so an item is a whole plane,
 * or some channels of one.  Small planes whose channels come first have rows too short to fill vector registers: some planes together
 * are transposed into one plane whose channels come last ("turned"), pooled there, and transposed back. */
#ifndef REAL
#include <string.h>
#include "pool.h"
#include "runtime/parallel.h"

/* Works on rows `row` to end - 1 of a plane's outputs.  Rows whose windows have one height are worked on together. */
static void over_rows(const struct pool_job *job, const struct pool_space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t end, ptrdiff_t channel)
{
    const ptrdiff_t m = fnn_min(job->m, job->g->inner - channel);
    for (ptrdiff_t lines; row < end; row += lines)
    {
        const ptrdiff_t ih = row % job->g->h.outputs;
        lines = fnn_min(fnn_min(job->lines, end - row), fnn_pool_run_end(&job->g->h, ih) - ih);
        job->rows(job, s, plane, row, lines, channel, m);
    }
}

static void pool_body(const void *given, ptrdiff_t begin, ptrdiff_t end)
{
    const struct pool_job *job = given;
    const struct fnn_pool *g = job->g;
    const ptrdiff_t rows = g->d.outputs * g->h.outputs, pieces = (g->inner + job->m - 1) / job->m;
    const ptrdiff_t bands = (rows + job->lines - 1) / job->lines;
    const ptrdiff_t total = fnn_pool_part_size(g);
    double *const part = fnn_take_part(job->work, total * (ptrdiff_t)sizeof(double), g->slots);
    const struct pool_space s = fnn_pool_space(g, part);
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

/* The time for one channel of a plane; windows that overlap cost more */
static double ns_of(const struct fnn_pool *g)
{
    const double values = (double)fnn_pool_values(g), results = (double)fnn_pool_results(g);
    return NS_EACH * (values > results ? values : results);
}

static void free_parts(const struct pool_job *job)
{
    for (ptrdiff_t i = 0; i < job->g->slots; i++)
        ((struct fnn_part *)(void *)(job->work + i * fnn_pool_part_size(job->g)))->taken = 0;
}

void fnn_pool_run(struct pool_job job)
{
    const struct fnn_pool *g = job.g;
    const ptrdiff_t bands = (g->d.outputs * g->h.outputs + job.lines - 1) / job.lines;
    const double ns = ns_of(g);
    free_parts(&job);
    if (job.clear)
        fnn_parallel(g->outer * ((g->inner + job.m - 1) / job.m), 3 * ns * (double)job.m, pool_body, &job);
    else
        fnn_parallel(g->outer * bands, ns * (double)g->inner / (double)bands, pool_body, &job);
}

#define FNN_SELF "drivers/pool.c"
#include "each_real.h"
#else

/* Transposes several planes, each of `size` contiguous values, into one plane whose channels come last */
static const void *FN(turn)(REAL *to, const void *planes, ptrdiff_t first, ptrdiff_t count, ptrdiff_t size)
{
    if (planes)
        TIER->conv_gather(to, count, (const REAL *)planes + first * size, size, 1, size, count);
    return to;
}

static void FN(turn_back)(void *planes, const REAL *from, ptrdiff_t first, ptrdiff_t count, ptrdiff_t size)
{
    if (planes)
        TIER->conv_scatter((REAL *)planes + first * size, size, 1, from, count, size, count);
}

/* Items: groups of planes */
static void FN(turned_body)(const void *given, ptrdiff_t begin, ptrdiff_t end)
{
    const struct pool_job *job = given;
    const struct fnn_pool *g = job->g;
    const ptrdiff_t values = fnn_pool_values(g), results = fnn_pool_results(g), most = fnn_pool_turned(g).inner;
    double *const part = fnn_take_part(job->work, fnn_pool_part_size(g) * (ptrdiff_t)sizeof(double), g->slots);
    for (ptrdiff_t i = begin; i < end; i++)
    {
        struct fnn_pool turned = fnn_pool_turned(g);
        turned.inner = fnn_min(most, g->outer - i * most);
        const struct pool_space s = fnn_pool_space(&turned, part);
        const ptrdiff_t first = i * most, count = turned.inner;
        REAL *const x = (REAL *)(part + s.total), *const dx = x + count * values, *const y = dx + count * values;
        struct pool_job inner = *job;
        inner.g = &turned, inner.m = count, inner.lines = 1;
        inner.x = FN(turn)(x, job->x, first, count, values), inner.dy = FN(turn)(y, job->dy, first, count, results);
        inner.dx = dx, inner.y = y;
        if (job->clear)
            job->clear(&inner, 0, 0, count);
        over_rows(&inner, &s, 0, 0, turned.d.outputs * turned.h.outputs, 0);
        FN(turn_back)(job->dx, dx, first, count, values);
        FN(turn_back)(job->y, y, first, count, results);
    }
    fnn_return_part((struct fnn_part *)(void *)part);
}

void FN(fnn_pool_run_turned)(struct pool_job job)
{
    const struct fnn_pool *g = job.g;
    const ptrdiff_t count = fnn_pool_turned(g).inner;
    if (count == g->inner)
    {
        fnn_pool_run(job);
        return;
    }
    free_parts(&job);
    fnn_parallel((g->outer + count - 1) / count, (job.clear ? 3 : 1) * ns_of(g) * (double)count, FN(turned_body), &job);
}

void FN(fnn_pool_part)(REAL *apart, const REAL *row, const struct pool_space *s, ptrdiff_t n)
{
    const ptrdiff_t places[4] = {0, s->part, 0, 0}, whole = s->step == 2 && n / 2 >= STRIP_LANES ? n / 2 : 0;
    if (whole)
        TIER->unweave(apart, row, places, 2, whole);
    for (ptrdiff_t part = 0; part < s->step; part++)
        TIER->copy_apart(apart + part * s->part + whole, 1, row + part + whole * s->step, s->step,
                         (n - part + s->step - 1) / s->step - whole);
}

void FN(fnn_pool_join)(REAL *row, const REAL *apart, const struct pool_space *s, ptrdiff_t n)
{
    const ptrdiff_t places[4] = {0, s->part, 0, 0}, whole = s->step == 2 && n / 2 >= STRIP_LANES ? n / 2 : 0;
    if (whole)
        TIER->weave(row, apart, places, 2, whole);
    for (ptrdiff_t part = 0; part < s->step; part++)
        TIER->copy_apart(row + part + whole * s->step, s->step, apart + part * s->part + whole, 1,
                         (n - part + s->step - 1) / s->step - whole);
}

void FN(fnn_pool_part_rows)(REAL *apart, const REAL *x, const struct pool_space *s, const struct fnn_pool *g, ptrdiff_t rows, ptrdiff_t lines,
                          ptrdiff_t line)
{
    for (ptrdiff_t r = 0; r < rows * lines; r++)
    {
        s->targets[r % rows] = r % rows * s->step * s->part;
        FN(fnn_pool_part)(apart + r * s->step * s->part, x + s->rows[r % rows] + r / rows * line, s, g->w.size);
    }
}

void FN(fnn_pool_clear)(REAL *dx, const struct fnn_pool *g, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m)
{
    const ptrdiff_t places = fnn_pool_values(g);
    dx += X_AT(g);
    for (ptrdiff_t i = 0, whole = m == g->inner ? places : 1; i < places; i += whole)
        memset(dx + i * g->inner, 0, (size_t)(whole * m) * sizeof(REAL));
}
#endif
