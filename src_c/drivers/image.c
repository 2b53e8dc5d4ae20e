/* image.c: whole images resized (kernels/image.inc), channels first in memory (inner = 1) or last (inner channels), padded, or
 * their values in another order.
 *
 * When an image is resized, an item is one row of outputs.  Backward it is a whole plane, or NARROW channels of one, because several
 * outputs add to one place. */
#ifndef REAL
#define FNN_HOT_DRIVER
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.3
#define NS_MOVE 0.1
#define NARROW  64
#define KEPT    4    /* rows of x that are kept at the new width, for the next rows of outputs read them too */
#define WIDEST  1024 /* values of such a row */

/* Whether a view is woven: for each place of its last dimension, the values of dimensions 3 and 4 lie side by side */
#define IS_WOVEN(strides) ((strides)[5] == m && (strides)[4] == 1 && (o->n3 == 1 || (strides)[3] == o->n4))

/* How often each place of a row of x is taken, where that is 2 or 4 times for all of them, channels first; else 0 */
static ptrdiff_t copies_of(const int64_t *places, ptrdiff_t taps, ptrdiff_t w, ptrdiff_t yw, ptrdiff_t inner)
{
    const ptrdiff_t copies = yw / w;
    if (taps != 1 || inner != 1 || yw != copies * w || (copies != 2 && copies != 4) || w < STRIP_LANES)
        return 0;
    for (ptrdiff_t j = 0; j < yw; j++)
        if (places[j] != j / copies)
            return 0;
    return copies;
}

#define FNN_SELF "drivers/image.c"
#include "each_real.h"
#else

/* One row of outputs, channels first: of rows of x at the new width, of which `kept` has some and `held` says which */
static void FN(resize_plane_row)(const struct FN(fnn_resize) *o, ptrdiff_t row, REAL kept[KEPT][WIDEST], ptrdiff_t held[KEPT])
{
    const ptrdiff_t id = row / o->yh % o->yd, ih = row % o->yh, plane = row / o->yh / o->yd;
    const ptrdiff_t h_at = o->taps_d * o->yd, w_at = h_at + o->taps_h * o->yh;
    for (ptrdiff_t t = 0; t < o->taps_d * o->taps_h; t++)
    {
        const ptrdiff_t d = t / o->taps_h * o->yd + id, h = h_at + t % o->taps_h * o->yh + ih;
        const ptrdiff_t from = (plane * o->d + o->places[d]) * o->h + o->places[h], slot = from % KEPT;
        if (held[slot] != from)
            TIER->resize_row(kept[slot], o->x + from * o->w, o->places + w_at, o->weights + w_at, (int)o->taps_w, 1, 1, o->yw, 1, 1);
        held[slot] = from;
        TIER->weighted_row(o->y + row * o->yw, kept[slot], (double)(o->weights[d] * o->weights[h]), t == 0, o->yw);
    }
}

static void FN(resize_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_resize) *o = job;
    const ptrdiff_t h_at = o->taps_d * o->yd, w_at = h_at + o->taps_h * o->yh, nowhere[4] = {0};
    const ptrdiff_t copies = copies_of(o->places + w_at, o->taps_d * o->taps_h * o->taps_w, o->w, o->yw, o->inner);
    const int keeps = o->inner == 1 && o->taps_d * o->taps_h > 1 && o->yw <= WIDEST;
    REAL kept[KEPT][WIDEST];
    ptrdiff_t held[KEPT] = {-1, -1, -1, -1};
    for (ptrdiff_t row = begin; row < end && keeps; row++)
        FN(resize_plane_row)(o, row, kept, held);
    for (ptrdiff_t row = begin; row < end && !keeps; row++)
    {
        const ptrdiff_t id = row / o->yh % o->yd, ih = row % o->yh, plane = row / o->yh / o->yd;
        if (copies)
            TIER->weave(o->y + row * o->yw, o->x + ((plane * o->d + o->places[id]) * o->h + o->places[h_at + ih]) * o->w, nowhere, copies, o->w);
        for (ptrdiff_t channel = 0; channel < o->inner && !copies; channel += NARROW)
            for (ptrdiff_t t = 0; t < o->taps_d * o->taps_h; t++)
            {
                const ptrdiff_t d = t / o->taps_h * o->yd + id, h = h_at + t % o->taps_h * o->yh + ih;
                const ptrdiff_t from = (plane * o->d + o->places[d]) * o->h + o->places[h];
                TIER->resize_row(o->y + row * o->yw * o->inner + channel, o->x + from * o->w * o->inner + channel, o->places + w_at,
                                 o->weights + w_at, (int)o->taps_w, (double)(o->weights[d] * o->weights[h]), t == 0, o->yw,
                                 fnn_min(NARROW, o->inner - channel), o->inner);
            }
    }
}

void FN(fnn_resize)(const struct FN(fnn_resize) *o)
{
    const double taps = (double)(o->taps_d * o->taps_h * o->taps_w);
    fnn_parallel(o->outer * o->yd * o->yh, NS_EACH * taps * (double)(o->yw * o->inner), FN(resize_body), o);
}

