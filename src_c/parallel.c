/* parallel.c: the team of worker threads, its size, and what happens at fork.  No other file knows of threads.
 *
 * Why not OpenMP's runtime: it spins between regions, and next to a BLAS that spins too the two fight for the cores
 * (26 times slower, measured); it is shared with whoever loaded it first; it hangs in forked children.  Here workers start
 * late, and sleep on a condition variable after a few microseconds, or, between calls that follow each other closely, a
 * fifth of a millisecond, in which they yield to whoever wants the processor.  FASTNN_THREADING=openmp selects the runtime all the
 * same, for programs that own an OpenMP team.
 *
 * One region at a time: a call that finds the team busy does its work alone, so that many calling threads never
 * oversubscribe the machine.  A region hands out chunks by an atomic counter, and the caller takes chunks like the rest: a
 * worker that wakes late, or never, costs nothing but its help. */
#ifdef __linux__
#define _GNU_SOURCE /* sched_getcpu, affinity */
#endif
#ifndef _WIN32
#define FNN_HAVE_PTHREADS 1
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#endif
#include <stdatomic.h>
#include <string.h>
#include "fastnn.h"
#include "parallel.h"

#define MAX_WORKERS     255
#define NS_ASLEEP       6e3 /* work that repays one more thread that sleeps */
#define NS_AWAKE        15e2 /* and one that looks for work just now */
#define CHUNKS_A_THREAD 16  /* chunks to even out cores of unequal speed and workers that wake late */
#define NS_PER_CHUNK    2e3 /* the least work of a chunk, next to which the counter costs nothing */
#define POLL_NS         4000 /* how long a waiting thread looks before it lets others run, or sleeps */
#define SOON_NS         200000 /* work that came after less than this is expected again so soon */

static atomic_int process_threads = 1;
static _Thread_local int thread_limit;

void fnn_set_num_threads(int n) { atomic_store(&process_threads, n); }

int fnn_set_thread_limit(int n)
{
    int before = thread_limit;
    thread_limit = n;
    return before;
}

int fnn_get_num_threads(void) { return thread_limit ? thread_limit : atomic_load(&process_threads); }

/* One region: the work, and the next item to hand out */
struct region
{
    fnn_body body;
    const void *job;
    ptrdiff_t items, chunk;
    atomic_ptrdiff_t next;
};

static void take_chunks(struct region *r)
{
    for (;;)
    {
        ptrdiff_t begin = atomic_fetch_add_explicit(&r->next, r->chunk, memory_order_relaxed);
        if (begin >= r->items)
            return;
        r->body(r->job, begin, begin + r->chunk < r->items ? begin + r->chunk : r->items);
    }
}

/* -- our own team ---------------------------------------------------------------------------------------------------- */
#ifdef FNN_HAVE_PTHREADS
static pthread_mutex_t region_lock = PTHREAD_MUTEX_INITIALIZER; /* held by the caller for the whole region */
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;  /* for the other files */
static pthread_mutex_t team_lock = PTHREAD_MUTEX_INITIALIZER;   /* guards what follows */
static pthread_cond_t work_came = PTHREAD_COND_INITIALIZER, work_done = PTHREAD_COND_INITIALIZER;
static struct region *current;
static atomic_int places, active; /* workers that may still join the region, and those inside it */
static atomic_int workers, looking; /* alive, and between regions but not asleep */
static pthread_t worker_ids[MAX_WORKERS];
static atomic_int worker_cpus[MAX_WORKERS]; /* where each was when it last lay down to sleep, or yielded */

/* Linux likes to wake a sleeper where it slept.  If that is the caller's own processor the two then take turns on it (on
 * small machines it does not look for an idle one): a worker found there is sent elsewhere before it is woken.  Once
 * moved it stays away, so this costs its two microseconds only when the caller has wandered. */
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
            return; /* no processor to spare */
        CPU_CLR((size_t)cpu, &others);
        pthread_setaffinity_np(worker_ids[i], sizeof others, &others);
        int there = -1; /* where it will be, if there is but one place: the caller may come there before it has woken */
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

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* Looks for up to `most` ns until *value is (or is not) 0, and soon lets other threads have the processor between looks.
 * A sleeper's wake costs 15 to 40 us on a virtual machine, as much as many a region, but only looks that are likely to
 * succeed may be long.  worker: who looks, or -1. */
