/* product.c: matrix products, split into panels of columns and chunks of rows; one row is split along k instead. */
#ifndef REAL
#include <string.h>
#include "fastnn.h"
#include "kernels.h"
#include "runtime/parallel.h"

#define ROW_CHUNK      240   /* rows of C in one item: a multiple of every tile's rows, and so few that their part of A stays in the second-level cache */
#define NS_PER_PRODUCT 0.012 /* one multiply-add, at the speed of AVX-512 */
#define SHALLOW        16    /* up to this k it takes longer to write C than to compute it */
#define SHALLOW_CHUNK  12    /* then: rows of C in one item, each of them whole */
#define OUTER_COLUMNS  512   /* with k = 1 and rows of C no shorter than this, an item is one row */
#define COPY_CHUNK     (ROW_CHUNK * sizeof(float) / sizeof(REAL)) /* rows of C in one item if A is copied: 240 KB of A */
#define COPY_PANELS    8     /* then: panels of an item, which share the copy */
#define COPY_LEAST     60    /* then: rows of C that repay the copies of B's panels, which every item makes */
#define FINISH_PANELS  4     /* panels of an item if a residual or a function follows, because their loops are faster on longer rows, or for one row */
#define ROWS_OF_B      8     /* to read or pack one row of B costs as much as its products with so many rows of A */
#define ROW_BLOCKS     8     /* blocks of k that one row is split into at a time */
#define ROW_BYTES      65536 /* all their sums together have at most so many bytes */
#define ROW_PIECE      2048  /* bytes of a row of B that one item reads, if the blocks alone would be too few items */

#define FNN_SELF "drivers/product.c"
#include "each_real.h"
#else

/* The product with this index in the batch */
static struct FN(fnn_product) FN(member)(const struct FN(fnn_product) *p, ptrdiff_t i)
{
    struct FN(fnn_product) one = *p;
    one.c += i * p->c_strides[0];
    if (p->a_rows)
        one.a_rows += i * p->m;
    else
        one.a += i * p->a_strides[0];
    if (p->packed)
        one.packed += i * p->b_strides[0];
    else
        one.b += i * p->b_strides[0];
    if (p->residual)
        one.residual += i * p->residual_batch;
    return one;
}

/* Adds the residual to rows i .. i + m - 1 of C, columns j .. j + n - 1, and applies the function: C has just been computed and is
 * still in the cache */
static void FN(finish)(const struct FN(fnn_product) *p, ptrdiff_t i, ptrdiff_t m, ptrdiff_t j, ptrdiff_t n)
{
    const ptrdiff_t ldc = p->c_strides[1], ldr = p->residual_row;
    const int dense = n == ldc && (!p->residual || n == ldr); /* whole rows are one long row */
    const ptrdiff_t rows = dense ? 1 : m, length = dense ? m * n : n;
    for (ptrdiff_t r = i; r < i + rows; r++)
    {
        REAL *c = p->c + r * ldc + j;
        if (p->residual)
            TIER->add(c, c, p->residual + r * ldr + j, length);
        if (p->act >= 0)
            TIER->act[p->act](c, c, length, p->act_a, p->act_b);
    }
}

/* -- panels of columns within chunks of rows within the batch --------------------------------------------------------- */

struct FN(panels)
{
    const struct FN(fnn_product) *p;
    ptrdiff_t width, columns, chunk, chunks; /* the columns of an item, and how many items that makes; the same for rows */
};

static void FN(panels_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(panels) *d = job;
    const struct FN(fnn_product) *p = d->p;
    const ptrdiff_t each = d->columns * d->chunks;
    struct FN(fnn_product) one;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t i = item / d->columns % d->chunks * d->chunk, m = fnn_min(d->chunk, p->m - i);
        const ptrdiff_t from = item % d->columns * d->width, to = fnn_min(from + d->width, p->n);
        if (d->p->batch > 1 && (item == begin || item % each == 0))
        {
            one = FN(member)(d->p, item / each);
            p = &one;
        }
        TIER->product_panels(p, i, m, from, to);
        if (p->act >= 0 || p->residual)
            FN(finish)(p, i, m, from, to - from);
    }
}

