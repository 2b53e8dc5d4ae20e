# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
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
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.stddef cimport ptrdiff_t
from libc.string cimport memset, strcpy
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
cimport numpy as cnp

import functools
import itertools
import math
import threading
import types

import numpy as np

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    object PyArray_NewLikeArray(cnp.ndarray prototype, cnp.NPY_ORDER order, cnp.PyArray_Descr *dtype, int subok)

include "_memory.pxi"
include "_tape.pxi"
include "_ops.pxi"

# -- instruction sets and threads -------------------------------------------------------------------------------------

def select_isa(name):
    """Choose the kernels by tier name, or the best for None; False if this machine has no such tier."""
    cdef bytes encoded = b"" if name is None else name.encode()
    return bool(fnn_select_isa(NULL if name is None else <char *>encoded))


def isa():
    """Name of the instruction-set tier in use: "avx512", "avx2", "neon" or "base"."""
    return fnn_isa().decode()


def isa_tiers():
    """The build's tiers, best first, as (name, runs on this machine)."""
    cdef int i = 0, supported = 0
    tiers = []
    while fnn_isa_name(i, &supported) != NULL:
        tiers.append((fnn_isa_name(i, &supported).decode(), bool(supported)))
        i += 1
    return tiers


def build_config():
    """How the extension was built."""
    return {"compiler": FNN_COMPILER.decode(), "flags": FNN_FLAGS.decode(), "omp_simd": bool(FNN_SIMD)}


def select_team(name):
    cdef bytes encoded = b"" if name is None else name.encode()
    return bool(fnn_select_team(NULL if name is None else <char *>encoded))


def team():
    """Which threads do the work: "own", "openmp" or "serial"."""
    return fnn_team().decode()


def set_num_threads(int n):
    fnn_set_num_threads(n)


def get_num_threads():
    return fnn_get_num_threads()


def set_thread_limit(int n):
    """Limit the calling thread's work to n threads (0: no limit of its own); returns the limit before."""
    return fnn_set_thread_limit(n)


def team_size():
    """Worker threads alive, the callers not counted."""
    return fnn_team_size()


# -- the tables of functions, losses and rules ------------------------------------------------------------------------

def _names(const char *text):
    """The names in "(a, b)"."""
    names = tuple(text.decode().strip("()").split(", "))
    return () if names == ("none",) else names


ACTS = {fnn_act_name(i).decode(): i for i in range(FNN_ACTS)}
SAVES_Y = tuple(bool(fnn_act_saves_y(i)) for i in range(FNN_ACTS))
PARAMETERS = tuple(_names(fnn_act_parameters(i)) for i in range(FNN_ACTS))  # what each row calls a and b
LEARNS = tuple(fnn_act_learns(i) for i in range(FNN_ACTS))  # how many of the row's parameters can be learned
POINTWISE = {fnn_pointwise_name(i).decode(): i for i in range(FNN_POINTWISES)}
LOSSES = {fnn_loss_name(i).decode(): i for i in range(FNN_LOSSES)}


# Each rule's number, hyperparameters and states
RULES = {fnn_rule_name(i).decode(): (i, _names(fnn_rule_hypers(i)), _names(fnn_rule_states(i))) for i in range(FNN_RULES)}

include "_plain_product.pxi"
include "_plain.pxi"
include "_plain_norm.pxi"
include "_plain_loss.pxi"
include "_optim.pxi"
include "_program.pxi"
