"""Pictures of functions, trainings and networks, drawn by matplotlib.

Every function returns a matplotlib Figure, which notebooks show and `figure.savefig("name.png")` writes; none touches
matplotlib's global state.  Needs matplotlib.
"""

from ._calls import graph, profile
from ._convolution import feature_maps, filters
from ._curves import activation, history
from ._network import activations, dead_relus, weights
from ._predictions import confusion_matrix, least_certain, predictions

__all__ = [
    "activation",
    "activations",
    "confusion_matrix",
    "dead_relus",
    "feature_maps",
    "filters",
    "graph",
    "history",
    "least_certain",
    "predictions",
    "profile",
    "weights",
]
