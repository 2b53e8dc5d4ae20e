/* conv_box.c: cuts a convolution into boxes (conv.h), gathers the input of a box, and finishes rows of outputs. */
#ifndef REAL
#include <math.h>
#include <string.h>
#include "drivers/conv.h"

/* The number of input places along an axis that `places` neighbouring output places need */
static ptrdiff_t conv_span(const struct conv_axis *a, ptrdiff_t places)
{
    return (places - 1) * a->hop + (a->kernel - 1) * a->dilation + 1;
}

/* Computes the fields of the plan that follow from `most`, the size of the boxes along each axis */
static void conv_cut(struct conv_plan *p)
{
    p->values = p->c;
    p->boxes = 1;
    for (int i = 0; i < 3; i++)
    {
        struct conv_axis *a = &p->axis[i];
        a->boxes = conv_up(a->out, a->most);
        a->span = conv_span(a, a->most);
        p->values *= a->span;
        p->boxes *= a->boxes;
    }
}

/* Halves the boxes while they have more than BOX_VALUES input values or more than `places` output places, or while there are fewer
 * than `items` boxes.  Depth is halved first, then height, then width.  In the first of two rounds an axis keeps at least as many
 * places as a dilated kernel skips: neighbouring boxes overlap by that much, so smaller boxes would copy most values again. */
static void conv_cut_boxes(struct conv_plan *p, ptrdiff_t places, ptrdiff_t items)
{
    for (int turn = 0; turn < 6; turn++)
    {
        const int i = turn % 3;
        struct conv_axis *a = &p->axis[i];
        const ptrdiff_t skipped = turn < 3 ? (a->kernel - 1) * (a->dilation - 1) : 0, lowest = i == 2 ? BOX_COLUMNS : 1;
        const ptrdiff_t least = skipped > lowest ? skipped : lowest;
        for (;;)
        {
            const int large = p->values > BOX_VALUES || p->axis[0].most * p->axis[1].most * p->axis[2].most > places;
            const int few = p->boxes < items && a->most >= 4 * least; /* smaller boxes would share too much of their input */
            if (a->most <= least || !(large || few))
                break;
            a->most = conv_up(a->most, 2 * least) * least;
            conv_cut(p);
        }
    }
}

/* Whether there are so few weights, beside the inputs and outputs of a sample, that every thread may read all of them */
static int has_few_weights(const struct conv_plan *p, ptrdiff_t c)
{
    ptrdiff_t weights = c * p->k, inputs = c, outputs = p->k;
    for (int i = 0; i < 3; i++)
        weights *= p->axis[i].kernel, inputs *= p->axis[i].in, outputs *= p->axis[i].out;
    return weights <= 4 * (inputs + outputs);
}

struct conv_plan fnn_conv_plan(const struct conv_axis *axis, ptrdiff_t width, ptrdiff_t n, ptrdiff_t g, ptrdiff_t c, ptrdiff_t k,
                               ptrdiff_t slots, int weight, int wide)
{
    struct conv_plan p = {.width = width, .each = c == 1 && k == 1 && g > 1, .wide = wide};
    p.blocks = p.each ? conv_up(g, width) : g;
    p.c = !p.each ? c : wide ? g : weight ? BOX_CHANNELS : width;
    p.k = p.each ? width : k;
    p.panels = conv_up(p.k, width);
    for (int i = 0; i < 3; i++)
    {
        struct conv_axis *a = &p.axis[i];
        *a = axis[i];
        a->step = a->kernel == 1 ? a->stride : 1;
        a->hop = a->kernel == 1 ? 1 : a->stride;
        a->most = a->out;
    }
    conv_cut(&p);
    /* Enough boxes that every thread has two items.  If there are few weights, every thread also gets a box for itself: it then works on
     * the same places in one layer after another, and finds the layer's input in its own cache. */
    ptrdiff_t items = weight ? 0 : conv_up(2 * slots, n * (wide ? 1 : p.blocks * p.panels));
    if (!weight && n * items < slots && has_few_weights(&p, c))
        items = conv_up(slots, n);
    conv_cut_boxes(&p, weight ? BOX_PLACES : PTRDIFF_MAX, items);
    if (p.each && !wide)
        p.c = width;
    conv_cut(&p);
    const ptrdiff_t taps = p.axis[0].kernel * p.axis[1].kernel * p.axis[2].kernel, one = p.each ? 1 : c;
    /* A run covers a whole row of the kernel if its values lie at equal distances: without dilation, pixels lie side by side.  In a
     * depthwise convolution with few kernel places each place is a run by itself, as `conv_taps` expects. */
    const int whole_rows = p.each ? weight || taps > PRODUCT_DEPTH : p.axis[2].dilation == 1 || p.axis[2].kernel == 1;
    p.line = whole_rows ? one * p.axis[2].kernel : one;
    p.depth = one * taps;
    p.runs = p.depth / p.line;
    p.flushes = conv_up(p.depth, PRODUCT_DEPTH);
    return p;
}

