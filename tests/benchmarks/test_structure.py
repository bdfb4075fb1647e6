import numpy as np
import pytest

from benchmarks.structure.loops import published_features
from benchmarks.structure.speed import water_on_gold
from benchmarks.structure.water import CELL, independent, order
from torch_afm.metrics.structure import StructureSettings, structure_features


def test_independent_distances_of_two_points():
    # One value each, 2 apart: all distances but the diagonal are 2, so the median of four is 1.
    found = independent(np.array([0.0]), np.array([2.0]))
    assert found["wasserstein"] == pytest.approx(2)
    assert found["energy"] == pytest.approx(4)
    assert found["mmd"] == pytest.approx(np.sqrt(2 - 2 * np.exp(-(2**2) / 2)))


def test_order_marks_clear_differences():
    rows = [
        {"model": "pure", "value": 0.2, "less_than_pure": None},
        {"model": "style", "value": 0.1, "less_than_pure": [-0.15, -0.05]},
        {"model": "hybrid", "value": 0.3, "less_than_pure": [-0.1, 0.2]},
        {"model": "empty", "value": None, "less_than_pure": None},
    ]
    assert order(rows) == "style* < pure < hybrid"


def test_speed_is_measured_on_water():
    atoms = water_on_gold()
    assert len(atoms) == 501
    (every,) = structure_features(atoms)
    assert len(every["S_g"]) > 20
    assert all(len(values) for values in every.values())
    (got,) = structure_features(atoms, StructureSettings.huang2025())
    for name, values in published_features(atoms).items():
        assert len(values) == len(got[name])


def test_cell_is_hexagonal():
    a, b = CELL[:2]
    assert np.linalg.norm(a) == pytest.approx(np.linalg.norm(b)) == pytest.approx(34.62)
    assert a @ b / 34.62**2 == pytest.approx(0.5)
