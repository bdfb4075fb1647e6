from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.testing import benzene, water

SCAN = Scan(window=((-4.0, 4.0), (-3.0, 3.0)), pixels=(9, 7), n_slices=2, n_oscillation=5)


@pytest.mark.parametrize(
    "tip",
    [
        Tip(),
        Tip(
            tilt=(0.3, -0.2),
            stiffness=(0.25, 0.2, 0.02),
            charges=(0.2, 0.3, -0.1),
            charge_heights=(0.1, 0, -0.05),
        ),
        Tip(charges=(0.3, -0.4, 0.2), charge_heights=(0.0, 0.5, -0.4)),
        Tip(charges=(), charge_heights=()),
    ],
    ids=["co", "all multipoles", "charges off the probe", "neutral"],
)
@pytest.mark.parametrize("dipoles", [False, True], ids=["charges", "dipoles"])
def test_against_float64_with_exact_charges(tip, dipoles):
    scan = replace(SCAN, substeps=1 if len(tip.charges) == 3 else 2)
    data = benzene()
    data.pos = data.pos.double() + 0.3 * torch.sin(torch.arange(36.0)).reshape(12, 3)
    if dipoles:
        data.dipole = 0.1 * torch.cos(1.7 * torch.arange(36.0)).reshape(12, 3).double()
    found, exact = (
        gradients(renderer, data, tip)
        for renderer in (
            ProbeParticleModel(scan, backend="opencl"),
            ProbeParticleModel(scan, dtype=torch.float64, backend="torch"),
        )
    )
    for ours, theirs in zip(found, exact, strict=True):
        assert (ours - theirs).norm() <= 5e-4 * theirs.norm() + 1e-9


def gradients(renderer, data, tip):
    """In positions, charges, heights, all parameters of two channels of tips of a batch of two, and dipoles,
    if any."""
    near = data.clone()
    near.pos = near.pos + torch.tensor([0.4, -0.3, 0.1])
    batch = Batch.from_data_list([data, near])
    tips = TipParameters.from_tips([[tip, Tip(probe="Xe")]])
    fields = ("stiffness", "radial_stiffness", "bond_length", "tilt", "charges", "charge_heights")
    leaves = [batch.pos, batch.charge.double(), torch.tensor([8.9, 9.0]).double()]
    leaves += [getattr(tips, name) for name in fields]
    leaves += [batch.dipole] if "dipole" in batch else []
    leaves = [v.detach().clone().requires_grad_() for v in leaves]
    batch.pos, batch.charge, z_top = leaves[:3]
    tips = replace(tips, **dict(zip(fields, leaves[3:9], strict=True)))
    if "dipole" in batch:
        batch.dipole = leaves[9]
    stack = renderer(batch, tips, z_top)
    seed = torch.linspace(-1, 2, stack.numel()).reshape(stack.shape)
    return torch.autograd.grad((stack * seed).sum(), leaves)


def test_batch_with_an_empty_graph_and_no_pixels():
    batch = Batch.from_data_list([water(), AFMData.empty()])
    batch.pos.requires_grad_()
    renderer = ProbeParticleModel(SCAN, backend="opencl")
    stack = renderer(batch, z_top=6.9)
    (by_pos,) = torch.autograd.grad(stack.square().sum(), batch.pos)
    alone = water()
    alone.pos.requires_grad_()
    (expected,) = torch.autograd.grad(renderer(alone, z_top=6.9).square().sum(), alone.pos)
    torch.testing.assert_close(by_pos, expected)
    nothing = renderer(alone, z_top=6.9, pixels=torch.empty(0, 2, dtype=torch.long))
    assert not torch.autograd.grad(nothing.sum(), alone.pos)[0].any()


@pytest.mark.parametrize("tip", [Tip(), Tip(charges=(0.3, -0.4), charge_heights=(0.0, 0.5))])
def test_dipoles_of_zero_have_a_gradient(tip):
    """What a fit starts from."""
    found = []
    for renderer in (
        ProbeParticleModel(SCAN, tip, backend="opencl"),
        ProbeParticleModel(SCAN, tip, dtype=torch.float64, backend="torch"),
    ):
        data = water()
        data.pos = data.pos + torch.tensor([0.13, 0.07, 0.0])
        data.dipole = torch.zeros(3, 3, requires_grad=True)
        found.append(*torch.autograd.grad(renderer(data).square().sum(), data.dipole))
    assert (found[0] - found[1]).norm() <= 5e-4 * found[1].norm()
