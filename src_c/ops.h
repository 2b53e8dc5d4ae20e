/* ops.h: the record of each op of tables/ops.def, one struct for float and one for double, and the driver that takes it.
 *
 * A driver checks nothing: types, sizes and memory have been checked by whoever filled the record. */
#ifndef FNN_OPS_H
#define FNN_OPS_H
#include "fastnn.h"

/* The kinds of recurrent layers; how many gates each has, and how many learned scales (tables/ops/gated.def) */
enum fnn_recurrent
{
    FNN_RNN_TANH, FNN_RNN_RELU, FNN_LSTM, FNN_GRU
};
static inline ptrdiff_t fnn_gates(ptrdiff_t kind) { return kind == FNN_LSTM ? 4 : kind == FNN_GRU ? 3 : 1; }
static inline ptrdiff_t fnn_scales(ptrdiff_t kind) { return kind == FNN_LSTM ? 6 : fnn_gates(kind); }
/* Of the products of a step's rows by w_hh, and by w_hr where there is one; those of the way back are as many */
static inline ptrdiff_t fnn_recurrent_operations(ptrdiff_t kind, ptrdiff_t rows, ptrdiff_t size, ptrdiff_t p, int projected)
{
    return 2 * rows * size * p * (fnn_gates(kind) + projected);
}

/* The windows of pooling along one axis, and along all axes; tables/ops/pool.def explains the numbers.  A kernel of 0 means that
 * the outputs share the axis evenly. */
struct fnn_pool_axis
{
    ptrdiff_t size, outputs, kernel, stride, padding, dilation;
};
struct fnn_pool
{
    struct fnn_pool_axis d, h, w;
    ptrdiff_t outer, inner, slots;
};
#define FNN_POOL_AXIS(o, a) {(o)->a, (o)->y##a, (o)->k##a, (o)->s##a, (o)->p##a, (o)->e##a}
#define FNN_POOL(o)                                                                                                    \
    {FNN_POOL_AXIS(o, d), FNN_POOL_AXIS(o, h), FNN_POOL_AXIS(o, w), (o)->outer, (o)->inner, (o)->slots}

#define OUT(type, name, length)       type *name;
#define MAYBE_OUT(type, name, length) type *name;
#define IN(type, name, length)        const type *name;
#define MAYBE(type, name, length)     const type *name;
#define VIEW_OUT(type, name, n)       type *name; ptrdiff_t name##_strides[n];
#define VIEW(type, name, n)           const type *name; ptrdiff_t name##_strides[n];
#define MAYBE_VIEW(type, name, n)     const type *name; ptrdiff_t name##_strides[n];
#define TABLE(type, name, length)     type *const *name; const ptrdiff_t *name##_sizes;
#define MAYBE_TABLE(type, name)       type *const *name;
#define WORK(name, length)            double *name;
#define RESULT(name)                  double *name;
#define SIZE(name)                    ptrdiff_t name;
#define FLAG(name)                    ptrdiff_t name;
#define KEY(name)                     uint64_t name;
#define NUMBER(name)                  double name;
#define OPERATIONS(count)
#define OP(name, ...)                                                                                                  \
    struct FN(fnn_##name)                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    };                                                                                                                 \
    void FN(fnn_##name)(const struct FN(fnn_##name) *o);

#define REAL     float
#define FN(name) name##_f32
#include "tables/ops.def"
#undef REAL
#undef FN
#define REAL     double
#define FN(name) name##_f64
#include "tables/ops.def"
#undef REAL
#undef FN
#include "tables/end.def"

/* The two halves of fnn_run: fills a record; runs a filled one with scratch memory of its own, and returns 0 or FNN_NO_MEMORY */
void fnn_record_fill(void *record, const struct fnn_op *op, void *const *arrays, const int64_t *sizes, const double *numbers);
int fnn_record_run(const struct fnn_op *op, void (*run)(const void *), void *record);

/* Zeroed events of a log, or NULL if there is no memory; and a filled record run as one of them, which returns as fnn_record_run */
struct fnn_log;
struct fnn_event *fnn_log_more(struct fnn_log *log, ptrdiff_t count);
int fnn_log_run(struct fnn_event *event, const struct fnn_op *op, void (*run)(const void *), void *record);

/* How many doubles of scratch memory ops need; sizes have the names of their fields */
ptrdiff_t fnn_attention_work(ptrdiff_t e, ptrdiff_t ev, ptrdiff_t slots);
ptrdiff_t fnn_attention_back_work(ptrdiff_t e, ptrdiff_t ev, ptrdiff_t slots);
ptrdiff_t fnn_channel_work(ptrdiff_t n, ptrdiff_t c, ptrdiff_t s);
ptrdiff_t fnn_conv_work(const struct fnn_conv_f32 *o); /* records of float and of double have the same layout */
ptrdiff_t fnn_conv_weight_work(const struct fnn_conv_weight_f32 *o);
ptrdiff_t fnn_ctc_width(ptrdiff_t s);
ptrdiff_t fnn_ctc_work(ptrdiff_t n, ptrdiff_t s);
ptrdiff_t fnn_group_norm_work(ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s, ptrdiff_t centre, int spare);
ptrdiff_t fnn_pair_loss_work(ptrdiff_t n);
ptrdiff_t fnn_gated_work(ptrdiff_t kind, ptrdiff_t n, ptrdiff_t size, ptrdiff_t p);
ptrdiff_t fnn_gated_back_work(ptrdiff_t kind, ptrdiff_t n, ptrdiff_t size, ptrdiff_t p);
ptrdiff_t fnn_pool_work(struct fnn_pool g);
ptrdiff_t fnn_recurrent_work(const struct fnn_recurrent_f32 *o);
ptrdiff_t fnn_recurrent_back_work(ptrdiff_t kind, ptrdiff_t n, ptrdiff_t size, ptrdiff_t p);

#endif
