import ase
import numpy as np
import pytest

from torch_afm.metrics.structure import StructureSettings, angular_distribution
from torch_afm.utils import InputError


def test_random_directions_are_flat():
    rng = np.random.default_rng(0)
    shells = rng.normal(size=(300, 12, 3))
    shells *= 3 / np.linalg.norm(shells, axis=-1, keepdims=True)
    atoms = [ase.Atoms("OH12", positions=[[0, 0, 0], *shell]) for shell in shells]
    theta, a = angular_distribution(atoms, ("O", "H"), bins=9)
    np.testing.assert_allclose(theta, np.arange(10, 180, 20))
    np.testing.assert_allclose(a, 1, atol=0.08)


def test_ice_is_tetrahedral(ice):
    _, a = angular_distribution(ice, bins=90)
    assert np.flatnonzero(a).tolist() == [54]  # 108-110°
    # All of the weight in one bin.
    expected = (np.cos(np.radians(108)) - np.cos(np.radians(110))) / 2
    np.testing.assert_allclose(a[54], 1 / expected)


def test_nothing_to_count():
    assert np.isnan(angular_distribution(ase.Atoms("O"), bins=3)[1]).all()
    with pytest.raises(InputError, match="bins"):
        angular_distribution(ase.Atoms("O"), bins=0)
    atoms = ase.Atoms("O3", positions=[[0, 0, 0], [3, 0, 0], [0, 3, 0]])
    short = StructureSettings(pair_cutoff=2.0)
    assert np.isnan(angular_distribution(atoms, bins=3, settings=short)[1]).all()
