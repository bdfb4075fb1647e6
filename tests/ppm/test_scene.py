from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.ppm.forcefield import Atoms, surface_force
from torch_afm.ppm.inputs import prepare
from torch_afm.ppm.relaxation import Springs, relax
from torch_afm.ppm.scene import Scene, with_gradient
from torch_afm.testing import benzene, water

TIP_FIELDS = ("stiffness", "radial_stiffness", "bond_length", "tilt", "charges", "charge_heights")

HEIGHTS = torch.tensor([0.0, -0.3, -0.6], dtype=torch.float64)
GRID = torch.tensor([[0.2, 0.4, 4.6], [-0.7, 0.1, 4.6]], dtype=torch.float64)


def inputs() -> list[torch.Tensor]:
    """Positions and charges of atoms, charges of the tip and their heights, springs."""
    values = (
        [[0.0, 0.0, 0.1], [1.1, 0.2, -0.1], [-0.3, 1.3, 0.0]],
        [0.3, -0.2, 0.1],
        [-20.0, 40.0, -20.0],
        [0.1, 0.0, -0.12],
        [0.015, 0.02, 0.003],
        [1.9],
        [0.3, -0.2, -3.9],
    )
    return [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]


def force(*inputs: torch.Tensor) -> torch.Tensor:
    radius = torch.tensor([3.5, 3.4, 3.6], dtype=torch.float64)
    atoms = Atoms(*inputs[:2], radius, 0.002 * radius, *inputs[2:4])
    springs = Springs(*inputs[4:])
    with torch.no_grad():
        u, converged = relax(GRID, HEIGHTS, atoms, springs)
        free = GRID + HEIGHTS[:, None, None] * torch.tensor([0, 0, 1])
        f = torch.stack([surface_force(p, atoms)[:, 2] for p in free + u])
    assert converged.all()
    return with_gradient(f, u, Scene(atoms, springs, free))


def test_every_gradient_is_that_of_finite_differences():
    assert torch.autograd.gradcheck(force, inputs(), eps=1e-5, atol=1e-5, rtol=1e-4)


def test_gradients_asked_for_alone_are_those_asked_for_together():
    leaves = inputs()
    together = torch.autograd.grad(force(*leaves).square().sum(), leaves)
    for i, expected in enumerate(together):
        some = [v.detach().requires_grad_(k == i) for k, v in enumerate(leaves)]
        alone = torch.autograd.grad(force(*some).square().sum(), some[i])[0]
        torch.testing.assert_close(alone, expected)


def test_a_gradient_is_needed_where_any_input_asks_for_one():
    scan = Scan(window=((-2.0, 2.0), (-1.0, 1.5)), pixels=(4, 3), n_slices=2, n_oscillation=3)
    tip = TipParameters.from_tips(Tip())
    fitted = replace(tip, tilt=tip.tilt.clone().requires_grad_())
    assert prepare(water(), scan, fitted, 7.0).requires_grad
    assert not prepare(water(), scan, tip, 7.0).requires_grad
    with torch.no_grad():
        assert not prepare(water(), scan, fitted, 7.0).requires_grad


@pytest.mark.parametrize("pixels", [None, torch.tensor([[3, 1], [0, 2], [9, 7]])])
def test_opencl_stack_has_the_gradients_of_float64(pixels):
    scan = Scan(window=((-4.0, 4.0), (-3.0, 3.0)), pixels=(10, 8), n_slices=3, n_oscillation=5)
    tip = Tip(tilt=(0.2, -0.1), stiffness=(0.25, 0.2, 0.02))

    def stack_and_gradients(renderer):
        data, parameters = benzene(), TipParameters.from_tips(tip)
        tilted = data.pos.double() + 0.2 * torch.sin(torch.arange(36.0)).reshape(12, 3)
        leaves = [tilted, data.charge.double(), torch.tensor([8.9, 9.1]).double()]
        leaves = [v.requires_grad_() for v in (*leaves, *(getattr(parameters, k) for k in TIP_FIELDS))]
        data.pos, data.charge, z_top, *fields = leaves
        batch = Batch.from_data_list([data, data])
        parameters = replace(parameters, **dict(zip(TIP_FIELDS, fields, strict=True)))
        stack = renderer(batch, parameters, z_top, pixels)
        plain = renderer(benzene(), z_top=9.0, pixels=pixels)
        assert not plain.requires_grad
        with torch.no_grad():
            torch.testing.assert_close(renderer(batch, parameters, z_top, pixels), stack.detach())
        return stack.detach(), torch.autograd.grad(stack.square().sum(), leaves)

    stack, gradients = stack_and_gradients(ProbeParticleModel(scan, backend="opencl"))
    exact, expected = stack_and_gradients(ProbeParticleModel(scan, dtype=torch.float64, backend="torch"))
    assert (stack - exact).abs().max() < 1e-3 * exact.std()
    for found, true in zip(gradients, expected, strict=True):
        assert found.dtype == true.dtype
        # The ±10 e of the tip nearly cancel: in float32 that leaves three digits.
        assert (found - true).norm() < 5e-3 * true.norm()
