/* parallel.c: the team of worker threads, its size, and what happens at fork.  No other file knows of threads.
 *
 * Why not OpenMP's runtime: it spins between regions, and next to a BLAS that spins too the two fight for the cores
 * (26 times slower, measured); it is shared with whoever loaded it first; it hangs in forked children.  Here workers start
 * late, and sleep on a condition variable after a few microseconds, or, between calls that follow each other closely, a
 * fifth of a millisecond, in which they yield to whoever wants the processor.  FASTNN_THREADING=openmp selects the runtime all the
 * same, for programs that own an OpenMP team.
 *
 * One region at a time: a call that finds the team busy does its work alone, so that many calling threads never
 * oversubscribe the machine.  A region's work is cut into a share for each thread, which takes chunks of it by an atomic counter and
 * then helps with the others' shares, the caller like the rest: a worker that wakes late, or never, costs nothing but its help. */
#ifdef __linux__
#define _GNU_SOURCE /* sched_getcpu, affinity */
#endif
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "fastnn.h"
#include "runtime/parallel.h"
#include "parallel_system.h"

#define MAX_WORKERS     255
#define NS_ASLEEP       6e3 /* so much work repays waking one more thread */
#define NS_AWAKE        15e2 /* so much work repays one more thread that is awake and polls */
#define CHUNKS_A_THREAD 16  /* several chunks for each thread, so that fast cores relieve slow ones and workers that wake late */
#define NS_PER_CHUNK    2e3 /* a chunk has at least so much work, beside which it costs little to take one from the shared counter */
#define POLL_NS         4000 /* how long a waiting thread polls before it yields the processor, or sleeps */
#define SOON_NS         200000 /* after two calls within this time the next one is expected within this time too */

static atomic_int process_threads = 1;
static _Thread_local int thread_limit;
static _Thread_local struct fnn_regions *regions;
static _Thread_local struct fnn_log *log_of_thread;

struct fnn_log **fnn_log_of_thread(void) { return &log_of_thread; }
int64_t fnn_thread(void) { return (int64_t)(intptr_t)&thread_limit; }
int64_t fnn_nanoseconds(void) { return nanoseconds(); }

struct fnn_regions *fnn_watch_regions(struct fnn_regions *where)
{
    struct fnn_regions *before = regions;
    regions = where;
    return before;
}

static void note(double ns, int threads, int alone)
{
    if (threads > regions->threads || (threads == regions->threads && ns > regions->ns))
        *regions = (struct fnn_regions){ns, threads, alone};
}

void fnn_set_num_threads(int n) { atomic_store(&process_threads, n); }

int fnn_set_thread_limit(int n)
{
    int before = thread_limit;
    thread_limit = n;
    return before;
}

int fnn_get_num_threads(void) { return thread_limit ? abs(thread_limit) : atomic_load(&process_threads); }

/* One parallel region: its work, cut into a share for each thread, and how many items of each share have been taken */
struct region
{
    fnn_body body;
    const void *job;
    ptrdiff_t items, chunk;
    int shares;
    atomic_int arrived; /* threads of OpenMP's team that have begun */
    atomic_ptrdiff_t taken[MAX_WORKERS + 1];
};

/* Takes chunks of one's own share first, then of the others'.  A thread thus works on the same part of an array in one region after
 * another, and finds it in its own cache: a line that another core has written takes as long as one from memory. */
static void take_chunks(struct region *r, int own)
{
    for (int i = 0; i < r->shares; i++)
    {
        const int share = (own + i) % r->shares;
        const ptrdiff_t first = r->items * share / r->shares, last = r->items * (share + 1) / r->shares;
        for (;;)
        {
            const ptrdiff_t begin = first + atomic_fetch_add_explicit(&r->taken[share], r->chunk, memory_order_relaxed);
            if (begin >= last)
                break;
            r->body(r->job, begin, begin + r->chunk < last ? begin + r->chunk : last);
        }
    }
}

