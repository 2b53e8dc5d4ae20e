"""The functions of `fastnn.functional`, under the name by which PyTorch's users know them."""

from .. import functional
from ..functional import *
from ..functional._multi_head import multi_head_attention_forward

__all__ = ["multi_head_attention_forward"]
__all__ += functional.__all__
