"""Search, physics and refinement in one call."""

from types import SimpleNamespace

import pytest
import torch

from tests.prediction.networks import SCAN, THIN, Z_TOP, Oracle, Script, by_place
from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.metrics import Calibration
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import RefinementSettings, pipeline, predict_structure
from torch_afm.prediction.pipeline import ADDED
from torch_afm.prediction.refinement import ScannedModel, Scanner
from torch_afm.prediction.result import mean_pearson
from torch_afm.testing import benzene
from torch_afm.utils import InputError


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def reference(renderer):
    return renderer(benzene(), z_top=Z_TOP)


def nothing() -> AFMData:
    empty = AFMData.empty()
    empty.sigma = torch.empty(0, 3)
    return empty


#: A tip and a height as a refinement may find them.
FITTED = {"tip": Tip(tilt=(0.1, 0.0)), "z_top": Z_TOP - 0.05}
SCANNER = Scanner((1.05, 0.97), 0.01)


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_what_is_known_comes_out(search, reference, renderer):
    truth = benzene()
    found = predict_structure(Oracle(truth), reference, renderer, Z_TOP, search=search, views=1)
    assert by_place(found.graph.z, found.graph.pos) == by_place(truth.z, truth.pos)
    assert found.refinement is None and found.graph.edge_index.size(1) == 24


def test_bonds_that_break_a_valence_go(reference, renderer):
    # A hydrogen between two carbons: both bonds are seen, one can be.
    pos = torch.tensor([[0.0, 0.0, 0.0], [1.1, 0.0, 0.0], [-1.1, 0.0, 0.0]])
    truth = AFMData(z=torch.tensor([1, 6, 6]), pos=pos)
    for physics, edges in ((False, 4), (True, 2)):
        found = predict_structure(Oracle(truth), reference, renderer, Z_TOP, physics=physics, views=1)
        assert found.graph.edge_index.size(1) == edges


def test_refined_atoms_move_and_are_imaged_again(reference, renderer, monkeypatch):
    truth, off = benzene(), benzene()
    off.pos = off.pos + torch.tensor([0.15, -0.1, 0.0])

    def refined(data, stack, simulator, z_top, tip, context, settings, seed, top):
        assert torch.equal(stack, reference) and z_top == Z_TOP and context is None and top == 0.0
        moved = data.clone()
        moved.pos = data.pos - torch.tensor([0.15, -0.1, 0.0])
        helped = settings.observations > 1
        return SimpleNamespace(
            data=moved, context=AFMData.empty(), added=nothing(), accepted=helped, scanner=SCANNER, **FITTED
        )

    monkeypatch.setattr(pipeline, "refine", refined)
    job = Oracle(off), reference, renderer, Z_TOP
    found = predict_structure(*job, refinement=RefinementSettings(), views=1)
    assert (found.tip, found.z_top) == (FITTED["tip"], FITTED["z_top"])
    assert by_place(found.graph.z, found.graph.pos) == by_place(truth.z, truth.pos)
    assert found.graph.edge_index.size(1) == 24
    shown = ScannedModel(renderer, SCANNER)(AFMData(z=found.graph.z, pos=found.graph.pos), **FITTED)
    torch.testing.assert_close(found.simulated, shown)
    fitted = Calibration(sigma=(0.5, 0.5, 0.4))
    refined_one = predict_structure(*job, refinement=RefinementSettings(), views=1)
    assert torch.equal(refined_one.calibrated(fitted).sigma, refined_one.graph.sigma)
    kept_one = predict_structure(*job, refinement=RefinementSettings(observations=0.5), views=1)
    torch.testing.assert_close(
        kept_one.calibrated(fitted).sigma, kept_one.graph.sigma * torch.tensor([0.5, 0.5, 0.4])
    )
    # The tip is that of the refinement, which fits the instrument whatever becomes of the atoms.
    assert (kept_one.tip, kept_one.z_top) == (FITTED["tip"], FITTED["z_top"])
    assert by_place(kept_one.graph.z, kept_one.graph.pos) == by_place(off.z, off.pos)


