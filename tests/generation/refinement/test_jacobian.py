"""The Jacobian against central differences of the float64 renderer."""

import dataclasses

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.generation.refinement import stack_jacobian
from torch_afm.ppm import ProbeParticleModel, TipParameters, TorchRenderer
from torch_afm.testing import water

SCAN = Scan(window=((-3.0, 3.0), (-3.0, 3.0)), pixels=(7, 8), n_slices=3, substeps=2)
PIXELS = torch.cartesian_prod(torch.arange(7), torch.arange(8))
TIP = TipParameters.from_tips([Tip(tilt=(0.2, -0.1))])
Z_TOP = 8.5
STEP = 1e-4


@pytest.fixture(scope="module")
def molecule():
    data = water()
    data.pos, data.charge = data.pos.double(), data.charge.double()
    return data


@pytest.fixture(scope="module")
def exact():
    return TorchRenderer(SCAN, dtype=torch.float64)


def test_against_central_differences(molecule, exact):
    found = stack_jacobian(exact, molecule, TIP, Z_TOP, PIXELS)

    def render(pos, charge, tilt, z_top):
        data = molecule.clone()
        data.pos, data.charge = pos, charge
        return exact.render(data, dataclasses.replace(TIP, tilt=tilt), z_top, PIXELS)[0, 0]

    inputs = [molecule.pos, molecule.charge, TIP.tilt, torch.tensor([Z_TOP], dtype=torch.float64)]
    for k, value in enumerate(inputs):
        slopes = found[k + 1].reshape(*found.stack.shape, -1)
        for entry in range(value.numel()):
            nudge = torch.zeros(value.numel(), dtype=torch.float64)
            nudge[entry] = STEP
            ends = []
            for sign in (1, -1):
                moved = list(inputs)
                moved[k] = value + sign * nudge.reshape(value.shape)
                ends.append(render(*moved))
            difference = (ends[0] - ends[1]) / (2 * STEP)
            torch.testing.assert_close(
                slopes[..., entry], difference, rtol=0, atol=1e-5 * float(difference.std())
            )


def test_stack_is_the_renderers(molecule):
    renderer = ProbeParticleModel(SCAN)
    found = stack_jacobian(renderer, molecule, TIP, Z_TOP, PIXELS)
    torch.testing.assert_close(found.stack, renderer.render(molecule, TIP, Z_TOP, PIXELS)[0, 0])


def test_moving_all_atoms_up_is_lowering_the_tip(molecule, exact):
    found = stack_jacobian(exact, molecule, TIP, Z_TOP, PIXELS)
    torch.testing.assert_close(found.z_top, -found.pos[..., 2].sum(2))
