/* attention.h: declarations that attention (attention.c) shares with its gradient (attention_back.c).
 *
 * The keys of a head are cut into tiles of KEYS keys, counted from the first key.  For each query ("row" of scores), sums run over the
 * keys of one tile, and the tiles' results are combined in order.  So the result of a query depends neither on which other queries
 * are computed with it, nor on keys that it does not see, in any bit. */
#ifndef FNN_ATTENTION_H
#define FNN_ATTENTION_H
#define FNN_HOT_DRIVER
#include "kernels.h"

#define KEYS        256
/* The distance in values between rows of scores.  A power of two would map all rows to a few sets of the cache. */
#define APART       (KEYS + 16)
#define NS_PER_PAIR 0.5         /* nanoseconds for one pair of query and key, without their products */
#define NS_PER_PRODUCT 0.012 /* nanoseconds for one multiply-add of floats */

static inline ptrdiff_t attention_up(ptrdiff_t n, ptrdiff_t unit) { return (n + unit - 1) / unit * unit; }
static inline ptrdiff_t attention_max(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
#endif
#ifdef REAL

/* The operands of one head of one sample (n: the sample, h: the head) */
struct FN(attention_head)
{
    const REAL *q, *k, *v, *bias;
    const uint8_t *keep;
    double *stats;
    uint64_t element; /* the number of the head's first score, from which dropout makes its random bits */
    ptrdiff_t n, h;
};

#define ATTENTION_HEAD(o, item)                                                                                        \
    {                                                                                                                  \
        .n = (item) / (o)->heads, .h = (item) % (o)->heads,                                                            \
        .q = (o)->q + (item) / (o)->heads * (o)->q_strides[0] + (item) % (o)->heads * (o)->q_strides[1],               \
        .k = (o)->k + (item) / (o)->heads * (o)->k_strides[0] + (item) % (o)->heads / (o)->k_group * (o)->k_strides[1], \
        .v = (o)->v + (item) / (o)->heads * (o)->v_strides[0] + (item) % (o)->heads / (o)->v_group * (o)->v_strides[1], \
        .bias = (o)->bias + (item) / (o)->heads * (o)->bias_strides[0] + (item) % (o)->heads * (o)->bias_strides[1],   \
        .keep = (o)->keep + (item) / (o)->heads * (o)->keep_strides[0] + (item) % (o)->heads * (o)->keep_strides[1],   \
        .stats = (double *)(o)->stats + (item) * 2 * (o)->l, .element = (uint64_t)((item) + (o)->first) * (uint64_t)((o)->l * (o)->s) \
    }

/* Returns what is added to n scores of one query: the bias, and -inf for keys that `keep` leaves out.  The result is `bias` itself if
 * that is contiguous, n is a multiple of 32 and there is no mask, because the kernels read whole groups of LANES values; otherwise it
 * is written to `room`.  NULL means that nothing is added. */
static inline const REAL *FN(attention_mask)(REAL *room, const REAL *bias, ptrdiff_t bias_column, const uint8_t *keep,
                                             ptrdiff_t keep_column, ptrdiff_t n)
{
    if (!keep && (!bias || (bias_column == 1 && n % 32 == 0)))
        return bias;
    for (ptrdiff_t j = 0; j < n; j++)
        room[j] = keep && !keep[j * keep_column] ? -(REAL)__builtin_inf() : bias ? bias[j * bias_column] : 0;
    return room;
}

/* c (m, n) = a b, or c += a b if `accumulate`.  Rows of a are `row` values apart, columns `column`.  The first k rows of b are used: of
 * `packed`, which has panels of `depth` rows, or, if that is NULL, of b itself with rows `ldb` apart. */
static inline void FN(attention_product)(REAL *c, ptrdiff_t ldc, const REAL *a, ptrdiff_t row, ptrdiff_t column, const REAL *packed,
                                         ptrdiff_t depth, const REAL *b, ptrdiff_t ldb, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                         int accumulate)
{
    struct FN(fnn_product) o = {.c = c, .c_strides = {0, ldc, 1}, .a = a, .a_strides = {0, row, column}, .b = b,
                                .b_strides = {0, ldb, 1}, .batch = 1, .m = m, .n = n, .k = k, .accumulate = accumulate, .act = -1};
    for (ptrdiff_t j = 0; j < n; j += TIER->tile_columns)
    {
        o.packed = packed ? packed + j * (depth - k) : NULL; /* product_panels expects panels k rows apart; they are `depth` rows apart */
        TIER->product_panels(&o, 0, m, j, fnn_min(j + TIER->tile_columns, n));
    }
}
#endif
