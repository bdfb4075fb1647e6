import numpy as np
import pytest

from torch_afm.data import DensityGrid
from torch_afm.ppm.electrons import effective_charges, smooth_cores, valence_electrons
from torch_afm.utils import InputError


def test_valence_electrons():
    known = {1: 1, 6: 4, 8: 6, 9: 7, 14: 4, 16: 6, 17: 7, 29: 11, 35: 7, 47: 11, 53: 7, 54: 8, 79: 11, 82: 4}
    assert valence_electrons(np.array(list(known))).tolist() == list(known.values())


def test_charges_go_with_the_electrons():
    water = np.array([8, 1, 1])
    assert effective_charges("density", water, 7.95).tolist() == [6, 1, 1]
    assert effective_charges("density", water, 10.0).tolist() == [8, 1, 1]
    assert effective_charges("density", water, 9.0, charge=-1).tolist() == [6, 1, 1]
    with pytest.raises(InputError, match="electrons"):
        effective_charges("density", water, 9.0)
    # Sodium with its semicore electrons, as pseudopotentials leave them.
    assert effective_charges("density", np.array([11, 17]), 16.0).tolist() == [9, 7]


def test_cores_hold_their_charge():
    grid = DensityGrid(np.zeros((30, 30, 30)), np.full(3, -3.0), 6 * np.eye(3))
    values = smooth_cores(grid.points(), np.array([(0.05, 0, 0), (1, 0.3, 0.2)]), np.array([4.0, 1.0]))
    assert DensityGrid(values, grid.origin, grid.cell).integral == pytest.approx(5, rel=1e-6)