/* The input place whose value stands at place i of the padded axis; the input has places 0 .. n - 1.  -1 means that a zero stands there. */
static ptrdiff_t conv_source(ptrdiff_t i, ptrdiff_t n, ptrdiff_t mode)
{
    if (i >= 0 && i < n)
        return i;
    if (mode == CONV_REFLECT)
        return i < 0 ? -i : 2 * (n - 1) - i;
    if (mode == CONV_REPLICATE)
        return i < 0 ? 0 : n - 1;
    if (mode == CONV_CIRCULAR)
        return i < 0 ? i + n : i - n;
    return -1;
}

void fnn_conv_box(const struct conv_plan *p, ptrdiff_t number, ptrdiff_t first[3], ptrdiff_t count[3])
{
    for (int i = 2; i >= 0; i--)
    {
        const struct conv_axis *a = &p->axis[i];
        first[i] = number % a->boxes * a->most;
        count[i] = fnn_min(a->most, a->out - first[i]);
        number /= a->boxes;
    }
}

#define FNN_SELF "drivers/conv_box.c"
#include "each_real.h"
#else

void FN(fnn_gather_box)(REAL *box, const REAL *x, const ptrdiff_t *strides, ptrdiff_t channels,
                        const struct conv_plan *p, const ptrdiff_t *first, const ptrdiff_t *count, ptrdiff_t mode)
{
    const struct conv_axis *d = &p->axis[0], *h = &p->axis[1], *w = &p->axis[2];
    const ptrdiff_t wide = conv_span(w, count[2]), start = first[2] * w->stride - w->pad;
    const ptrdiff_t lo = fnn_min(start < 0 ? conv_up(-start, w->step) : 0, wide);
    const ptrdiff_t room = w->in > start ? conv_up(w->in - start, w->step) : 0, hi = fnn_min(room < lo ? lo : room, wide);
    for (ptrdiff_t zd = 0; zd < conv_span(d, count[0]); zd++)
        for (ptrdiff_t zh = 0; zh < conv_span(h, count[1]); zh++)
        {
            const ptrdiff_t at_d = conv_source(first[0] * d->stride - d->pad + zd * d->step, d->in, mode);
            const ptrdiff_t at_h = conv_source(first[1] * h->stride - h->pad + zh * h->step, h->in, mode);
            REAL *to = box + (zd * h->span + zh) * w->span * p->c;
            if (at_d < 0 || at_h < 0)
            {
                memset(to, 0, (size_t)(wide * p->c) * sizeof(REAL));
                continue;
            }
            const REAL *from = x + at_d * strides[1] + at_h * strides[2];
            if (hi > lo)
                TIER->conv_gather(to + lo * p->c, p->c, from + (start + lo * w->step) * strides[3], strides[0],
                                  w->step * strides[3], hi - lo, channels);
            for (ptrdiff_t z = lo > 0 ? 0 : hi; z < wide; z = z + 1 == lo ? hi : z + 1)
            {
                const ptrdiff_t at_w = conv_source(start + z * w->step, w->in, mode);
                if (at_w < 0)
                    memset(to + z * p->c, 0, (size_t)p->c * sizeof(REAL));
                else
                    TIER->conv_gather(to + z * p->c, p->c, from + at_w * strides[3], strides[0], 0, 1, channels);
            }
        }
}

void FN(fnn_conv_finish)(const struct FN(fnn_conv) *o, int bounded, REAL *y, ptrdiff_t channel, const REAL *residual, REAL *row,
                         ptrdiff_t width, ptrdiff_t pixels, ptrdiff_t channels)
{
    const ptrdiff_t pixel = o->y_strides[5];
    const int last = channel == 1; /* 1 if the channels of a pixel lie side by side in y, 0 if the pixels of a channel do */
    for (ptrdiff_t i = 0; residual && last && i < pixels; i++)
        TIER->add(row + i * width, row + i * width, residual + i * pixel, channels);
    if (o->act >= 0 && (residual ? last : !bounded))
        TIER->act[o->act](row, row, pixels * width, o->act_a, o->act_b);
    TIER->conv_scatter(y, channel, pixel, row, width, pixels, channels);
    for (ptrdiff_t i = 0; residual && !last && i < channels; i++)
    {
        TIER->add(y + i * channel, y + i * channel, residual + i * channel, pixels);
        if (o->act >= 0)
            TIER->act[o->act](y + i * channel, y + i * channel, pixels, o->act_a, o->act_b);
    }
}

int FN(fnn_conv_bounds)(const struct FN(fnn_conv) *o, struct FN(fnn_conv_end) *end)
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
#endif
