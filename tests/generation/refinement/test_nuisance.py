"""Images of hidden atoms and of other elements, against the stacks of molecules that have them."""

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.generation.refinement.nuisance import hidden_sites, nuisance_images
from torch_afm.generation.refinement.unknowns import State
from torch_afm.ppm import ProbeParticleModel, TipParameters, anchor_height
from torch_afm.testing import benzene, water

SCAN = Scan(window=((-3.0, 3.0), (-3.0, 3.0)), pixels=(6, 5), n_slices=2)
PIXELS = torch.cartesian_prod(torch.arange(6), torch.arange(5))


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(SCAN)


def test_a_whole_atom_is_the_difference_of_two_stacks(renderer):
    data = benzene()
    z_top = float(anchor_height(data, SCAN, Tip()))
    state = State(data, TipParameters.from_tips(Tip()), z_top)
    site = torch.tensor([[0.5, 0.2, -1.8]])
    doubt = torch.tensor([0.0, 0.25] + [0.0] * 10)
    found = nuisance_images(renderer, state, PIXELS, site, (0.3, 0.5), doubt)
    assert found.images.shape == (2, 30, 3)
    base = renderer(data, z_top=z_top, pixels=PIXELS)[0, 0]
    more = AFMData(
        z=torch.cat([data.z, torch.tensor([6])]),
        pos=torch.cat([data.pos, site]),
        charge=torch.cat([data.charge, torch.zeros(1)]),
    )
    change = renderer(more, z_top=z_top, pixels=PIXELS)[0, 0] - base
    weight_of_one = torch.tensor([(1 - 0.3) / 0.5, 0.0, 0.0])
    torch.testing.assert_close(found.stack(weight_of_one), change, atol=1e-4, rtol=1e-3)
    other = data.clone()
    other.z = data.z.clone()
    other.z[1] = 16
    change = renderer(other, z_top=z_top, pixels=PIXELS)[0, 0] - base
    torch.testing.assert_close(found.images[:, :, 2] / 0.25, change, atol=1e-4, rtol=1e-3)


def test_hydrogen_is_never_in_doubt(renderer):
    data = water()
    state = State(data, TipParameters.from_tips(Tip()), float(anchor_height(data, SCAN, Tip())))
    found = nuisance_images(renderer, state, PIXELS, torch.empty(0, 3), (0.3, 0.5), torch.ones(3))
    assert found.images.shape[2] == 2


def test_sites_are_below_around_and_apart():
    pos = benzene().pos
    sites = hidden_sites(pos, (-0.5, -2.0), 1.5)
    assert torch.cdist(sites, pos.double()).min() >= 1.2
    assert set(sites[:, 2].tolist()) == {-0.5, -2.0}
    assert sites[:, 0].min() == pytest.approx(float(pos[:, 0].min()) - 1.5)
    assert sites[:, 1].max() == pytest.approx(float(pos[:, 1].max()) + 1.5)
    assert (sites[:, 2] == -2.0).sum() > (sites[:, 2] == -0.5).sum()  # the ring takes some of these


def test_sites_below_one_atom():
    assert len(hidden_sites(torch.zeros(1, 3), (-2.0,), 1.5)) == 9
