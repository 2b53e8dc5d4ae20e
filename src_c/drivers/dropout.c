/* dropout.c: dropout over whole arrays, in the order of their elements. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define TILE    2048
#define NS_EACH 0.4 /* nanoseconds for one element, most of them for its random bits */

#define FNN_SELF "drivers/dropout.c"
#include "each_real.h"
#else

static void FN(mask_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_dropout_mask) *o = job;
    const ptrdiff_t at = begin * TILE, n = (end * TILE < o->n ? end * TILE : o->n) - at;
    fnn_tier->dropout_mask(o->mask + at, n, (uint64_t)at, o->key, (uint32_t)o->threshold);
}

void FN(fnn_dropout_mask)(const struct FN(fnn_dropout_mask) *o)
{
    fnn_parallel((o->n + TILE - 1) / TILE, NS_EACH * TILE, FN(mask_body), o);
}

static struct fnn_dropout FN(numbers_of)(const struct FN(fnn_dropout) *o)
{
    const struct fnn_dropout h = {(uint32_t)o->threshold, o->scale, o->shift, o->dropped};
    return h;
}

static void FN(each_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_dropout) *o = job;
    const struct fnn_dropout h = FN(numbers_of)(o);
    const ptrdiff_t at = begin * TILE, n = (end * TILE < o->rows ? end * TILE : o->rows) - at;
    TIER->dropout(o->y + at, o->x + at, n, (uint64_t)at, o->key, &h);
}

static void FN(rows_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_dropout) *o = job;
    const struct fnn_dropout h = FN(numbers_of)(o);
    TIER->dropout_rows(o->y + begin * o->s, o->x + begin * o->s, end - begin, o->s, (uint64_t)begin, o->key, &h);
}

void FN(fnn_dropout)(const struct FN(fnn_dropout) *o)
{
    if (o->s == 1)
        fnn_parallel((o->rows + TILE - 1) / TILE, NS_EACH * TILE, FN(each_body), o);
    else
        fnn_parallel(o->rows, 0.2 * (double)o->s + 5, FN(rows_body), o);
}
#endif
