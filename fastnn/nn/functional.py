"""The functions of `fastnn.functional`, under the name by which PyTorch's users know them."""

from .. import functional as _functional
from ..functional import *

__all__: list[str] = []
__all__ += _functional.__all__
