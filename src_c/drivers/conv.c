/* conv.c: convolution: a box of output places times a panel of output channels is one item of work (kernels/conv.inc).
 *
 * Weights are packed once into panels (kernel place, channel, NR), so that all sums run over the kernel's depth, row, column
 * and channel, in this order.  Input that needs no padding and lies channels-last is read where it lies. */
#ifndef REAL
#include <math.h>
#include <string.h>
#include "drivers/conv.h"
#include "runtime/parallel.h"

#define PACK_CHANNELS 16  /* whose weights are packed for one panel after the other */
/* Whether x is read where it lies, without the places beyond it: that of a depthwise convolution, channels last */
#define IS_CLIPPED(o) ((o)->c == 1 && (o)->k == 1 && (o)->g > 1 && (o)->x_strides[1] == 1 && (o)->mode == CONV_ZEROS)
#define NS_PER_WEIGHT 0.1 /* to pack one */

/* What a part of scratch memory begins with: which box it holds, or -1 */
struct conv_slot
{
    struct fnn_part part;
    ptrdiff_t held;
};

/* Doubles: where packed weights end and the bias in whole panels begins, runs, slots of `slot` each: a box, a row, runs */
struct conv_space
{
    ptrdiff_t bias, runs, slots, slot, box, total;
    ptrdiff_t row, own_runs; /* from the box */
};

static ptrdiff_t stretch_space(const struct conv_plan *p)
{
    return conv_line((p->runs + p->flushes) * (ptrdiff_t)(sizeof(struct fnn_stretch) / sizeof(double)));
}

static struct conv_space space_of(const struct conv_plan *p, ptrdiff_t slots, int packed)
{
    struct conv_space s;
    const ptrdiff_t columns = p->blocks * p->panels * p->width;
    s.bias = packed ? 0 : conv_line(columns * p->depth);
    s.runs = s.bias + conv_line(columns);
    s.slots = s.runs + stretch_space(p);
    s.box = conv_line((ptrdiff_t)(sizeof(struct conv_slot) / sizeof(double)));
    s.row = conv_line(p->values);
    s.own_runs = s.row + conv_line(p->axis[2].most * p->width);
    s.slot = s.box + s.own_runs + (p->each ? stretch_space(p) : 0);
    s.total = s.slots + slots * s.slot + 8;
    return s;
}

ptrdiff_t fnn_conv_work(const struct fnn_conv_f32 *o)
{
    const struct conv_axis axes[3] = CONV_AXES(o);
    ptrdiff_t most = 0;
    for (ptrdiff_t part = 1; part <= 2; part++) /* of either type */
    {
        const struct conv_plan p = fnn_conv_plan(axes, fnn_tier->f32.tile_columns / part, o->n, o->g, o->c, o->k, o->slots, 0,
                                                 IS_CLIPPED(o));
        const ptrdiff_t total = space_of(&p, o->slots, o->packed != NULL).total;
        most = total > most ? total : most;
    }
    return most;
}

/* The stretches of one sum, cut where it is flushed; distances in values between input places.  Of a depthwise convolution only
 * the kernel's places from lo to hi along each axis count, the others lie beyond the input. */
static void make_runs(struct fnn_stretch *run, const struct conv_plan *p, const ptrdiff_t distance[3], const ptrdiff_t lo[3],
                      const ptrdiff_t hi[3])
{
    const ptrdiff_t lines = p->line == p->depth / (p->axis[0].kernel * p->axis[1].kernel) ? 1 : p->axis[2].kernel;
    const ptrdiff_t column = p->each ? distance[2] : 1;
    ptrdiff_t done = 0, skip = 0;
    for (ptrdiff_t d = 0; d < p->axis[0].kernel; d++)
        for (ptrdiff_t h = 0; h < p->axis[1].kernel; h++)
            for (ptrdiff_t w = 0; w < lines; w++)
            {
                const ptrdiff_t at = d * p->axis[0].dilation * distance[0] + h * p->axis[1].dilation * distance[1] +
                                     w * p->axis[2].dilation * distance[2];
                const int none = d < lo[0] || d >= hi[0] || h < lo[1] || h >= hi[1];
                const ptrdiff_t low = p->each && lines == 1 ? lo[2] : 0, high = p->each && lines == 1 ? hi[2] : p->line;
                const int out = none || (p->each && lines > 1 && (w < lo[2] || w >= hi[2]));
                for (ptrdiff_t begin = 0, end; begin < p->line; begin = end, run++)
                {
                    end = begin + fnn_min(p->line - begin, PRODUCT_DEPTH - done % PRODUCT_DEPTH);
                    done += end - begin;
                    const ptrdiff_t to = fnn_min(end, high), from = fnn_min(begin < low ? low : begin, to);
                    const ptrdiff_t length = out || to < from ? 0 : to - from;
                    const ptrdiff_t before = length ? from - begin : end - begin;
                    run->offset = at + (length ? from * column : 0);
                    run->length = length;
                    run->skip = skip + before;
                    run->flush = done == p->depth ? 2 : done % PRODUCT_DEPTH == 0;
                    skip = length ? end - to : 0;
                }
            }
}

