/* fastnn.h: everything Cython sees.  No function checks its arguments; all of that is done before it is called.
 *
 * Arguments stand in memcpy's order: outputs, inputs, sizes, parameters.  Arrays are dense and row-major unless said
 * otherwise; sizes count elements; `d` marks a gradient. */
#ifndef FASTNN_H
#define FASTNN_H
#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#define FNN_EXPORT __declspec(dllexport)
#else
#define FNN_EXPORT __attribute__((visibility("default")))
#endif

/* -- the build ----------------------------------------------------------------------------------------------------- */
#ifdef FNN_HAVE_OMP_SIMD
#define FNN_SIMD 1
#else
#define FNN_SIMD 0
#endif

/* -- instruction sets ---------------------------------------------------------------------------------------------- */
int fnn_select_isa(const char *name); /* "": the best this processor has; 0 if it has no tier of that name */
const char *fnn_isa(void);
int fnn_isa_count(void); /* the tiers of this build; the best is the first */
const char *fnn_isa_name(int i);
int fnn_isa_runs(int i); /* 1 if this machine has tier i */

/* -- threads (parallel.h) ------------------------------------------------------------------------------------------ */
int fnn_select_team(const char *name); /* "own", "openmp" or "serial", "" for the one in use; 0 if there is none of that name here */
const char *fnn_team(void);
FNN_EXPORT void fnn_set_num_threads(int n); /* these two are also called by threadpoolctl */
FNN_EXPORT int fnn_get_num_threads(void); /* how many threads this thread's next call may use: its own limit if it has one, else the process's */
int fnn_set_thread_limit(int n); /* limits the calling thread's work, 0: no limit; -n: n threads however little work; returns the limit before */
int fnn_team_size(void); /* workers alive */

/* -- memory of large results ---------------------------------------------------------------------------------------- */
enum
{
    FNN_MEMORY_LEAST = 65536 /* bytes: smaller results come from malloc, which keeps such blocks for reuse itself */
};
struct fnn_memory_stats
{
    size_t live, cached, peak, limit; /* bytes: in use, kept for later, the most of both together so far, the most that may be kept */
    uint64_t requests, hits;          /* hits: requests that were served from what was kept */
};
void *fnn_memory_alloc(size_t size); /* aligned to a cache line; NULL if there is no memory */
void fnn_memory_free(void *memory);
void fnn_memory_empty(void);
void fnn_memory_limit(size_t bytes);
struct fnn_memory_stats fnn_memory_read(int reset_peak);
/* The same for NumPy, which hands its allocators a context and, where memory is freed, its size; neither is needed here */
void *fnn_numpy_malloc(void *context, size_t size);
void *fnn_numpy_calloc(void *context, size_t count, size_t size);
void *fnn_numpy_realloc(void *context, void *memory, size_t size);
void fnn_numpy_free(void *context, void *memory, size_t size);

/* An allocator for NumPy that, from start to stop, gives out no address twice (distinct.c), so that an address tells which array an
 * op read or wrote.  One recording at a time.  `stop` returns how many blocks were made; if they are at most `most` it has stopped,
 * and has copied their addresses and sizes in pairs; -1 if there was no memory to note them. */
void fnn_distinct_start(void);
ptrdiff_t fnn_distinct_stop(intptr_t to, ptrdiff_t most);
void *fnn_distinct_malloc(void *context, size_t size);
void *fnn_distinct_calloc(void *context, size_t count, size_t size);
void *fnn_distinct_realloc(void *context, void *memory, size_t size);
void fnn_distinct_free(void *context, void *memory, size_t size);

/* -- what the tables hold, by name (runtime/names.c) ----------------------------------------------------------------- */
struct fnn_entry
{
    const char *name, *parameters, *states; /* lists of names: "(beta, threshold)", "(none)" for none */
    int saves_y; /* of an element-wise function: its derivative reads the result, not the argument */
    int learns;  /* how many of its parameters can be learned */
};
extern const struct fnn_entry fnn_acts[], fnn_losses[], fnn_rules[], fnn_pointwises[];

