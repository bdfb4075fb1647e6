import itertools

import numpy as np
import pytest
import torch

from torch_afm.ppm.ewald import lattice_potential
from torch_afm.ppm.far_charges import far_charges


@pytest.mark.parametrize("axes", [1, 2])
def test_they_replace_what_is_beyond_the_images(axes):
    """The potential of the whole lattice, but for a constant, at points inside of the box."""
    rng = np.random.default_rng(0)
    vectors = np.array([[6.0, 0.0, 0.0], [1.0, 7.0, 0.0]])[:axes]
    pos = torch.tensor([[0.0, 0.0, 0.0], [2.5, 1.0, -1.0], [1.0, 3.0, -0.5]], dtype=torch.float64)
    charge = torch.tensor([0.4, -0.7, 0.3], dtype=torch.float64)
    counts = np.array(list(itertools.product(range(-5, 6), repeat=axes)))
    low, high = np.array([-4.0, -3.0, 2.0]), np.array([4.0, 3.0, 5.0])
    places, charges = far_charges(pos, charge, vectors, counts @ vectors, low, high)
    at = torch.from_numpy(rng.uniform(low, high, (50, 3)))
    images = (pos + torch.from_numpy(counts @ vectors)[:, None]).reshape(-1, 3)
    near = torch.cdist(at, images).reciprocal() @ charge.repeat(len(counts))
    found = near + torch.cdist(at, places).reciprocal() @ charges
    exact = lattice_potential(at[:, None] - pos, vectors) @ charge
    error = found - exact
    beyond = exact - near
    assert float(error.std()) < 1e-3 * float(beyond.std())
