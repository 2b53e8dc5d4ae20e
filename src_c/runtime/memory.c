/* memory.c: memory of large results, kept for the next result of its size.
 *
 * A fresh large array costs more than what is written into it: the system clears each page and maps it at the first touch
 * (relu over 128 MB: 30 ms fresh, 6 ms into memory that is there).  Sizes are rounded up to eighths of a power of two, so
 * that at most one part in nine is wasted.  What is kept is bounded: the least recently used block is freed first, and so is one
 * that no request has met in the last TRIM_AFTER requests. */
#ifdef __linux__
#define _GNU_SOURCE
#include <sys/mman.h>
#endif
#include <stdlib.h>
#include <string.h>
#include "fastnn.h"
#include "runtime/parallel.h"

#define HEADER     64                 /* bytes in front of the memory that is handed out: a cache line, so that what follows begins a line too */
#define HUGE_PAGE  ((size_t)2 << 20)  /* blocks of at least twice this size ask the system for huge pages */
#define TRIM_AFTER 4096
#define CLASSES    (8 * 8 * (int)sizeof(size_t))

struct block
{
    struct block *newer, *older;   /* among all that is kept */
    struct block *next, *previous; /* among those of its size */
    size_t bytes;
    uint64_t kept_at;
    int size_class;
};
_Static_assert(sizeof(struct block) <= HEADER, "the header holds a block");

static struct block *kept[CLASSES], *newest, *oldest;
static struct fnn_memory_stats stats;
static uint64_t requests;

/* Rounds a size up to the next one that has a class, and returns the class */
static int class_of(size_t *bytes)
{
    int power = 0;
    while (*bytes >> (power + 1))
        power++;
    const size_t step = power > 3 ? (size_t)1 << (power - 3) : 1;
    *bytes = (*bytes + step - 1) / step * step;
    if (*bytes >> (power + 1))
        power++;
    return 8 * power + (int)((*bytes - ((size_t)1 << power)) / (power > 3 ? (size_t)1 << (power - 3) : 1));
}

static struct block *from_system(size_t bytes)
{
#ifdef _WIN32
    return _aligned_malloc(bytes, HEADER);
#else
    const int large = bytes >= 2 * HUGE_PAGE;
    void *memory = NULL;
    if (posix_memalign(&memory, large ? HUGE_PAGE : HEADER, bytes) != 0)
        return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (large)
        madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
#endif
}

static void to_system(struct block *b)
{
#ifdef _WIN32
    _aligned_free(b);
#else
    free(b);
#endif
}

static void take_out(struct block *b)
{
    *(b->newer ? &b->newer->older : &newest) = b->older;
    *(b->older ? &b->older->newer : &oldest) = b->newer;
    *(b->previous ? &b->previous->next : &kept[b->size_class]) = b->next;
    if (b->next)
        b->next->previous = b->previous;
    stats.cached -= b->bytes;
}

static void put_in(struct block *b)
{
    struct block **same = &kept[b->size_class];
    b->kept_at = requests;
    b->newer = b->previous = NULL;
    b->older = newest;
    b->next = *same;
    *(newest ? &newest->newer : &oldest) = b;
    if (*same)
        (*same)->previous = b;
    newest = *same = b;
    stats.cached += b->bytes;
}

/* Frees the blocks that have been kept longest, until at most `limit` bytes are left and all have been asked for lately */
static void trim(size_t limit)
{
    while (oldest && (stats.cached > limit || requests - oldest->kept_at > TRIM_AFTER))
    {
        struct block *b = oldest;
        take_out(b);
        to_system(b);
    }
}

void *fnn_memory_alloc(size_t size)
{
    size_t bytes = size + HEADER;
    if (bytes < size || bytes > (SIZE_MAX >> 1))
        return NULL;
    const int size_class = class_of(&bytes);
    fnn_lock();
    requests++;
    struct block *b = kept[size_class];
    if (b)
        take_out(b), stats.hits++;
    trim(stats.limit);
    fnn_unlock();
    if (!b && !(b = from_system(bytes)))
    {
        fnn_memory_empty(); /* the system may have memory again once the kept blocks are freed */
        if (!(b = from_system(bytes)))
            return NULL;
    }
    fnn_lock();
    stats.requests++;
    stats.live += bytes;
    if (stats.live + stats.cached > stats.peak)
        stats.peak = stats.live + stats.cached;
    fnn_unlock();
    b->bytes = bytes;
    b->size_class = size_class;
    return (char *)b + HEADER;
}

void fnn_memory_free(void *memory)
{
    if (!memory)
        return;
    struct block *b = (struct block *)((char *)memory - HEADER);
    fnn_lock();
    stats.live -= b->bytes;
    put_in(b);
    trim(stats.limit);
    fnn_unlock();
}

void fnn_memory_empty(void)
{
    fnn_lock();
    trim(0);
    fnn_unlock();
}

void fnn_memory_limit(size_t bytes)
{
    fnn_lock();
    stats.limit = bytes;
    trim(bytes);
    fnn_unlock();
}

struct fnn_memory_stats fnn_memory_read(int reset_peak)
{
    fnn_lock();
    const struct fnn_memory_stats found = stats;
    if (reset_peak)
        stats.peak = stats.live + stats.cached;
    fnn_unlock();
    return found;
}

/* -- NumPy's view of the same ----------------------------------------------------------------------------------------- */
void *fnn_numpy_malloc(void *context, size_t size)
{
    (void)context;
    return fnn_memory_alloc(size);
}

void *fnn_numpy_calloc(void *context, size_t count, size_t size)
{
    (void)context;
    if (size && count > SIZE_MAX / size)
        return NULL;
    void *memory = fnn_memory_alloc(count * size);
    return memory ? memset(memory, 0, count * size) : NULL;
}

void *fnn_numpy_realloc(void *context, void *memory, size_t size)
{
    (void)context;
    void *moved = fnn_memory_alloc(size);
    if (moved && memory)
    {
        const size_t had = ((struct block *)((char *)memory - HEADER))->bytes - HEADER;
        memcpy(moved, memory, had < size ? had : size);
        fnn_memory_free(memory);
    }
    return moved;
}

void fnn_numpy_free(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    fnn_memory_free(memory);
}
