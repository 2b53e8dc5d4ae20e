/* linear.c: matrix products over panels of columns and chunks of rows, and column sums. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "parallel.h"

#define ROW_CHUNK      240   /* rows of C in one item: a multiple of every tile's; A's part stays in the second cache */
#define NS_PER_PRODUCT 0.012 /* one multiply-add, at the speed of AVX-512 */
#define NS_EACH        0.2   /* one element of a column sum */

#define FNN_SELF "linear.c"
#include "each_real.h"
#else

struct FN(gemm)
{
    REAL *c;
    const REAL *a, *b, *bias;
    ptrdiff_t a_row, a_column, b_row, b_column, m, n, k;
};

/* Items run through the panels of one chunk of rows, then the next chunk's */
static void FN(gemm_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(gemm) *d = job;
    const ptrdiff_t width = TIER->tile_columns, panels = (d->n + width - 1) / width;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t i = item / panels * ROW_CHUNK, j = item % panels * width;
        TIER->gemm_panel(d->c + i * d->n + j, d->n, d->a + i * d->a_row, d->a_row, d->a_column, d->b + j * d->b_column,
                         d->b_row, d->b_column, d->bias ? d->bias + j : NULL, fnn_min(ROW_CHUNK, d->m - i),
                         fnn_min(width, d->n - j), d->k);
    }
}

void FN(fnn_gemm)(REAL *c, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b, ptrdiff_t b_row,
                  ptrdiff_t b_column, const REAL *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k)
{
    const struct FN(gemm) d = {c, a, b, bias, a_row, a_column, b_row, b_column, m, n, k};
    const ptrdiff_t width = TIER->tile_columns, items = (m + ROW_CHUNK - 1) / ROW_CHUNK * ((n + width - 1) / width);
    fnn_parallel(items, NS_PER_PRODUCT * (double)(fnn_min(m, ROW_CHUNK) + 8) * (double)width * (double)k, FN(gemm_body), &d);
}

struct FN(sums)
{
    REAL *sums;
    const REAL *x;
    ptrdiff_t rows, c;
};

static void FN(sums_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(sums) *d = job;
    for (ptrdiff_t from = begin * STRIP; from < fnn_min(end * STRIP, d->c); from += STRIP)
        TIER->column_sums(d->sums + from, d->x + from, d->rows, fnn_min(STRIP, d->c - from), d->c);
}

void FN(fnn_column_sums)(REAL *sums, const REAL *x, ptrdiff_t rows, ptrdiff_t c)
{
    const struct FN(sums) d = {sums, x, rows, c};
    fnn_parallel((c + STRIP - 1) / STRIP, NS_EACH * (double)rows * STRIP, FN(sums_body), &d);
}
#endif
