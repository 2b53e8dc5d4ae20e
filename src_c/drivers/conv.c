/* conv.c: direct convolution.  One item of work computes one box of output places (conv.h) for one panel of NR output channels, with
 * the loops of kernels/conv.inc.
 *
 * The weights are packed once into panels (kernel place, channel, NR).  Every output sums its products in the same order: over the
 * kernel's depth, then its rows, its columns and the channels.  Input that needs no padding and whose channels lie side by side is
 * read from x itself, without a copy. */
#ifndef REAL
#define FNN_HOT_DRIVER
#include <math.h>
#include <string.h>
#include "drivers/conv.h"
#include "runtime/parallel.h"

#define PACK_CHANNELS 16  /* input channels that are packed for all panels before the next ones, so that weights are read in order */
#define DEPTHWISE(o) ((o)->c == 1 && (o)->k == 1 && (o)->g > 1 && (o)->kd * (o)->kh * (o)->kw <= PRODUCT_DEPTH)
/* Whether an item computes all channels of its pixels: in a depthwise convolution of channels-last arrays */
#define IS_WIDE(o, width) (DEPTHWISE(o) && (o)->x_strides[1] == 1 && (o)->y_strides[1] == 1 && (o)->g % ((width) / 2) == 0)
#define DEEP_VALUES   16384 /* the most outputs of a panel that are summed together (is_deep): 64 KB of floats */
#define DEEP_WEIGHTS  131072 /* so many weights do not stay in the second-level cache from one box to the next: 512 KB of floats */
#define NS_PER_WEIGHT 0.1 /* nanoseconds to pack one weight */

/* Where the parts of scratch memory begin, counted in doubles.  First come the packed weights, at `bias` the bias in whole panels, and
 * at `slots` the slots, of `slot` doubles each.  A slot has at `box` the input of a box, at `row` one row of outputs (all rows if
 * they are summed together), at `late` the weights that are packed late, and at `runs` the runs of a row of outputs. */
struct conv_space
{
    ptrdiff_t bias, slots, slot, box, total;
    ptrdiff_t row, late, runs; /* counted from the beginning of the slot's box */
};

/* Whether a panel's outputs are few, so that they can be summed together: PRODUCT_DEPTH products of each before any gets the next ones */
static int is_small(const struct conv_plan *p)
{
    return !p->each && p->axis[0].most * p->axis[1].most * p->axis[2].most * p->width <= DEEP_VALUES;
}

/* Whether weights are packed late: by the item that uses them, PRODUCT_DEPTH rows at a time, which stay in the first-level cache.  This
 * is so if there is one sample and each group's output is one small box, because then no second item reads the same panel. */
static int is_late(const struct conv_plan *p, ptrdiff_t n, int packed) { return !packed && n * p->boxes == 1 && is_small(p); }

/* Whether a panel's outputs are summed together.  That pays if the weights come from the last-level cache or from memory: while one
 * PRODUCT_DEPTH rows are multiplied with all places of the box, the next ones are prefetched.  Row after row of outputs, the first row
 * would wait for all weights of the panel (3 x 3 places, 512 channels of 7 x 7 pixels: 1.3 times as long). */
static int is_deep(const struct conv_plan *p, ptrdiff_t n, int packed)
{
    return is_late(p, n, packed) || (is_small(p) && p->k * p->depth >= DEEP_WEIGHTS);
}

static struct conv_space space_of(const struct conv_plan *p, ptrdiff_t n, ptrdiff_t slots, int packed)
{
    struct conv_space s;
    const ptrdiff_t columns = p->blocks * p->panels * p->width;
    const int late = is_late(p, n, packed);
    const ptrdiff_t rows = is_deep(p, n, packed) ? p->axis[0].most * p->axis[1].most : 1;
    s.bias = packed || late ? 0 : conv_line(columns * p->depth);
    s.slots = s.bias + conv_line(columns);
    s.box = conv_line((ptrdiff_t)(sizeof(struct conv_slot) / sizeof(double)));
    s.row = conv_line(p->values);
    s.late = s.row + conv_line(rows * p->axis[2].most * (p->wide ? p->c : p->width));
    s.runs = s.late + (late ? conv_line(PRODUCT_DEPTH * p->width) : 0);
    s.slot = s.box + s.runs + conv_line((p->runs + p->flushes) * (ptrdiff_t)(sizeof(struct fnn_stretch) / sizeof(double)));
    s.total = s.slots + slots * s.slot;
    return s;
}

