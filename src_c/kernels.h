/* kernels.h: the tables of kernels, one per instruction set, which the drivers call through. */
#ifndef FNN_KERNELS_H
#define FNN_KERNELS_H
#include "ops.h"

#define REDUCE_BLOCK 1024 /* values of one block of a reduction: 4 or 8 KB, well inside the first-level cache */
#define STRIP        256  /* columns whose sums go side by side; the tree's levels stay in the first-level cache */

#define PRODUCT_DEPTH 256 /* how many values of k one accumulator sums before the sum is added to C */
#define PRODUCT_AHEAD 32  /* rows of B that are fetched before they are needed: 4 KB of a panel, as much as the last-level cache takes to answer */

/* A run of products that one accumulator sums: where the first factor of the first one lies, which row of the second factors it
 * meets, how many there are, what follows */
struct fnn_stretch
{
    ptrdiff_t offset, row, length;
    ptrdiff_t flush; /* 1: the sum is added to the result, and a new sum begins; 2: the same, and this was the last run */
};

static inline ptrdiff_t fnn_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* The numbers that the kernels of optimizers and of dropout take; tables/ops/ explains them */
struct fnn_step
{
    double sign, weight_decay, keep, l1;
};
struct fnn_dropout
{
    uint32_t threshold;
    double scale, shift, dropped;
};

#define STRIP_LANES 16 /* the least number of places of an image that are worked on together */

#define FNN_NOWHERE UINT32_MAX /* in place of a tap's number: an empty window has no largest value */

/* Windows of one size at equal distances (drivers/pool.h).  There are `segments` groups of n windows.  Neighbouring windows of a
 * group begin `step` values apart, groups `from` values apart.  A window has the values at rows[r] + columns[c] from where it
 * begins; each of these offsets is called a tap.  The single values that belong to the windows lie side by side within a group,
 * and groups of them `to` values apart. */
struct fnn_taps
{
    const ptrdiff_t *rows, *columns;
    ptrdiff_t row_count, column_count, n, step, segments, from, to;
    double divisor; /* sums are divided by it */
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
    struct fnn_kernels_f32 f32;
    struct fnn_kernels_f64 f64;
    void (*stream)(void *y, const void *x, size_t bytes);
    void (*dropout_mask)(uint8_t *mask, ptrdiff_t n, uint64_t first, uint64_t key, uint32_t threshold);
    void (*ctc_step)(double *next, double *before, const double *prev, const double *skip, const double *emit, ptrdiff_t n);
};

extern const struct fnn_tier *fnn_tier; /* the one in use */
extern ptrdiff_t fnn_cache_bytes;       /* of the last-level cache */
void fnn_tier_base(struct fnn_tier *tier), fnn_tier_avx2(struct fnn_tier *tier), fnn_tier_avx512(struct fnn_tier *tier), fnn_tier_neon(struct fnn_tier *tier);

#endif
