"""Settings and molecules that make no sense are refused by name."""

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.testing import water
from torch_afm.transforms import (
    CropSlices,
    CropWindow,
    CutOut,
    MakeMutant,
    RandomCropSlices,
    RandomCropWindow,
    RandomTurn,
    ShiftSlices,
    best_rotations,
    handcrafted,
)
from torch_afm.transforms.rotations import best_rotation_ids
from torch_afm.utils import InputError

SCAN = Scan(pixels=(21, 17), n_slices=7)
STACK, GOOD = torch.zeros(1, 1, 3, 4, 4), np.zeros((2, 3))

#: What is done -> the argument that the error names.
BAD = [
    (lambda: RandomCropSlices(8).scan(SCAN), "slices"),
    (lambda: RandomCropSlices(4, 5), "fewest"),
    (lambda: CropSlices([0, 0], [1, 1], [1, 2]), "slices"),
    (lambda: RandomCropWindow((22, 9)).scan(SCAN), "pixels"),
    (lambda: RandomCropWindow((9, 1)).scan(SCAN), "pixels"),
    (lambda: CropWindow([(0, 0), (0, 0)], [(5, 5), (6, 6)]), "pixels"),
    (lambda: CutOut([[[3, 0, 1, 0, 1]]])(STACK), "rectangles"),
    (lambda: CutOut([[[0, 0, 5, 0, 1]]])(STACK), "rectangles"),
    (lambda: CutOut([[[0, 0, 1, -1, 1]]])(STACK), "rectangles"),
    (lambda: CutOut([[[0, 2, 1, 0, 1]]])(STACK), "rectangles"),
    (lambda: handcrafted("all"), "which"),
    (lambda: MakeMutant([99])(water()), "removed"),
    (lambda: MakeMutant([-1])(water()), "removed"),
    (lambda: best_rotation_ids([GOOD, np.zeros((0, 3))], n=3), "pos of molecule 1"),
    (lambda: best_rotation_ids([GOOD, GOOD[:, :2]], n=3), "pos of molecule 1"),
    (lambda: best_rotation_ids([GOOD, GOOD + np.nan], n=3), "pos of molecule 1"),
    (lambda: best_rotations(np.zeros((1, 3)), n=0, candidates=10), "n"),
    (lambda: best_rotations(np.zeros((1, 3)), n=11, candidates=10), "n"),
    (lambda: best_rotations(np.zeros((0, 3)), n=3, candidates=10), "pos"),
    (lambda: ShiftSlices([[[0, 0]] * 2] * 2)(torch.zeros(2, 1, 3, 8, 8)), "shifts"),
    (lambda: RandomTurn().scan(Scan(pixels=(8, 9))), "scan"),
    (lambda: RandomTurn().scan(Scan(window=((-8.0, 8.0), (-7.0, 7.0)))), "scan"),
]


def test_the_argument_is_named():
    for act, name in BAD:
        with pytest.raises(InputError) as caught:
            act()
        assert name in str(caught.value).partition(": expected")[0], (name, str(caught.value))
