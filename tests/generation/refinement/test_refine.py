"""Refinement of tiny molecules whose truth is known."""

import dataclasses
import importlib
import json

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.generation import GeometryPrior, RefinementSettings, Stage, refine
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SCAN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(20, 20), n_slices=4)
KNOWN = dataclasses.replace(RefinementSettings.known(), stride=1)
FITTED = RefinementSettings(stride=1, stages=(Stage(None, 0.5, 5), Stage(None, 0.0, 5)), hidden_spacing=3.0)


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def z_top():
    return float(anchor_height(water(), SCAN, Tip()))


@pytest.fixture(scope="module")
def reference(renderer, z_top):
    return renderer(water(), z_top=z_top)


def moved(data: AFMData, by: float, seed: int = 0) -> AFMData:
    off = torch.randn(data.pos.shape, generator=torch.Generator().manual_seed(seed))
    data.pos = data.pos + by * off / off.norm(dim=1, keepdim=True)
    return data


def error(data: AFMData, truth: AFMData) -> float:
    return float((data.pos - truth.pos).norm(dim=1).mean())


def test_known_molecule_comes_back(renderer, reference, z_top):
    result = refine(moved(water(), 0.2), reference, renderer, z_top, settings=KNOWN)
    assert result.accepted
    assert error(result.data, water()) < 0.01
    assert error(result.start, water()) == pytest.approx(0.2, abs=1e-4)
    assert result.loss_after < 1e-3 * result.loss_before
    assert result.residual.abs().max() < 0.05
    assert result.residual.shape == SCAN.shape
    assert result.trajectory[0].equal(result.start.pos) and result.trajectory[-1].equal(result.data.pos)
    assert (result.sigma > 0).all() and (result.sigma < 0.2).all()
    assert result.tip == Tip() and result.z_top == z_top


def test_flat_molecule_comes_back(renderer):
    truth = benzene()
    z_top = float(anchor_height(truth, SCAN, Tip()))
    result = refine(moved(benzene(), 0.2), renderer(truth, z_top=z_top), renderer, z_top, settings=KNOWN)
    assert error(result.data, truth) < 0.02


def test_gain_and_offset_of_each_slice_are_nothing(renderer, reference, z_top, monkeypatch):
    gain = torch.tensor([2.0, 0.3, 5.0, 1.0])[:, None, None]
    offset = torch.tensor([-3.0, 1.0, 0.0, 7.0])[:, None, None]
    start = moved(water(), 0.2)
    module = importlib.import_module("torch_afm.generation.refinement.refine")
    monkeypatch.setattr(module, "_TOLERANCE", 1e-4)  # so that both end at the minimum itself
    a = refine(start, reference, renderer, z_top, settings=FITTED)
    b = refine(start, reference * gain + offset, renderer, z_top, settings=FITTED)
    torch.testing.assert_close(a.data.pos, b.data.pos, atol=2e-3, rtol=0)


def test_tip_is_fitted_within_its_prior(renderer, z_top):
    tip = Tip(tilt=(0.25, -0.15))
    stack = renderer(water(), tip=tip, z_top=z_top + 0.1)
    settings = dataclasses.replace(FITTED, charge_sigma=0.0, element_sigma=0.0, hidden_sigma=0.0)
    start = water()
    start.sigma = torch.full((3, 3), 0.01)
    result = refine(start, stack, renderer, z_top, settings=settings)
    assert result.tip.tilt == pytest.approx(tip.tilt, abs=0.06)
    assert result.z_top == pytest.approx(z_top + 0.1, abs=0.06)


def test_atoms_and_tip_come_back_to_the_height_of_the_top_atom(renderer, z_top):
    """All of it started too low, the tip with it: the image agrees, and says nothing of it."""
    stack = renderer(water(), z_top=z_top)
    start = water()
    start.pos = start.pos - torch.tensor([0.0, 0.0, 0.3])
    free, back = (
        refine(start, stack, renderer, z_top - 0.2, settings=FITTED, top=top)
        for top in (None, float(water().pos[:, 2].max()))
    )
    lift = back.z_top - free.z_top
    assert lift > 0.1
    torch.testing.assert_close(back.data.pos[:, 2], free.data.pos[:, 2] + lift)
    torch.testing.assert_close(back.residual, free.residual, atol=2e-3, rtol=0)
    assert back.trajectory[-1].equal(back.data.pos)
    assert float(back.data.pos[:, 2].max()) == pytest.approx(float(water().pos[:, 2].max()), abs=1e-5)


