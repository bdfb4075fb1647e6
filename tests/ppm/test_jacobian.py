"""The Jacobian against central differences of the float64 renderer."""

import dataclasses

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.testing import water
from torch_afm.utils import InputError

SCAN = Scan(window=((-3.0, 3.0), (-3.0, 3.0)), pixels=(7, 8), n_slices=3, substeps=2)
PIXELS = torch.cartesian_prod(torch.arange(7), torch.arange(8))
TIP = TipParameters.from_tips(Tip(tilt=(0.2, -0.1)))
Z_TOP = 8.5
STEP = 1e-4


@pytest.fixture(scope="module")
def molecule():
    data = water()
    data.pos, data.charge = data.pos.double(), data.charge.double()
    return data


@pytest.fixture(scope="module")
def exact():
    return ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch")


@pytest.mark.parametrize("dipoles", [False, True])
def test_against_central_differences(molecule, exact, dipoles):
    molecule = molecule.clone()
    if dipoles:
        molecule.dipole = 0.2 * torch.sin(torch.arange(9.0).double() + 1).reshape(3, 3)
    found = exact.jacobian(molecule, TIP, Z_TOP, PIXELS)

    def render(pos, charge, tilt, z_top, dipole=None):
        data = molecule.clone()
        data.pos, data.charge = pos, charge
        if dipole is not None:
            data.dipole = dipole
        return exact(data, dataclasses.replace(TIP, tilt=tilt), z_top, PIXELS)[0, 0]

    inputs = [molecule.pos, molecule.charge, TIP.tilt, torch.tensor([Z_TOP], dtype=torch.float64)]
    inputs += [molecule.dipole] if dipoles else []
    assert (found.dipole is None) != dipoles
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
    found = renderer.jacobian(molecule, TIP, Z_TOP, PIXELS)
    torch.testing.assert_close(found.stack, renderer(molecule, TIP, Z_TOP, PIXELS)[0, 0])


@pytest.mark.parametrize("pairs", [1, 3 * len(PIXELS) * 4])
def test_heights_at_once_do_not_matter(molecule, exact, pairs, monkeypatch):
    every = exact.jacobian(molecule, TIP, Z_TOP, PIXELS)
    monkeypatch.setattr("torch_afm.ppm.jacobian.PAIRS", pairs)
    some = exact.jacobian(molecule, TIP, Z_TOP, PIXELS)
    for a, b in zip(some[:5], every[:5], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_moving_all_atoms_up_is_lowering_the_tip(molecule, exact):
    found = exact.jacobian(molecule, TIP, Z_TOP, PIXELS)
    torch.testing.assert_close(found.z_top, -found.pos[..., 2].sum(2))


@pytest.mark.parametrize("backend", ["opencl", "torch"])
def test_it_sums_to_the_gradient_of_autograd(molecule, backend):
    """Row by row what the backward pass sums over the pixels, in positions, charges and dipoles."""
    renderer = ProbeParticleModel(SCAN, backend=backend)
    data = molecule.clone()
    data.dipole = 0.2 * torch.sin(torch.arange(9.0).double() + 1).reshape(3, 3)
    found = renderer.jacobian(data, TIP, Z_TOP, PIXELS)
    leaves = [data.pos.requires_grad_(), data.charge.requires_grad_(), data.dipole.requires_grad_()]
    stack = renderer(data, TIP, Z_TOP, PIXELS)
    seed = torch.linspace(-1, 2, stack.numel()).reshape(stack.shape)
    expected = torch.autograd.grad((stack * seed).sum(), leaves)
    for slopes, sums in zip((found.pos, found.charge, found.dipole), expected, strict=True):
        rows = torch.einsum("zp,zp...->...", seed[0, 0].double(), slopes)
        assert (rows - sums).norm() < 2e-3 * sums.norm()


def test_one_molecule_under_one_tip(molecule):
    renderer = ProbeParticleModel(SCAN)
    for data, tip in ((molecule, [[Tip(), Tip()]]), (Batch.from_data_list([molecule] * 2), Tip())):
        with pytest.raises(InputError, match="data, tip: expected one graph and one tip"):
            renderer.jacobian(data, tip, Z_TOP, PIXELS)
