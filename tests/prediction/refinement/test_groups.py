"""Groups of atoms of a scan, and their refinement against that of each alone."""

import dataclasses

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.refinement import RefinementSettings, refine
from torch_afm.prediction.refinement.groups import cut_group, split_groups, surroundings
from torch_afm.testing import benzene

#: Six benzenes, 72 atoms, in two rows.
PLACES = [(x, y) for y in (-5.0, 5.0) for x in (-10.0, 0.0, 10.0)]
SCAN = Scan(window=((-16.0, 16.0), (-11.0, 11.0)), pixels=(65, 45), n_slices=5)
Z_TOP = 8.0


def benzenes():
    data = benzene()
    pos = torch.cat([data.pos + torch.tensor([x, y, 0.0]) for x, y in PLACES])
    return AFMData(z=data.z.repeat(6), pos=pos, charge=torch.zeros(72))


def test_molecules_are_groups_and_few_atoms_are_one():
    assert [g.tolist() for g in split_groups(benzenes().pos)] == [
        list(range(12 * k, 12 * k + 12)) for k in range(6)
    ]
    assert split_groups(benzene().pos)[0].tolist() == list(range(12))
    assert len(split_groups(torch.empty(0, 3))) == 1


def test_large_groups_are_cut_at_the_median():
    pos = torch.stack([torch.arange(150.0), torch.zeros(150), torch.zeros(150)], dim=1)
    groups = split_groups(pos)
    assert sorted(len(group) for group in groups) == [37, 37, 38, 38]
    assert sorted(torch.cat(groups).tolist()) == list(range(150))
    assert all(float(pos[g, 0].max() - pos[g, 0].min()) == len(g) - 1 for g in groups)


def test_what_is_around_a_group_is_held():
    data = benzenes()
    group = torch.arange(12)
    near = surroundings(data.pos, group)
    # The near side of the ring beside it, and nothing of the next one.
    assert not near[:12].any() and 0 < near[12:24].sum() < 12 and not near[24:36].any()
    assert float(data.pos[near, 0].max()) <= float(data.pos[:12, 0].max()) + 8
    context = AFMData(z=torch.tensor([6, 6]), pos=torch.tensor([[-10.0, -5.0, -2.0], [10.0, 5.0, -2.0]]))
    part, around = cut_group(data, context, group, torch.tensor([0]), RefinementSettings())
    assert torch.equal(part.pos, data.pos[:12])
    assert (around.sigma[0] > 0).all() and not around.sigma[1:].any() and len(around.z) == 1 + int(near.sum())
    assert around.charge.shape == around.z.shape


@pytest.fixture(scope="module")
def refined():
    truth, generator = benzenes(), torch.Generator().manual_seed(1)
    stack = ProbeParticleModel(SCAN)(truth, z_top=Z_TOP)
    start = truth.clone()
    start.pos = truth.pos + 0.08 * torch.randn(72, 3, generator=generator)
    start.sigma = torch.full((72, 3), 0.2)
    settings = dataclasses.replace(RefinementSettings.known(), sigma_scale=1.0)
    return truth, start, stack, refine(start, stack, ProbeParticleModel(SCAN), Z_TOP, settings=settings)


def test_a_scan_of_many_atoms_is_refined(refined):
    truth, start, _, found = refined
    assert found.accepted and "6 of 6 groups" in found.reason
    before, after = ((part.pos - truth.pos).norm(dim=1).mean() for part in (start, found.data))
    assert float(after) < 0.25 * float(before)
    assert found.loss_after < 0.1 * found.loss_before
    assert (found.sigma > 0).all() and (found.sigma < 0.2).all()
    assert float(found.residual.abs().mean()) < 0.05 and found.trajectory.shape == (2, 72, 3)


def test_groups_far_from_each_other_are_refined_as_alone(refined):
    _, start, stack, found = refined
    alone = AFMData(z=start.z[:12], pos=start.pos[:12], charge=torch.zeros(12), sigma=start.sigma[:12])
    rest = AFMData(z=start.z[12:], pos=found.data.pos[12:], charge=torch.zeros(60), sigma=torch.zeros(60, 3))
    one = refine(
        alone, stack, ProbeParticleModel(SCAN), Z_TOP, context=rest, settings=RefinementSettings.known()
    )
    assert float((one.data.pos - found.data.pos[:12]).norm(dim=1).max()) < 0.02


def test_a_group_that_gets_no_better_stays(refined):
    _, start, stack, _ = refined
    never = dataclasses.replace(RefinementSettings.known(), max_shift=1e-6)
    found = refine(start, stack, ProbeParticleModel(SCAN), Z_TOP, Tip(), settings=never)
    assert not found.accepted and torch.equal(found.data.pos, start.pos) and "0 of 6" in found.reason
    assert torch.equal(found.sigma, torch.full((72, 3), 0.2))


def test_one_atom_that_rises_does_not_lower_the_others(refined):
    truth, start, stack, _ = refined
    high = start.clone()
    high.pos = start.pos.clone()
    high.pos[5, 2] += 0.5
    settings = dataclasses.replace(RefinementSettings.known(), max_shift=100.0)
    found = refine(high, stack, ProbeParticleModel(SCAN), Z_TOP, settings=settings, top=0.0)
    assert abs(float((found.data.pos - high.pos)[:, 2].median())) < 1e-5
    assert abs(float((found.data.pos - truth.pos)[:, 2].median())) < 0.1
