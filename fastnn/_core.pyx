# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True, auto_pickle=False
# cython: c_string_type=str, c_string_encoding=ascii
"""The C library for Python: what is not worth a call of its own goes through `ops`, which knows no op by name.

Its parts: memory of large results, the tape's inner loop, ops, whole calls for plain arrays, plans.  Arrays are taken by
pointer; what a call means has been checked above.
"""
cdef extern from *:
    """
    /* This file's own code is made small: it is half as large, and a small call takes a few in a hundred instructions more. */
    #if defined(__GNUC__) && !defined(__clang__)
    #pragma GCC optimize ("Os", "inline-small-functions")
    #endif
    """

cimport cython
from cpython.float cimport PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.pycapsule cimport PyCapsule_New
from cpython.ref cimport Py_INCREF, PyObject, _Py_REFCNT
from libc.string cimport memset
cimport numpy as cnp

import functools
import itertools
import threading
import types

import numpy as np

cnp.import_array()

include "_memory.pxi"
include "_tape.pxi"
include "_ops.pxi"

# -- instruction sets, threads, memory: fastnn.h says what each function does -----------------------------------------

cdef extern from "fastnn.h":
    ctypedef struct memory_stats_t "struct fnn_memory_stats":
        size_t live, cached, peak, limit
        uint64_t requests, hits
    cpdef bint select_isa "fnn_select_isa"(const char *name)
    cpdef const char *isa "fnn_isa"()
    cpdef bint select_team "fnn_select_team"(const char *name)
    cpdef const char *team "fnn_team"()
    cpdef int team_size "fnn_team_size"()
    cpdef void set_num_threads "fnn_set_num_threads"(int n)
    cpdef int get_num_threads "fnn_get_num_threads"()
    cpdef int set_thread_limit "fnn_set_thread_limit"(int n)
    cpdef void empty_memory "fnn_memory_empty"()
    cpdef void limit_memory "fnn_memory_limit"(size_t bytes)
    cpdef memory_stats_t memory_stats "fnn_memory_read"(bint reset_peak)
    cpdef int64_t nanoseconds "fnn_nanoseconds"()
    cpdef int64_t thread "fnn_thread"()
    cpdef int log_start "fnn_log_start"()
    cpdef void log_stop "fnn_log_stop"()
    cpdef ptrdiff_t log_read "fnn_log_read"(ptrdiff_t address)
    cpdef void log_keep "fnn_log_keep"(int on)
    cpdef ptrdiff_t log_kept "fnn_log_kept"(ptrdiff_t address)
    cpdef void kept_arrays "fnn_kept_arrays"(ptrdiff_t steps, ptrdiff_t count, ptrdiff_t address)
    cpdef void distinct_start "fnn_distinct_start"()
    cpdef ptrdiff_t distinct_stop "fnn_distinct_stop"(ptrdiff_t address, ptrdiff_t most)

ISA_TIERS = [(fnn_isa_name(i), fnn_isa_runs(i)) for i in range(fnn_isa_count())]  # best first; runs on this machine
BUILD = {"compiler": FNN_COMPILER, "flags": FNN_FLAGS, "omp_simd": FNN_SIMD}


# -- the tables of functions, losses and rules ------------------------------------------------------------------------

cdef tuple names(const char *text):
    """The names in "(a, b)"."""
    found = tuple((<str>text).strip("()").split(", "))
    return () if found == ("none",) else found


ACTS = {fnn_acts[i].name: i for i in range(FNN_ACTS)}
SAVES_Y = tuple([fnn_acts[i].saves_y for i in range(FNN_ACTS)])
PARAMETERS = tuple([names(fnn_acts[i].parameters) for i in range(FNN_ACTS)])  # what each calls a and b
LEARNS = tuple([fnn_acts[i].learns for i in range(FNN_ACTS)])  # how many of its parameters can be learned
POINTWISE = {fnn_pointwises[i].name: i for i in range(FNN_POINTWISES)}
LOSSES = {fnn_losses[i].name: i for i in range(FNN_LOSSES)}
# Each rule's number, hyperparameters and states
RULES = {fnn_rules[i].name: (i, names(fnn_rules[i].parameters), names(fnn_rules[i].states)) for i in range(FNN_RULES)}

include "_plain_product.pxi"
include "_plain.pxi"
include "_plain_norm.pxi"
include "_plain_loss.pxi"
include "_plain_optim.pxi"
include "_program.pxi"
