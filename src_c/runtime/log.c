/* log.c: a thread's log.  While it is open it notes when each op of this thread ran, its arithmetic operations and how many threads
 * it was given; on request it also keeps the ops' records, from which a plan of the same calls is made. */
#include <stdlib.h>
#include <string.h>
#include "ops.h"
#include "parallel.h"

int fnn_logs;

/* One thread's events; `users`: how many starts of the log have not been stopped yet */
struct fnn_log
{
    struct fnn_event *events;
    ptrdiff_t count, room;
    int users, keeps;
    struct fnn_plan_step *kept; /* the ops that have run since fnn_log_keep(1), with their records */
    ptrdiff_t kept_count, kept_room;
};

int fnn_log_start(void)
{
    struct fnn_log **log = fnn_log_of_thread();
    if (!*log)
    {
        *log = calloc(1, sizeof **log);
        if (!*log)
            return FNN_NO_MEMORY;
        fnn_lock();
        fnn_logs++;
        fnn_unlock();
    }
    (*log)->users++;
    return 0;
}

void fnn_log_stop(void)
{
    struct fnn_log **log = fnn_log_of_thread();
    if (!*log || --(*log)->users)
        return;
    free((*log)->events);
    free((*log)->kept);
    free(*log);
    *log = NULL;
    fnn_lock();
    fnn_logs--;
    fnn_unlock();
}

ptrdiff_t fnn_log_read(intptr_t to)
{
    const struct fnn_log *log = *fnn_log_of_thread();
    if (log && log->count && to)
        memcpy((void *)to, log->events, (size_t)log->count * sizeof *log->events);
    return log ? log->count : 0;
}

void fnn_log_keep(int on)
{
    struct fnn_log *log = *fnn_log_of_thread();
    log->keeps = on;
    log->kept_count = 0;
}

ptrdiff_t fnn_log_kept(intptr_t to)
{
    const struct fnn_log *log = *fnn_log_of_thread();
    if (log->kept_count && to)
        memcpy((void *)to, log->kept, (size_t)log->kept_count * sizeof *log->kept);
    return log->kept_count;
}

void fnn_kept_arrays(intptr_t steps, ptrdiff_t count, intptr_t address)
{
    int64_t *to = (int64_t *)address;
    for (const struct fnn_plan_step *step = (const void *)steps; count > 0; count--, step++, to += 1 + 3 * FNN_ARRAYS)
    {
        const struct fnn_field *f = step->op->fields();
        ptrdiff_t lengths[FNN_ARRAYS];
        step->op->lengths(step->record, lengths);
        to[0] = step->op - fnn_ops;
        for (int i = 0; f[i].kind < FNN_SIZE; i++)
        {
            const int single = f[i].type == FNN_TYPE_real && step->run == step->op->run[0];
            to[1 + 3 * i] = f[i].written;
            to[2 + 3 * i] = f[i].type == FNN_TYPE_uint8_t ? 1 : single ? 4 : 8;
            to[3 + 3 * i] = lengths[i];
        }
    }
}

/* 0 if there is no memory */
static int keep(struct fnn_log *log, const struct fnn_op *op, void (*run)(const void *), const void *record)
{
    if (log->kept_count == log->kept_room)
    {
        const ptrdiff_t room = 2 * log->kept_room + 64;
        struct fnn_plan_step *kept = realloc(log->kept, (size_t)room * sizeof *kept);
        if (!kept)
            return 0;
        log->kept = kept;
        log->kept_room = room;
    }
    struct fnn_plan_step *step = log->kept + log->kept_count++;
    memset(step, 0, sizeof *step);
    step->op = op;
    step->run = run;
    memcpy(step->record, record, op->size);
    return 1;
}

struct fnn_event *fnn_log_more(struct fnn_log *log, ptrdiff_t count)
{
    if (log->count + count > log->room)
    {
        const ptrdiff_t room = 2 * log->room + count;
        struct fnn_event *events = realloc(log->events, (size_t)room * sizeof *events);
        if (!events)
            return NULL;
        log->events = events;
        log->room = room;
    }
    struct fnn_event *first = log->events + log->count;
    memset(first, 0, (size_t)count * sizeof *first);
    log->count += count;
    return first;
}

int fnn_log_run(struct fnn_event *event, const struct fnn_op *op, void (*run)(const void *), void *record)
{
    struct fnn_log *log = *fnn_log_of_thread(); /* NULL in a thread that helps with a plan's chunks */
    if (log && log->keeps && !keep(log, op, run, record))
        return FNN_NO_MEMORY;
    ptrdiff_t lengths[FNN_ARRAYS];
    struct fnn_regions regions = {0}, *outer = fnn_watch_regions(&regions);
    int status = 0;
    event->op = (int)(op - fnn_ops);
    event->thread = fnn_thread();
    event->begin = fnn_nanoseconds();
    if (op->works)
        status = fnn_record_run(op, run, record);
    else
        run(record);
    event->end = fnn_nanoseconds();
    fnn_watch_regions(outer);
    event->operations = op->lengths(record, lengths);
    event->threads = regions.threads ? regions.threads : 1;
    event->alone = regions.alone;
    return status;
}
