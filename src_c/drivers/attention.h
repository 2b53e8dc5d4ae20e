/* attention.h: what attention shares with its gradient.
 *
 * Keys are taken KEYS at a time, always counted from the first one.  A row's sums run over the keys of one such tile, and the tiles
 * are joined in order.  So the bits depend neither on which other rows there are, nor on keys that a row does not see. */
#ifndef FNN_ATTENTION_H
#define FNN_ATTENTION_H
#define FNN_HOT_DRIVER
#include "kernels.h"

#define KEYS        256
#define APART       (KEYS + 16) /* values from one row of scores to the next; not a power of two, because the rows would then share a few sets of the cache */
#define NS_PER_PAIR 0.5         /* nanoseconds for one query and one key, apart from their products */
#define NS_PER_PRODUCT 0.012

static inline ptrdiff_t attention_up(ptrdiff_t n, ptrdiff_t unit) { return (n + unit - 1) / unit * unit; }
static inline ptrdiff_t attention_max(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
#endif
#ifdef REAL

/* One head of one sample */
struct FN(attention_head)
{
    const REAL *q, *k, *v, *bias;
    const uint8_t *keep;
    double *stats;
    uint64_t element; /* the number of its first score, which dropout needs */
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

/* What bias and mask add to n scores of query i from key j on, in whole groups of LANES; it is written to `room` unless it can be
 * read where it lies.  NULL if nothing is added. */
static inline const REAL *FN(attention_mask)(REAL *room, const REAL *bias, ptrdiff_t bias_column, const uint8_t *keep,
                                             ptrdiff_t keep_column, ptrdiff_t n)
{
    if (!keep && (!bias || (bias_column == 1 && n % 32 == 0)))
        return bias;
    for (ptrdiff_t j = 0; j < n; j++)
        room[j] = keep && !keep[j * keep_column] ? -(REAL)__builtin_inf() : bias ? bias[j * bias_column] : 0;
    return room;
}

/* c (m, n) = a b or c += a b.  a's rows are `row` and its values `column` apart; b (k, n) is packed in panels of `depth` rows, or
 * read where it lies */
static inline void FN(attention_product)(REAL *c, ptrdiff_t ldc, const REAL *a, ptrdiff_t row, ptrdiff_t column, const REAL *packed,
                                         ptrdiff_t depth, const REAL *b, ptrdiff_t ldb, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                         int accumulate)
{
    struct FN(fnn_product) o = {.c = c, .c_strides = {0, ldc, 1}, .a = a, .a_strides = {0, row, column}, .b = b,
                                .b_strides = {0, ldb, 1}, .batch = 1, .m = m, .n = n, .k = k, .accumulate = accumulate, .act = -1};
    for (ptrdiff_t j = 0; j < n; j += TIER->tile_columns)
    {
        o.packed = packed ? packed + j * (depth - k) : NULL; /* panels are looked for k rows apart */
        TIER->product_panel(&o, 0, m, j);
    }
}
#endif