/* These return how many threads took part, 0 for the caller alone because the team is busy */
static int run_serial(struct region *r, int threads)
{
    (void)threads;
    r->body(r->job, 0, r->items);
    return 0;
}

/* -- our own team ---------------------------------------------------------------------------------------------------- */
static mutex region_lock = MUTEX_INIT; /* held by the caller for the whole region */
static mutex shared_lock = MUTEX_INIT; /* fnn_lock, for the other files */
static mutex team_lock = MUTEX_INIT;   /* guards the variables that follow */
static condition work_came = CONDITION_INIT, work_done = CONDITION_INIT;
static struct region *current;
static atomic_int places, active; /* workers that may still join the region, and those inside it */
static atomic_int workers, looking; /* workers: alive; looking: those between two regions that are not asleep */
static atomic_int forked;
static thread worker_ids[MAX_WORKERS];
static atomic_int worker_cpus[MAX_WORKERS]; /* the processor on which each went to sleep or yielded last */

/* Linux tends to wake a thread on the processor where it fell asleep.  If the caller runs there now, both share one processor
 * although another is idle.  So a worker that slept on the caller's processor is barred from it before it is woken.  That takes
 * two microseconds, but only after the caller has moved: the worker stays where it was sent. */
static void keep_apart(void)
{
#ifdef __linux__
    const int cpu = sched_getcpu();
    for (int i = 0; i < workers && cpu >= 0; i++)
    {
        cpu_set_t others;
        if (atomic_load_explicit(&worker_cpus[i], memory_order_relaxed) != cpu)
            continue;
        if (sched_getaffinity(0, sizeof others, &others) != 0 || CPU_COUNT(&others) <= workers)
            return; /* the program may use one processor only */
        CPU_CLR((size_t)cpu, &others);
        pthread_setaffinity_np(worker_ids[i], sizeof others, &others);
        int there = -1; /* where the worker will be if there is only one other processor; the caller may get there before it has woken */
        for (int each = 0; CPU_COUNT(&others) == 1 && there < 0; each++)
            there = CPU_ISSET((size_t)each, &others) ? each : -1;
        atomic_store_explicit(&worker_cpus[i], there, memory_order_relaxed);
    }
#endif
}

static void remember_cpu(int worker)
{
#ifdef __linux__
    atomic_store_explicit(&worker_cpus[worker], sched_getcpu(), memory_order_relaxed);
#else
    (void)worker;
#endif
}

/* Polls until *value is (or is not) 0, for at most `most` ns, after a while yielding the processor between polls.  Waking a
 * sleeping thread takes 15 to 40 us on a virtual machine, as long as many regions, which is why threads poll first; long polls
 * are for waits that will probably end soon.  worker: the number of the polling worker, -1 for the caller. */
static void poll_for(atomic_int *value, int zero, int64_t most, int worker)
{
    const int64_t start = nanoseconds();
    for (int64_t waited = 0; waited < most; waited = nanoseconds() - start)
    {
        for (int i = 0; i < 32; i++, pause_briefly())
            if ((atomic_load_explicit(value, memory_order_acquire) == 0) == zero)
                return;
        if (waited <= POLL_NS)
            continue;
        if (worker >= 0)
            remember_cpu(worker);
        let_others_run();
    }
}

static THREAD work(void *number)
{
    const int self = (int)(intptr_t)number;
    int64_t gap = 0; /* the time between the last two regions that this worker saw */
    for (;;)
    {
        const int64_t idle = nanoseconds();
        atomic_fetch_add(&looking, 1);
        poll_for(&places, 0, gap < SOON_NS ? SOON_NS : POLL_NS, self);
        atomic_fetch_sub(&looking, 1);
        remember_cpu(self);
        lock(&team_lock);
        while (atomic_load_explicit(&places, memory_order_relaxed) == 0)
            sleep_until(&work_came, &team_lock);
        gap = nanoseconds() - idle;
        struct region *r = current;
        atomic_fetch_sub(&places, 1);
        atomic_fetch_add(&active, 1);
        unlock(&team_lock);

        take_chunks(r, self + 1);

        lock(&team_lock);
        if (atomic_fetch_sub(&active, 1) == 1)
            wake_one(&work_done);
        unlock(&team_lock);
    }
    return 0;
}

