"""Molecules into training steps, and the augmentations of stacks."""

from torch_afm.transforms.cutout import RandomCutout
from torch_afm.transforms.mutant import MakeMutant, RandomMutant
from torch_afm.transforms.noise import RandomNoise
from torch_afm.transforms.normalize import NormalizeSlices
from torch_afm.transforms.orient import Orient
from torch_afm.transforms.random_tip import RandomTip
from torch_afm.transforms.rotations import best_rotations, visibility_entropy
from torch_afm.transforms.slice_shift import RandomSliceShift

__all__ = [
    "MakeMutant",
    "NormalizeSlices",
    "Orient",
    "RandomCutout",
    "RandomMutant",
    "RandomNoise",
    "RandomSliceShift",
    "RandomTip",
    "best_rotations",
    "visibility_entropy",
]