#define FNN_SELF "drivers/conv.c"
#include "each_real.h"
#else

struct FN(conv_job)
{
    const struct FN(fnn_conv) *o;
    struct conv_plan p;
    struct conv_space space;
    REAL *own; /* packed weights, if none were given */
    const REAL *packed;
    REAL *bias; /* NULL: none */
    struct fnn_stretch *runs;
    double *slots;
    struct FN(fnn_conv_end) end;
    ptrdiff_t distance[3]; /* values between neighbouring input places along each axis, of a box or of x itself */
    int direct;            /* x is read where it lies */
    int clipped;           /* a depthwise convolution's is, without the places beyond it */
    int bounded, ends;     /* the function is one that `end` does; it does something */
};

/* Items: kernel places within groups.  A few channels at a time, for all panels, so that weights are read as they lie */
static void FN(pack_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(conv_job) *j = job;
    const struct FN(fnn_conv) *o = j->o;
    const struct conv_plan *p = &j->p;
    const ptrdiff_t *s = o->weight_strides, kh = o->kh, kw = o->kw, taps = o->kd * kh * kw, depth = p->depth / taps;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t block = item / taps, tap = item % taps;
        const REAL *from = o->weight + (p->each ? block * p->width : block) * s[0] + tap / (kh * kw) * s[3] + tap / kw % kh * s[4] +
                           tap % kw * s[5];
        for (ptrdiff_t c = 0; c < depth; c += PACK_CHANNELS)
            for (ptrdiff_t panel = 0; panel < p->panels; panel++)
            {
                const ptrdiff_t first = panel * p->width;
                const ptrdiff_t columns = fnn_min(p->width, p->each ? o->g - block * p->width : p->k - first);
                TIER->product_pack(j->own + ((block * p->panels + panel) * p->depth + tap * depth + c) * p->width,
                                   from + first * s[1] + c * s[2], s[2], p->each ? s[0] : s[1], fnn_min(PACK_CHANNELS, depth - c),
                                   columns);
            }
    }
}

/* The bias in whole panels */
static void FN(pack_bias)(REAL *to, const REAL *from, const struct conv_plan *p, ptrdiff_t groups)
{
    for (ptrdiff_t item = 0; item < p->blocks * p->panels; item++)
        for (ptrdiff_t i = 0; i < p->width; i++, to++)
        {
            const ptrdiff_t at = item % p->panels * p->width + i, channel = p->each ? item * p->width + i : item / p->panels * p->k + at;
            *to = (p->each ? channel < groups : at < p->k) ? from[channel] : 0;
        }
}

/* One row of outputs, from scratch memory to where they belong; residual NULL: none */
static void FN(finish)(const struct FN(conv_job) *j, REAL *y, ptrdiff_t channel, const REAL *residual, REAL *row, ptrdiff_t pixels,
                       ptrdiff_t channels)
{
    const struct FN(fnn_conv) *o = j->o;
    const ptrdiff_t pixel = o->y_strides[5], width = j->p.width;
    const int last = channel == 1; /* rows that lie in one piece: the channels of a pixel, or the pixels of a channel */
    for (ptrdiff_t i = 0; residual && last && i < pixels; i++)
        TIER->add(row + i * width, row + i * width, residual + i * pixel, channels);
    if (o->act >= 0 && (residual ? last : !j->bounded))
        TIER->act[o->act](row, row, pixels * width, o->act_a, o->act_b);
    TIER->conv_scatter(y, channel, pixel, row, width, pixels, channels);
    for (ptrdiff_t i = 0; residual && !last && i < channels; i++)
    {
        TIER->add(y + i * channel, y + i * channel, residual + i * channel, pixels);
        if (o->act >= 0)
            TIER->act[o->act](y + i * channel, y + i * channel, pixels, o->act_a, o->act_b);
    }
}

/* Where a row of outputs goes, and what its sums end with */
struct FN(row)
{
    REAL *c;
    ptrdiff_t ldc, columns;
    const REAL *b;
    struct FN(fnn_conv_end) end;
};

