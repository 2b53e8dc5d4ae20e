/* conv_winograd.c: convolution by Winograd's algorithm F(4x4, 3x3), which computes tiles of 4 x 4 outputs of a 3 x 3 kernel.  One item
 * of work computes a rectangle of tiles for one panel of output channels.  The transforms are in kernels/winograd.inc.
 *
 * A tile's input is transformed to 36 factors for each channel.  For each of these 36 places one sum of products runs over the channels
 * in order, and its partial sum is added to the result after every PRODUCT_DEPTH products, as in a matrix product.  So the bits do not
 * depend on how tiles are put together to rectangles. */
#ifndef REAL
#include <math.h>
#include <string.h>
#include "drivers/conv.h"

#define EDGE          4     /* outputs of a tile along an axis */
#define PLACES        36    /* sums of a tile */
#define FACTOR_VALUES 98304 /* the most factors of a rectangle: 384 KB of floats, beside which the second-level cache holds the weights */
#define LEAST_TILES   16    /* the least room for tiles in a rectangle: with fewer, reading the weights would take most of the time */
#define WEIGHT_ROWS   8     /* channels whose weights are transformed at a time */
#define MOST_COLUMNS  (128 / (ptrdiff_t)sizeof(float))
/* The rows of packed weights for each of the 36 places: one for each of the c channels, and one of zeros.  With c rows, which is often a
 * power of two, the places would share one set of the first-level cache. */
#define ROWS(c)       ((c) + 1)
#define NS_PER_WEIGHT 2.0   /* nanoseconds to transform one 3 x 3 kernel */

/* How outputs are cut into rectangles of at most `tiles` tiles, and where the parts of a slot begin, in doubles.  `gap` is the distance
 * in values between the factors of one place and those of the next. */
struct winograd_plan
{
    struct conv_plan p;
    ptrdiff_t tiles, gap, flushes;
    ptrdiff_t box, factors, sums, rows, slot, slots, total;
};

static struct winograd_plan winograd_plan(const struct conv_axis axes[3], ptrdiff_t width, ptrdiff_t n, ptrdiff_t c, ptrdiff_t k,
                                          ptrdiff_t slots)
{
    struct winograd_plan w = {.p = {.c = c, .k = k, .width = width, .panels = conv_up(k, width), .boxes = 1, .values = c}};
    const ptrdiff_t all = n * conv_up(axes[1].out, EDGE) * conv_up(axes[2].out, EDGE) * w.p.panels;
    ptrdiff_t room = fnn_min(FACTOR_VALUES / PLACES / c, conv_up(all, 2 * slots)); /* enough items for all threads */
    room = room < LEAST_TILES ? LEAST_TILES : room;
    w.tiles = 1;
    for (int i = 2; i >= 0; i--)
    {
        struct conv_axis *a = &w.p.axis[i];
        *a = axes[i];
        const ptrdiff_t edge = i == 0 ? 1 : EDGE, tiles = conv_up(a->out, edge), parts = conv_up(tiles, fnn_min(tiles, room));
        const ptrdiff_t most = conv_up(tiles, parts);
        a->step = a->hop = 1;
        a->most = most * edge;
        a->boxes = conv_up(a->out, a->most);
        a->span = a->most + a->kernel - 1;
        room = room / most > 1 ? room / most : 1;
        w.tiles *= most;
        w.p.boxes *= a->boxes;
        w.p.values *= a->span;
    }
    w.gap = w.tiles * c + 16; /* + 16: otherwise the factors of all places could share one set of the first-level cache */
    w.flushes = conv_up(c, PRODUCT_DEPTH);
    w.box = conv_line((ptrdiff_t)(sizeof(struct conv_slot) / sizeof(double)));
    w.factors = w.box + conv_line(w.p.values);
    w.sums = w.factors + conv_line(PLACES * w.gap);
    w.rows = w.sums + conv_line(PLACES * w.tiles * width);
    w.slot = w.rows + conv_line(EDGE * w.p.axis[2].most * width);
    w.slots = conv_line(w.flushes * (ptrdiff_t)(sizeof(struct fnn_stretch) / sizeof(double)));
    w.total = w.slots + slots * w.slot;
    return w;
}

