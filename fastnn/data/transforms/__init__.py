"""Transforms of images, by torchvision's names and parameters, of single images and of whole batches.

An image is an array (H, W, C), as files and cameras have it, (C, H, W), as `ToTensor` makes it, or (H, W); a batch is
(N, H, W, C) or (N, C, H, W), grey images included.  Channels are the dimension of 1, 3 or 4; where both could be,
integers are taken as (H, W, C) and floats as (C, H, W).  A picture of Pillow is taken as its array.

In a batch every image has random numbers of its own.  They come from `rng=` of the call; else, inside a `DataLoader`,
from the stream of the batch, so that a seed gives the same images for any number of workers; else from the package's
generator.
"""

from ._base import Compose, Lambda, Normalize, ToArray, ToTensor, Transform
from ._color import ColorJitter, Grayscale
from ._erase import RandomErasing
from ._geometry import CenterCrop, RandomCrop, RandomHorizontalFlip, RandomVerticalFlip
from ._resample import RandomResizedCrop, RandomRotation, Resize

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Grayscale",
    "Lambda",
    "Normalize",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToArray",
    "ToTensor",
    "Transform",
]