def test_the_image_is_that_of_the_tip_that_was_fitted(renderer):
    """A tilted tip, nearer than told: the structure is right, and so is its image."""
    truth = benzene()
    tip = Tip(tilt=(0.35, 0.35))
    reference = renderer(truth, tip=tip, z_top=Z_TOP - 0.25)
    settings = RefinementSettings(stride=1, distance_sigma=0.3, hidden_sigma=0.0, completions=0)
    found = predict_structure(Oracle(truth), reference, renderer, Z_TOP, refinement=settings, views=1)
    assert found.refinement.accepted
    assert found.tip.tilt == pytest.approx(tip.tilt, abs=0.1)
    whole = found.steps[-1].graph
    assert mean_pearson(found.simulated, reference) > 0.99
    nominal = renderer(AFMData(z=whole.z, pos=whole.pos), z_top=found.z_top)
    assert mean_pearson(nominal, reference) < 0.97


def test_atoms_cross_the_surface_cut(reference, renderer, monkeypatch):
    truth = benzene()
    truth.pos[:, 2] = torch.tensor([0.0] * 10 + [-0.65, -0.75])

    def refined(data, stack, simulator, z_top, tip, context, settings, seed, top):
        assert len(context.z) == 1
        graph, deep = data.clone(), context.clone()
        graph.pos[:, 2] -= 0.1 * (graph.pos[:, 2] < -0.1)
        deep.pos[:, 2] += 0.1
        added = AFMData(z=torch.tensor([6]), pos=torch.tensor([[0.0, 0.0, -2.0]]), charge=torch.zeros(1))
        added.sigma = torch.full((1, 3), 0.2)
        found = {"data": graph, "context": deep, "added": added, "accepted": True}
        return SimpleNamespace(**found, scanner=SCANNER, **FITTED)

    monkeypatch.setattr(pipeline, "refine", refined)
    job = Oracle(truth), reference, renderer, Z_TOP
    found = predict_structure(*job, refinement=RefinementSettings(), views=1)
    assert len(found.graph.z) == 11 and len(found.context.z) == 2
    assert found.context.pos[:, 2].tolist() == pytest.approx([-0.75, -2.0])
    assert found.context.confidence[1] == pytest.approx(ADDED) and found.graph.edge_index.max() < 11
    ends = found.graph.pos[found.graph.edge_index]
    assert (ends[0] - ends[1]).norm(dim=1).max() < 1.8


def test_an_empty_answer_stays_empty(reference, renderer):
    nothing = AFMData(z=torch.empty(0, dtype=torch.long), pos=torch.empty(0, 3))
    found = predict_structure(
        Oracle(nothing), reference, renderer, Z_TOP, refinement=RefinementSettings(), views=1
    )
    assert found.graph.z.numel() == 0 and found.refinement is None


def test_bad_settings(reference, renderer):
    with pytest.raises(InputError, match="search: expected 'greedy' or 'beam'"):
        predict_structure(Oracle(benzene()), reference, renderer, Z_TOP, search="depth")


def test_a_network_without_revision_or_context_is_refined(monkeypatch):
    """Its bonds stay, atoms that the refinement adds do not join the answer."""
    renderer = ProbeParticleModel(THIN)
    truth = AFMData(z=torch.tensor([6, 1]), pos=torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -0.9]]))
    reference = renderer(truth, z_top=Z_TOP)

    def refined(data, stack, simulator, z_top, tip, context, settings, seed, top):
        assert context is None and len(data.z) == 2
        moved = data.clone()
        moved.pos, moved.sigma = data.pos + 0.1, torch.full((2, 3), 0.2)
        moved.charge = torch.tensor([0.1, -0.1])
        added = AFMData(z=torch.tensor([6]), pos=torch.zeros(1, 3), charge=torch.zeros(1))
        found = {"data": moved, "context": nothing(), "added": added, "accepted": True}
        return SimpleNamespace(**found, scanner=SCANNER, **FITTED)

    monkeypatch.setattr(pipeline, "refine", refined)
    model = Script((2, (0.0, 0.0, 0.0), ()), (1, (1.0, 0.0, -0.9), (0,)))
    found = predict_structure(model, reference, renderer, Z_TOP, refinement=RefinementSettings())
    torch.testing.assert_close(found.graph.pos, truth.pos + 0.1)
    assert found.graph.edge_index.tolist() == [[0, 1], [1, 0]] and len(found.context.z) == 0
    assert found.graph.sigma.tolist() == [[pytest.approx(0.2)] * 3] * 2 and "confidence" in found.graph
    assert torch.equal(found.steps[-1].graph.charge, torch.tensor([0.1, -0.1]))
