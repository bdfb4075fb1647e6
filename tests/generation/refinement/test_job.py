"""What a refinement makes of its input."""

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.generation import RefinementSettings
from torch_afm.generation.refinement.job import RefinementJob
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import benzene, water

SCAN = Scan(pixels=(8, 8), n_slices=2)
STACK = torch.randn(1, 1, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def job(data, context=None, settings=None):
    return RefinementJob.of(
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
    assert found.box(2.0)[1] == pytest.approx((-2.0, 2.0))


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