static void FN(over_panels)(const struct FN(fnn_product) *p)
{
    const double each = NS_PER_PRODUCT * (double)(sizeof(REAL) / sizeof(float));
    const int one_row = p->m == 1 && p->packed; /* several panels of its B are read at a time */
    const ptrdiff_t width = TIER->tile_columns * (p->act < 0 && !p->residual && !one_row ? 1 : FINISH_PANELS);
    const ptrdiff_t chunk = p->k <= SHALLOW && !p->packed ? SHALLOW_CHUNK : ROW_CHUNK;
    const struct FN(panels) d = {p, width, (p->n + width - 1) / width, chunk, (p->m + chunk - 1) / chunk};
    fnn_parallel(p->batch * d.chunks * d.columns, each * (double)(fnn_min(p->m, chunk) + ROWS_OF_B) * (double)(width * p->k),
                 FN(panels_body), &d);
}

/* -- the same with copies of A, whose columns lie in one piece each: a weight's gradient, dy^T x.  A tile takes a few values of each
 * column, and A is larger than the second-level cache, so every tile would wait for memory far away.  Copied once for several panels of
 * B, a block of PRODUCT_DEPTH columns is near, on few pages. ------------------------------------------------------------------ */

/* The product's block of k from k0 on, of rows i .. i + m - 1 of C; its part of A is copied to `copy` */
static struct FN(fnn_product) FN(copied)(const struct FN(fnn_product) *p, REAL *copy, ptrdiff_t i, ptrdiff_t m, ptrdiff_t k0)
{
    struct FN(fnn_product) part = *p;
    part.k = fnn_min(PRODUCT_DEPTH, p->k - k0);
    for (ptrdiff_t q = 0; q < part.k; q++)
        memcpy(copy + q * m, p->a + i + (k0 + q) * p->a_strides[2], (size_t)m * sizeof(REAL));
    part.a = copy;
    part.a_strides[2] = m;
    part.b += k0 * p->b_strides[1];
    part.c += i * p->c_strides[1];
    part.accumulate = p->accumulate || k0 > 0;
    part.bias = k0 + part.k == p->k ? p->bias : NULL;
    return part;
}

static void FN(copies_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(panels) *d = job;
    const struct FN(fnn_product) *p = d->p;
    REAL *copy = fnn_memory_alloc((size_t)(PRODUCT_DEPTH * d->chunk) * sizeof(REAL));
    if (!copy) /* it can be done without */
    {
        FN(panels_body)(job, begin, end);
        return;
    }
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t i = item / d->columns * d->chunk, m = fnn_min(d->chunk, p->m - i);
        const ptrdiff_t from = item % d->columns * d->width, to = fnn_min(from + d->width, p->n);
        for (ptrdiff_t k0 = 0; k0 < p->k; k0 += PRODUCT_DEPTH)
        {
            const struct FN(fnn_product) part = FN(copied)(p, copy, i, m, k0);
            TIER->product_panels(&part, 0, m, from, to);
        }
        if (p->act >= 0 || p->residual)
            FN(finish)(p, i, m, from, to - from);
    }
    fnn_memory_free(copy);
}

static int FN(repays_copies)(const struct FN(fnn_product) *p)
{
    return p->batch == 1 && p->a_strides[1] == 1 && p->a_strides[2] != 1 && !p->a_rows && !p->packed &&
           p->k > PRODUCT_DEPTH && p->m >= COPY_LEAST && p->n > TIER->tile_columns;
}

/* Rows of C in one item: as many in each, for every thread, and a multiple of every tile's rows */
static ptrdiff_t FN(copy_chunk)(ptrdiff_t m)
{
    const ptrdiff_t most = (ptrdiff_t)COPY_CHUNK, threads = fnn_get_num_threads(), least = (m + most - 1) / most;
    const ptrdiff_t items = (least + threads - 1) / threads * threads, each = (m + items - 1) / items;
    return each < COPY_LEAST ? COPY_LEAST : (each + 11) / 12 * 12;
}

