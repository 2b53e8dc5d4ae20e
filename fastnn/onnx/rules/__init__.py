"""How operators are written down in a graph: as functions of NumPy and of the project, which plans know.

A rule takes the recorder, the operator's inputs (arrays that are known, `Traced` values, None) and its attributes, and
returns what `recorder.emit` does for its calls; it raises Untranslated where the operator itself is to be called.
"""

from . import _layers, _recurrent, _values
from ._table import TRANSLATIONS, Untranslated

FAMILIES = _layers, _recurrent, _values
__all__ = ["FAMILIES", "TRANSLATIONS", "Untranslated"]
