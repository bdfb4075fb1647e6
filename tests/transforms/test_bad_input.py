"""Settings and molecules that make no sense are refused by name."""

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.testing import water
from torch_afm.transforms import (
    CropSlices,
    CropWindow,
    Cutout,
    RandomMutant,
    SliceShift,
    Turn,
    best_rotations,
    handcrafted,
)
from torch_afm.transforms.rotations import best_rotation_ids
from torch_afm.utils import InputError

SCAN = Scan(pixels=(21, 17), n_slices=7)
STACK, GOOD = torch.zeros(1, 1, 3, 4, 4), np.zeros((2, 3))

#: What is done -> the argument that the error names.
BAD = [
    (lambda: CropSlices(8).scan(SCAN), "slices"),
    (lambda: CropSlices(4, 5), "min_count"),
    (lambda: CropSlices.apply(torch.zeros(2, 1, 3, 4, 4), [0, 0], [1, 1], [1, 2]), "n_slices"),
    (lambda: CropSlices.apply_to_scan(SCAN, [0, 0], [1, 1], [1, 2]), "n_slices"),
    (lambda: CropWindow((22, 9)).scan(SCAN), "pixels"),
    (lambda: CropWindow((9, 1)).scan(SCAN), "pixels"),
    (lambda: CropWindow.apply(torch.zeros(2, 1, 3, 9, 9), [(0, 0)] * 2, [(5, 5), (6, 6)]), "pixels"),
    (lambda: Cutout.apply(STACK, [[[3, 0, 1, 0, 1]]]), "rectangles"),
    (lambda: Cutout.apply(STACK, [[[0, 0, 5, 0, 1]]]), "rectangles"),
    (lambda: Cutout.apply(STACK, [[[0, 0, 1, -1, 1]]]), "rectangles"),
    (lambda: Cutout.apply(STACK, [[[0, 2, 1, 0, 1]]]), "rectangles"),
    (lambda: handcrafted("all"), "preset"),
    (lambda: RandomMutant.apply(water(), [99]), "removed"),
    (lambda: RandomMutant.apply(water(), [-1]), "removed"),
    (lambda: best_rotation_ids([GOOD, np.zeros((0, 3))], n=3), "pos of molecule 1"),
    (lambda: best_rotation_ids([GOOD, GOOD[:, :2]], n=3), "pos of molecule 1"),
    (lambda: best_rotation_ids([GOOD, GOOD + np.nan], n=3), "pos of molecule 1"),
    (lambda: best_rotations(np.zeros((1, 3)), n=0, candidates=10), "n"),
    (lambda: best_rotations(np.zeros((1, 3)), n=11, candidates=10), "n"),
    (lambda: best_rotations(np.zeros((0, 3)), n=3, candidates=10), "pos"),
    (lambda: SliceShift.apply(torch.zeros(2, 1, 3, 8, 8), [[[0, 0]] * 2] * 2), "shifts"),
    (lambda: Turn().scan(Scan(pixels=(8, 9))), "scan"),
    (lambda: Turn().scan(Scan(window=((-8.0, 8.0), (-7.0, 7.0)))), "scan"),
]


def test_the_argument_is_named():
    for act, name in BAD:
        with pytest.raises(InputError) as caught:
            act()
        assert name in str(caught.value).partition(": expected")[0], (name, str(caught.value))
