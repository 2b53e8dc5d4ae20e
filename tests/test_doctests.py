"""Every example in the docstrings runs."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import fastnn

MODULES = [
    m.name
    for m in pkgutil.walk_packages(fastnn.__path__, "fastnn.")
    if m.name not in ("fastnn.__main__", "fastnn._core")
]
NEEDS = {"fastnn.dask": "dask.array"}


@pytest.mark.parametrize("name", ["fastnn", *MODULES])
def test_examples(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": np, "fastnn": fastnn})
    assert result.failed == 0
