/* kernels.h: the tables of kernels, one per instruction set, which the drivers call through. */
#ifndef FNN_KERNELS_H
#define FNN_KERNELS_H
#include "ops.h"

#define REDUCE_BLOCK 1024 /* values of one block of a reduction: 4 or 8 KB, well inside the first-level cache */
#define STRIP        256  /* columns whose sums go side by side; the tree's levels stay in the first-level cache */

#define PRODUCT_DEPTH 256 /* k values summed by one accumulator before they are added to C */
#define PRODUCT_AHEAD 32  /* rows of a panel that are fetched ahead: 4 KB, the way to the last-level cache */

/* A stretch of products of one accumulator: where its first factor lies, how many, and what follows it */
struct fnn_stretch
{
    ptrdiff_t offset, length;
    ptrdiff_t flush; /* 1: the sum is added to the result, and a new one begins; 2: as 1, and it was the last run */
};

static inline ptrdiff_t fnn_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* What optimizer steps and dropout read besides their arrays: see tables/ops/ */
struct fnn_step
{
    double sign, weight_decay, keep, l1;
};
struct fnn_dropout
{
    uint32_t threshold;
    double scale, shift, dropped;
};

#define STRIP_LANES 16 /* places of an image that are worked on together, at least */

#define FNN_NOWHERE UINT32_MAX /* the tap of a maximum of nothing */

/* Windows that lie equally far apart (drivers/pool.c).  Each of `segments` has n of them, `step` apart; a window's values stand
 * at rows[r] + columns[c] from its first, and its one value of the other side beside that of the window before.  Segments lie
 * `from` apart on the windows' side, `to` apart on the other. */
struct fnn_taps
{
    const ptrdiff_t *rows, *columns;
    ptrdiff_t row_count, column_count, n, step, segments, from, to;
    double divisor; /* of sums */
};

#define REAL     float
#define FN(name) name##_f32
#include "kernels_of.h"
#undef REAL
#undef FN
#define REAL     double
#define FN(name) name##_f64
#include "kernels_of.h"
#undef REAL
#undef FN

struct fnn_tier
{
    const char *name;
    struct fnn_kernels_f32 f32;
    struct fnn_kernels_f64 f64;
    void (*stream)(void *y, const void *x, size_t bytes);
    void (*dropout_mask)(uint8_t *mask, ptrdiff_t n, uint64_t first, uint64_t key, uint32_t threshold);
    void (*ctc_step)(double *next, double *before, const double *prev, const double *skip, const double *emit, ptrdiff_t n);
};

extern const struct fnn_tier *fnn_tier; /* the chosen one */
extern ptrdiff_t fnn_cache_bytes;       /* of the last-level cache */
extern const struct fnn_tier fnn_tier_base, fnn_tier_avx2, fnn_tier_avx512, fnn_tier_neon;

#endif
