/* parallel.h: all that other files use of threads. */
#ifndef FNN_PARALLEL_H
#define FNN_PARALLEL_H
#include <stddef.h>

typedef void (*fnn_body)(const void *job, ptrdiff_t begin, ptrdiff_t end);

/* Runs the body over the items [0, items), in ranges: on the calling thread, and on others if the work, items * ns_each nanoseconds,
 * repays waking them.  Each item must be independent of the others; the ranges may differ from call to call. */
void fnn_parallel(ptrdiff_t items, double ns_each, fnn_body body, const void *job);

/* What a thread's regions came to: the most threads that took part in one, and, where that is one, why in the longest */
enum fnn_alone
{
    FNN_ALONE_NO_REGION, FNN_ALONE_LIMIT, FNN_ALONE_ONE_ITEM, FNN_ALONE_SMALL, FNN_ALONE_BUSY, FNN_ALONE_LATE
};
struct fnn_regions
{
    double ns;
    int threads, alone;
};
struct fnn_regions *fnn_watch_regions(struct fnn_regions *where); /* of this thread from now on, or NULL; returns the one before */
struct fnn_log **fnn_log_of_thread(void);

/* Scratch memory for the bodies of one region: `count` parts, `size` bytes apart.  Each part begins with this mark, which is 0 at
 * first.  A body takes a part, uses it alone, and gives it back; if all parts are taken, it waits for one. */
struct fnn_part
{
    int taken;
};
void *fnn_take_part(void *parts, ptrdiff_t size, ptrdiff_t count);
void fnn_return_part(void *part);

/* One lock for what calling threads share; a fork waits for it, so that a child never finds it held. */
void fnn_lock(void);
void fnn_unlock(void);

/* A file that includes this is compiled for size, because the time goes to the kernels that it calls; a driver with hot loops of its
 * own defines FNN_HOT_DRIVER first. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(FNN_HOT_DRIVER)
#pragma GCC optimize("Os")
#endif
#endif
