"""The geometry prior against numbers worked out by hand, finite differences and RDKit's geometries."""

import math

import pytest
import torch

from torch_afm.data import from_smiles
from torch_afm.generation.chemistry import GeometryPrior
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError

CC = torch.tensor([[0, 1], [1, 0]])


def pair(d):
    return torch.tensor([6, 6]), torch.tensor([[0.0, 0.0, 0.0], [d, 0.0, 0.0]], dtype=torch.float64)


def test_bond_is_a_gaussian_about_the_radii():
    """Two carbons: radii of 0.76 Å, mean -0.03 Å, width 0.08 Å."""
    for d in (1.3, 1.49, 1.7):
        energy = GeometryPrior().energy(*pair(d), CC)
        assert energy.item() == pytest.approx(((d - 1.52 + 0.03) / 0.08) ** 2 / 2, abs=1e-9)


def test_clash_has_one_side():
    nothing = torch.empty(2, 0, dtype=torch.long)
    for d, expected in ((3.0, 0.0), (2.52, ((1.52 + 1.2 - 2.52) / 0.1) ** 2 / 2)):
        assert GeometryPrior().energy(*pair(d), nothing).item() == pytest.approx(expected, abs=1e-9)
        assert GeometryPrior(gap=None).energy(*pair(d), nothing).item() == 0.0


def test_distance_across_the_angle():
    """Water's hydrogens: 2 · 0.9572 Å · sin(52.26°) apart."""
    data = water()
    off = GeometryPrior(bond_width=(math.inf,) * 3)
    apart = 2 * 0.9572 * math.sin(math.radians(52.26))
    expected = ((apart - 0.62 - 1.15) / 0.03) ** 2 / 2
    assert off.energy(data.z, data.pos.double(), data.edge_index).item() == pytest.approx(expected, rel=1e-4)
    assert (
        GeometryPrior(bond_width=(math.inf,) * 3, angle_width=(math.inf,) * 3)
        .energy(data.z, data.pos, data.edge_index)
        .item()
        == 0.0
    )


@pytest.mark.parametrize("prior", [GeometryPrior(), GeometryPrior.unknown_elements()])
def test_molecules_are_likelier_than_distorted_ones(prior):
    data = from_smiles("CC(=O)Nc1ccc(O)cc1")
    generator = torch.Generator().manual_seed(0)
    ideal = prior.energy(data.z, data.pos, data.edge_index)
    for _ in range(5):
        moved = data.pos + 0.2 * torch.randn(data.pos.shape, generator=generator)
        assert prior.energy(data.z, moved, data.edge_index) > ideal
    pairs = len(data.z) * (len(data.z) - 1) / 2
    assert ideal < 0.5 * pairs


def test_gradient():
    data = benzene()
    generator = torch.Generator().manual_seed(1)
    pos = data.pos.double() + 0.3 * torch.randn(data.pos.shape, generator=generator, dtype=torch.float64)
    prior = GeometryPrior()
    assert torch.autograd.gradcheck(
        lambda p: prior.energy(data.z, p, data.edge_index), pos.clone().requires_grad_()
    )
    residuals, jacobian = prior.linearize(data.z, pos, data.edge_index)
    whole = torch.autograd.functional.jacobian(lambda p: prior.residuals(data.z, p, data.edge_index), pos)
    used = whole.flatten(1).abs().sum(1) > 0
    torch.testing.assert_close(jacobian, whole[used])
    torch.testing.assert_close(residuals, prior.residuals(data.z, pos, data.edge_index)[used])


def test_a_batch_is_its_graphs():
    a, b = benzene(), water()
    prior = GeometryPrior()
    together = prior.energy(
        torch.cat([a.z, b.z]),
        torch.cat([a.pos, b.pos]),
        torch.cat([a.edge_index, b.edge_index + 12], dim=1),
        torch.tensor([0] * 12 + [1] * 3),
    )
    alone = [prior.energy(d.z, d.pos, d.edge_index)[0] for d in (a, b)]
    torch.testing.assert_close(together, torch.stack(alone))


def test_one_direction_of_a_bond_is_enough():
    data = water()
    half = data.edge_index[:, data.edge_index[0] < data.edge_index[1]]
    prior = GeometryPrior()
    assert prior.energy(data.z, data.pos, half) == prior.energy(data.z, data.pos, data.edge_index)


NO_BONDS = torch.empty(2, 0, dtype=torch.long)

#: What is done -> the argument that the error names.
BAD = [
    (lambda: GeometryPrior().energy(torch.tensor([6]), torch.zeros(2, 3), NO_BONDS), "pos"),
    (lambda: GeometryPrior().energy(torch.tensor([6, 6]), torch.full((2, 3), torch.nan), NO_BONDS), "pos"),
    (lambda: GeometryPrior(gap_width=0.0), "gap_width"),
    (lambda: GeometryPrior(bond_width=(0.1, 0.1, -1.0)), "bond_width"),
    (lambda: GeometryPrior(bond=(0.0, 0.0)), "bond"),
]


def test_bad_input():
    for act, name in BAD:
        with pytest.raises(InputError, match=name):
            act()
