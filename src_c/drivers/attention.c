/* attention.c: y = softmax(scale q k^T + bias) v, without ever storing the whole matrix of scores.  A thread computes some queries of
 * one head, and goes through the keys tile by tile.  Meanwhile y holds the sums of exp(score - m) v over the keys so far, where m is
 * the query's largest score so far.  When m grows, y is multiplied by exp(old m - new m).  At the end y is divided by the sum of the
 * exponentials (Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018; Dao, "FlashAttention-2", 2023). */
#ifndef REAL
#include <string.h>
#include "drivers/attention.h"
#include "runtime/parallel.h"

#define QUERIES 48 /* queries whose scores are computed together: a multiple of the tile's rows for every instruction set */
#define ITEMS   4  /* items of work for each thread, if there are enough queries */
/* If all keys and values together have at least so many bytes, those of the next head are prefetched; fewer are still in the cache. */
#define FETCHED ((ptrdiff_t)1 << 20)

/* The doubles of one thread's part of scratch memory: struct fnn_part, packed keys, packed values, scores, and one row of bias and mask */
static ptrdiff_t part_of(ptrdiff_t e, ptrdiff_t ev)
{
    return 8 + attention_up(fnn_packed_size_f64(e, KEYS), 8) + attention_up(fnn_packed_size_f64(KEYS, ev), 8) + QUERIES * APART + KEYS;
}

ptrdiff_t fnn_attention_work(ptrdiff_t e, ptrdiff_t ev, ptrdiff_t slots) { return slots * part_of(e, ev); }

#define FNN_SELF "drivers/attention.c"
#include "each_real.h"
#else
#include "drivers/attention.h"

struct FN(attention_job)
{
    const struct FN(fnn_attention) *o;
    double *parts;
    ptrdiff_t chunk, chunks; /* chunk: the number of queries of an item; chunks: the number of items of a head */
    int fetch;               /* whether the next head's keys and values are fetched ahead */
};

/* A thread's part of scratch memory.  It holds keys j .. j + n - 1 and their values, packed in panels.  Unless next_k is NULL, row t of the
 * next head's keys and values is prefetched while query t is computed. */
struct FN(attention_room)
{
    REAL *keys, *values, *scores, *mask;
    const REAL *next_k, *next_v;
    ptrdiff_t j, n;
};

/* Prefetches n values into the second-level cache */
static void FN(attention_fetch)(const REAL *x, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i += (ptrdiff_t)(64 / sizeof(REAL)))
        __builtin_prefetch(x + i, 0, 2);
}

/* How many of the first `see` keys in the room are visible to query t */
static ptrdiff_t FN(attention_seen)(const struct FN(fnn_attention) *o, const struct FN(attention_room) *r, ptrdiff_t t, ptrdiff_t see)
{
    return o->causal ? fnn_min(see, t + o->shift + 1 - r->j) : see;
}

/* Adds what the keys in the room contribute to queries i .. i + m - 1.  The maxima of all rows are computed first, then the exponentials
 * of all rows.  Row by row, the processor would wait for each maximum and each sum, which are chains of dependent steps. */
static void FN(attend_rows)(const struct FN(fnn_attention) *o, const struct FN(attention_head) *head, REAL *y,
                            const struct FN(attention_room) *r, ptrdiff_t i, ptrdiff_t m)
{
    const struct fnn_dropout drop = {(uint32_t)o->threshold, o->kept, -0.0, 0.0};
    const ptrdiff_t see = o->causal ? fnn_min(r->n, i + m + o->shift - r->j) : r->n; /* keys that the last query sees */
    const ptrdiff_t ldy = o->y_strides[2], fetched = r->j || !r->next_k ? 0 : o->s; /* rows of the next head that are prefetched */
    double fades[QUERIES];
    FN(attention_product)(r->scores, APART, head->q + i * o->q_strides[2], o->q_strides[2], 1, r->keys, o->e, NULL, 0, m,
                          attention_up(see, TIER->tile_columns), o->e, 0);
    for (ptrdiff_t t = i; t < i + m; t++)
    {
        const ptrdiff_t seen = FN(attention_seen)(o, r, t, see);
        const REAL *bias = o->bias ? head->bias + t * o->bias_strides[2] + r->j * o->bias_strides[3] : NULL;
        const uint8_t *keep = o->keep ? head->keep + t * o->keep_strides[2] + r->j * o->keep_strides[3] : NULL;
        TIER->attend_top(r->scores + (t - i) * APART, FN(attention_mask)(r->mask, bias, o->bias_strides[3], keep, o->keep_strides[3], seen),
                         seen, (REAL)o->scale, head->stats + 2 * t, fades + (t - i));
        if (t < fetched)
            FN(attention_fetch)(r->next_k + t * o->k_strides[2], o->e);
    }
    for (ptrdiff_t t = i; t < i + m; t++)
    {
        REAL *row = r->scores + (t - i) * APART;
        const ptrdiff_t seen = FN(attention_seen)(o, r, t, see), whole = attention_up(seen, 32);
        TIER->attend(row, seen, head->stats + 2 * t, fades[t - i]);
        if (whole < see)
            memset(row + whole, 0, (size_t)(see - whole) * sizeof(REAL));
        if (o->threshold)
            TIER->dropout(row, row, seen, head->element + (uint64_t)(t * o->s + r->j), o->key, &drop);
        if (r->j && fades[t - i] != 1)
            TIER->scale_row(y + t * ldy, o->ev, fades[t - i]);
        if (t < fetched)
        {
            FN(attention_fetch)(r->next_v + t * o->v_strides[2], o->ev);
            FN(attention_fetch)(y + t * ldy, o->ev); /* the product below writes it */
        }
    }
    FN(attention_product)(y + i * ldy, ldy, r->scores, APART, 1, r->values, r->n, NULL, 0, m, o->ev, see, r->j > 0);
}

