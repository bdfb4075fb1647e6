import itertools
import math

import numpy as np
import pytest
import torch

from torch_afm.ppm.far_charges import far_charges, lattice_field, lattice_potential

#: Of checkerboards of + and - at unit distance, in a line and in a plane (Borwein et al., J. Math. Phys. 26,
#: 2999 (1985)).
LINE, SQUARE = 2 * math.log(2), 1.6155426267


@pytest.mark.parametrize("dipoles", [False, True])
@pytest.mark.parametrize("axes", [1, 2])
def test_they_replace_what_is_beyond_the_images(axes, dipoles):
    """The potential of the whole lattice, but for a constant, at points inside of the box."""
    rng = np.random.default_rng(0)
    vectors = np.array([[6.0, 0.0, 0.0], [1.0, 7.0, 0.0]])[:axes]
    pos = torch.tensor([[0.0, 0.0, 0.0], [2.5, 1.0, -1.0], [1.0, 3.0, -0.5]], dtype=torch.float64)
    charge = torch.tensor([0.4, -0.7, 0.3], dtype=torch.float64)
    dipole = torch.from_numpy(rng.normal(0, 0.3, (3, 3))) if dipoles else None
    counts = np.array(list(itertools.product(range(-5, 6), repeat=axes)))
    low, high = np.array([-4.0, -3.0, 2.0]), np.array([4.0, 3.0, 5.0])
    places, charges = far_charges(pos, charge, dipole, vectors, counts @ vectors, low, high)
    at = torch.from_numpy(rng.uniform(low, high, (50, 3)))
    images = (pos + torch.from_numpy(counts @ vectors)[:, None]).reshape(-1, 3)
    near = torch.cdist(at, images).reciprocal() @ charge.repeat(len(counts))
    if dipole is not None:
        d = at[:, None] - images
        near = near + ((d * dipole.repeat(len(counts), 1)).sum(2) / d.norm(dim=2) ** 3).sum(1)
    found = near + torch.cdist(at, places).reciprocal() @ charges
    exact = lattice_potential(at[:, None] - pos, vectors) @ charge
    if dipole is not None:
        exact = exact + (lattice_field(at[:, None] - pos, vectors) * dipole).sum((1, 2))
    error = found - exact
    beyond = exact - near
    assert float(error.std()) < 1e-3 * float(beyond.std())


@pytest.mark.parametrize(
    ("vectors", "constant"),
    [
        ([[2, 0, 0]], LINE),
        ([[0, 2, 0]], LINE),
        ([[1, 1, 0], [1, -1, 0]], SQUARE),
        ([[1, 1, 0], [2, 0, 0]], SQUARE),
    ],
)
def test_madelung_constants(vectors, constant):
    """The potential of all other charges at one of them."""
    vectors = np.array(vectors, dtype=np.float64)
    other = [0.0, 1.0, 0.0] if vectors[0, 0] == 0 else [1.0, 0.0, 0.0]
    d = torch.tensor([[0.0, 0.0, 1e-4], other], dtype=torch.float64)
    own, opposite = lattice_potential(d, vectors)
    assert float(own - 1e4 - opposite) == pytest.approx(-constant, abs=1e-5)


def test_potential_rises_across_a_dipole_layer():
    """By 4π p/A (Helmholtz), p the dipole of a cell of area A."""
    vectors, height = np.array([[5.0, 0.0, 0.0], [2.0, 6.0, 0.0]]), 0.7
    z = torch.tensor([40.0, -40.0], dtype=torch.float64)
    points = torch.stack([torch.full_like(z, 1.3), torch.full_like(z, -0.4), z], dim=1)
    up = points.new_tensor([0.0, 0.0, height])
    above, below = lattice_potential(points - up, vectors) - lattice_potential(points, vectors)
    assert float(above - below) == pytest.approx(4 * math.pi * height / 30, rel=1e-6)


@pytest.mark.parametrize("vectors", [[[4.0, 1.0, 0.0]], [[4.0, 1.0, 0.0], [-1.0, 5.0, 0.0]]])
def test_gradients(vectors):
    d = torch.tensor([[0.3, -0.9, 1.1], [2.5, 7.0, -2.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda d: lattice_potential(d, np.array(vectors)), d)
    assert torch.autograd.gradcheck(lambda d: lattice_field(d, np.array(vectors)), d)


@pytest.mark.parametrize("vectors", [[[4.0, 1.0, 0.0]], [[4.0, 1.0, 0.0], [-1.0, 5.0, 0.0]]])
def test_field_is_minus_the_gradient_of_the_potential(vectors):
    d = torch.tensor([[0.3, -0.9, 1.1], [2.5, 7.0, -2.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(lattice_potential(d, np.array(vectors)).sum(), d)
    torch.testing.assert_close(lattice_field(d, np.array(vectors)), -gradient)
