"""Rules that record operators in a graph as functions of NumPy and fastnn, which plans can run.

A rule takes the recorder, the operator's inputs (constant arrays, `Traced` values, None) and its attributes.  It
returns what `recorder.emit` returns, or raises Untranslated where the operator's own function is to be called instead.
"""

from . import _layers, _recurrent, _values
from ._table import TRANSLATIONS, Untranslated

FAMILIES = _layers, _recurrent, _values
__all__ = ["FAMILIES", "TRANSLATIONS", "Untranslated"]