ptrdiff_t fnn_conv_work(const struct fnn_conv_f32 *o)
{
    if (o->fast)
        return fnn_winograd_work(o);
    const struct conv_axis axes[3] = CONV_AXES(o);
    ptrdiff_t most = 0;
    for (ptrdiff_t part = 1; part <= 2; part++) /* the larger one of float and double */
    {
        const ptrdiff_t width = fnn_tier->f32.tile_columns / part;
        const struct conv_plan p = fnn_conv_plan(axes, width, o->n, o->g, o->c, o->k, o->slots, 0, IS_WIDE(o, width));
        const ptrdiff_t total = space_of(&p, o->n, o->slots, o->packed != NULL).total;
        most = total > most ? total : most;
    }
    return most;
}

/* Whether the window that begins at place `at` of an axis lies wholly inside the input */
static int stays_inside(const struct conv_axis *a, ptrdiff_t at) { return at >= 0 && at + (a->kernel - 1) * a->dilation < a->in; }

/* Writes the runs that make up the products from .. to - 1 of one output's sum, and returns their number.  `distance` is the distance
 * in values between neighbouring input places along each axis.  `at` is the depth and height at which the window begins: kernel rows
 * that lie outside the input there only multiply zeros and are left out.  If `at` is NULL, no row is left out.  The partial sum is
 * added to the result after every PRODUCT_DEPTH products; products that are left out count too, so the order of additions is the
 * same for all windows. */
static ptrdiff_t make_runs(struct fnn_stretch *runs, const struct conv_plan *p, const ptrdiff_t distance[3], const ptrdiff_t *at,
                           ptrdiff_t from, ptrdiff_t to)
{
    const struct conv_axis *a = p->axis;
    const ptrdiff_t lines = p->runs / (a[0].kernel * a[1].kernel), column = p->each ? distance[2] * a[2].dilation : 1;
    ptrdiff_t count = 0, begin = from % p->line, w = from / p->line % lines;
    ptrdiff_t d = from / p->line / lines / a[1].kernel, h = from / p->line / lines % a[1].kernel;
    for (ptrdiff_t done = from, length; done < to; done += length)
    {
        length = fnn_min(p->line - begin, PRODUCT_DEPTH - done % PRODUCT_DEPTH);
        const ptrdiff_t of_d = d * a[0].dilation, of_h = h * a[1].dilation, end = done + length;
        const ptrdiff_t flush = end == to ? 2 : end % PRODUCT_DEPTH == 0;
        const int meets = !at || (at[0] + of_d >= 0 && at[0] + of_d < a[0].in && at[1] + of_h >= 0 && at[1] + of_h < a[1].in);
        if (meets || flush)
            runs[count++] = (struct fnn_stretch){
                .offset = of_d * distance[0] + of_h * distance[1] + w * a[2].dilation * distance[2] + begin * column,
                .row = done - from, .length = meets ? length : 0, .flush = flush};
        begin += length;
        if (begin == p->line)
            begin = 0, w++;
        if (w == lines)
            w = 0, h++;
        if (h == a[1].kernel)
            h = 0, d++;
    }
    return count;
}

/* Cuts the output places first .. first + count - 1 of each axis into three parts: windows that begin before the input, windows inside
 * it, and windows that end behind it.  cuts[axis] holds the four borders of these parts.  If `none` is 1, or if too few windows lie
 * inside to be worth it, the first part is the whole axis. */
