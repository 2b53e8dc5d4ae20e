/* attention_back.c: the gradients of attention.  One item of work is one head.  The shares p = softmax(scores) are computed again, tile by
 * tile, from the two numbers that the forward call stored for each query (kernels/attention.inc):
 *
 *   dv = p^T dy     ds = p (dy v^T - dot)     dq = scale ds k     dk = scale ds^T q     dot = the sum of dy y over a query */
#ifndef REAL
#include <string.h>
#include "drivers/attention.h"
#include "runtime/parallel.h"

#define QUERIES 128 /* queries at a time, counted from the first one; dk and dv sum over such blocks of queries, in order */

/* The doubles of one thread's part of scratch memory: struct fnn_part, packed keys, packed values, shares, gradients of the shares, and one
 * row of bias and mask */
static ptrdiff_t part_of(ptrdiff_t e, ptrdiff_t ev)
{
    return 8 + attention_up(fnn_packed_size_f64(e, KEYS), 8) + attention_up(fnn_packed_size_f64(ev, KEYS), 8) + 2 * QUERIES * APART + KEYS;
}

ptrdiff_t fnn_attention_back_work(ptrdiff_t e, ptrdiff_t ev, ptrdiff_t slots) { return slots * part_of(e, ev); }

#define FNN_SELF "drivers/attention_back.c"
#include "each_real.h"
#else
#include "drivers/attention.h"

struct FN(dattention_job)
{
    const struct FN(fnn_attention_backward) *o;
    double *parts;
};

/* A thread's part of scratch memory.  It holds keys and values j .. j + n - 1, packed as the columns of a product's second factor. */
struct FN(dattention_room)
{
    REAL *keys, *values, *shares, *dshares, *mask;
    ptrdiff_t j, n;
};

/* Turns the products in p and ds into the shares (p) and the scaled gradients of the scores (ds) of query t */
static void FN(dattend_row)(const struct FN(fnn_attention_backward) *o, const struct FN(attention_head) *head,
                            const struct FN(dattention_room) *r, REAL *p, REAL *ds, const REAL *dy, const REAL *y, ptrdiff_t t,
                            ptrdiff_t see)
{
    const struct fnn_dropout drop = {(uint32_t)o->threshold, o->kept, -0.0, 0.0};
    const ptrdiff_t seen = o->causal ? attention_max(0, fnn_min(see, t + o->shift + 1 - r->j)) : see, whole = attention_up(seen, 32);
    const REAL *bias = o->bias ? head->bias + t * o->bias_strides[2] + r->j * o->bias_strides[3] : NULL;
    const uint8_t *keep = o->keep ? head->keep + t * o->keep_strides[2] + r->j * o->keep_strides[3] : NULL;
    const uint64_t element = head->element + (uint64_t)(t * o->s + r->j);
    REAL *dbias = o->dbias ? o->dbias + ((ptrdiff_t)element - o->first * o->l * o->s) : NULL;
    if (o->threshold)
        TIER->dropout(ds, ds, seen, element, o->key, &drop);
    TIER->dattend(p, ds, dbias, FN(attention_mask)(r->mask, bias, o->bias_strides[3], keep, o->keep_strides[3], seen), seen,
                  (REAL)o->scale, head->stats + 2 * t, TIER->row_dot(dy, y, o->ev));
    if (o->threshold)
        TIER->dropout(p, p, seen, element, o->key, &drop);
    if (whole < see)
    {
        memset(p + whole, 0, (size_t)(see - whole) * sizeof(REAL));
        memset(ds + whole, 0, (size_t)(see - whole) * sizeof(REAL));
    }
}

