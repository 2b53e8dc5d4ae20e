"""Faults of the library's own are raised in tests, where elsewhere they only cost speed."""

import os

os.environ["FASTNN_DEBUG"] = "1"
