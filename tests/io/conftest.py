import ase
import numpy as np
import pytest
from ase.build import fcc111


@pytest.fixture(scope="module")
def slab():
    """Two layers of gold under a hydroxyl, charged, periodic along the surface."""
    atoms = fcc111("Au", (2, 2, 2), vacuum=6.0)
    top = atoms.positions[-1]
    atoms += ase.Atoms("OH", [top + np.array([0, 0, 2.0]), top + np.array([0.6, 0.3, 2.7])])
    atoms.set_initial_charges([0.0] * 8 + [-0.3, 0.3])
    atoms.info.clear()
    return atoms