/* Starts workers until there are as many as wanted; if the system refuses, there are fewer */
static void hire(int wanted)
{
    for (; workers < wanted; workers++)
    {
        atomic_store(&worker_cpus[workers], -1);
        if (!start_thread(&worker_ids[workers], work, (void *)(intptr_t)workers))
            break;
    }
}

static int run_own(struct region *r, int threads)
{
    if (!try_lock(&region_lock))
        return run_serial(r, threads);
    lock(&team_lock);
    hire(threads - 1);
    keep_apart();
    current = r;
    const int invited = threads - 1 < workers ? threads - 1 : workers;
    atomic_store_explicit(&places, invited, memory_order_release);
    if (threads == 2)
        wake_one(&work_came);
    else
        wake_all(&work_came);
    unlock(&team_lock);

    take_chunks(r, 0);

    int absent = atomic_exchange(&places, 0); /* workers that have not joined by now are no longer let in */
    poll_for(&active, 1, SOON_NS, -1);
    lock(&team_lock);
    atomic_store(&places, 0); /* again, under the lock: a worker may have read the old value just before */
    while (atomic_load(&active) != 0)
        sleep_until(&work_done, &team_lock);
    current = NULL;
    unlock(&team_lock);
    unlock(&region_lock);
    return 1 + invited - absent;
}

/* fork copies only the calling thread: wait for a running region, then start the child with no workers */
static void before_fork(void)
{
    lock(&region_lock);
    lock(&team_lock);
    lock(&shared_lock);
}

static void after_fork_in_parent(void)
{
    unlock(&shared_lock);
    unlock(&team_lock);
    unlock(&region_lock);
}

static void after_fork_in_child(void)
{
    const mutex fresh = MUTEX_INIT;
    const condition nobody = CONDITION_INIT;
    region_lock = team_lock = shared_lock = fresh;
    work_came = work_done = nobody;
    workers = looking = 0;
    forked = 1;
}

void *fnn_take_part(void *parts, ptrdiff_t size, ptrdiff_t count)
{
    for (ptrdiff_t i = 0;; i = (i + 1) % count)
    {
        char *part = (char *)parts + i * size;
        if (!atomic_exchange_explicit((atomic_int *)(void *)part, 1, memory_order_acquire))
            return part;
        if (i == count - 1)
            let_others_run();
    }
}

void fnn_return_part(void *part) { atomic_store_explicit((atomic_int *)part, 0, memory_order_release); }

void fnn_lock(void) { lock(&shared_lock); }
void fnn_unlock(void) { unlock(&shared_lock); }

/* -- OpenMP's team --------------------------------------------------------------------------------------------------- */
#ifdef _WIN32
static int find_openmp(void) { return 0; }
#define run_openmp run_serial
#else
/* OpenMP's runtime is looked up at run time instead of being linked, because a wheel would then carry a copy of its own.  What is
 * wanted is the runtime that the program has loaded already, or else the system's.  The function is gcc's entry point, which the
 * runtimes of LLVM and Intel have as well. */
static void (*gomp_parallel)(void (*body)(void *), void *data, unsigned threads, unsigned flags);
static int (*in_parallel)(void);

static int find_openmp(void)
{
    static const char *const runtimes[] = {"libgomp.so.1", "libiomp5.so", "libomp.so.5", "libomp.so", "libomp.dylib"};
    const int count = (int)(sizeof runtimes / sizeof *runtimes);
    for (int i = 0; i < 2 * count && !gomp_parallel; i++)
    {
        void *runtime = dlopen(runtimes[i % count], RTLD_NOW | (i < count ? RTLD_NOLOAD : 0));
        *(void **)&gomp_parallel = runtime ? dlsym(runtime, "GOMP_parallel") : NULL;
        *(void **)&in_parallel = runtime ? dlsym(runtime, "omp_in_parallel") : NULL;
    }
    return gomp_parallel && in_parallel;
}

