"""Molecules into training steps, and the augmentations of stacks: an instance draws, ``apply`` applies."""

from torch_afm.transforms.augment import Augment, change_graphs, change_stacks, handcrafted
from torch_afm.transforms.base import FrameAugmentation, StackAugmentation
from torch_afm.transforms.crop import CropSlices, CropWindow
from torch_afm.transforms.cutout import Cutout
from torch_afm.transforms.drift import Creep, Drift
from torch_afm.transforms.motion import Motion
from torch_afm.transforms.mutant import RandomMutant, visible_atoms
from torch_afm.transforms.noise import DetectorNoise, Noise, RowOffsets
from torch_afm.transforms.orient import Orient
from torch_afm.transforms.plane import Background, Plane
from torch_afm.transforms.random_tip import RandomTip
from torch_afm.transforms.rotations import best_rotations, flat_rotation, visibility_entropy
from torch_afm.transforms.slice_shift import SliceShift
from torch_afm.transforms.style import StyleTranslation
from torch_afm.transforms.tip_shape import DoubleTip, TipAsymmetry
from torch_afm.transforms.turn import Turn

__all__ = [
    "Augment",
    "Background",
    "Creep",
    "CropSlices",
    "CropWindow",
    "Cutout",
    "DetectorNoise",
    "DoubleTip",
    "Drift",
    "FrameAugmentation",
    "Motion",
    "Noise",
    "Orient",
    "Plane",
    "RandomMutant",
    "RandomTip",
    "RowOffsets",
    "SliceShift",
    "StackAugmentation",
    "StyleTranslation",
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
