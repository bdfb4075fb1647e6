"""Radial and angular distribution functions."""

import ase
import numpy as np
import pytest

from torch_afm.metrics.structure import StructureSettings, angular_distribution, radial_distribution
from torch_afm.utils import InputError


@pytest.mark.parametrize(
    ("pbc", "thickness"), [((True, True, True), 12.0), ((True, True, False), 4.0), (False, 9.0)]
)
def test_a_gas_is_flat(pbc, thickness):
    # Bulk, slab and cluster alike; division by whole spheres would give half of this at 8 Å in the slab.
    rng = np.random.default_rng(0)
    cell = np.array([[12.0, 0, 0], [3.0, 11.0, 0], [0, 0, thickness]])
    gas = [
        ase.Atoms("O80", positions=rng.random((80, 3)) @ (cell if np.any(pbc) else np.diag(np.diag(cell))))
        for _ in range(60)
    ]
    for atoms in gas:
        atoms.set_cell(cell)
        atoms.pbc = pbc
    r, g = radial_distribution(gas, r_max=8.0, bins=8)
    np.testing.assert_allclose(r, np.arange(8) + 0.5)
    np.testing.assert_allclose(g[1:], 1, atol=0.06)


def test_ice_has_four_neighbors(ice):
    n = (ice.numbers == 8).sum()
    _, g = radial_distribution(ice, r_max=4.0, bins=40)
    shell = 4 / 3 * np.pi * np.diff(np.linspace(0, 4, 41) ** 3)
    count = g * shell * (n - 1) / ice.get_volume()
    np.testing.assert_allclose(count[27], 4, rtol=1e-6)  # 2.76 Å
    assert np.count_nonzero(count) == 1


def test_two_elements_and_layers():
    atoms = ase.Atoms("AuOH", positions=[[0, 0, 0], [0, 0, 3.0], [0, 0, 3.9]])
    _, g = radial_distribution(atoms, ("O", "H"), r_max=2.0, bins=2)
    assert g[0] > 0 and g[1] == 0
    _, g = radial_distribution(atoms, ("O", "H"), 2.0, 2, StructureSettings(layer=(5.0, 9.0)))
    assert np.isnan(g).all()


@pytest.mark.parametrize("arguments", [{"r_max": 0.0}, {"r_max": float("nan")}, {"bins": 0}])
def test_refused(ice, arguments):
    with pytest.raises(InputError, match="r_max, bins"):
        radial_distribution(ice, **arguments)


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
