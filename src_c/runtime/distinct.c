/* distinct.c: an allocator for NumPy that gives out no address twice while calls are recorded. */
#include <stdlib.h>
#include <string.h>
#include "fastnn.h"
#include "runtime/parallel.h"

struct head
{
    size_t size;
    struct head *next; /* among the blocks that wait to be freed */
};

static int recording, failed;
static struct head *waiting;
static size_t *blocks; /* address and size of each block since the start */
static ptrdiff_t count, room;

void fnn_distinct_start(void)
{
    fnn_lock();
    recording = 1;
    failed = 0;
    count = 0;
    fnn_unlock();
}

ptrdiff_t fnn_distinct_stop(intptr_t to, ptrdiff_t most)
{
    fnn_lock();
    const ptrdiff_t found = failed ? -1 : count;
    if (found > 0 && found <= most)
        memcpy((void *)to, blocks, 2 * (size_t)found * sizeof *blocks);
    struct head *freed = NULL;
    if (found <= most)
    {
        recording = 0;
        freed = waiting;
        waiting = NULL;
        free(blocks);
        blocks = NULL;
        room = 0;
    }
    fnn_unlock();
    while (freed)
    {
        struct head *next = freed->next;
        free(freed);
        freed = next;
    }
    return found;
}

static void note(const struct head *head)
{
    if (count == room)
    {
        const ptrdiff_t more = 2 * room + 256;
        size_t *grown = realloc(blocks, 2 * (size_t)more * sizeof *blocks);
        failed |= !grown;
        if (!grown)
            return;
        blocks = grown;
        room = more;
    }
    blocks[2 * count] = (size_t)(head + 1);
    blocks[2 * count++ + 1] = head->size;
}

static void *allocate(size_t size, int zeroed)
{
    if (size > SIZE_MAX - sizeof(struct head))
        return NULL;
    struct head *head = zeroed ? calloc(1, sizeof *head + size) : malloc(sizeof *head + size);
    if (!head)
        return NULL;
    head->size = size;
    fnn_lock();
    if (recording)
        note(head);
    fnn_unlock();
    return head + 1;
}

void *fnn_distinct_malloc(void *context, size_t size)
{
    (void)context;
    return allocate(size, 0);
}

void *fnn_distinct_calloc(void *context, size_t number, size_t size)
{
    (void)context;
    return size && number > SIZE_MAX / size ? NULL : allocate(number * size, 1);
}

void *fnn_distinct_realloc(void *context, void *memory, size_t size)
{
    void *moved = allocate(size, 0);
    if (moved && memory)
    {
        const size_t had = ((struct head *)memory - 1)->size;
        memcpy(moved, memory, had < size ? had : size);
        fnn_distinct_free(context, memory, had);
    }
    return moved;
}

void fnn_distinct_free(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    struct head *head = memory;
    if (!head--)
        return;
    fnn_lock();
    const int waits = recording;
    if (waits)
    {
        head->next = waiting;
        waiting = head;
    }
    fnn_unlock();
    if (!waits)
        free(head);
}
