"""What a refinement makes of its input: the vector of unknowns, and the molecule it stands for."""

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.generation import RefinementSettings
from torch_afm.generation.refinement.job import RefinementJob, State, Unknowns, fitted_tip, hidden_sites
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.testing import benzene, water

SCAN = Scan(pixels=(8, 8), n_slices=2)
STACK = torch.randn(1, 1, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def job(data, context=None, settings=None):
    return RefinementJob.from_inputs(
        data,
        context,
        STACK,
        ProbeParticleModel(SCAN, backend="torch"),
        9.0,
        None,
        settings or RefinementSettings(),
    )


def test_context_comes_last_and_charges_default_to_zero():
    context = AFMData(z=torch.tensor([6, 1]), pos=torch.tensor([[0.0, 0.0, -2.0], [1.0, 0.0, -2.0]]))
    found = job(water(), context)
    assert (found.n, found.given.data.z.tolist()) == (3, [8, 1, 1, 6, 1])
    torch.testing.assert_close(found.given.data.charge, torch.tensor([-0.834, 0.417, 0.417, 0.0, 0.0]))
    assert found.given.tip.probe == (Tip(),)
    assert torch.cdist(found.sites, found.given.data.pos.double()).min() >= 1.2
    assert found.box()[1] == pytest.approx((-2.5, 2.5))


def test_widths():
    data = water()
    data.sigma = torch.tensor([[0.2, 0.0, 0.001]] * 3)
    settings = RefinementSettings(sigma_scale=2.0, pos_sigma=0.5)
    torch.testing.assert_close(job(data, None, settings).sigma, torch.tensor([[0.4, 0.0, 0.03]] * 3))
    assert (job(water(), None, settings).sigma == 0.5).all()


def test_elements_are_in_doubt_as_far_as_the_network_is():
    data = water()
    assert job(data).elements.tolist() == [0.5] * 3
    data.class_probabilities = torch.tensor([[1.0, 0.0, 0.0], [0.2, 0.75, 0.05], [0.0, 0.0, 1.0]])
    assert job(data).elements.tolist() == pytest.approx([0.0, 0.25, 0.0])
    data.class_probabilities = data.class_probabilities[:, :2]  # H and the rest tell no element
    assert job(data).elements.tolist() == [0.5] * 3


def test_nuisance_is_counted():
    found = job(benzene())
    size = len(found.unknowns(RefinementSettings()).scale)
    assert size == 4 * 12 + 3 + len(found.sites) + 2 * 6 and found.has_nuisance
    none = RefinementSettings(hidden_sigma=0.0, element_sigma=0.0)
    assert not job(benzene(), None, none).has_nuisance


def test_sites_are_below_around_and_apart():
    pos = benzene().pos
    sites = hidden_sites(pos, 1.5)
    assert torch.cdist(sites, pos.double()).min() >= 1.2
    assert set(sites[:, 2].tolist()) == {-1.3, -2.2}
    assert sites[:, 0].min() == pytest.approx(float(pos[:, 0].min()) - 1.5)
    assert sites[:, 1].max() == pytest.approx(float(pos[:, 1].max()) + 1.5)
    # A ring at one of the heights takes some of the sites there.
    lower = hidden_sites(pos - torch.tensor([0.0, 0.0, 1.3]), 1.5)
    assert (lower[:, 2] == -2.2).sum() > (lower[:, 2] == -1.3).sum()


def test_sites_below_one_atom():
    assert len(hidden_sites(torch.zeros(1, 3), 1.5)) == 2 * 9


def make_unknowns(pos=0.2, charge=0.1):
    state = State(water(), TipParameters.from_tips(Tip(tilt=(0.1, 0.0))), 8.0)
    return Unknowns(state, torch.full((3, 3), pos), charge, 0.25, 0.15, 2)


def test_zero_is_the_start():
    u = make_unknowns()
    data, tip, z_top = u.state(torch.zeros(17, dtype=torch.float64))
    assert data.pos.equal(water().pos) and data.charge.equal(water().charge) and z_top == 8.0
    assert fitted_tip(tip) == Tip(tilt=(0.1, 0.0))


def test_entries_count_in_standard_deviations():
    x = torch.zeros(17, dtype=torch.float64)
    x[4], x[10], x[13], x[14], x[15:] = 1.0, -2.0, 1.0, 2.0, torch.tensor([3.0, 4.0])
    u = make_unknowns()
    data, tip, z_top = u.state(x)
    expected = water().pos
    expected[1, 1] += 0.2
    torch.testing.assert_close(data.pos, expected)
    assert float(data.charge[1] - water().charge[1]) == pytest.approx(-0.2)
    assert tip.tilt[0].tolist() == pytest.approx([0.1, 0.25])
    assert z_top == pytest.approx(8.3)
    assert u.weights(x).tolist() == [3.0, 4.0]


def test_held_entries():
    free = make_unknowns(pos=0.0, charge=0.0).free
    assert not free[:12].any() and free[12:].all()


def test_no_tilt_of_a_bond_length():
    x = torch.zeros(17, dtype=torch.float64)
    x[12] = 100.0
    assert float(make_unknowns().state(x).tip.tilt.norm()) == pytest.approx(2.0)
