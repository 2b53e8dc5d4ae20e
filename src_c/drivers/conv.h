/* conv.h: shared declarations of the direct convolution, its weight's gradient and Winograd's algorithm.
 *
 * The output of each sample is cut into boxes: blocks of neighbouring output places along depth, height and width.  The input that
 * a box needs, padding included, is copied to scratch memory with the channels of each place side by side ("channels-last").  Each
 * such copy lies in a slot, a part of scratch memory that a thread takes for a while and then returns.  The size of a slot does not
 * grow with the input: a box is halved until its input has at most BOX_VALUES values, but keeps at least BOX_COLUMNS columns.
 *
 * A panel is a group of NR output channels whose weights are stored together.  NR is two vector registers of values.  A run is a
 * series of products whose input values lie at equal distances in memory (struct fnn_stretch). */
#ifndef FNN_CONV_H
#define FNN_CONV_H
#include "kernels.h"
#include "runtime/parallel.h"

#define BOX_VALUES     65536 /* 256 KB of floats, which leaves room in the second-level cache */
#define BOX_COLUMNS    12    /* the least width of a box: the number of output places that the largest tile of a kernel computes */
/* The gradient of a depthwise weight cuts its boxes as if a panel had 32 channels, on every instruction set.  The boxes decide the
 * order of its sums, so they must not depend on the real width of a panel. */
#define BOX_CHANNELS   32
#define BOX_PLACES     2048  /* the weight's gradient halves its boxes until they have at most so many output places */
#define NS_PER_PRODUCT 0.012 /* nanoseconds for one multiply-add of floats with AVX-512 */

enum conv_padding
{
    CONV_ZEROS, CONV_REFLECT, CONV_REPLICATE, CONV_CIRCULAR
};

struct conv_axis
{
    ptrdiff_t in, out, kernel, stride, pad, dilation;
    ptrdiff_t most, boxes; /* most: the largest number of output places in a box; boxes: the number of boxes along the axis */
    /* A kernel of one place reads only every `stride`-th input place, and the box holds only those: step = stride, hop = 1.
     * Otherwise the box holds every place: step = 1, hop = stride.  `step` is the distance in the input between neighbouring places
     * of the box, `hop` the distance in the box between neighbouring outputs, `span` the number of input places in the box. */
    ptrdiff_t step, hop, span;
};

struct conv_plan
{
    struct conv_axis axis[3];
    ptrdiff_t each;   /* 1 for a depthwise convolution, whose groups of one channel are computed NR at a time, one in each column */
    ptrdiff_t wide;   /* 1 if a box holds the channels of all groups (depthwise only) */
    ptrdiff_t width;  /* NR, the number of columns of a panel */
    /* A block is one group, or NR groups if the convolution is depthwise.  In a block, c is the number of values that a box holds
     * for each place, k the number of output channels, and `panels` the number of panels that these need. */
    ptrdiff_t blocks, c, k, panels;
    /* One output value is a sum of `depth` products, which lie in `runs` runs of `line` products.  The partial sum is added to the
     * result after every PRODUCT_DEPTH products, which makes `flushes` times. */
    ptrdiff_t line, runs, flushes;
    ptrdiff_t depth, boxes, values;   /* boxes: of one sample and block; values: input values of the largest box */
};

#define CONV_AXES(o)                                                                                                   \
    {                                                                                                                  \
        {.in = (o)->id, .out = (o)->od, .kernel = (o)->kd, .stride = (o)->sd, .pad = (o)->pd, .dilation = (o)->ed},    \
        {.in = (o)->ih, .out = (o)->oh, .kernel = (o)->kh, .stride = (o)->sh, .pad = (o)->ph, .dilation = (o)->eh},    \
        {.in = (o)->iw, .out = (o)->ow, .kernel = (o)->kw, .stride = (o)->sw, .pad = (o)->pw, .dilation = (o)->ew},    \
    }

static inline ptrdiff_t conv_up(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

/* Chooses the boxes and fills in the plan.  `weight` is 1 for the gradient of the weight: its boxes must not depend on the number of
 * threads, because they decide the order of its sums.  `wide` is 1 for a depthwise convolution of channels-last arrays, which
 * computes all channels of a few pixels before it goes on to the next pixels. */
struct conv_plan fnn_conv_plan(const struct conv_axis *axis, ptrdiff_t width, ptrdiff_t n, ptrdiff_t g, ptrdiff_t c, ptrdiff_t k,
                               ptrdiff_t slots, int weight, int wide);

/* Finds the first output place of box `number` along each axis, and the number of output places that the box has there */
void fnn_conv_box(const struct conv_plan *p, ptrdiff_t number, ptrdiff_t first[3], ptrdiff_t count[3]);

/* Copies the input of a box from x (c, d, h, w), which may have any strides, to channels-last memory with p->c values for each place.
 * Only `channels` of these are read from x; the others become 0.  `mode` says what stands in the padding (enum conv_padding). */
void fnn_gather_box_f32(float *box, const float *x, const ptrdiff_t *strides, ptrdiff_t channels, const struct conv_plan *p,
                        const ptrdiff_t *first, const ptrdiff_t *count, ptrdiff_t mode);
void fnn_gather_box_f64(double *box, const double *x, const ptrdiff_t *strides, ptrdiff_t channels, const struct conv_plan *p,
                        const ptrdiff_t *first, const ptrdiff_t *count, ptrdiff_t mode);

/* The head of a slot.  held: the number of the box whose input the slot holds, or -1 */
struct conv_slot
{
    struct fnn_part part;
    ptrdiff_t held;
};

/* Finishes one row of outputs that lies in scratch memory, `width` values for each pixel: adds the residual unless it is NULL, applies
 * the activation unless the kernel has done so (`bounded`, no residual), and copies the row to y, which may have any strides. */
void fnn_conv_finish_f32(const struct fnn_conv_f32 *o, int bounded, float *y, ptrdiff_t channel, const float *residual, float *row,
                         ptrdiff_t width, ptrdiff_t pixels, ptrdiff_t channels);
/* Returns 1 if there is no activation, or one that only limits its argument to an interval, as relu does.  `end` gets the limits, or
 * infinities. */
int fnn_conv_bounds_f32(const struct fnn_conv_f32 *o, struct fnn_conv_end_f32 *end);
/* A convolution by Winograd's algorithm (conv_winograd.c) */
void fnn_winograd_f32(const struct fnn_conv_f32 *o);
void fnn_conv_finish_f64(const struct fnn_conv_f64 *o, int bounded, double *y, ptrdiff_t channel, const double *residual, double *row,
                         ptrdiff_t width, ptrdiff_t pixels, ptrdiff_t channels);
int fnn_conv_bounds_f64(const struct fnn_conv_f64 *o, struct fnn_conv_end_f64 *end);
void fnn_winograd_f64(const struct fnn_conv_f64 *o);
ptrdiff_t fnn_winograd_work(const struct fnn_conv_f32 *o);

/* Scratch memory is counted in doubles.  Each part of it begins at a multiple of 64 bytes, the size of a cache line. */
static inline ptrdiff_t conv_line(ptrdiff_t doubles) { return conv_up(doubles, 8) * 8; }

#endif