static void FN(over_copies)(const struct FN(fnn_product) *p)
{
    const double each = NS_PER_PRODUCT * (double)(sizeof(REAL) / sizeof(float));
    const ptrdiff_t width = TIER->tile_columns * COPY_PANELS, chunk = FN(copy_chunk)(p->m);
    const struct FN(panels) d = {p, width, (p->n + width - 1) / width, chunk, (p->m + chunk - 1) / chunk};
    fnn_parallel(d.chunks * d.columns, each * (double)(chunk + ROWS_OF_B) * (double)(width * p->k), FN(copies_body), &d);
}

/* -- one row times B, if B's rows or its columns lie in one piece: several blocks of k at a time ------------------------- */

struct FN(blocks)
{
    const struct FN(fnn_product) *p;
    REAL *const *sums; /* for each block its sums of n columns */
    ptrdiff_t k0, j0, n, piece;
};

static void FN(blocks_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(blocks) *d = job;
    const struct FN(fnn_product) *p = d->p;
    const ptrdiff_t pieces = (d->n + d->piece - 1) / d->piece, a_column = p->a_strides[2];
    const ptrdiff_t row = p->b_strides[1], column = p->b_strides[2];
    const REAL *a = p->a_rows ? p->a_rows[0] : p->a;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t block = item / pieces, from = item % pieces * d->piece, k0 = d->k0 + block * PRODUCT_DEPTH;
        TIER->product_row(d->sums[block] + from, a + k0 * a_column, a_column, p->b + k0 * row + (d->j0 + from) * column, row,
                          column, fnn_min(PRODUCT_DEPTH, p->k - k0), fnn_min(d->piece, d->n - from));
    }
}

/* Computes columns j .. j + n - 1 of C: the sums of up to ROW_BLOCKS blocks, which are then added in order */
static void FN(row_columns)(const struct FN(fnn_product) *p, REAL *room, ptrdiff_t j, ptrdiff_t n)
{
    const double each = (p->b_strides[2] == 1 ? 4 : 8) * NS_PER_PRODUCT * (double)(sizeof(REAL) / sizeof(float));
    REAL *c = p->c + j, *sums[ROW_BLOCKS];
    for (ptrdiff_t k0 = 0; k0 < p->k; k0 += ROW_BLOCKS * PRODUCT_DEPTH)
    {
        const ptrdiff_t blocks = fnn_min(ROW_BLOCKS, (p->k - k0 + PRODUCT_DEPTH - 1) / PRODUCT_DEPTH);
        const ptrdiff_t piece = blocks >= ROW_BLOCKS / 2 ? n : ROW_PIECE / (ptrdiff_t)sizeof(REAL);
        const struct FN(blocks) d = {p, sums, k0, j, n, fnn_min(piece, n)};
        const ptrdiff_t pieces = (n + d.piece - 1) / d.piece;
        const int first = k0 == 0 && !p->accumulate; /* the sums of the first block are not added to anything */
        for (ptrdiff_t i = 0; i < blocks; i++)
            sums[i] = first && i == 0 ? c : room + i * n;
        fnn_parallel(blocks * pieces, each * (double)(d.piece * fnn_min(PRODUCT_DEPTH, p->k - k0)), FN(blocks_body), &d);
        for (ptrdiff_t i = first; i < blocks; i++)
            TIER->add(c, c, sums[i], n);
    }
    if (p->bias)
        TIER->add(c, c, p->bias + j, n);
}

static void FN(over_blocks)(const struct FN(fnn_product) *p)
{
    REAL room[ROW_BYTES / sizeof(REAL)];
    const ptrdiff_t panel = TIER->tile_columns, whole = p->n / panel * panel;
    const ptrdiff_t blocks = fnn_min(ROW_BLOCKS, (p->k + PRODUCT_DEPTH - 1) / PRODUCT_DEPTH);
    const ptrdiff_t width = ROW_BYTES / (ptrdiff_t)sizeof(REAL) / blocks / panel * panel;
    for (ptrdiff_t j = 0; j < whole; j += width)
        FN(row_columns)(p, room, j, fnn_min(width, whole - j));
    if (whole < p->n)
        TIER->product_panels(p, 0, 1, whole, p->n);
    FN(finish)(p, 0, 1, 0, p->n);
}

