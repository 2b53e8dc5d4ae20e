"""The functions of `fastnn.functional`, under the name by which PyTorch's users know them."""

from ..functional import *
from ..functional import __all__ as __all__
