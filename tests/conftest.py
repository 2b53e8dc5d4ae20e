"""In tests, errors inside the planner are raised; elsewhere they only cost speed."""

import os

os.environ["FASTNN_DEBUG"] = "1"
