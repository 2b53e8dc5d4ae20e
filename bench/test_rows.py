"""Every row as a benchmark of each library that is installed: `pytest bench -k gelu`."""

import pytest

from fastnn import functional, optim

from .contest import Unavailable, installed, rows

ROWS = rows()
LIBRARIES = [name for name in installed() if name != "openmp"]  # the team is chosen once for a process
CASES = [
    pytest.param(row, library, id=f"{row}-{library}")
    for row in ROWS
    for library in LIBRARIES
    if hasattr(row.contest, library)
]


@pytest.mark.filterwarnings("default")  # peers warn of themselves
@pytest.mark.parametrize(("row", "library"), CASES)
def test_row(benchmark, row, library):
    try:
        call = row.call_of(library)
    except Unavailable as reason:
        pytest.skip(str(reason))
    benchmark.group = str(row)
    benchmark.extra_info["library"] = library
    benchmark(call)


def test_every_op_is_benched():
    """Every record's function has a row, of a contest of its own or of `RoundTrip`."""
    benched = {word for row in ROWS for word in str(row).split()}
    functions = {name for name in vars(functional) if hasattr(functional, name + "_backward")}
    optimizers = {name for name, value in vars(optim).items() if isinstance(value, type)} - {"Optimizer"}
    assert {"gelu", "prelu", "embedding"} <= functions
    assert {"SGD", "Rprop"} <= optimizers
    missing = (functions | optimizers) - benched
    assert not missing, f"no row for {sorted(missing)}"


def test_rows_have_names_of_their_own():
    names = [str(row) for row in ROWS]
    assert len(set(names)) == len(names)
