"""The objective's gradient against differences of its value, and its terms by hand."""

import math

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.generation.chemistry import GeometryPrior
from torch_afm.generation.refinement import objective as module
from torch_afm.generation.refinement.images import SliceImages, nuisance_images
from torch_afm.generation.refinement.job import State, Unknowns, hidden_sites
from torch_afm.generation.refinement.objective import RefinementObjective
from torch_afm.ppm import ProbeParticleModel, TipParameters, anchor_height
from torch_afm.testing import water

SCAN = Scan(window=((-3.0, 3.0), (-3.0, 3.0)), pixels=(9, 9), n_slices=2, n_oscillation=4)


@pytest.fixture(scope="module")
def scene():
    renderer = ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch")
    data = water()
    data.pos, data.charge = data.pos.double(), data.charge.double()
    state = State(
        data, TipParameters.from_tips(Tip(tilt=(0.1, 0.0))), float(anchor_height(data, SCAN, Tip()))
    )
    images = SliceImages(SCAN, blur=0.3)
    stack = renderer(data, z_top=state.z_top - 0.1)[0, 0]
    return renderer, state, images, images.normalize(images.pick(stack))


def objective(scene, prior=None, with_nuisance=True, **numbers):
    renderer, state, images, reference = scene
    nuisance = None
    if with_nuisance:
        sites = hidden_sites(state.data.pos, 3.0)
        doubt = torch.tensor([0.5, 0.0, 0.0])
        nuisance = nuisance_images(renderer, state, images.pixels, sites, (0.3, 0.5), doubt)
    count = nuisance.images.shape[2] if nuisance else 0
    unknowns = Unknowns(state, torch.full((3, 3), 0.2), 0.1, 0.25, 0.15, count)
    settings = {"looks": 100.0, "floor": 0.02} | numbers
    return RefinementObjective(unknowns, renderer, images, reference, nuisance, prior, **settings)


def point(problem, seed=0):
    size = len(problem.unknowns.scale)
    return 0.5 * torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("prior", [None, GeometryPrior()])
def test_gradient_is_the_slope_of_the_value(scene, prior):
    problem = objective(scene, prior)
    x = point(problem)
    found = problem.expand(x)
    assert found.value == pytest.approx(problem.value(x), rel=1e-5)
    for seed in range(4):
        along = torch.nn.functional.normalize(point(problem, 10 + seed), dim=0)
        slope = (problem.value(x + 1e-4 * along) - problem.value(x - 1e-4 * along)) / 2e-4
        assert float(found.gradient @ along) == pytest.approx(slope, rel=5e-3, abs=0.02)


def test_curvature_is_symmetric_and_at_least_the_prior(scene):
    curvature = objective(scene, GeometryPrior()).expand(point(objective(scene))).curvature
    torch.testing.assert_close(curvature, curvature.T, rtol=1e-4, atol=1e-3)
    assert torch.linalg.eigvalsh(curvature).min() > 0.99


def test_value_by_hand(scene, monkeypatch):
    """Far from the linear part and without priors: ½ M log(s₀² + ⟨r²⟩) in the mean of the slices."""
    monkeypatch.setattr(module, "_WIDTH", 1e4)
    problem = objective(scene, with_nuisance=False)
    x = torch.zeros(len(problem.unknowns.scale), dtype=torch.float64)
    mean = problem.residual(x).double().square().mean(1)
    expected = sum(0.5 * 100 / 2 * math.log(0.02**2 + float(m)) for m in mean)
    assert problem.value(x) == pytest.approx(expected, rel=1e-3)


def test_no_atom_is_asked_to_jump(scene):
    problem = objective(scene)
    step = problem.shorten(1e3 * point(problem))
    pos = (step * problem.unknowns.scale)[:9].reshape(3, 3)
    assert float(pos.norm(dim=1).max()) == pytest.approx(0.3, rel=1e-6)
    small = 1e-3 * point(problem)
    assert problem.shorten(small).equal(small)
