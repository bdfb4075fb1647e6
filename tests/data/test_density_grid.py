import numpy as np

from torch_afm.data import DensityGrid, PotentialGrid


def test_a_density_is_no_potential():
    density = DensityGrid(np.full((2, 2, 2), 0.5), np.zeros(3), 2 * np.eye(3))
    assert density.integral == 4
    assert not isinstance(density, PotentialGrid)
