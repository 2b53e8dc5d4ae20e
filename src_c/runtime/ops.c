/* ops.c: the table of ops, and the one way to run any of them: with values in the order of the op's fields. */
#include <stdlib.h>
#include "ops.h"
#include "parallel.h"

/* -- the fields of each op ------------------------------------------------------------------------------------------ */
#define REAL                                real /* the record's own type, by name */
#define FIELD(field, kind, type, written, optional, n) {#field, kind, FNN_TYPE_##type, written, optional, n, offsetof(__typeof__(*o), field)},
#define ARRAY(field, type, written, optional, n)       FIELD(field, FNN_ARRAY, type, written, optional, n)
#define OUT(type, name, length)                        ARRAY(name, type, 1, 0, 0)
#define MAYBE_OUT(type, name, length)                  ARRAY(name, type, 1, 1, 0)
#define IN(type, name, length)                         ARRAY(name, type, 0, 0, 0)
#define MAYBE(type, name, length)                      ARRAY(name, type, 0, 1, 0)
#define VIEW_OUT(type, name, n)                        ARRAY(name, type, 1, 0, n)
#define VIEW(type, name, n)                            ARRAY(name, type, 0, 0, n)
#define MAYBE_VIEW(type, name, n)                      ARRAY(name, type, 0, 1, n)
#define TABLE(type, name, length)                      FIELD(name, FNN_TABLE, real, 0, 0, 0) FIELD(name##_sizes, FNN_TABLE_SIZES, none, 0, 0, 0)
#define MAYBE_TABLE(type, name)                        ARRAY(name, ptrdiff_t, 0, 1, 0)
#define WORK(name, length)                             FIELD(name, FNN_WORK, double, 0, 0, 0)
#define RESULT(name)                                   FIELD(name, FNN_RESULT, double, 0, 0, 0)
#define SIZE(name)                                     FIELD(name, FNN_SIZE, none, 0, 0, 0)
#define FLAG(name)                                     FIELD(name, FNN_FLAG, none, 0, 0, 0)
#define KEY(name)                                      FIELD(name, FNN_KEY, none, 0, 0, 0)
#define NUMBER(name)                                   FIELD(name, FNN_NUMBER, none, 0, 0, 0)
#define OPERATIONS(count)
#define OP(name, ...)                                                                                                  \
    static const struct fnn_field *fields_of_##name(void)                                                              \
    {                                                                                                                  \
        struct fnn_##name##_f32 *o;                                                                                    \
        static const struct fnn_field fields[] = {__VA_ARGS__{"", FNN_END, 0, 0, 0, 0, 0}};                                \
        _Static_assert(sizeof *o == sizeof(struct fnn_##name##_f64) && sizeof *o <= FNN_RECORD, "one layout for both types"); \
        return fields;                                                                                                 \
    }
#include "tables/ops.def"
#include "tables/end.def"
#undef FIELD
#undef ARRAY

/* -- how many values each array must have, from the record's sizes, 0 where strides or tables leave that open; operations - */
#define OUT(type, name, length)       *lengths++ = length;
#define MAYBE_OUT(type, name, length) *lengths++ = length;
#define IN(type, name, length)        *lengths++ = length;
#define MAYBE(type, name, length)     *lengths++ = length;
#define VIEW_OUT(type, name, n)       *lengths++ = 0;
#define VIEW(type, name, n)           *lengths++ = 0;
#define MAYBE_VIEW(type, name, n)     *lengths++ = 0;
#define TABLE(type, name, length)     *lengths++ = length; *lengths++ = 0;
#define MAYBE_TABLE(type, name)       *lengths++ = 0;
#define WORK(name, length)            *lengths++ = length;
#define RESULT(name)                  *lengths++ = 1;
#define SIZE(name)
#define FLAG(name)
#define KEY(name)
#define NUMBER(name)
#define OPERATIONS(count)             operations = count;
#define OP(name, ...)                                                                                                  \
    static ptrdiff_t lengths_of_##name(const void *record, ptrdiff_t *lengths)                                              \
    {                                                                                                                  \
        const struct fnn_##name##_f32 *o = record;                                                                     \
        ptrdiff_t operations = 0;                                                                                      \
        (void)o;                                                                                                       \
        __VA_ARGS__                                                                                                    \
        return operations;                                                                                             \
    }                                                                                                                  \
    static void run_##name##_f32(const void *record) { fnn_##name##_f32(record); }                                     \
    static void run_##name##_f64(const void *record) { fnn_##name##_f64(record); }
#include "tables/ops.def"
#include "tables/end.def"

#define OUT(type, name, length)
#define MAYBE_OUT(type, name, length)
#define IN(type, name, length)
#define MAYBE(type, name, length)
#define VIEW_OUT(type, name, n)
#define VIEW(type, name, n)
#define MAYBE_VIEW(type, name, n)
#define TABLE(type, name, length)
#define MAYBE_TABLE(type, name)
#define WORK(name, length) +1
#define RESULT(name)
#define SIZE(name)
#define FLAG(name)
#define KEY(name)
#define NUMBER(name)
#define OPERATIONS(count)
#define OP(name, ...) {#name, fields_of_##name, 0 __VA_ARGS__, lengths_of_##name, {run_##name##_f32, run_##name##_f64}, sizeof(struct fnn_##name##_f32)},
const struct fnn_op fnn_ops[] = {
#include "tables/ops.def"
};
const int fnn_op_count = sizeof fnn_ops / sizeof *fnn_ops;

/* -- running one ---------------------------------------------------------------------------------------------------- */
union record
{
    char bytes[FNN_RECORD];
    void *pointer;
    double number;
};

#define PUT(type, value) (*(type *)(void *)(record->bytes + f->offset) = (value))

#define LINE 64 /* bytes of a cache line, at whose beginning scratch memory begins: vectors of packed weights then lie in one line each */

/* Every integer of a record takes 8 bytes, so one loop fills in sizes, flags and keys */
_Static_assert(sizeof(ptrdiff_t) == sizeof(int64_t), "records are those of 64-bit machines");

static void fill(union record *record, const struct fnn_field *f, void *const *arrays, const int64_t *sizes, const double *numbers)
{
    for (; f->kind < FNN_SIZE; f++)
        if (f->kind == FNN_WORK)
            PUT(void *, NULL);
        else
        {
            PUT(void *, *arrays++);
            int64_t *strides = (int64_t *)(void *)(record->bytes + f->offset + sizeof(void *));
            for (int i = 0; i < f->dimensions; i++)
                *strides++ = *sizes++;
        }
    for (; f->kind < FNN_NUMBER; f++)
        PUT(int64_t, *sizes++);
    for (; f->kind == FNN_NUMBER; f++)
        PUT(double, *numbers++);
}

void fnn_record_fill(void *record, const struct fnn_op *op, void *const *arrays, const int64_t *sizes, const double *numbers)
{
    fill(record, op->fields(), arrays, sizes, numbers);
}

int fnn_record_run(const struct fnn_op *op, void (*run)(const void *), void *filled)
{
    union record *record = filled;
    ptrdiff_t lengths[FNN_ARRAYS];
    void *work[FNN_ARRAYS];
    int array = 0, works = 0, status = 0;
    op->lengths(record, lengths);
    for (const struct fnn_field *f = op->fields(); f->kind < FNN_SIZE && !status; f++, array++)
        if (f->kind == FNN_WORK)
        {
            work[works] = malloc((size_t)lengths[array] * sizeof(double) + LINE);
            PUT(void *, (char *)work[works] + (-(uintptr_t)work[works] & (LINE - 1)));
            status = work[works++] ? 0 : FNN_NO_MEMORY;
        }
    if (!status)
        run(record);
    while (works)
        free(work[--works]);
    return status;
}

int fnn_run_record(const struct fnn_op *op, int is_double, void *record)
{
    struct fnn_log *log = fnn_logs ? *fnn_log_of_thread() : NULL;
    if (log)
    {
        struct fnn_event *event = fnn_log_more(log, 1);
        return event ? fnn_log_run(event, op, op->run[is_double], record) : FNN_NO_MEMORY;
    }
    if (op->works)
        return fnn_record_run(op, op->run[is_double], record);
    op->run[is_double](record);
    return 0;
}

int fnn_run(const struct fnn_op *op, int is_double, void *const *arrays, const int64_t *sizes, const double *numbers,
            const ptrdiff_t *given)
{
    const struct fnn_field *fields = op->fields();
    union record record;
    fill(&record, fields, arrays, sizes, numbers);
    if (given)
    {
        ptrdiff_t lengths[FNN_ARRAYS];
        int array = 0; /* counts all arrays, including scratch memory, which is not among the caller's */
        op->lengths(&record, lengths);
        for (const struct fnn_field *f = fields; f->kind < FNN_SIZE; f++, array++)
            if (f->kind != FNN_WORK && *given++ < lengths[array])
                return array + 1;
    }
    return fnn_run_record(op, is_double, &record);
}
