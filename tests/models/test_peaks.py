"""Atoms at peaks that were put there by hand."""

import math

import pytest
import torch

from torch_afm.config import Scan
from torch_afm.elements import AtomClasses
from torch_afm.models.peaks import find_atoms
from torch_afm.nn import GraphOutput, MapGrid, SpatialPrediction

GRID = MapGrid.from_scan(Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(17, 17)))  # pixels of 0.5 Å
CLASSES = AtomClasses()


def maps(*atoms):
    """A prediction with ``(plane, row, column, logit, offset)`` of each atom."""
    heatmap, position = torch.full((1, 2, 17, 17), -9.0), torch.zeros(1, 2, 3, 17, 17)
    for plane, row, column, logit, offset in atoms:
        heatmap[0, plane, row, column] = logit
        position[0, plane, :, row, column] = torch.tensor(offset)
    log_var = torch.full_like(position, 2 * math.log(0.2))
    none = GraphOutput(torch.empty(2, 0, dtype=torch.long), *(torch.empty(0) for _ in range(4)))
    return SpatialPrediction(heatmap, torch.zeros_like(heatmap), position, log_var, torch.zeros(1), none)


def find(*atoms):
    return find_atoms(maps(*atoms), GRID, CLASSES, 0.15)


def test_the_most_confident_comes_first_and_lies_off_its_pixel():
    found = find((1, 2, 3, 0.0, [0.1, 0.0, -0.5]), (0, 10, 12, 2.0, [0.0, -0.2, 0.0]))
    torch.testing.assert_close(found.pos, torch.tensor([[2.0, 0.8, 0.0], [-2.4, -3.0, -0.5]]))
    assert found.z.tolist() == [1, 6] and found.charge.tolist() == [0.0, 0.0]
    torch.testing.assert_close(found.confidence, torch.tensor([2.0, 0.0]).sigmoid(), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.sigma, torch.full((2, 3), 0.2))


def test_a_neighbor_on_the_slope_is_no_peak_and_a_close_one_is_dropped():
    low = [0.0, 0.0, 0.0]
    assert len(find((1, 5, 5, 3.0, low), (1, 5, 6, 2.0, low)).z) == 1  # on the slope of the first
    moved = find((1, 5, 5, 3.0, [0.3, 0.0, 0.0]), (1, 5, 7, 2.0, [-0.3, 0.0, 0.0]))  # 0.4 Å from each other
    assert len(moved.z) == 1 and moved.pos[0, 0] == pytest.approx(-1.2)


def test_two_planes_share_an_atom():
    found = find((0, 5, 5, 0.0, [0.0, 0.0, 0.1]), (1, 5, 5, -1.0, [0.0, 0.0, 0.0]))
    shares = torch.tensor([0.0, -1.0]).sigmoid()
    assert len(found.z) == 1 and found.confidence[0] == pytest.approx(float(shares.sum()), abs=1e-4)
    torch.testing.assert_close(found.class_probabilities[0], shares / shares.sum(), atol=1e-4, rtol=0)


def test_nothing_below_the_least_confidence():
    found = find((1, 5, 5, math.log(0.14 / 0.86), [0.0, 0.0, 0.0]))
    assert found.pos.shape == (0, 3) and found.class_probabilities.shape == (0, 2)