static void poll_for(atomic_int *value, int zero, long most, int worker)
{
    const long start = nanoseconds();
    for (long waited = 0; waited < most; waited = nanoseconds() - start)
    {
        for (int i = 0; i < 32; i++, pause_briefly())
            if ((atomic_load_explicit(value, memory_order_acquire) == 0) == zero)
                return;
        if (waited <= POLL_NS)
            continue;
        if (worker >= 0)
            remember_cpu(worker);
        sched_yield();
    }
}

static void *work(void *number)
{
    const int self = (int)(intptr_t)number;
    long gap = 0; /* between the last two regions, as this worker saw it */
    for (;;)
    {
        const long idle = nanoseconds();
        atomic_fetch_add(&looking, 1);
        poll_for(&places, 0, gap < SOON_NS ? SOON_NS : POLL_NS, self);
        atomic_fetch_sub(&looking, 1);
        remember_cpu(self);
        pthread_mutex_lock(&team_lock);
        while (atomic_load_explicit(&places, memory_order_relaxed) == 0)
            pthread_cond_wait(&work_came, &team_lock);
        gap = nanoseconds() - idle;
        struct region *r = current;
        atomic_fetch_sub(&places, 1);
        atomic_fetch_add(&active, 1);
        pthread_mutex_unlock(&team_lock);

        take_chunks(r);

        pthread_mutex_lock(&team_lock);
        if (atomic_fetch_sub(&active, 1) == 1)
            pthread_cond_signal(&work_done);
        pthread_mutex_unlock(&team_lock);
    }
    return NULL;
}

/* Starts workers until there are `wanted`; a system that refuses leaves us with fewer.  Signals stay with the program's
 * own threads. */
