"""The functions of `fastnn.functional`, under the name by which PyTorch's users know them."""

from .. import functional
from ..functional import *

__all__: list[str] = []
__all__ += functional.__all__