ptrdiff_t fnn_winograd_work(const struct fnn_conv_f32 *o)
{
    const struct conv_axis axes[3] = CONV_AXES(o);
    ptrdiff_t most = 0;
    for (ptrdiff_t part = 1; part <= 2; part++) /* the larger one of float and double */
    {
        const ptrdiff_t total = winograd_plan(axes, fnn_tier->f32.tile_columns / part, o->n, o->c, o->k, o->slots).total;
        most = total > most ? total : most;
    }
    return most;
}

#define FNN_SELF "drivers/conv_winograd.c"
#include "each_real.h"
#else

struct FN(winograd_job)
{
    const struct FN(fnn_conv) *o;
    struct winograd_plan w;
    const struct fnn_stretch *runs;
    double *slots;
    struct FN(fnn_conv_end) end;
    int bounded;
};

/* Computes all factors of a rectangle of tiles[0] rows and tiles[1] columns of tiles */
static void FN(make_factors)(const struct FN(winograd_job) *j, REAL *factors, REAL *box, const REAL *x, const ptrdiff_t *first,
                             const ptrdiff_t *tiles)
{
    const struct FN(fnn_conv) *o = j->o;
    const struct conv_plan *p = &j->w.p;
    const ptrdiff_t *s = o->x_strides, line = p->axis[2].span * p->c, places[3] = {1, tiles[0] * EDGE, tiles[1] * EDGE};
    FN(fnn_gather_box)(box, x, (ptrdiff_t[]){s[2], s[3], s[4], s[5]}, p->c, p, first, places, o->mode);
    for (ptrdiff_t h = 0; h < tiles[0]; h++)
        for (ptrdiff_t w = 0; w < tiles[1]; w++)
            TIER->winograd_in(factors + (h * tiles[1] + w) * p->c, j->w.gap, box + EDGE * (h * line + w * p->c), line, p->c, p->c);
}

/* An item is one panel of one rectangle of one sample.  A slot keeps its factors, because the next item is often the next panel of the
 * same rectangle. */
static void FN(winograd_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(winograd_job) *j = job;
    const struct FN(fnn_conv) *o = j->o;
    const struct winograd_plan *w = &j->w;
    const struct conv_plan *p = &w->p;
    const ptrdiff_t *s = o->y_strides, width = p->width;
    struct conv_slot *slot = fnn_take_part(j->slots, w->slot * (ptrdiff_t)sizeof(double), o->slots);
    REAL *factors = (REAL *)((double *)slot + w->factors), *sums = (REAL *)((double *)slot + w->sums);
    REAL *rows = (REAL *)((double *)slot + w->rows);
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t number = item / p->panels, panel = item % p->panels, sample = number / p->boxes;
        const ptrdiff_t channels = fnn_min(width, p->k - panel * width);
        ptrdiff_t first[3], count[3];
        fnn_conv_box(p, number % p->boxes, first, count);
        const ptrdiff_t tiles[2] = {conv_up(count[1], EDGE), conv_up(count[2], EDGE)}, line = tiles[1] * EDGE * width;
        if (slot->held != number)
            FN(make_factors)(j, factors, (REAL *)((double *)slot + w->box), o->x + sample * o->x_strides[0], first, tiles);
        slot->held = number;
        for (ptrdiff_t place = 0; place < PLACES; place++)
        {
            const REAL *b = o->packed + (panel * PLACES + place) * ROWS(p->c) * width;
            TIER->conv_rows(sums + place * width, PLACES * width, factors + place * w->gap, p->c, 1, b, j->runs, NULL,
                            tiles[0] * tiles[1], channels, 0, b + PRODUCT_AHEAD * width, width);
        }
        REAL bias[MOST_COLUMNS] = {0};
        struct FN(fnn_conv_end) ends = j->end;
        for (ptrdiff_t i = 0; o->bias && i < channels; i++)
            bias[i] = o->bias[panel * width + i];
        ends.bias = o->bias ? bias : NULL;
        for (ptrdiff_t h = 0; h < count[1]; h++)
        {
            for (ptrdiff_t t = 0; h % EDGE == 0 && t < tiles[1]; t++)
                TIER->winograd_out(rows + t * EDGE * width, line, sums + (h / EDGE * tiles[1] + t) * PLACES * width, &ends);
            const ptrdiff_t at = sample * s[0] + panel * width * s[2] + (first[1] + h) * s[4] + first[2] * s[5];
            FN(fnn_conv_finish)(o, j->bounded, o->y + at, s[2], o->residual ? o->residual + at : NULL, rows + h % EDGE * line, width,
                                count[2], channels);
        }
    }
    fnn_return_part(slot);
}