/* A row of outputs of a depthwise convolution, from x where it lies: d, h, first the place of the first of `count` */
static void FN(clipped_row)(const struct FN(conv_job) *j, const struct FN(row) *to, const REAL *x, struct fnn_stretch *runs,
                            const ptrdiff_t *first, ptrdiff_t count)
{
    const ptrdiff_t *distance = j->o->x_strides + 3;
    const struct conv_axis *w = &j->p.axis[2];
    ptrdiff_t lo[3], hi[3], at[3];
    for (ptrdiff_t i = 0, n; i < count; i += n)
    {
        for (int k = 0; k < 3; k++)
        {
            const struct conv_axis *a = &j->p.axis[k];
            at[k] = (first[k] + (k == 2 ? i : 0)) * a->stride - a->pad;
            lo[k] = at[k] < 0 ? fnn_min(conv_up(-at[k], a->dilation), a->kernel) : 0;
            hi[k] = at[k] < a->in ? fnn_min((a->in - 1 - at[k]) / a->dilation + 1, a->kernel) : 0;
        }
        n = lo[2] > 0 || hi[2] < w->kernel ? 1 : fnn_min(count - i, (w->in - 1 - (w->kernel - 1) * w->dilation - at[2]) / w->stride + 1);
        make_runs(runs, &j->p, distance, lo, hi);
        struct FN(fnn_conv_end) end = to->end;
        end.residual = end.residual ? end.residual + i * to->ldc : NULL;
        TIER->conv_rows_each(to->c + i * to->ldc, to->ldc, x + at[0] * distance[0] + at[1] * distance[1] + at[2] * distance[2],
                             w->stride * distance[2], distance[2], to->b, runs, j->ends ? &end : NULL, n, to->columns, 0);
    }
}

/* One box of output places times one panel of output channels; a: the box's first input place, or x's; memory: of the slot */
static void FN(conv_item)(const struct FN(conv_job) *j, const REAL *a, REAL *memory, ptrdiff_t sample, ptrdiff_t block, ptrdiff_t panel,
                          const ptrdiff_t *first, const ptrdiff_t *count, int clipped)
{
    const struct FN(fnn_conv) *o = j->o;
    const struct conv_plan *p = &j->p;
    const ptrdiff_t *s = o->y_strides, channel = p->each ? s[1] : s[2], at = block * p->panels + panel;
    const ptrdiff_t columns = fnn_min(p->width, p->each ? o->g - block * p->width : p->k - panel * p->width);
    const int in_place = channel == 1 && (columns == p->width || columns == p->width / 2) && j->bounded;
    const ptrdiff_t start = sample * s[0] + (p->each ? block * p->width * s[1] : block * s[1] + panel * p->width * s[2]);
    REAL *row = (REAL *)((double *)memory + j->space.row);
    struct FN(row) to = {.ldc = in_place ? s[5] : p->width, .columns = columns, .b = j->packed + at * p->depth * p->width, .end = j->end};
    to.end.bias = j->bias ? j->bias + at * p->width : NULL;
    for (ptrdiff_t d = 0; d < count[0]; d++)
        for (ptrdiff_t h = 0; h < count[1]; h++)
        {
            const ptrdiff_t place[3] = {first[0] + d, first[1] + h, first[2]};
            const ptrdiff_t there = start + place[0] * s[3] + place[1] * s[4] + place[2] * s[5];
            const REAL *from = a + d * p->axis[0].hop * j->distance[0] + h * p->axis[1].hop * j->distance[1];
            to.c = in_place ? o->y + there : row;
            to.end.residual = o->residual && in_place ? o->residual + there : NULL;
            if (clipped)
                FN(clipped_row)(j, &to, a, (struct fnn_stretch *)((double *)memory + j->space.own_runs), place, count[2]);
            else
                (p->each ? TIER->conv_rows_each : TIER->conv_rows)(to.c, to.ldc, from, p->axis[2].hop * j->distance[2],
                                                                   p->each ? p->width : 1, to.b, j->runs, j->ends ? &to.end : NULL, count[2], columns, 0);
            if (!in_place)
                FN(finish)(j, o->y + there, channel, o->residual ? o->residual + there : NULL, row, count[2], columns);
        }
}

