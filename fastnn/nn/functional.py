"""The functions of `fastnn.functional`, under the name by which PyTorch's users know them."""

from typing import TYPE_CHECKING

from .. import functional
from ..functional._multi_head import multi_head_attention_forward

__all__ = ["multi_head_attention_forward"]
__all__ += functional.__all__

if TYPE_CHECKING:
    from ..functional import *
else:

    def __getattr__(name):
        if name in functional.__all__:
            return getattr(functional, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