/* -- k = 1, where C is as large as all products: whole rows of C, since a tile's rows far apart are slow to write -------------- */

static void FN(outer_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_product) *p = job;
    const ptrdiff_t whole = p->n / TIER->tile_columns * TIER->tile_columns;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        REAL *c = p->c + i * p->c_strides[1];
        TIER->product_row(c, p->a + i * p->a_strides[1], 1, p->b, 0, 1, 1, whole);
        if (p->bias)
            TIER->add(c, c, p->bias, whole);
        if (whole < p->n)
            TIER->product_panels(p, i, 1, whole, p->n);
        FN(finish)(p, i, 1, 0, p->n);
    }
}

/* -- the choice of a way --------------------------------------------------------------------------------------------- */

/* The same product in a better shape: a batch with one B and with rows of A that follow each other becomes one product of more
 * rows; a product with a B of one column becomes one row, of the transposed operands */
static struct FN(fnn_product) FN(reshaped)(const struct FN(fnn_product) *p)
{
    struct FN(fnn_product) q = *p;
    const ptrdiff_t m = p->m;
    const int follow = (p->a_rows || p->a_strides[0] == m * p->a_strides[1]) && p->c_strides[0] == m * p->c_strides[1] &&
                       (!p->residual || p->residual_batch == m * p->residual_row);
    if (p->batch > 1 && p->b_strides[0] == 0 && follow)
        q.m = p->batch * m, q.batch = 1;
    if (q.batch > 1 || q.n > 1 || q.c_strides[1] != 1 || q.a_rows || q.packed || q.bias || q.residual)
        return q;
    q.a = p->b, q.b = p->a, q.n = q.m, q.m = 1;
    q.a_strides[2] = p->b_strides[1], q.b_strides[1] = p->a_strides[2], q.b_strides[2] = p->a_strides[1];
    return q;
}

static void FN(run)(const struct FN(fnn_product) *p)
{
    if (p->batch == 1 && p->m == 1 && p->k > 0 && !p->packed && (p->b_strides[1] == 1 || p->b_strides[2] == 1))
        FN(over_blocks)(p);
    else if (p->batch == 1 && p->k == 1 && p->n >= OUTER_COLUMNS && p->b_strides[2] == 1 && !p->packed && !p->a_rows && !p->accumulate)
        fnn_parallel(p->m, 4 * NS_PER_PRODUCT * (double)(p->n * (ptrdiff_t)(sizeof(REAL) / sizeof(float))), FN(outer_body), p);
    else if (FN(repays_copies)(p))
        FN(over_copies)(p);
    else
        FN(over_panels)(p);
}

void FN(fnn_product)(const struct FN(fnn_product) *p)
{
    if (p->batch > 1 || (p->n == 1 && p->m > 1))
    {
        const struct FN(fnn_product) q = FN(reshaped)(p);
        FN(run)(&q);
    }
    else
        FN(run)(p);
}

ptrdiff_t FN(fnn_packed_size)(ptrdiff_t k, ptrdiff_t n)
{
    const ptrdiff_t width = TIER->tile_columns;
    return (n + width - 1) / width * width * k;
}

void FN(fnn_pack)(REAL *packed, const REAL *b, ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t k, ptrdiff_t n)
{
    const ptrdiff_t width = TIER->tile_columns;
    for (ptrdiff_t j = 0; j < n; j += width)
        TIER->product_pack(packed + j * k, b + j * b_column, b_row, b_column, k, fnn_min(width, n - j));
}

void FN(fnn_pack_weight)(const struct FN(fnn_pack_weight) *o)
{
    FN(fnn_pack)(o->packed, o->w, o->w_strides[1], o->w_strides[0], o->k, o->n);
}
#endif