static void take_chunks_of(void *region)
{
    struct region *r = region;
    take_chunks(r, atomic_fetch_add_explicit(&r->arrived, 1, memory_order_relaxed));
}

/* A forked child stays serial: the runtime's threads do not survive the fork, and its regions then hang */
static int run_openmp(struct region *r, int threads)
{
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    if (forked || in_parallel() || atomic_flag_test_and_set(&busy))
        return run_serial(r, threads);
    gomp_parallel(take_chunks_of, r, (unsigned)threads, 0);
    atomic_flag_clear(&busy);
    return threads;
}
#endif

/* -- the choice among the teams ----------------------------------------------------------------------------------------- */
static const struct
{
    const char *name;
    int (*run)(struct region *r, int threads);
} teams[] = {{"own", run_own}, {"openmp", run_openmp}, {"serial", run_serial}};
static int team;

int fnn_select_team(const char *name)
{
    static int handlers;
    if (!handlers)
    {
        handlers = 1;
        at_fork(before_fork, after_fork_in_parent, after_fork_in_child);
    }
    if (!*name)
        return 1;
    for (int i = 0; i < (int)(sizeof teams / sizeof *teams); i++)
        if (!strcmp(teams[i].name, name) && (teams[i].run != run_openmp || find_openmp()))
        {
            team = i;
            return 1;
        }
    return 0;
}

const char *fnn_team(void) { return teams[team].name; }

int fnn_team_size(void) { return workers; }

/* How many ns of work make one more thread worthwhile.  It is less while workers poll; it is also less if calls follow each other
 * quickly, because then workers will soon poll. */
static double threshold(double ns)
{
    static _Atomic int64_t last;
    if (teams[team].run != run_own)
        return NS_ASLEEP;
    if (atomic_load_explicit(&looking, memory_order_relaxed) > 0)
        return NS_AWAKE;
    if (ns < 2 * NS_AWAKE || ns >= 2 * NS_ASLEEP)
        return NS_ASLEEP;
    const int64_t now = nanoseconds();
    return now - atomic_exchange_explicit(&last, now, memory_order_relaxed) < SOON_NS ? NS_AWAKE : NS_ASLEEP;
}

void fnn_parallel(ptrdiff_t items, double ns_each, fnn_body body, const void *job)
{
    const int limit = fnn_get_num_threads();
    const double ns = (double)items * ns_each, worth = thread_limit < 0 ? limit : limit > 1 ? ns / threshold(ns) : 1;
    int threads = worth < limit ? (int)worth : limit;
    threads = threads > items ? (int)items : threads;
    threads = threads > MAX_WORKERS + 1 ? MAX_WORKERS + 1 : threads;
    if (threads <= 1)
    {
        if (regions)
            note(ns, 1, limit == 1 ? FNN_ALONE_LIMIT : items <= 1 ? FNN_ALONE_ONE_ITEM : FNN_ALONE_SMALL);
        if (items > 0)
            body(job, 0, items);
        return;
    }
    ptrdiff_t chunk = items / ((ptrdiff_t)threads * CHUNKS_A_THREAD), least = (ptrdiff_t)(NS_PER_CHUNK / ns_each);
    chunk = chunk < least ? least : chunk;
    struct region r;
    r.body = body, r.job = job, r.items = items, r.chunk = chunk > 0 ? chunk : 1, r.shares = threads;
    atomic_init(&r.arrived, 0);
    for (int i = 0; i < threads; i++)
        atomic_init(&r.taken[i], 0);
    const int took = teams[team].run(&r, threads);
    if (regions)
        note(ns, took > 1 ? took : 1, took ? FNN_ALONE_LATE : FNN_ALONE_BUSY);
}
