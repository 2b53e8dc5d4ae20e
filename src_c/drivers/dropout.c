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

/* Task t is tile t % tiles of run t / tiles */
static void FN(each_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_dropout) *o = job;
    const struct fnn_dropout h = FN(numbers_of)(o);
    const ptrdiff_t tiles = (o->run + TILE - 1) / TILE;
    for (ptrdiff_t t = begin, count; t < end; t += count)
    {
        const ptrdiff_t run = t / tiles, from = t % tiles * TILE, at = run * o->run + from;
        count = fnn_min(end - t, tiles - t % tiles);
        TIER->dropout(o->y + at, o->x + at, fnn_min(count * TILE, o->run - from), (uint64_t)(o->first + at + run * o->skip), o->key, &h);
    }
}

static void FN(rows_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_dropout) *o = job;
    const struct fnn_dropout h = FN(numbers_of)(o);
    for (ptrdiff_t i = begin, n; i < end; i += n)
    {
        n = fnn_min(end - i, o->run - i % o->run);
        TIER->dropout_rows(o->y + i * o->s, o->x + i * o->s, n, o->s, (uint64_t)(o->first + i + i / o->run * o->skip), o->key, &h);
    }
}

void FN(fnn_dropout)(const struct FN(fnn_dropout) *given)
{
    struct FN(fnn_dropout) o = *given;
    if (!o.run)
        o.run = o.rows + !o.rows;
    if (o.s == 1)
        fnn_parallel(o.rows / o.run * ((o.run + TILE - 1) / TILE), NS_EACH * (double)fnn_min(TILE, o.run), FN(each_body), &o);
    else
        fnn_parallel(o.rows, 0.2 * (double)o.s + 5, FN(rows_body), &o);
}
#endif