/* Computes queries from .. to - 1 of one head */
static void FN(attend_chunk)(const struct FN(fnn_attention) *o, const struct FN(attention_head) *head, struct FN(attention_room) *r,
                             ptrdiff_t from, ptrdiff_t to)
{
    REAL *y = o->y + head->n * o->y_strides[0] + head->h * o->y_strides[1];
    const ptrdiff_t last = o->causal ? fnn_min(o->s, to + o->shift) : o->s;
    for (ptrdiff_t i = from; i < to; i++)
        head->stats[2 * i] = -__builtin_inf(), head->stats[2 * i + 1] = 0;
    for (r->j = 0; r->j < last; r->j += KEYS)
    {
        const ptrdiff_t first = o->causal ? attention_max(from, r->j - o->shift) : from; /* queries before this one see none of these keys */
        r->n = fnn_min(KEYS, last - r->j);
        FN(fnn_pack)(r->keys, head->k + r->j * o->k_strides[2], 1, o->k_strides[2], o->e, r->n);
        FN(fnn_pack)(r->values, head->v + r->j * o->v_strides[2], o->v_strides[2], 1, r->n, o->ev);
        for (ptrdiff_t i = first, m; i < to; i += m)
        {
            /* Some of these queries do not see all of these keys.  Then fewer queries at a time waste fewer products on masked scores. */
            const int diagonal = o->causal && i + o->shift + 1 < r->j + r->n;
            m = fnn_min(diagonal ? QUERIES / 2 : QUERIES, to - i);
            FN(attend_rows)(o, head, y, r, i, m);
        }
    }
    for (ptrdiff_t i = from; i < to; i++)
    {
        if (o->wrong && !(head->stats[2 * i + 1] > 0 || (o->blind && head->stats[2 * i + 1] == 0)))
            __atomic_store_n(o->wrong, 1, __ATOMIC_RELAXED);
        if (head->stats[2 * i + 1] == 0)
            memset(y + i * o->y_strides[2], 0, (size_t)o->ev * sizeof(REAL));
        else
            TIER->scale_row(y + i * o->y_strides[2], o->ev, 1 / head->stats[2 * i + 1]);
    }
}

static void FN(attention_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(attention_job) *d = job;
    const struct FN(fnn_attention) *o = d->o;
    double *part = fnn_take_part(d->parts, part_of(o->e, o->ev) * (ptrdiff_t)sizeof(double), o->slots);
    struct FN(attention_room) room = {.keys = (REAL *)(part + 8)};
    room.values = room.keys + attention_up(FN(fnn_packed_size)(o->e, KEYS), 16);
    room.scores = room.values + attention_up(FN(fnn_packed_size)(KEYS, o->ev), 16);
    room.mask = room.scores + QUERIES * APART;
    for (ptrdiff_t item = begin; item < end; item++)
    {
        const struct FN(attention_head) head = ATTENTION_HEAD(o, item / d->chunks);
        const struct FN(attention_head) next = ATTENTION_HEAD(o, fnn_min(item + 1, end - 1) / d->chunks);
        const ptrdiff_t from = item % d->chunks * d->chunk;
        room.next_k = d->fetch ? next.k : NULL, room.next_v = next.v;
        FN(attend_chunk)(o, &head, &room, from, fnn_min(from + d->chunk, o->l));
    }
    fnn_return_part(part);
}

void FN(fnn_attention)(const struct FN(fnn_attention) *given)
{
    struct FN(fnn_attention) own = *given, *o = &own;
    o->q += o->q_at, o->k += o->k_at, o->v += o->v_at;
    const ptrdiff_t heads = o->n * o->heads, cuts = (ITEMS * fnn_get_num_threads() + heads - 1) / heads;
    struct FN(attention_job) d = {.o = o, .chunk = attention_max(attention_up((o->l + cuts - 1) / cuts, QUERIES), 2 * QUERIES)};
    d.chunks = (o->l + d.chunk - 1) / d.chunk;
    d.fetch = heads * o->s * (o->e + o->ev) >= FETCHED / (ptrdiff_t)sizeof(REAL);
    d.parts = o->work;
    for (ptrdiff_t i = 0; i < o->slots; i++)
        ((struct fnn_part *)(d.parts + i * part_of(o->e, o->ev)))->taken = 0;
    const double each = NS_PER_PAIR + NS_PER_PRODUCT * (double)(o->e + o->ev), type = (double)(sizeof(REAL) / sizeof(float));
    fnn_parallel(heads * d.chunks, type * each * (double)fnn_min(d.chunk, o->l) * (double)o->s, FN(attention_body), &d);
}
#endif
