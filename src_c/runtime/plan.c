/* plan.c: runs a frozen network over a batch: one record of an op after the other.  The records are complete except for what
 * depends on the batch: addresses, and sizes that count samples. */
#include <string.h>
#include "ops.h"
#include "parallel.h"

#define CHUNK_BYTES (1 << 19) /* how large the values between the steps may be, of all samples that are worked on together: half a second-level cache */
#define NS_CHUNK    1e5       /* the least time that a chunk of that size takes */

void fnn_plan_step_fill(struct fnn_plan_step *step, const struct fnn_op *op, int is_double, void *const *arrays,
                        const int64_t *sizes, const double *numbers, const struct fnn_patch *patches, int count)
{
    fnn_record_fill(step->record, op, arrays, sizes, numbers);
    step->op = op;
    step->run = op->run[is_double];
    step->patches = count;
    memcpy(step->patch, patches, (size_t)count * sizeof *patches);
}

static int run_steps(const struct fnn_plan *plan, void *const *registers, ptrdiff_t m, struct fnn_event *event)
{
    const int64_t *wrong = registers[plan->registers - 1];
    int status = 0;
    for (const struct fnn_plan_step *t = plan->steps; t < plan->steps + plan->count && !status; t++)
    {
        _Alignas(8) char record[FNN_RECORD];
        memcpy(record, t->record, t->op->size);
        for (int i = 0; i < t->patches; i++)
        {
            char *const at = record + t->patch[i].offset;
            if (t->patch[i].from == FNN_PLAN_SIZE)
                *(ptrdiff_t *)(void *)at *= m;
            else if (t->patch[i].from == FNN_PLAN_KEY)
                *(int64_t *)(void *)at = ((const int64_t *)registers[0])[t->patch[i].add];
            else
                *(void **)(void *)at = (char *)registers[t->patch[i].from] + t->patch[i].add;
        }
        if (event)
        {
            event->samples = m;
            status = fnn_log_run(event++, t->op, t->run, record);
        }
        else if (t->op->works)
            status = fnn_record_run(t->op, t->run, record);
        else
            t->run(record);
        if (*wrong)
            status = FNN_PLAN_WRONG;
    }
    return status;
}

struct job
{
    const struct fnn_plan *plan;
    void *const *arrays;
    ptrdiff_t m, chunk;
    signed char *status; /* of each chunk */
    struct fnn_event *events; /* of each chunk's steps, or NULL */
};

/* Runs chunks begin to end - 1 in the same memory for the values between the steps */
static void run_chunks(const void *of, ptrdiff_t begin, ptrdiff_t end)
{
    const struct job *job = of;
    const struct fnn_plan *plan = job->plan;
    const int given = plan->inputs + plan->outputs;
    void *at[FNN_PLAN_REGISTERS];
    int64_t wrong = 0;
    size_t total = 0;
    for (int i = given; i < plan->registers - 1; i++)
        total += (size_t)(plan->size[i] * job->chunk + 63) / 64 * 64; /* each register begins a cache line */
    char *memory = fnn_memory_alloc(total + 1), *next = memory;
    if (!memory)
    {
        memset(job->status + begin, FNN_NO_MEMORY, (size_t)(end - begin));
        return;
    }
    for (int i = given; i < plan->registers - 1; i++)
    {
        at[i] = next;
        next += (plan->size[i] * job->chunk + 63) / 64 * 64;
    }
    at[plan->registers - 1] = &wrong;
    for (ptrdiff_t c = begin; c < end; c++)
    {
        const ptrdiff_t done = c * job->chunk, left = job->m - done;
        for (int i = 0; i < given; i++)
            at[i] = (char *)job->arrays[i] + done * plan->size[i];
        job->status[c] = (signed char)run_steps(plan, at, left < job->chunk ? left : job->chunk,
                                               job->events ? job->events + c * plan->count : NULL);
    }
    fnn_memory_free(memory);
}

/* Makes room in the thread's log, if it has one, for the steps of so many chunks; 0 if there is no memory */
static int make_events(struct job *job, ptrdiff_t chunks)
{
    struct fnn_log *log = fnn_logs ? *fnn_log_of_thread() : NULL;
    const ptrdiff_t steps = job->plan->count;
    if (!log)
        return 1;
    job->events = fnn_log_more(log, chunks * steps);
    for (ptrdiff_t i = 0; job->events && i < chunks * steps; i++)
    {
        job->events[i].plan = (intptr_t)job->plan;
        job->events[i].step = i % steps;
        job->events[i].chunk = (int)(i / steps);
    }
    return job->events != NULL;
}

int fnn_plan_run(const struct fnn_plan *plan, void *const *arrays, ptrdiff_t m)
{
    ptrdiff_t total = 0;
    for (int i = plan->inputs + plan->outputs; i < plan->registers - 1; i++)
        total += plan->size[i];
    signed char one = 0;
    struct job job = {plan, arrays, m, m, &one, NULL};
    if (plan->uncut || total * m <= CHUNK_BYTES)
    {
        if (!make_events(&job, 1))
            return FNN_NO_MEMORY;
        run_chunks(&job, 0, 1);
        return one;
    }
    /* Chunks are shared out among the threads; their number is a multiple of the threads', so that all threads get as many */
    const ptrdiff_t threads = fnn_get_num_threads(), most = total < CHUNK_BYTES ? CHUNK_BYTES / total : 1;
    ptrdiff_t count = (m + most - 1) / most;
    count = (count + threads - 1) / threads * threads;
    job.chunk = (m + count - 1) / count;
    count = (m + job.chunk - 1) / job.chunk;
    job.status = fnn_memory_alloc((size_t)count);
    if (!job.status || !make_events(&job, count))
    {
        fnn_memory_free(job.status);
        return FNN_NO_MEMORY;
    }
    if (total >= CHUNK_BYTES) /* one sample has work for all threads: they work on it together, in the same memory */
        run_chunks(&job, 0, count);
    else
        fnn_parallel(count, NS_CHUNK, run_chunks, &job);
    int status = 0;
    for (ptrdiff_t c = 0; c < count; c++)
        status = job.status[c] ? job.status[c] : status;
    fnn_memory_free(job.status);
    return status;
}
