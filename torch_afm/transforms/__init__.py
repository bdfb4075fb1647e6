"""Molecules into training steps, and the augmentations of stacks: RandomX draws, X applies."""

from torch_afm.transforms.augment import Augment, change_graphs, change_stacks
from torch_afm.transforms.creep import Creep, RandomCreep
from torch_afm.transforms.crop_slices import CropSlices, RandomCropSlices
from torch_afm.transforms.crop_window import CropWindow, RandomCropWindow
from torch_afm.transforms.cutout import CutOut, RandomCutout
from torch_afm.transforms.double_tip import DoubleTip, RandomDoubleTip
from torch_afm.transforms.drift import Drift, RandomDrift
from torch_afm.transforms.handcrafted import handcrafted
from torch_afm.transforms.mutant import MakeMutant, RandomMutant, visible_atoms
from torch_afm.transforms.noise import AddNoise, RandomNoise
from torch_afm.transforms.normalize import NormalizeSlices
from torch_afm.transforms.orient import Orient
from torch_afm.transforms.plane import AddPlane, RandomPlane
from torch_afm.transforms.random_tip import MoveTip, RandomTip
from torch_afm.transforms.rotations import best_rotations, flat_rotation, visibility_entropy
from torch_afm.transforms.row_offsets import AddRowOffsets, RandomRowOffsets
from torch_afm.transforms.slice_shift import RandomSliceShift, ShiftSlices
from torch_afm.transforms.style import RandomStyle, StyleTranslate
from torch_afm.transforms.tip_asymmetry import RandomTipAsymmetry, TipAsymmetry
from torch_afm.transforms.turn import RandomTurn, Turn

__all__ = [
    "AddNoise",
    "AddPlane",
    "AddRowOffsets",
    "Augment",
    "Creep",
    "CropSlices",
    "CropWindow",
    "CutOut",
    "DoubleTip",
    "Drift",
    "MakeMutant",
    "MoveTip",
    "NormalizeSlices",
    "Orient",
    "RandomCreep",
    "RandomCropSlices",
    "RandomCropWindow",
    "RandomCutout",
    "RandomDoubleTip",
    "RandomDrift",
    "RandomMutant",
    "RandomNoise",
    "RandomPlane",
    "RandomRowOffsets",
    "RandomSliceShift",
    "RandomStyle",
    "RandomTip",
    "RandomTipAsymmetry",
    "RandomTurn",
    "ShiftSlices",
    "StyleTranslate",
    "TipAsymmetry",
    "Turn",
    "best_rotations",
    "change_graphs",
    "change_stacks",
    "flat_rotation",
    "handcrafted",
    "visibility_entropy",
    "visible_atoms",
]
