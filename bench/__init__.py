"""How fast fastnn is beside its peers: every row of every table, by `pytest bench` or side by side by `python -m bench`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # where the records of functions stand
