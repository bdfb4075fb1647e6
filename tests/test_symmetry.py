"""The eight symmetries of a square: a group, and what they do to each part of a scan fits together."""

import itertools

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.symmetry import Symmetry, window_symmetries

ALL = Symmetry.group()


def test_there_are_eight():
    assert len(set(ALL)) == 8
    assert Symmetry.group(1) == (Symmetry(),)
    assert {s.swaps_axes for s in Symmetry.group(4)} == {False}


def test_those_of_a_window_leave_it_as_it_is():
    square, wide = Scan(window=((0.0, 4.0), (1.0, 5.0))), Scan(window=((0.0, 4.0), (1.0, 3.0)))
    for scan in (square, wide, Scan(pixels=(8, 9))):
        assert window_symmetries(scan) == tuple(way for way in ALL if way.scan(scan) == scan)


@pytest.mark.parametrize("a, b", list(itertools.product(ALL, ALL)))
def test_two_after_one_another_are_a_third(a, b):
    both = a.after(b)
    assert both in ALL
    image, vectors, values = torch.rand(2, 5, 7), torch.randn(4, 3), torch.rand(4, 3)
    assert torch.equal(a.image(b.image(image)), both.image(image))
    assert torch.equal(a.vectors(b.vectors(vectors)), both.vectors(vectors))
    assert torch.equal(a.variances(b.variances(values)), both.variances(values))
    tip, scan = (
        Tip(tilt=(0.1, 0.2), stiffness=(0.2, 0.3, 0.1)),
        Scan(window=((0.0, 4.0), (1.0, 3.0)), pixels=(9, 5)),
    )
    assert a.tip(b.tip(tip)) == both.tip(tip)
    assert a.scan(b.scan(scan)) == both.scan(scan)


@pytest.mark.parametrize("way", ALL)
def test_the_inverse_undoes(way):
    assert way.after(way.inverse) == way.inverse.after(way) == Symmetry()


@pytest.mark.parametrize("way", ALL)
def test_pixels_move_as_points_do(way):
    scan = Scan(window=((-2.0, 4.0), (1.0, 5.0)), pixels=(7, 5))
    x, y = torch.tensor(scan.x).float(), torch.tensor(scan.y).float()
    places = torch.stack([*torch.meshgrid(x, y, indexing="xy"), torch.zeros(5, 7)], -1)
    moved = way.points(places, scan.center)
    turned = way.scan(scan)
    x, y = torch.tensor(turned.x).float(), torch.tensor(turned.y).float()
    expected = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    assert torch.allclose(torch.stack([way.image(moved[..., i]) for i in (0, 1)], -1), expected)


@pytest.mark.parametrize("way", ALL)
def test_the_scan_of_a_turned_molecule_is_the_turned_scan(way):
    scan = Scan(window=((-3.0, 5.0), (-2.0, 4.0)), pixels=(17, 13), n_slices=2)
    tip = Tip(tilt=(0.1, -0.2), stiffness=(0.2, 0.35, 0.0))
    pos = torch.tensor([[0.0, 0.5, 0.0], [1.6, 1.0, -0.3], [2.0, 2.5, -0.1]])
    data = AFMData(z=torch.tensor([6, 8, 7]), pos=pos, charge=torch.tensor([0.2, -0.4, 0.2]))
    stack = ProbeParticleModel(scan, tip, backend="torch")(data)
    turned = ProbeParticleModel(way.scan(scan), way.tip(tip), backend="torch")(way.graph(data, scan.center))
    assert torch.allclose(turned, way.image(stack), atol=2e-3 * float(stack.std()))


def test_a_graph_keeps_its_deviations_on_their_axes():
    data = AFMData(z=torch.tensor([6]), pos=torch.zeros(1, 3), sigma=torch.tensor([[0.1, 0.2, 0.3]]))
    assert Symmetry(1).graph(data).sigma.tolist() == data.sigma[:, [1, 0, 2]].tolist()
    assert torch.equal(Symmetry(2, True).graph(data).sigma, data.sigma)
