/* dropout.c: dropout over whole arrays, in the order of their elements. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define TILE    2048
#define NS_EACH 0.4 /* one element's cost, most of it the generator's */

struct mask
{
    uint8_t *mask;
    ptrdiff_t n;
    uint64_t key;
    uint32_t threshold;
};

static void mask_body(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct mask *d = job;
    const ptrdiff_t at = begin * TILE, n = (end * TILE < d->n ? end * TILE : d->n) - at;
    fnn_tier->dropout_mask(d->mask + at, n, (uint64_t)at, d->key, d->threshold);
}

void fnn_dropout_mask(uint8_t *mask, ptrdiff_t n, uint64_t key, uint32_t threshold)
{
    const struct mask d = {mask, n, key, threshold};
    fnn_parallel((n + TILE - 1) / TILE, NS_EACH * TILE, mask_body, &d);
}

#define FNN_SELF "drivers/dropout.c"
#include "each_real.h"
#else

struct FN(dropout)
{
    REAL *y;
    const REAL *x;
    ptrdiff_t n, s;
    uint64_t key;
    const struct fnn_dropout *h;
};

static void FN(dropout_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(dropout) *d = job;
    const ptrdiff_t at = begin * TILE, n = (end * TILE < d->n ? end * TILE : d->n) - at;
    TIER->dropout(d->y + at, d->x + at, n, (uint64_t)at, d->key, d->h);
}

static void FN(rows_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(dropout) *d = job;
    TIER->dropout_rows(d->y + begin * d->s, d->x + begin * d->s, end - begin, d->s, (uint64_t)begin, d->key, d->h);
}

void FN(fnn_dropout)(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t s, uint64_t key, const struct fnn_dropout *h)
{
    const struct FN(dropout) d = {y, x, rows, s, key, h};
    if (s == 1)
        fnn_parallel((rows + TILE - 1) / TILE, NS_EACH * TILE, FN(dropout_body), &d);
    else
        fnn_parallel(rows, 0.2 * (double)s + 5, FN(rows_body), &d);
}
#endif
