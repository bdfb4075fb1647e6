"""An instrument that is known from simulation."""

import dataclasses

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.prediction.refinement import RefinementSettings, ScannedModel, Scanner, refine
from torch_afm.prediction.refinement.images import SliceImages
from torch_afm.prediction.refinement.instrument import InstrumentObjective, fit_instrument
from torch_afm.prediction.refinement.job import RefinementJob, State, fitted_tip
from torch_afm.testing import benzene

SCAN = Scan(window=((-6.0, 6.0), (-6.0, 6.0)), pixels=(33, 33), n_slices=6)
SCANNER = Scanner((1.08, 0.95), 0.02)
TIP = Tip(stiffness=(0.4, 0.4, 0.0), tilt=(0.15, -0.1), depth=0.012)
Z_TOP, HIGHER = 8.0, 0.2
MEASURED = RefinementSettings.measured()


@pytest.fixture(scope="module")
def molecule():
    """Benzene as the scanner shows it."""
    data = benzene()
    data.pos[:, :2] = data.pos[:, :2] @ torch.linalg.inv(SCANNER.matrix).T.float()
    data.charge = torch.zeros(len(data.z))
    return data


@pytest.fixture(scope="module")
def stack(molecule):
    top = torch.tensor([Z_TOP + HIGHER], dtype=torch.float64)
    return ScannedModel(ProbeParticleModel(SCAN), SCANNER)(molecule, tip=TIP, z_top=top)


def test_scale_springs_and_tip_are_found(molecule, stack):
    renderer = ProbeParticleModel(SCAN).quiet()
    job = RefinementJob.from_inputs(molecule, None, stack, renderer, Z_TOP, Tip(), MEASURED)
    scanner, tip, z_top = fit_instrument(job, torch.arange(12), renderer, MEASURED, Scanner())
    assert scanner.scale == pytest.approx(SCANNER.scale, abs=0.01)
    assert scanner.shear == pytest.approx(SCANNER.shear, abs=0.005)
    known = fitted_tip(tip)
    assert known.tilt == pytest.approx(TIP.tilt, abs=0.01) and z_top == pytest.approx(8.2, abs=0.02)
    # Both soften the image of bonds alike: each is found less sharply than the others.
    assert known.stiffness[0] == pytest.approx(0.4, rel=0.1) == known.stiffness[1]
    assert known.depth == pytest.approx(0.012, rel=0.2)
    image = ScannedModel(renderer, scanner)(
        molecule, tip=tip, z_top=torch.tensor([z_top], dtype=torch.float64)
    )
    assert float((image - stack).std() / stack.std()) < 0.02


def test_a_fit_goes_on_from_a_known_scanner(molecule, stack):
    renderer = ProbeParticleModel(SCAN).quiet()
    near = Scanner((1.05, 0.97), 0.01)
    sharp = dataclasses.replace(MEASURED, scale_sigma=0.02, shear_sigma=0.01)
    job = RefinementJob.from_inputs(molecule, None, stack, renderer, Z_TOP, Tip(), sharp)
    scanner, *_ = fit_instrument(job, torch.arange(12), renderer, sharp, near)
    assert scanner.scale == pytest.approx(SCANNER.scale, abs=0.01)


def test_what_has_no_width_is_held(molecule, stack):
    renderer = ProbeParticleModel(SCAN).quiet()
    held = dataclasses.replace(MEASURED, scale_sigma=0.0, depth_sigma=0.0, shear_sigma=0.0)
    job = RefinementJob.from_inputs(molecule, None, stack, renderer, Z_TOP, Tip(), held)
    scanner, tip, _ = fit_instrument(job, torch.arange(12), renderer, held, Scanner())
    assert scanner == Scanner() and tip.probe[0].depth is None


def test_expansion_is_that_of_finite_differences(molecule, stack):
    renderer = ProbeParticleModel(SCAN, backend="torch", dtype=torch.float64)
    data = molecule.clone()
    data.pos, data.charge = data.pos.double(), data.charge.double()
    data.edge_index = benzene().edge_index
    start = State(data, TipParameters.from_tips(Tip()), Z_TOP)
    images = SliceImages(SCAN, 4)
    objective = InstrumentObjective(start, renderer, images, stack[0, 0].double(), MEASURED, Scanner())
    x = 0.1 * torch.arange(8, dtype=torch.float64)
    value, gradient, curvature = objective.expand(x)
    assert value == pytest.approx(objective.value(x))
    for k in range(8):
        ahead, behind = x.clone(), x.clone()
        ahead[k] += 0.02
        behind[k] -= 0.02
        slope = (objective.value(ahead) - objective.value(behind)) / 0.04
        # Forward differences of the images.
        assert float(gradient[k]) == pytest.approx(slope, rel=0.1, abs=0.05 * float(gradient.abs().max()))
    assert torch.linalg.eigvalsh(curvature).min() > 0


def test_positions_are_better_with_the_instrument_fitted(molecule, stack):
    generator = torch.Generator().manual_seed(0)
    start = molecule.clone()
    start.pos = molecule.pos + 0.1 * torch.randn(12, 3, generator=generator)
    start.sigma = torch.full((12, 3), 0.25)

    def error(settings):
        found = refine(start, stack, ProbeParticleModel(SCAN), Z_TOP, settings=settings, top=0.0)
        assert found.accepted
        return float((found.data.pos - molecule.pos)[:, :2].norm(dim=1).mean()), found

    before = float((start.pos - molecule.pos)[:, :2].norm(dim=1).mean())
    fitted, result = error(MEASURED)
    without, _ = error(RefinementSettings(distance_sigma=0.4))
    assert fitted < 0.7 * before and fitted < 0.7 * without
    assert result.scanner.scale[0] > 1.02 > 0.98 > result.scanner.scale[1]
