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
    ptrdiff_t skip;  /* second factors that are left out before it */
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

#define POOL_PIECE 1024 /* values whose windows are reduced side by side; their sums stay in the first-level cache */

/* What windows of one row of outputs have in common, for n outputs of m channels; their values stand `gap` apart (drivers/pool.c).
 * Places count along (d, h, w) of x: the windows take the rows from d and h, and `taps` places of each, the first output from
 * `first` on, the next `step` further. */
struct fnn_axis
{
    ptrdiff_t begin, end, step;
};
struct fnn_windows
{
    struct fnn_axis d, h;
    ptrdiff_t rows, places; /* of one plane of x: rows of each d, places of each row */
    ptrdiff_t first, taps, dilation, step;
    ptrdiff_t n, m, gap;
    double divisor; /* of a mean */
};

#define STRIP_LANES 16 /* places of an image that are moved together, at least */

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
