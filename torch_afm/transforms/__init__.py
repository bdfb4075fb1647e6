"""Molecules into training steps, and the augmentations of stacks: RandomX draws, X applies."""

from torch_afm.transforms.augment import Augment, change_graphs, change_stacks
from torch_afm.transforms.crop_slices import CropSlices, RandomCropSlices
from torch_afm.transforms.crop_window import CropWindow, RandomCropWindow
from torch_afm.transforms.cutout import CutOut, RandomCutout
from torch_afm.transforms.mutant import MakeMutant, RandomMutant
from torch_afm.transforms.noise import AddNoise, RandomNoise
from torch_afm.transforms.normalize import NormalizeSlices
from torch_afm.transforms.orient import Orient
from torch_afm.transforms.plane import AddPlane, RandomPlane
from torch_afm.transforms.random_tip import MoveTip, RandomTip
from torch_afm.transforms.rotations import best_rotations, visibility_entropy
from torch_afm.transforms.slice_shift import RandomSliceShift, ShiftSlices
from torch_afm.transforms.turn import RandomTurn, Turn

__all__ = [
    "AddNoise",
    "AddPlane",
    "Augment",
    "CropSlices",
    "CropWindow",
    "CutOut",
    "MakeMutant",
    "MoveTip",
    "NormalizeSlices",
    "Orient",
    "RandomCropSlices",
    "RandomCropWindow",
    "RandomCutout",
    "RandomMutant",
    "RandomNoise",
    "RandomPlane",
    "RandomSliceShift",
    "RandomTip",
    "RandomTurn",
    "ShiftSlices",
    "Turn",
    "best_rotations",
    "change_graphs",
    "change_stacks",
    "visibility_entropy",
]