/* -- element-wise functions: activations.def ----------------------------------------------------------------------- */
enum
{
#define ACT(name, parameters, cost, saved, value, gradient) FNN_ACT_##name,
#include "tables/activations.def"
#undef ACT
    FNN_ACTS
};

/* -- losses of two or three tensors: losses.def --------------------------------------------------------------------- */
enum
{
#define LOSS(name, value, dx, dt) FNN_LOSS_##name,
#include "tables/losses.def"
#undef LOSS
    FNN_LOSSES
};
int fnn_loss_takes_three(int loss);

/* -- update rules: optimizers.def ------------------------------------------------------------------------------------ */
enum
{
#define RULE(name, hypers, states, ...) FNN_RULE_##name,
#include "tables/optimizers.def"
#undef RULE
    FNN_RULES
};

/* -- functions of the values of two arrays: pointwise.def --------------------------------------------------------------- */
enum
{
#define POINTWISE_1(name, ...) FNN_POINTWISE_##name,
#define POINTWISE_2      POINTWISE_1
#define POINTWISE_3      POINTWISE_1
#define POINTWISE_TRUTH  POINTWISE_1
#define POINTWISE_KERNEL POINTWISE_1
#include "tables/pointwise.def"
#undef POINTWISE_1
#undef POINTWISE_2
#undef POINTWISE_3
#undef POINTWISE_TRUTH
#undef POINTWISE_KERNEL
    FNN_POINTWISES
};

/* The numbers of types in the op `convert`; it can write the last four, and read all */
enum fnn_type_code
{
    FNN_INT8, FNN_INT16, FNN_INT32, FNN_UINT16, FNN_UINT32, FNN_UINT8, FNN_BOOL, FNN_INT64, FNN_FLOAT, FNN_DOUBLE
};

/* -- ops: tables/ops.def -------------------------------------------------------------------------------------------- */
enum /* kinds of fields; an op has its arrays first, then its integers, then its numbers */
{
    FNN_ARRAY, FNN_TABLE, FNN_TABLE_SIZES, FNN_WORK, FNN_RESULT, FNN_SIZE, FNN_FLAG, FNN_KEY, FNN_NUMBER, FNN_END
};
enum /* types of arrays; real: the type that the op computes in, float or double */
{
    FNN_TYPE_real, FNN_TYPE_double, FNN_TYPE_int64_t, FNN_TYPE_uint8_t, FNN_TYPE_ptrdiff_t, FNN_TYPE_none
};
enum
{
    FNN_RECORD = 640, /* bytes of the largest record */
    FNN_ARRAYS = 32,  /* no op has more arrays, integers or numbers than these */
    FNN_SIZES = 64,
    FNN_NUMBERS = 16,
    FNN_NO_MEMORY = -1
};
struct fnn_field
{
    char name[15]; /* not a pointer, which would be three times as large: the loader has to be told of each */
    unsigned char kind, type, written, optional;
    unsigned char dimensions; /* of a view, whose strides follow its pointer; 0 for an array that lies dense */
    unsigned short offset;
};
struct fnn_op
{
    const char *name;
    const struct fnn_field *(*fields)(void); /* the last one has the kind FNN_END */
    int works;                               /* how many of the fields are scratch memory */
    ptrdiff_t (*lengths)(const void *record, ptrdiff_t *lengths); /* returns the operations of its products */
    void (*run[2])(const void *record); /* over float, over double */
    size_t size;                        /* of the record */
};
extern const struct fnn_op fnn_ops[];
extern const int fnn_op_count;

/* Runs an op on arrays, integers (including the strides of views, in elements) and numbers, each in the order of the op's fields.
 * `given` says how many values each array has, or is NULL: then lengths are not checked.  Returns 0 if the op has run, else the
 * number (from 1) of the field whose array is too short, or FNN_NO_MEMORY. */
int fnn_run(const struct fnn_op *op, int is_double, void *const *arrays, const int64_t *sizes, const double *numbers,
            const ptrdiff_t *given);
