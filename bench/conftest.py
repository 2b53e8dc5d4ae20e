"""Benchmarks read the same records as the tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))


@pytest.fixture
def race(benchmark):
    """Time one contestant; contestants of one group stand side by side in the report."""

    def run(group, contestant, call):
        benchmark.group = group
        benchmark.extra_info["contestant"] = contestant
        benchmark(call)

    return run