static void make_cuts(ptrdiff_t cuts[3][4], const struct conv_plan *p, const ptrdiff_t first[3], const ptrdiff_t count[3], int none)
{
    for (int i = 2; i >= 0; i--)
    {
        const struct conv_axis *a = &p->axis[i];
        const ptrdiff_t end = first[i] + count[i], room = a->in - 1 - (a->kernel - 1) * a->dilation + a->pad;
        const ptrdiff_t low = a->pad > 0 ? conv_up(a->pad, a->stride) : 0, high = fnn_min(room < 0 ? 0 : room / a->stride + 1, end);
        const ptrdiff_t from = low < first[i] ? first[i] : low;
        none |= high - from < (i == 2 ? BOX_COLUMNS : 1); /* treat the whole box as one part */
        cuts[i][0] = first[i];
        cuts[i][1] = none ? end : from;
        cuts[i][2] = none ? end : high;
        cuts[i][3] = end;
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
    REAL *own; /* scratch memory for packed weights, if none were given */
    const REAL *packed;
    REAL *bias; /* the bias in whole panels, or NULL */
    double *slots;
    struct FN(fnn_conv_end) end;
    ptrdiff_t of_box[3], of_x[3]; /* the distance in values between neighbouring input places along each axis */
    int direct;        /* x is read where it lies */
    int late, deep;    /* late: weights are packed as they are needed; deep: a panel's outputs are summed together */
    int taps;          /* a depthwise convolution whose kernel has at most PRODUCT_DEPTH places (conv_taps) */
    int bounded, ends; /* bounded: the activation only limits (fnn_conv_bounds); ends: there is bias, residual or activation */
};

/* The weights of a kernel place */
static const REAL *FN(weight_at)(const struct FN(fnn_conv) *o, ptrdiff_t tap)
{
    const ptrdiff_t *s = o->weight_strides, kh = o->kh, kw = o->kw;
    return o->weight + tap / (kh * kw) * s[3] + tap / kw % kh * s[4] + tap % kw * s[5];
}

/* Packs weights.  An item is one kernel place of one block.  A few channels at a time are packed for all panels, so that the weights
 * are read in the order in which they lie in memory. */
static void FN(pack_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(conv_job) *j = job;
    const struct FN(fnn_conv) *o = j->o;
    const struct conv_plan *p = &j->p;
    const ptrdiff_t *s = o->weight_strides, taps = o->kd * o->kh * o->kw, depth = p->depth / taps;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t block = item / taps, tap = item % taps;
        const REAL *from = FN(weight_at)(o, tap) + (p->each ? block * p->width : block) * s[0];
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

/* Packs rows row .. end - 1 of a panel; a row is one kernel place and channel */
static void FN(pack_late)(REAL *to, const struct FN(conv_job) *j, ptrdiff_t block, ptrdiff_t panel, ptrdiff_t row, ptrdiff_t end)
{
    const ptrdiff_t *s = j->o->weight_strides, width = j->p.width, first = panel * width;
    for (ptrdiff_t n; row < end; row += n, to += n * width)
    {
        const ptrdiff_t c = row % j->p.c;
        n = fnn_min(end - row, j->p.c - c);
        TIER->product_pack(to, FN(weight_at)(j->o, row / j->p.c) + block * s[0] + first * s[1] + c * s[2], s[2], s[1], n,
                           fnn_min(width, j->p.k - first));
    }
}

/* Copies the bias so that each panel has NR values; columns without a channel get 0 */
static void FN(pack_bias)(REAL *to, const REAL *from, const struct conv_plan *p, ptrdiff_t groups)
{
    for (ptrdiff_t item = 0; item < p->blocks * p->panels; item++)
        for (ptrdiff_t i = 0; i < p->width; i++, to++)
        {
            const ptrdiff_t at = item % p->panels * p->width + i, channel = p->each ? item * p->width + i : item / p->panels * p->k + at;
            *to = (p->each ? channel < groups : at < p->k) ? from[channel] : 0;
        }
}

/* Computes `channels` output channels, from the beginning of a panel on, for the output places first .. first + count - 1.  `a` points
 * at the first input value that these places need, in the box or in x itself.  `memory` is the slot's `row`. */
static void FN(conv_item)(const struct FN(conv_job) *j, const REAL *a, const ptrdiff_t distance[3], REAL *memory, ptrdiff_t sample,
                          ptrdiff_t block, ptrdiff_t panel, ptrdiff_t channels, const ptrdiff_t *first, const ptrdiff_t *count)
{
    const struct FN(fnn_conv) *o = j->o;
    const struct conv_plan *p = &j->p;
    const ptrdiff_t *s = o->y_strides, channel = p->each ? s[1] : s[2], at = block * p->panels + panel;
    const ptrdiff_t next = p->axis[2].hop * distance[2], column = p->each ? distance[2] * p->axis[2].dilation : 1;
    const int in_place = channel == 1 && j->bounded && (p->wide || channels == p->width || channels == p->width / 2);
    const ptrdiff_t start = sample * s[0] + (p->each ? block * p->width * s[1] : block * s[1] + panel * p->width * s[2]);
    const ptrdiff_t ldc = in_place ? s[5] : p->wide ? p->c : p->width, size = p->depth * p->width;
    REAL *late = (REAL *)((double *)memory + j->space.late - j->space.row);
    struct fnn_stretch *runs = (struct fnn_stretch *)((double *)memory + j->space.runs - j->space.row);
    struct FN(fnn_conv_end) end = j->end;
    end.bias = j->bias ? j->bias + at * p->width : NULL;
    if (o->residual && !in_place) /* `fnn_conv_finish` adds the residual and then limits the sum, so the kernel must not limit it before */
        end.low = -(REAL)INFINITY, end.high = (REAL)INFINITY;
    for (ptrdiff_t done = 0, to; done < p->depth; done = to)
    {
        to = j->deep ? fnn_min(done + PRODUCT_DEPTH, p->depth) : p->depth;
        if (j->late)
            FN(pack_late)(late, j, block, panel, done, to);
        const REAL *b = j->late ? late : j->packed + at * size + done * p->width;
        /* Tiles prefetch the weights that they need soon or, if outputs are summed together, their share of those that follow */
        const ptrdiff_t lines = count[0] * count[1], share = j->deep && !j->late ? conv_up(p->width, lines) : 0;
        ptrdiff_t ready = 0, number = 0; /* ready: `runs` already holds the runs of windows inside the input */
        for (ptrdiff_t line = 0; line < lines; line++)
        {
            const REAL *soon = b + (share ? (to - done) * p->width + line * share * PRODUCT_DEPTH : PRODUCT_AHEAD * p->width);
            const ptrdiff_t d = line / count[1], h = line % count[1];
            const ptrdiff_t there = start + (first[0] + d) * s[3] + (first[1] + h) * s[4] + first[2] * s[5];
            const REAL *from = a + d * p->axis[0].hop * distance[0] + h * p->axis[1].hop * distance[1];
            const REAL *residual = o->residual ? o->residual + there : NULL;
            REAL *row = memory + (j->deep ? line * count[2] * ldc : 0), *c = in_place ? o->y + there : row;
            end.residual = in_place ? residual : NULL;
            const struct FN(fnn_conv_end) *ends = j->ends && to == p->depth ? &end : NULL;
            const ptrdiff_t place[2] = {(first[0] + d) * p->axis[0].stride - p->axis[0].pad, (first[1] + h) * p->axis[1].stride - p->axis[1].pad};
            const int inside = o->mode != CONV_ZEROS || (stays_inside(&p->axis[0], place[0]) && stays_inside(&p->axis[1], place[1]));
            if (!(ready && inside))
                number = make_runs(runs, p, distance, inside ? NULL : place, done, to);
            ready = inside;
            if (j->taps) /* the last run may be an empty one, which only ends the sum */
                TIER->conv_taps(c, ldc, from, next, b, size, runs, number - !runs[number - 1].length, ends, count[2], channels);
            else
                (p->each ? TIER->conv_rows_each : TIER->conv_rows)(c, ldc, from, next, column, b, runs, ends, count[2], channels, done > 0,
                                                                         soon, share ? share : p->width);
            if (!in_place && to == p->depth)
                FN(fnn_conv_finish)(o, j->bounded, o->y + there, channel, residual, row, ldc, count[2], channels);
        }
    }
}

/* Computes all channels of a box of a depthwise convolution.  Windows inside the input read x itself.  Windows that reach into the
 * padding read a gathered copy, and so does the whole box if vectors read from x would each cross two cache lines. */
static void FN(wide_item)(const struct FN(conv_job) *j, REAL *box, REAL *row, ptrdiff_t sample, const ptrdiff_t *first, const ptrdiff_t *count)
{
    const struct FN(fnn_conv) *o = j->o;
    const ptrdiff_t *s = o->x_strides;
    const REAL *x = o->x + sample * s[0];
    ptrdiff_t cuts[3][4];
    make_cuts(cuts, &j->p, first, count, o->sw == 1 && j->p.depth > 4 && ((uintptr_t)x | (uintptr_t)(o->g * (ptrdiff_t)sizeof(REAL))) % 64 != 0);
    for (int piece = 0; piece < 27; piece++)
    {
        const int number[3] = {piece / 9, piece / 3 % 3, piece % 3};
        ptrdiff_t from[3], n[3], at = 0;
        for (int i = 0; i < 3; i++)
        {
            from[i] = cuts[i][number[i]];
            n[i] = cuts[i][number[i] + 1] - from[i];
            at += (from[i] * j->p.axis[i].stride - j->p.axis[i].pad) * s[3 + i];
        }
        if (!(n[0] && n[1] && n[2]))
            continue;
        const int inside = piece == 13; /* the piece in the middle of all axes */
        if (!inside)
            FN(fnn_gather_box)(box, x, (ptrdiff_t[]){s[1], s[3], s[4], s[5]}, o->g, &j->p, from, n, o->mode);
        FN(conv_item)(j, inside ? x + at : box, inside ? j->of_x : j->of_box, row, sample, 0, 0, o->g, from, n);
    }
}

/* An item is one panel of one box of one block of one sample, or, if the plan is wide, one box of one sample.  A slot keeps its
 * gathered box, because the next item is often the next panel of the same box. */
static void FN(conv_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(conv_job) *j = job;
    const struct FN(fnn_conv) *o = j->o;
    const struct conv_plan *p = &j->p;
    struct conv_slot *slot = fnn_take_part(j->slots, j->space.slot * (ptrdiff_t)sizeof(double), o->slots);
    REAL *box = (REAL *)((double *)slot + j->space.box), *row = (REAL *)((double *)box + j->space.row);
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const ptrdiff_t *s = o->x_strides;
        const ptrdiff_t number = p->wide ? item : item / p->panels, blocks = p->wide ? 1 : p->blocks;
        const ptrdiff_t sample = number / p->boxes / blocks, block = number / p->boxes % blocks, panel = item % p->panels;
        ptrdiff_t first[3], count[3];
        fnn_conv_box(p, number % p->boxes, first, count);
        if (p->wide)
        {
            FN(wide_item)(j, box, row, sample, first, count);
            continue;
        }
        const REAL *x = o->x + sample * s[0] + block * (p->each ? p->width : 1) * s[1];
        const ptrdiff_t inputs = p->each ? fnn_min(p->width, o->g - block * p->width) : p->c;
        if (j->direct)
            for (int i = 0; i < 3; i++)
                x += (first[i] * p->axis[i].stride - p->axis[i].pad) * s[3 + i];
        else if (slot->held != number)
        {
            FN(fnn_gather_box)(box, x, (ptrdiff_t[]){p->each ? s[1] : s[2], s[3], s[4], s[5]}, inputs, p, first, count, o->mode);
            slot->held = number;
        }
        const ptrdiff_t outputs = p->each ? inputs : fnn_min(p->width, p->k - panel * p->width);
        FN(conv_item)(j, j->direct ? x : box, j->direct ? j->of_x : j->of_box, row, sample, block, panel, outputs, first, count);
    }
    fnn_return_part(slot);
}

/* Whether all windows can be read from x itself: none reaches into padding, the channels of a pixel lie side by side, and so do
 * neighbouring pixels if a run covers a whole row of the kernel */
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

void FN(fnn_conv)(const struct FN(fnn_conv) *o)
{
    if (o->fast)
    {
        FN(fnn_winograd)(o);
        return;
    }
    const struct conv_axis axes[3] = CONV_AXES(o);
    struct FN(conv_job) j = {.o = o};
    j.p = fnn_conv_plan(axes, TIER->tile_columns, o->n, o->g, o->c, o->k, o->slots, 0, IS_WIDE(o, TIER->tile_columns));
    const struct conv_plan *p = &j.p;
    double *work = o->work;
    j.space = space_of(p, o->n, o->slots, o->packed != NULL);
    j.own = (REAL *)work;
    j.packed = o->packed ? o->packed : j.own;
    j.bias = o->bias ? (REAL *)(work + j.space.bias) : NULL;
    j.slots = work + j.space.slots;
    j.direct = FN(lies_ready)(o, p);
    j.late = is_late(p, o->n, o->packed != NULL);
    j.deep = is_deep(p, o->n, o->packed != NULL);
    for (int i = 2; i >= 0; i--)
    {
        j.of_x[i] = o->x_strides[3 + i] * p->axis[i].step;
        j.of_box[i] = i == 2 ? p->c : j.of_box[i + 1] * p->axis[i + 1].span;
    }
    j.taps = DEPTHWISE(o);
    j.bounded = FN(fnn_conv_bounds)(o, &j.end);
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
    if (!o->packed && !j.late)
        fnn_parallel(p->blocks * taps, NS_PER_WEIGHT * (double)(p->depth / taps * p->panels * p->width), FN(pack_body), &j);
    const double each = NS_PER_PRODUCT * (double)(sizeof(REAL) / sizeof(float)) * (double)(p->depth * (p->wide ? p->c : p->width));
    const ptrdiff_t places = p->axis[0].most * p->axis[1].most * p->axis[2].most;
    fnn_parallel(o->n * p->boxes * (p->wide ? 1 : panels), each * (double)places, FN(conv_body), &j);
}
#endif