int fnn_run_record(const struct fnn_op *op, int is_double, void *record); /* that of an op, filled: 0, or FNN_NO_MEMORY */

/* -- a thread's log of its ops (log.c) --------------------------------------------------------------------------------- */
struct fnn_event
{
    int64_t begin, end, operations, thread, plan, step, samples; /* nanoseconds; plan: its address, 0 outside of plans */
    int op, threads, alone;                             /* alone: why on one thread (parallel.h) */
    int chunk;                                          /* of the plan's batch */
};
extern int fnn_logs; /* how many threads have a log; while it is 0, an op need not look for its thread's */
int fnn_log_start(void); /* 0, or FNN_NO_MEMORY; starts nest, and each needs its own stop */
void fnn_log_stop(void);
ptrdiff_t fnn_log_read(intptr_t to); /* how many events; copies them to `to` if it is not 0; steps that did not run are 0 */
void fnn_log_keep(int on); /* of a thread with a log: begins or ends keeping the records of ops outside of plans */
ptrdiff_t fnn_log_kept(intptr_t to); /* how many records; copies them as struct fnn_plan_step to `to` if it is not 0 */
/* Writes for each of `count` steps the number of its op, and then for each of FNN_ARRAYS fields whether the op writes it, the bytes of a
 * value, and the number of values (0: the table of ops does not tell it) */
void fnn_kept_arrays(intptr_t steps, ptrdiff_t count, intptr_t to);
int64_t fnn_nanoseconds(void); /* the clock */
int64_t fnn_thread(void); /* another number for each thread */

/* -- plans for inference --------------------------------------------------------------------------------------------- */
enum
{
    FNN_PLAN_PATCHES = 12,
    FNN_PLAN_REGISTERS = 512,
    FNN_PLAN_SIZE = -2, /* in place of a register: the patch multiplies a size by the number of samples */
    FNN_PLAN_KEY = -4,  /* in place of a register: the field is a key, number `add` of those in the first input */
    FNN_PLAN_WRONG = 1  /* a step refuses the values that it got */
};
/* A field of a step that every run fills anew: with the address of a register, or a size for all samples */
struct fnn_patch
{
    int64_t offset; /* of the field in the record */
    int64_t from;
    int64_t add; /* bytes from where the register begins */
};
struct fnn_plan_step
{
    const struct fnn_op *op;
    void (*run)(const void *record);
    int patches;
    struct fnn_patch patch[FNN_PLAN_PATCHES];
    void *record[FNN_RECORD / sizeof(void *)];
};
/* Registers are the memory of values: inputs, outputs, then values between the steps.  The last one is a flag, which a step sets if
 * it refuses its values. */
struct fnn_plan
{
    struct fnn_plan_step *steps;
    ptrdiff_t count;
    int inputs, outputs, registers;
    int uncut; /* all samples are worked on at a time, for they share more than weights */
    ptrdiff_t size[FNN_PLAN_REGISTERS]; /* bytes of one sample */
};
/* A step from what fnn_run takes, and at most FNN_PLAN_PATCHES fields that every run fills anew */
void fnn_plan_step_fill(struct fnn_plan_step *step, const struct fnn_op *op, int is_double, void *const *arrays,
                        const int64_t *sizes, const double *numbers, const struct fnn_patch *patches, int count);
/* Runs the steps over m samples; `arrays` are the inputs and outputs.  Returns 0, FNN_PLAN_WRONG or FNN_NO_MEMORY. */
int fnn_plan_run(const struct fnn_plan *plan, void *const *arrays, ptrdiff_t m);

#define FNN_API(REAL, SFX)                                                                                             \
    /* Packs b (k, n) once for many products; `packed` has room for fnn_packed_size values */                          \
    ptrdiff_t fnn_packed_size_##SFX(ptrdiff_t k, ptrdiff_t n);                                                         \
    void fnn_pack_##SFX(REAL *packed, const REAL *b, ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t k, ptrdiff_t n);
FNN_API(float, f32)
FNN_API(double, f64)
#undef FNN_API

#endif
