/* product.c: matrix products over panels of columns and chunks of rows. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define ROW_CHUNK      240   /* rows of C in one item: a multiple of every tile's; A's part stays in the second cache */
#define NS_PER_PRODUCT 0.012 /* one multiply-add, at the speed of AVX-512 */
#define SHALLOW        16    /* for products of so small a k writing C is the work: */
#define SHALLOW_CHUNK  12    /* whole rows of it, a few at a time */
#define ROWS_OF_B      8     /* reading, or packing, one row of B costs as much as this many rows' products */

#define FNN_SELF "drivers/product.c"
#include "each_real.h"
#else

struct FN(gemm)
{
    REAL *c;
    const REAL *a, *b, *bias;
    ptrdiff_t a_row, a_column, b_row, b_column, m, n, k, width, chunk;
    int packed, act; /* act: applied to C, or -1 */
    double act_a, act_b;
};

/* Items run through the columns of one chunk of rows, `width` at a time, then the next chunk's */
static void FN(gemm_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(gemm) *d = job;
    const ptrdiff_t panel = TIER->tile_columns, panels = (d->n + d->width - 1) / d->width;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t i = item / panels * d->chunk, from = item % panels * d->width, to = fnn_min(from + d->width, d->n);
        if (!d->packed && d->width > panel && to - from == d->width)
        {
            TIER->gemm_row(d->c + from, d->a, d->a_column, d->b + from, d->b_row, d->bias ? d->bias + from : NULL, d->k);
            continue;
        }
        for (ptrdiff_t j = from; j < to; j += panel)
            TIER->gemm_panel(d->c + i * d->n + j, d->n, d->a + i * d->a_row, d->a_row, d->a_column,
                             d->b + j * (d->packed ? d->k : d->b_column), d->b_row, d->b_column, d->bias ? d->bias + j : NULL,
                             fnn_min(d->chunk, d->m - i), fnn_min(panel, d->n - j), d->k, d->packed);
        for (ptrdiff_t r = i; d->act >= 0 && r < fnn_min(i + d->chunk, d->m); r++)
            TIER->act[d->act](d->c + r * d->n + from, d->c + r * d->n + from, to - from, d->act_a, d->act_b);
    }
}

static void FN(run_gemm)(const struct FN(gemm) *d)
{
    const double each = NS_PER_PRODUCT * (double)(sizeof(REAL) / sizeof(float));
    const ptrdiff_t items = (d->m + d->chunk - 1) / d->chunk * ((d->n + d->width - 1) / d->width);
    fnn_parallel(items, each * (double)(fnn_min(d->m, d->chunk) + ROWS_OF_B) * (double)(d->width * d->k), FN(gemm_body), d);
}

void FN(fnn_product)(const struct FN(fnn_product) *o)
{
    const ptrdiff_t width = TIER->tile_columns * (o->m == 1 && o->b_strides[1] == 1 ? GEMM_WIDE : 1);
    const ptrdiff_t chunk = o->k <= SHALLOW ? SHALLOW_CHUNK : ROW_CHUNK;
    const struct FN(gemm) d = {o->c, o->a, o->b, o->bias, o->a_strides[0], o->a_strides[1], o->b_strides[0], o->b_strides[1],
                               o->m, o->n, o->k, width, chunk, 0, -1, 0, 0};
    FN(run_gemm)(&d);
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
        TIER->gemm_pack(packed + j * k, b + j * b_column, b_row, b_column, k, fnn_min(width, n - j));
}

void FN(fnn_gemm_packed)(REAL *c, const REAL *a, const REAL *packed, const REAL *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                         int act, double act_a, double act_b)
{
    const ptrdiff_t panel = TIER->tile_columns, width = act < 0 ? panel : panel * GEMM_WIDE; /* long rows for the function */
    const struct FN(gemm) d = {c, a, packed, bias, k, 1, panel, 1, m, n, k, width, ROW_CHUNK, 1, act, act_a, act_b};
    FN(run_gemm)(&d);
}
#endif
