"""Data for training: datasets, their splits, and a loader of batches, in PyTorch's words and NumPy's arrays."""

from . import transforms
from ._collate import default_collate
from ._dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from ._folder import ImageFolder
from ._images import CIFAR10, MNIST, Digits, FashionMNIST, ImageDataset
from ._loader import DataLoader
from ._sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler

__all__ = [
    "CIFAR10",
    "MNIST",
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Digits",
    "FashionMNIST",
    "ImageDataset",
    "ImageFolder",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "random_split",
    "transforms",
]
