/* pool.h: windows of pooling, and the scratch memory in which a thread works on some rows of them (kernels/pool.inc).
 *
 * Channels come first in memory (inner = 1) or last (inner channels).  A row of outputs is cut into runs: the windows that the
 * padding does not cut off have one size and lie equally far apart, and make one run; each window that it cuts off makes a run
 * of its own.  A kernel adds up a run of windows at a time. */
#ifndef FNN_POOL_H
#define FNN_POOL_H
#include "kernels.h"

#define NS_EACH 0.05 /* nanoseconds for one place of one window */

/* The scratch memory of one thread */
struct pool_space
{
    ptrdiff_t *rows, *columns, *targets; /* offsets of a window's rows in x, of its columns, and of its rows in `apart` */
    double *row;                         /* for each row of outputs, one row as wide as x: the sums over the rows of its windows */
    double *apart;                       /* rows of x taken apart: part r has places r, r + step, r + 2 step, ...; room for `part` values */
    uint32_t *places;                    /* for each window, the number of the tap that has its maximum */
    ptrdiff_t step, part, total;         /* step: the number of parts; total: doubles of this memory */
};

/* The first place of x that window i reads along an axis, and the place behind its last one; places in the padding do not count */
ptrdiff_t fnn_pool_begin(const struct fnn_pool_axis *a, ptrdiff_t i);
ptrdiff_t fnn_pool_end(const struct fnn_pool_axis *a, ptrdiff_t i);

/* The number of the window behind the last one of the run that begins with window i */
ptrdiff_t fnn_pool_run_end(const struct fnn_pool_axis *a, ptrdiff_t i);

/* The number of places of window i that a mean divides by; with `padded`, places in the padding count */
double fnn_pool_count(const struct fnn_pool_axis *a, ptrdiff_t i, int padded);

/* How many channels are worked on together: 1 if channels come first in memory */
ptrdiff_t fnn_pool_channels(const struct fnn_pool *g);

/* How many rows of outputs are worked on together: more than 1 only if channels come first in memory */
ptrdiff_t fnn_pool_lines(const struct fnn_pool *g);

/* The sizes of the turned plane that replaces several small planes (pool.c): their number becomes `inner`.  Other sizes stay unchanged. */
struct fnn_pool fnn_pool_turned(const struct fnn_pool *g);

/* Values of a plane of x, and of y */
static inline ptrdiff_t fnn_pool_values(const struct fnn_pool *g) { return g->d.size * g->h.size * g->w.size; }
static inline ptrdiff_t fnn_pool_results(const struct fnn_pool *g) { return g->d.outputs * g->h.outputs * g->w.outputs; }

/* Doubles of scratch memory that one thread needs, the turned planes included */
ptrdiff_t fnn_pool_part_size(const struct fnn_pool *g);

/* Where the parts of the scratch memory that begins at `memory` lie */
struct pool_space fnn_pool_space(const struct fnn_pool *g, double *memory);

/* Writes the offsets of the rows of x that row `row` of outputs reads; returns how many these are */
ptrdiff_t fnn_pool_rows(ptrdiff_t *rows, const struct fnn_pool *g, ptrdiff_t row);

/* The distance in x between the windows of one row of outputs and those of the next */
ptrdiff_t fnn_pool_line(const struct fnn_pool *g, ptrdiff_t row, ptrdiff_t lines);

/* The windows of outputs j to end - 1 in `lines` rows of outputs, for m channels.  `from` and `to` are distances in x and in y: if
 * channels come last in memory, between neighbouring places; if they come first, between rows. */
struct fnn_taps fnn_pool_windows(const struct fnn_pool *g, const struct pool_space *s, ptrdiff_t j, ptrdiff_t end, ptrdiff_t lines,
                                 ptrdiff_t m, ptrdiff_t from, ptrdiff_t to);

/* Windows of one column and `count` rows, one window for each place of a row of x and each of m channels.  With these, kernels add up
 * whole rows of x, or add the values of one row to several rows. */
struct fnn_taps fnn_pool_whole_rows(const struct fnn_pool *g, const ptrdiff_t *rows, ptrdiff_t count, ptrdiff_t lines, ptrdiff_t line,
                                    ptrdiff_t m);

/* Replaces the columns' offsets by those in a row that has been taken apart, where place i of the row is place i / step of part i % step.
 * The first window of the run begins at place `first`. */
void fnn_pool_columns_apart(const struct pool_space *s, struct fnn_taps *p, ptrdiff_t first);

extern const ptrdiff_t fnn_pool_none[1]; /* the offsets of a window that has one row or one column */

/* One op's call: what `fnn_pool_run` splits among threads */
struct pool_job
{
    const struct fnn_pool *g;
    void (*rows)(const struct pool_job *job, const struct pool_space *s, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t lines, ptrdiff_t channel,
                 ptrdiff_t m);
    void (*clear)(const struct pool_job *job, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m); /* backward; else NULL */
    const void *o;
    const void *x, *dy; /* what is read, and where results go: NULL if the op has no such array */
    void *y, *dx;
    double *work;
    ptrdiff_t m, lines;
};

/* turned: small planes whose channels come first are pooled as one whose channels come last */
void fnn_pool_run(struct pool_job job);
void fnn_pool_run_turned_f32(struct pool_job job);
void fnn_pool_run_turned_f64(struct pool_job job);

/* Where channel `channel` of a plane of x begins, and where that of a row of outputs does */
#define X_AT(g) (plane * (g)->d.size * (g)->h.size * (g)->w.size * (g)->inner + channel)
#define Y_AT(g) ((plane * (g)->d.outputs * (g)->h.outputs + row) * (g)->w.outputs * (g)->inner + channel)
/* Runs the body for each run of windows of a row of outputs; j is its first output, end - 1 its last */
#define OVER_RUNS(g, j, ...)                                                                                           \
    for (ptrdiff_t j = 0, end; j < (g)->w.outputs; j = end)                                                            \
    {                                                                                                                  \
        end = fnn_pool_run_end(&(g)->w, j);                                                                            \
        __VA_ARGS__                                                                                                    \
    }

/* part: takes a row of n values apart, so that the values that neighbouring windows read at the same position ("tap") lie side by side,
 * as a vector load needs.  join: the inverse.  part_rows: takes apart all rows that `lines` rows of outputs read, and writes to
 * s->targets where those of one row of outputs begin.  clear: writes zeros to m channels of a plane of dx. */
#define POOL_PARTS(REAL, SFX)                                                                                          \
    void fnn_pool_part_##SFX(REAL *apart, const REAL *row, const struct pool_space *s, ptrdiff_t n);                   \
    void fnn_pool_join_##SFX(REAL *row, const REAL *apart, const struct pool_space *s, ptrdiff_t n);                   \
    void fnn_pool_part_rows_##SFX(REAL *apart, const REAL *x, const struct pool_space *s, const struct fnn_pool *g,    \
                                  ptrdiff_t rows, ptrdiff_t lines, ptrdiff_t line);                                    \
    void fnn_pool_clear_##SFX(REAL *dx, const struct fnn_pool *g, ptrdiff_t plane, ptrdiff_t channel, ptrdiff_t m);
POOL_PARTS(float, f32)
POOL_PARTS(double, f64)
#undef POOL_PARTS

#endif
