import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.ppm.atomic_densities import with_atomic_densities
from torch_afm.testing import water
from torch_afm.utils import InputError


def moments(data, charges):
    """Net charge, and dipole with cores ``charges``, e Å."""
    points, volume = data.density.points(), abs(np.linalg.det(data.density.steps))
    electrons = [(data.density.values * points[..., a]).sum() * volume for a in range(3)]
    return data.density.integral, charges @ data.pos.double().numpy() - np.array(electrons)


def test_charges_and_dipoles_come_out():
    data = water()
    cores = np.array([6.0, 1.0, 1.0])
    found = with_atomic_densities(data)
    number, dipole = moments(found, cores)
    assert number == pytest.approx(8, abs=0.02)
    np.testing.assert_allclose(dipole, data.charge.numpy() @ data.pos.numpy(), atol=0.03)
    data.dipole = torch.tensor([[0.1, -0.05, 0.2], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    _, more = moments(with_atomic_densities(data), cores)
    np.testing.assert_allclose(more - dipole, [0.1, -0.05, 0.2], atol=0.01)


def test_potential_far_away_is_that_of_the_charges():
    data = with_atomic_densities(water())
    grid = data.potential
    corner = grid.values[0, 20, 0], grid.origin + 20 * grid.steps[1]
    distance = np.linalg.norm(corner[1] - data.pos.double().numpy(), axis=1)
    expected = 14.399644 * (data.charge.double().numpy() / distance).sum()
    assert corner[0] == pytest.approx(expected, rel=0.05)


def test_bad_molecules_are_refused():
    data = water()
    data.charge = torch.tensor([-1.0, 1.0, 0.0])
    with pytest.raises(InputError, match="valence electrons of atom 1"):
        with_atomic_densities(data)
    with pytest.raises(InputError, match="Au"):
        with_atomic_densities(AFMData(z=torch.tensor([79]), pos=torch.zeros(1, 3)))
    with pytest.raises(InputError, match="at least one atom"):
        with_atomic_densities(AFMData.empty())
