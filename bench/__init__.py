"""How fast fastnn is beside its peers: every row of every table, by `pytest bench` or side by side by `python -m bench`."""