/* Items: panels within boxes within groups within samples; a slot keeps its box for the next panel */
static void FN(conv_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(conv_job) *j = job;
    const struct FN(fnn_conv) *o = j->o;
    const struct conv_plan *p = &j->p;
    struct conv_slot *slot = fnn_take_part(j->slots, j->space.slot * (ptrdiff_t)sizeof(double), o->slots);
    REAL *box = (REAL *)((double *)slot + j->space.box);
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t number = item / p->panels, sample = number / p->boxes / p->blocks;
        const ptrdiff_t of_sample = number % (p->boxes * p->blocks); /* clipped, the channels of a box follow each other */
        const ptrdiff_t block = j->clipped ? of_sample % p->blocks : of_sample / p->boxes;
        const ptrdiff_t at = j->clipped ? of_sample / p->blocks : of_sample % p->boxes;
        const ptrdiff_t *s = o->x_strides, per_block = p->each ? p->width * s[1] : s[1];
        const REAL *x = o->x + sample * s[0] + block * per_block;
        ptrdiff_t first[3], count[3];
        fnn_conv_box(p, at, first, count);
        const ptrdiff_t channels = p->each ? fnn_min(p->width, o->g - block * p->width) : p->c;
        const int clipped = j->clipped && (channels == p->width || channels == p->width / 2);
        if (j->direct)
            for (int i = 0; i < 3; i++)
                x += (first[i] * p->axis[i].stride - p->axis[i].pad) * s[3 + i];
        else if (slot->held != number && !clipped)
        {
            const ptrdiff_t strides[4] = {p->each ? s[1] : s[2], s[3], s[4], s[5]};
            FN(fnn_gather_box)(box, x, strides, channels, p, first, count, o->mode);
            slot->held = number;
        }
        FN(conv_item)(j, j->direct || clipped ? x : box, box, sample, block, item % p->panels, first, count, clipped);
    }
    fnn_return_part(slot);
}

/* Whether x can be read where it lies: nothing beyond it is read, and the channels of a kernel's row lie side by side */
static int FN(lies_ready)(const struct FN(fnn_conv) *o, const struct conv_plan *p)
{
    const ptrdiff_t *s = o->x_strides;
    if (p->each)
        return 0;
    for (int i = 0; i < 3; i++)
    {
        const struct conv_axis *a = &p->axis[i];
        if (a->pad > 0 || (a->out - 1) * a->stride - a->pad + (a->kernel - 1) * a->dilation >= a->in)
            return 0;
    }
    return s[2] == 1 && (p->axis[2].kernel == 1 || p->axis[2].dilation > 1 || s[5] == p->c);
}

/* The function, where it is a pair of bounds */
static int FN(bounds)(const struct FN(fnn_conv) *o, struct FN(fnn_conv_end) *end)
{
    end->low = -(REAL)INFINITY, end->high = (REAL)INFINITY;
    if (o->act == FNN_ACT_relu || o->act == FNN_ACT_relu6)
        end->low = 0, end->high = o->act == FNN_ACT_relu6 ? 6 : (REAL)INFINITY;
    else if (o->act == FNN_ACT_hardtanh)
        end->low = (REAL)o->act_a, end->high = (REAL)o->act_b;
    else
        return o->act < 0;
    return 1;
}

void FN(fnn_conv)(const struct FN(fnn_conv) *o)
{
    const struct conv_axis axes[3] = CONV_AXES(o);
    struct FN(conv_job) j = {.o = o, .p = fnn_conv_plan(axes, TIER->tile_columns, o->n, o->g, o->c, o->k, o->slots, 0, IS_CLIPPED(o))};
    const struct conv_plan *p = &j.p;
    double *work = conv_aligned(o->work);
    j.space = space_of(p, o->slots, o->packed != NULL);
    j.own = (REAL *)work;
    j.packed = o->packed ? o->packed : j.own;
    j.bias = o->bias ? (REAL *)(work + j.space.bias) : NULL;
    j.runs = (struct fnn_stretch *)(work + j.space.runs);
    j.slots = work + j.space.slots;
    j.direct = FN(lies_ready)(o, p);
    for (int i = 2; i >= 0; i--)
        j.distance[i] = j.direct ? o->x_strides[3 + i] * p->axis[i].step
                                 : (i == 2 ? p->c : j.distance[i + 1] * p->axis[i + 1].span);
    make_runs(j.runs, p, j.distance, (ptrdiff_t[]){0, 0, 0}, (ptrdiff_t[]){o->kd, o->kh, o->kw});
    j.clipped = IS_CLIPPED(o);
    j.bounded = FN(bounds)(o, &j.end);
    j.ends = o->bias || o->residual || o->act >= 0;
    for (ptrdiff_t i = 0; i < o->slots; i++)
    {
        struct conv_slot *slot = (struct conv_slot *)(j.slots + i * j.space.slot);
        slot->part.taken = 0;
        slot->held = -1;
    }
    const ptrdiff_t panels = p->blocks * p->panels;
    if (o->bias)
        FN(pack_bias)(j.bias, o->bias, p, o->g);
    const ptrdiff_t taps = o->kd * o->kh * o->kw;
    if (!o->packed)
        fnn_parallel(p->blocks * taps, NS_PER_WEIGHT * (double)(p->depth / taps * p->panels * p->width), FN(pack_body), &j);
    const double each = NS_PER_PRODUCT * (double)(sizeof(REAL) / sizeof(float)) * (double)(p->depth * p->width);
    const ptrdiff_t places = p->axis[0].most * p->axis[1].most * p->axis[2].most;
    fnn_parallel(o->n * p->boxes * panels, each * (double)places, FN(conv_body), &j);
}
#endif
