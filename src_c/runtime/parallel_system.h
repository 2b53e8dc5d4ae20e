/* parallel_system.h: threads, locks, the clock and shared libraries as this system has them; for parallel.c alone.
 *
 * Windows' slim locks and condition variables are static and need no clean-up, as POSIX's are used here. */
#ifndef FNN_PARALLEL_SYSTEM_H
#define FNN_PARALLEL_SYSTEM_H
#include <stdint.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <process.h>

typedef SRWLOCK mutex;
typedef CONDITION_VARIABLE condition;
typedef uintptr_t thread;
#define MUTEX_INIT     SRWLOCK_INIT
#define CONDITION_INIT CONDITION_VARIABLE_INIT
#define THREAD         unsigned __stdcall /* what a thread's function returns */

static inline void lock(mutex *m) { AcquireSRWLockExclusive(m); }
static inline int try_lock(mutex *m) { return TryAcquireSRWLockExclusive(m); }
static inline void unlock(mutex *m) { ReleaseSRWLockExclusive(m); }
static inline void sleep_until(condition *c, mutex *m) { SleepConditionVariableSRW(c, m, INFINITE, 0); }
static inline void wake_one(condition *c) { WakeConditionVariable(c); }
static inline void wake_all(condition *c) { WakeAllConditionVariable(c); }
static inline void let_others_run(void) { SwitchToThread(); }

static inline int64_t nanoseconds(void)
{
    LARGE_INTEGER now, second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&second);
    return now.QuadPart / second.QuadPart * 1000000000 + now.QuadPart % second.QuadPart * 1000000000 / second.QuadPart;
}

static inline int start_thread(thread *id, unsigned(__stdcall *body)(void *), void *argument)
{
    *id = _beginthreadex(NULL, 0, body, argument, 0, NULL);
    return *id != 0;
}

static inline void at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    (void)before, (void)in_parent, (void)in_child; /* there is no fork */
}

#else
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

typedef pthread_mutex_t mutex;
typedef pthread_cond_t condition;
typedef pthread_t thread;
#define MUTEX_INIT     PTHREAD_MUTEX_INITIALIZER
#define CONDITION_INIT PTHREAD_COND_INITIALIZER
#define THREAD         void *

static inline void lock(mutex *m) { pthread_mutex_lock(m); }
static inline int try_lock(mutex *m) { return pthread_mutex_trylock(m) == 0; }
static inline void unlock(mutex *m) { pthread_mutex_unlock(m); }
static inline void sleep_until(condition *c, mutex *m) { pthread_cond_wait(c, m); }
static inline void wake_one(condition *c) { pthread_cond_signal(c); }
static inline void wake_all(condition *c) { pthread_cond_broadcast(c); }
static inline void let_others_run(void) { sched_yield(); }

static inline int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* 0 if the system refuses.  Signals stay with the program's own threads. */
static inline int start_thread(thread *id, void *(*body)(void *), void *argument)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int refused = pthread_create(id, NULL, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!refused)
        pthread_detach(*id);
    return !refused;
}

static inline void at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    pthread_atfork(before, in_parent, in_child);
}
#endif

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
