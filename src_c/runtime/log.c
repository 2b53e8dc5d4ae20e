/* log.c: when the ops of a thread ran, what they counted, and how many threads they were given, while somebody wants to know. */
#include <stdlib.h>
#include <string.h>
#include "ops.h"
#include "parallel.h"

int fnn_logs;

/* One thread's events; `users` count those who want to know */
struct fnn_log
{
    struct fnn_event *events;
    ptrdiff_t count, room;
    int users;
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