/* For queries i .. i + m - 1 and the keys in the room: adds to dq, dk and dv */
static void FN(dattend_rows)(const struct FN(fnn_attention_backward) *o, const struct FN(attention_head) *head,
                             const struct FN(dattention_room) *r, ptrdiff_t i, ptrdiff_t m)
{
    const ptrdiff_t see = o->causal ? fnn_min(r->n, i + m + o->shift - r->j) : r->n, wide = attention_up(see, TIER->tile_columns);
    const ptrdiff_t ldq = o->q_strides[2], ldk = o->k_strides[2], lddy = o->dy_strides[2], ldy = o->y_strides[2];
    const REAL *q = head->q + i * ldq, *k = head->k + r->j * ldk;
    const REAL *dy = o->dy + head->n * o->dy_strides[0] + head->h * o->dy_strides[1] + i * lddy;
    const REAL *y = o->y + head->n * o->y_strides[0] + head->h * o->y_strides[1] + i * ldy;
    REAL *dq = o->dq + head->n * o->dq_strides[0] + head->h * o->dq_strides[1] + i * o->dq_strides[2];
    REAL *dk = o->dk + head->n * o->dk_strides[0] + head->h * o->dk_strides[1] + r->j * o->dk_strides[2];
    REAL *dv = o->dv + head->n * o->dv_strides[0] + head->h * o->dv_strides[1] + r->j * o->dv_strides[2];
    FN(attention_product)(r->shares, APART, q, ldq, 1, r->keys, o->e, NULL, 0, m, wide, o->e, 0);
    FN(attention_product)(r->dshares, APART, dy, lddy, 1, r->values, o->ev, NULL, 0, m, wide, o->ev, 0);
    for (ptrdiff_t t = 0; t < m; t++)
        FN(dattend_row)(o, head, r, r->shares + t * APART, r->dshares + t * APART, dy + t * lddy, y + t * ldy, i + t, see);
    FN(attention_product)(dv, o->dv_strides[2], r->shares, 1, APART, NULL, 0, dy, lddy, see, o->ev, m, 1);
    FN(attention_product)(dk, o->dk_strides[2], r->dshares, 1, APART, NULL, 0, q, ldq, see, o->e, m, 1);
    FN(attention_product)(dq, o->dq_strides[2], r->dshares, APART, 1, NULL, 0, k, ldk, m, o->e, see, r->j > 0);
}

static void FN(dattend_head)(const struct FN(fnn_attention_backward) *o, const struct FN(attention_head) *head,
                             struct FN(dattention_room) *r)
{
    REAL *dk = o->dk + head->n * o->dk_strides[0] + head->h * o->dk_strides[1];
    REAL *dv = o->dv + head->n * o->dv_strides[0] + head->h * o->dv_strides[1];
    for (ptrdiff_t j = 0; j < o->s; j++)
    {
        memset(dk + j * o->dk_strides[2], 0, (size_t)o->e * sizeof(REAL));
        memset(dv + j * o->dv_strides[2], 0, (size_t)o->ev * sizeof(REAL));
    }
    for (r->j = 0; r->j < o->s; r->j += KEYS)
    {
        const ptrdiff_t first = o->causal ? attention_max(0, r->j - o->shift) / QUERIES * QUERIES : 0;
        r->n = fnn_min(KEYS, o->s - r->j);
        FN(fnn_pack)(r->keys, head->k + r->j * o->k_strides[2], 1, o->k_strides[2], o->e, r->n);
        FN(fnn_pack)(r->values, head->v + r->j * o->v_strides[2], 1, o->v_strides[2], o->ev, r->n);
        for (ptrdiff_t i = first; i < o->l; i += QUERIES)
            FN(dattend_rows)(o, head, r, i, fnn_min(QUERIES, o->l - i));
    }
}

static void FN(dattention_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(dattention_job) *d = job;
    const struct FN(fnn_attention_backward) *o = d->o;
    double *part = fnn_take_part(d->parts, part_of(o->e, o->ev) * (ptrdiff_t)sizeof(double), o->slots);
    struct FN(dattention_room) room = {.keys = (REAL *)(part + 8)};
    room.values = room.keys + attention_up(FN(fnn_packed_size)(o->e, KEYS), 16);
    room.shares = room.values + attention_up(FN(fnn_packed_size)(o->ev, KEYS), 16);
    room.dshares = room.shares + QUERIES * APART;
    room.mask = room.dshares + QUERIES * APART;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const struct FN(attention_head) head = ATTENTION_HEAD(o, item);
        FN(dattend_head)(o, &head, &room);
    }
    fnn_return_part(part);
}

void FN(fnn_attention_backward)(const struct FN(fnn_attention_backward) *o)
{
    const struct FN(dattention_job) d = {o, o->work};
    for (ptrdiff_t i = 0; i < o->slots; i++)
        ((struct fnn_part *)(d.parts + i * part_of(o->e, o->ev)))->taken = 0;
    const double each = NS_PER_PAIR + NS_PER_PRODUCT * (double)(3 * o->e + 2 * o->ev), type = (double)(sizeof(REAL) / sizeof(float));
    fnn_parallel(o->n * o->heads, type * each * (double)o->l * (double)o->s, FN(dattention_body), &d);
}
#endif