void FN(fnn_winograd)(const struct FN(fnn_conv) *o)
{
    const struct conv_axis axes[3] = CONV_AXES(o);
    struct FN(winograd_job) j = {.o = o, .w = winograd_plan(axes, TIER->tile_columns, o->n, o->c, o->k, o->slots)};
    double *work = o->work;
    struct fnn_stretch *runs = (struct fnn_stretch *)work;
    for (ptrdiff_t i = 0; i < j.w.flushes; i++)
    {
        const ptrdiff_t length = fnn_min(PRODUCT_DEPTH, o->c - i * PRODUCT_DEPTH);
        runs[i] = (struct fnn_stretch){.offset = i * PRODUCT_DEPTH, .row = i * PRODUCT_DEPTH, .length = length, .flush = i + 1 < j.w.flushes ? 1 : 2};
    }
    j.runs = runs;
    j.slots = work + j.w.slots;
    j.bounded = FN(fnn_conv_bounds)(o, &j.end);
    if (o->residual) /* `fnn_conv_finish` adds the residual and then limits the sum, so the kernel must not limit it before */
        j.end.low = -(REAL)INFINITY, j.end.high = (REAL)INFINITY;
    for (ptrdiff_t i = 0; i < o->slots; i++)
    {
        struct conv_slot *slot = (struct conv_slot *)(j.slots + i * j.w.slot);
        slot->part.taken = 0;
        slot->held = -1;
    }
    const double products = (double)(PLACES * j.w.tiles * o->c * j.w.p.width) * (double)(sizeof(REAL) / sizeof(float));
    fnn_parallel(o->n * j.w.p.boxes * j.w.p.panels, NS_PER_PRODUCT * products, FN(winograd_body), &j);
}

/* Transforms weights.  An item is WEIGHT_ROWS channels of one panel. */
static void FN(winograd_weight_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_winograd_weight) *o = job;
    const ptrdiff_t *s = o->weight_strides, width = TIER->tile_columns, parts = conv_up(o->c, WEIGHT_ROWS);
    const int dense = s[3] == 1 && s[2] == 3 && s[1] == 9; /* an output channel's weights are contiguous: pack all at once */
    REAL taps[9 * WEIGHT_ROWS * 128 / sizeof(REAL)];
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t panel = item / parts, first = item % parts * WEIGHT_ROWS, n = fnn_min(WEIGHT_ROWS, o->c - first);
        const ptrdiff_t columns = fnn_min(width, o->k - panel * width);
        const REAL *from = o->weight + panel * width * s[0] + first * s[1];
        for (ptrdiff_t tap = 0; tap < 9 && !dense; tap++)
            TIER->product_pack(taps + tap * WEIGHT_ROWS * width, from + tap / 3 * s[2] + tap % 3 * s[3], s[1], s[0], n, columns);
        if (dense)
            TIER->product_pack(taps, from, 1, s[0], 9 * n, columns);
        REAL *packed = o->packed + (panel * PLACES * ROWS(o->c) + first) * width;
        for (ptrdiff_t place = 0; place < PLACES && first + n == o->c; place++)
            memset(packed + (place * ROWS(o->c) + n) * width, 0, (size_t)width * sizeof(REAL));
        for (ptrdiff_t c = 0; c < n; c++)
            TIER->winograd_weights(packed + c * width, ROWS(o->c) * width,
                                   taps + (dense ? 9 : 1) * c * width, (dense ? 1 : WEIGHT_ROWS) * width);
    }
}

void FN(fnn_winograd_weight)(const struct FN(fnn_winograd_weight) *o)
{
    const ptrdiff_t panels = conv_up(o->k, TIER->tile_columns), parts = conv_up(o->c, WEIGHT_ROWS);
    fnn_parallel(panels * parts, NS_PER_WEIGHT * (double)(TIER->tile_columns * WEIGHT_ROWS), FN(winograd_weight_body), o);
}
#endif
