"""Likelihoods of images against the equation."""

import numpy as np
import torch

from tests.prediction.answers.cases import SCAN, Z_TOP, stack_of
from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.functional import normalize_slices
from torch_afm.io import AFMStack
from torch_afm.metrics.evidence import log_likelihood, noise_floor
from torch_afm.prediction.answers.likelihood import ScanLikelihood
from torch_afm.prediction.refinement import Scanner
from torch_afm.prediction.stored import Imaging
from torch_afm.testing import benzene

IMAGING = Imaging(SCAN, Tip(), Z_TOP, Scanner())


def without(atoms, i):
    keep = torch.arange(len(atoms.z)) != i
    return AFMData(z=atoms.z[keep], pos=atoms.pos[keep], charge=torch.zeros(int(keep.sum())))


def test_the_likelihood_is_that_of_every_second_pixel():
    truth = benzene()
    truth.charge = torch.zeros(len(truth.z))
    stack = stack_of(truth)
    likelihood = ScanLikelihood(stack, SCAN)
    part = without(truth, 0)
    values = likelihood([truth, part], IMAGING)
    image = torch.from_numpy(stack_of(part).stack[0])[:, ::2, ::2]
    shown = torch.from_numpy(stack.stack[0])[:, ::2, ::2]
    mse = (normalize_slices(image) - normalize_slices(shown)).square().mean((1, 2)).double().numpy()
    floor = noise_floor(stack.stack[0].astype(float))
    np.testing.assert_allclose(values[1], log_likelihood(mse, floor), rtol=1e-3)
    np.testing.assert_allclose(values[0], log_likelihood(0 * mse, floor), rtol=1e-3)
    assert values[0] > values[1]


def test_units_and_offsets_change_nothing():
    truth = benzene()
    truth.charge = torch.zeros(len(truth.z))
    stack = stack_of(truth)
    other = AFMStack(3 * stack.stack + 5, stack.x, stack.y, stack.z, {"unit": "a.u."})
    a, b = (ScanLikelihood(s, SCAN)([without(truth, 3)], IMAGING)[0] for s in (stack, other))
    np.testing.assert_allclose(a, b, rtol=1e-3)


def test_the_image_of_the_truth_is_the_scan():
    truth = benzene()
    truth.charge = torch.zeros(len(truth.z))
    stack = stack_of(truth)
    image = ScanLikelihood(stack, SCAN).image(truth, IMAGING)
    np.testing.assert_allclose(image[0].numpy(), stack.stack, atol=1e-3)