static void hire(int wanted)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; workers < wanted; workers++)
    {
        atomic_store(&worker_cpus[workers], -1);
        if (pthread_create(&worker_ids[workers], NULL, work, (void *)(intptr_t)workers) != 0)
            break;
        pthread_detach(worker_ids[workers]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void run_own(struct region *r, int threads)
{
    if (pthread_mutex_trylock(&region_lock) != 0)
    {
        r->body(r->job, 0, r->items);
        return;
    }
    pthread_mutex_lock(&team_lock);
    hire(threads - 1);
    keep_apart();
    current = r;
    atomic_store_explicit(&places, threads - 1 < workers ? threads - 1 : workers, memory_order_release);
    if (threads == 2)
        pthread_cond_signal(&work_came);
    else
        pthread_cond_broadcast(&work_came);
    pthread_mutex_unlock(&team_lock);

    take_chunks(r);

    atomic_store(&places, 0); /* whoever has not come by now is not waited for */
    poll_for(&active, 1, SOON_NS, -1);
    pthread_mutex_lock(&team_lock);
    atomic_store(&places, 0); /* again, under the lock: a worker may have been between its look and its step */
    while (atomic_load(&active) != 0)
        pthread_cond_wait(&work_done, &team_lock);
    current = NULL;
    pthread_mutex_unlock(&team_lock);
    pthread_mutex_unlock(&region_lock);
}

/* fork copies only the calling thread: wait for a running region, then start the child with no workers */
static void before_fork(void)
{
    pthread_mutex_lock(&region_lock);
    pthread_mutex_lock(&team_lock);
    pthread_mutex_lock(&shared_lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&shared_lock);
    pthread_mutex_unlock(&team_lock);
    pthread_mutex_unlock(&region_lock);
}

static void after_fork_in_child(void)
{
    pthread_mutex_init(&region_lock, NULL);
    pthread_mutex_init(&team_lock, NULL);
    pthread_mutex_init(&shared_lock, NULL);
    pthread_cond_init(&work_came, NULL);
    pthread_cond_init(&work_done, NULL);
    workers = looking = 0;
}
#endif

void fnn_lock(void)
{
#ifdef FNN_HAVE_PTHREADS
    pthread_mutex_lock(&shared_lock);
#endif
}

void fnn_unlock(void)
{
#ifdef FNN_HAVE_PTHREADS
    pthread_mutex_unlock(&shared_lock);
#endif
}

/* -- OpenMP's team --------------------------------------------------------------------------------------------------- */
#ifdef FNN_HAVE_OPENMP
#include <omp.h>
static atomic_flag openmp_busy = ATOMIC_FLAG_INIT;
static atomic_int forked; /* libgomp's threads do not survive a fork and its regions then hang: the child stays serial */

static void mark_forked(void) { atomic_store(&forked, 1); }

static void run_openmp(struct region *r, int threads)
{
    if (atomic_load(&forked) || omp_in_parallel() || atomic_flag_test_and_set(&openmp_busy))
    {
        r->body(r->job, 0, r->items);
        return;
    }
#pragma omp parallel num_threads(threads)
    take_chunks(r);
    atomic_flag_clear(&openmp_busy);
}
#endif

/* -- which of them ----------------------------------------------------------------------------------------------------- */
static void run_serial(struct region *r, int threads)
{
    (void)threads;
    r->body(r->job, 0, r->items);
}

static const struct
{
    const char *name;
    void (*run)(struct region *r, int threads);
} teams[] = {
#ifdef FNN_HAVE_PTHREADS
    {"own", run_own},
#endif
#ifdef FNN_HAVE_OPENMP
    {"openmp", run_openmp},
#endif
    {"serial", run_serial},
};
static int team;

int fnn_select_team(const char *name)
{
    static int handlers;
    if (!handlers)
    {
        handlers = 1;
#ifdef FNN_HAVE_PTHREADS
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
#ifdef FNN_HAVE_OPENMP
        pthread_atfork(NULL, NULL, mark_forked);
#endif
#endif
    }
    if (!name)
        return 1;
    for (int i = 0; i < (int)(sizeof teams / sizeof *teams); i++)
        if (!strcmp(teams[i].name, name))
        {
            team = i;
            return 1;
        }
    return 0;
}

const char *fnn_team(void) { return teams[team].name; }

int fnn_team_size(void)
{
#ifdef FNN_HAVE_PTHREADS
    return workers;
#else
    return 0;
#endif
}

/* What one more thread must save: less while workers look for work, and where calls follow so closely that they soon will */
static double threshold(double ns)
{
#ifdef FNN_HAVE_PTHREADS
    static atomic_long last;
    if (teams[team].run != run_own)
        return NS_ASLEEP;
    if (atomic_load_explicit(&looking, memory_order_relaxed) > 0)
        return NS_AWAKE;
    if (ns < 2 * NS_AWAKE || ns >= 2 * NS_ASLEEP)
        return NS_ASLEEP;
    const long now = nanoseconds();
    if (now - atomic_exchange_explicit(&last, now, memory_order_relaxed) < SOON_NS)
        return NS_AWAKE;
#else
    (void)ns;
#endif
    return NS_ASLEEP;
}

void fnn_parallel(ptrdiff_t items, double ns_each, fnn_body body, const void *job)
{
    const int limit = fnn_get_num_threads();
    const double ns = (double)items * ns_each, worth = limit > 1 ? ns / threshold(ns) : 1;
    int threads = worth < limit ? (int)worth : limit;
    threads = threads > items ? (int)items : threads;
    threads = threads > MAX_WORKERS + 1 ? MAX_WORKERS + 1 : threads;
    if (threads <= 1)
    {
        if (items > 0)
            body(job, 0, items);
        return;
    }
    ptrdiff_t chunk = items / ((ptrdiff_t)threads * CHUNKS_A_THREAD), least = (ptrdiff_t)(NS_PER_CHUNK / ns_each);
    chunk = chunk < least ? least : chunk;
    struct region r = {.body = body, .job = job, .items = items, .chunk = chunk > 0 ? chunk : 1};
    teams[team].run(&r, threads);
}