static void FN(dresize_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_resize_backward) *o = job;
    const ptrdiff_t h_at = o->taps_d * o->yd, w_at = h_at + o->taps_h * o->yh, parts = (o->inner + NARROW - 1) / NARROW;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t plane = item / parts, channel = item % parts * NARROW;
        for (ptrdiff_t row = 0; row < o->yd * o->yh; row++)
            for (ptrdiff_t t = 0; t < o->taps_d * o->taps_h; t++)
            {
                const ptrdiff_t d = t / o->taps_h * o->yd + row / o->yh, h = h_at + t % o->taps_h * o->yh + row % o->yh;
                const ptrdiff_t to = (plane * o->d + o->places[d]) * o->h + o->places[h];
                TIER->dresize_row(o->dx + to * o->w * o->inner + channel,
                                  o->dy + (plane * o->yd * o->yh + row) * o->yw * o->inner + channel, o->places + w_at,
                                  o->weights + w_at, (int)o->taps_w, (double)(o->weights[d] * o->weights[h]), o->yw,
                                  fnn_min(NARROW, o->inner - channel), o->inner);
            }
    }
}

void FN(fnn_resize_backward)(const struct FN(fnn_resize_backward) *o)
{
    const double taps = (double)(o->taps_d * o->taps_h * o->taps_w);
    const ptrdiff_t parts = (o->inner + NARROW - 1) / NARROW;
    memset(o->dx, 0, (size_t)(o->outer * o->d * o->h * o->w * o->inner) * sizeof(REAL));
    fnn_parallel(o->outer * parts, 2 * NS_EACH * taps * (double)(o->yd * o->yh * o->yw * fnn_min(NARROW, o->inner)),
                 FN(dresize_body), o);
}

/* Items are the places of the first three dimensions.  If one of the views is woven, the rows of the other one are woven together or
 * taken apart by a kernel of their own. */
static void FN(rearrange_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_rearrange) *o = job;
    const ptrdiff_t *to = o->y_strides, *from = o->x_strides, m = o->n3 * o->n4;
    const int fits = (m == 2 || m == 4) && o->n5 >= STRIP_LANES;
    const int weaves = fits && IS_WOVEN(to) && from[5] == 1, parts = fits && IS_WOVEN(from) && to[5] == 1;
    const ptrdiff_t *apart = weaves ? from : to;
    ptrdiff_t places[4] = {0};
    for (ptrdiff_t j = 0; j < m && (weaves || parts); j++)
        places[j] = j / o->n4 * apart[3] + j % o->n4 * apart[4];
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t i0 = item / o->n2 / o->n1, i1 = item / o->n2 % o->n1, i2 = item % o->n2;
        REAL *y = o->y + i0 * to[0] + i1 * to[1] + i2 * to[2];
        const REAL *x = o->x + i0 * from[0] + i1 * from[1] + i2 * from[2];
        if (weaves || parts)
            (weaves ? TIER->weave : TIER->unweave)(y, x, places, m, o->n5);
        else
            for (ptrdiff_t j = 0; j < m; j++)
                TIER->copy_apart(y + j / o->n4 * to[3] + j % o->n4 * to[4], to[5], x + j / o->n4 * from[3] + j % o->n4 * from[4],
                                 from[5], o->n5);
    }
}

void FN(fnn_rearrange)(const struct FN(fnn_rearrange) *o)
{
    fnn_parallel(o->n0 * o->n1 * o->n2, NS_MOVE * (double)(o->n3 * o->n4 * o->n5), FN(rearrange_body), o);
}

static void FN(fill)(REAL *y, ptrdiff_t n, REAL value)
{
    for (ptrdiff_t i = 0; i < n; i++)
        y[i] = value;
}

/* Items: rows of y */
static void FN(pad_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_pad) *o = job;
    const REAL value = (REAL)o->value;
    for (ptrdiff_t row = begin; row < end; row++)
    {
        const int64_t id = o->places[row / o->yh % o->yd], ih = o->places[o->yd + row % o->yh];
        const REAL *x = o->x + ((row / o->yh / o->yd * o->d + id) * o->h + ih) * o->w * o->inner;
        REAL *y = o->y + row * o->yw * o->inner;
        if (id < 0 || ih < 0)
            FN(fill)(y, o->yw * o->inner, value);
        else
            for (const int64_t *run = o->runs; run < o->runs + 2 * o->count; run += 2)
            {
                const ptrdiff_t n = run[1] * o->inner;
                if (run[0] < 0)
                    FN(fill)(y, n, value);
                else if (n < STRIP_LANES)
                    for (ptrdiff_t i = 0; i < n; i++)
                        y[i] = x[run[0] * o->inner + i];
                else
                    memcpy(y, x + run[0] * o->inner, (size_t)n * sizeof(REAL));
                y += n;
            }
    }
}

void FN(fnn_pad)(const struct FN(fnn_pad) *o)
{
    fnn_parallel(o->outer * o->yd * o->yh, NS_MOVE * (double)(o->yw * o->inner), FN(pad_body), o);
}
#endif
