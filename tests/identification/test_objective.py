"""The objective of the fits, against finite differences and the pose that made the scan."""

import numpy as np
import pytest
import torch

from torch_afm import from_smiles
from torch_afm.config import Scan
from torch_afm.identification import PoseModel, PoseObjective, Start, orientations
from torch_afm.identification.objective import all_places
from torch_afm.identification.pose import BEND, CHARGE, N_POSE, SCALE, SHEAR
from torch_afm.metrics.evidence import log_likelihood
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.refinement.images import SliceImages

SCAN = Scan(window=((-5, 5), (-5, 5)), pixels=(21, 21), n_slices=4)
FLOOR = torch.full((4,), 0.01, dtype=torch.float64)


@pytest.fixture(scope="module")
def model() -> PoseModel:
    renderer = ProbeParticleModel(SCAN, backend="torch", on_unconverged="ignore", dtype=torch.float64)
    molecule = orientations(from_smiles("Clc1ccncc1"))[0]
    return PoseModel(molecule, Start(0.9, 30.0, (0.4, -0.3), 0.1), 8.6, renderer, upright=False)


def objective(model: PoseModel, truth: torch.Tensor, instrument: bool) -> PoseObjective:
    images = SliceImages(SCAN, 1, plane=True)
    stack = model.stacks(truth[None], all_places(model).flatten(0, 1))[0]
    return PoseObjective(model, images, images.normalize(stack), FLOOR, instrument)


def test_value_is_the_negative_log_posterior(model) -> None:
    truth = torch.zeros_like(model.widths)
    truth[0] = 0.5
    found = objective(model, truth, instrument=True)
    x = torch.zeros_like(truth)
    x[1] = 0.3
    likelihood = log_likelihood(found.residual(x).numpy(), FLOOR.numpy())
    assert found.value(x) == pytest.approx(-likelihood + 0.5 * 0.3**2)


def test_gradient_is_that_of_the_value(model) -> None:
    truth = torch.zeros_like(model.widths)
    truth[0], truth[5] = 0.6, -0.4
    found = objective(model, truth, instrument=True)
    x = torch.zeros_like(truth)
    gradient = found.expand(x).gradient
    step = 0.03
    for k in (0, 1, 3, 5, 6, 8, 9, 11, 13, 14, 17):
        ahead, behind = x.clone(), x.clone()
        ahead[k] += step
        behind[k] -= step
        slope = (found.value(ahead) - found.value(behind)) / (2 * step)
        assert float(gradient[k]) == pytest.approx(slope, rel=0.25, abs=0.6), k


def test_the_pose_of_the_scan_is_the_minimum(model) -> None:
    truth = torch.zeros_like(model.widths)
    found = objective(model, truth, instrument=True)
    lowest = found.value(truth)
    rng = np.random.default_rng(0)
    for _ in range(5):
        away = torch.from_numpy(rng.normal(0, 0.3, len(truth)))
        assert found.value(away) > lowest
    assert float(found.residual(truth).max()) < 1e-9


def test_a_first_fit_leaves_the_instrument(model) -> None:
    truth = torch.zeros_like(model.widths)
    truth[0], truth[9] = 0.4, 0.5
    first = objective(model, truth, instrument=False)
    gradient = first.expand(torch.zeros_like(truth)).gradient
    free = torch.zeros(len(truth), dtype=torch.bool)
    free[:N_POSE] = free[SCALE] = free[SHEAR] = free[CHARGE] = True
    assert torch.equal(gradient != 0, free)
    assert (objective(model, truth, True).expand(torch.zeros_like(truth)).gradient[BEND] != 0).all()


def test_steps_are_short(model) -> None:
    found = objective(model, torch.zeros_like(model.widths), instrument=True)
    step = torch.linspace(-3, 2, len(model.widths), dtype=torch.float64)
    assert float(found.shorten(step).abs().max()) == pytest.approx(1.0)
    torch.testing.assert_close(found.shorten(step) * 3, step)
    assert torch.equal(found.shorten(step / 10), step / 10)