def test_atoms_of_the_context_take_part_and_hidden_ones_do_no_harm(renderer):
    """An atom below is left out: told nothing of it, the fit with images of hidden atoms errs less than the
    one without."""
    truth = benzene()
    deep = AFMData(
        z=torch.tensor([6, 6]), pos=torch.tensor([[0.6, 0.5, -1.6], [-0.9, 1.0, -1.6]]), charge=torch.zeros(2)
    )
    whole = AFMData(
        z=torch.cat([truth.z, deep.z]),
        pos=torch.cat([truth.pos, deep.pos]),
        charge=torch.cat([truth.charge, deep.charge]),
    )
    z_top = float(anchor_height(whole, SCAN, Tip()))
    stack = renderer(whole, z_top=z_top)
    start = moved(benzene(), 0.1)
    told = refine(start, stack, renderer, z_top, context=deep, settings=KNOWN)
    assert error(told.data, truth) < 0.02
    assert len(told.context.z) == 2
    nuisance = dataclasses.replace(KNOWN, hidden_sigma=0.5, hidden_spacing=2.0)
    without, fitted = (
        refine(start, stack, renderer, z_top, settings=dataclasses.replace(s, looks=100.0))
        for s in (KNOWN, nuisance)
    )
    assert (fitted.trajectory[-1] - truth.pos).norm(dim=1).mean() < 0.7 * (
        without.trajectory[-1] - truth.pos
    ).norm(dim=1).mean()


def test_noise_returns_the_start_and_says_so(renderer, z_top):
    noise = torch.randn(1, 1, *SCAN.shape, generator=torch.Generator().manual_seed(0))
    start = moved(water(), 0.2)
    result = refine(start, noise, renderer, z_top, settings=FITTED)
    assert not result.accepted
    assert result.data.pos.equal(start.pos)
    assert "%" in result.reason


def test_a_move_beyond_belief_returns_the_start(renderer, reference, z_top):
    start = moved(water(), 0.2)
    start.sigma = torch.full((3, 3), 0.06)
    assert refine(start, reference, renderer, z_top, settings=KNOWN).accepted
    strict = dataclasses.replace(KNOWN, max_shift=0.9)
    result = refine(start, reference, renderer, z_top, settings=strict)
    assert not result.accepted and result.data.pos.equal(start.pos) and result.sigma.equal(start.sigma)


def test_held_atoms_stay_known_where_the_rest_is_not(renderer, reference, z_top):
    start = moved(water(), 0.1)
    start.sigma = torch.full((3, 3), 0.1)
    start.sigma[0] = 0.0
    result = refine(start, reference, renderer, z_top, settings=FITTED)
    assert result.accepted
    assert result.data.pos[0].equal(start.pos[0]) and (result.sigma[0] == 0).all()
    assert (result.sigma[1:] >= 0.03).all()


def test_held_atoms_do_not_move(renderer, reference, z_top):
    start = moved(water(), 0.2)
    start.sigma = torch.tensor([[0.0] * 3, [0.3] * 3, [0.3, 0.0, 0.3]])
    result = refine(start, reference, renderer, z_top, settings=FITTED, prior=GeometryPrior())
    change = result.trajectory[-1] - start.pos
    assert (change[0] == 0).all() and change[2, 1] == 0 and (change[1] != 0).any()


def test_same_seed_same_result(renderer, reference, z_top):
    a, b = (
        refine(moved(water(), 0.2), reference, renderer, z_top, settings=FITTED, seed=3) for _ in range(2)
    )
    assert json.dumps(a.to_dict()) == json.dumps(b.to_dict())
    assert a.sigma.equal(b.sigma) and a.residual.equal(b.residual)


def _nan(data):
    data.pos[0, 0] = torch.nan
    return data


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"data": AFMData.empty()}, "data"),
        ({"data": _nan(water())}, "pos"),
        ({"stack": torch.zeros(1, 1, *SCAN.shape)}, "stack"),
        ({"stack": torch.full((1, 1, *SCAN.shape), torch.nan)}, "stack"),
        ({"stack": torch.randn(1, 1, 3, 20, 20)}, "stack"),
        ({"z_top": float("nan")}, "z_top"),
        ({"starts": 0}, "starts"),
        ({"data": AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3), sigma=torch.ones(1, 2))}, "sigma"),
    ],
)
def test_bad_input(change, name, renderer, reference, z_top):
    arguments = {"data": water(), "stack": reference, "renderer": renderer, "z_top": z_top} | change
    with pytest.raises(InputError, match=f"^{name}:"):
        refine(**arguments)
