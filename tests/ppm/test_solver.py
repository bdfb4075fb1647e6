from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import lj_parameters
from torch_afm.ppm import ProbeParticleModel, relaxation, scene
from torch_afm.ppm.tip import TipParameters
from torch_afm.testing import water
from torch_afm.units import COULOMB, N_PER_M
from torch_afm.utils import InputError

TIP_FIELDS = ("stiffness", "radial_stiffness", "bond_length", "tilt", "charges", "charge_heights")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_golden(golden_case, dtype):
    stack = ProbeParticleModel(golden_case.scan, golden_case.tip, dtype=dtype, backend="torch")(
        golden_case.data
    )
    rms, largest = golden_case.errors(stack)
    charged = bool(golden_case.data.charge.any())
    assert stack.dtype == dtype
    assert rms <= (1e-6 if dtype == torch.float64 else 5e-4 if charged else 1e-5)
    assert largest <= (1e-5 if dtype == torch.float64 else 3e-3 if charged else 1e-3)


SMALL = Scan(window=((-1.5, 1.5), (-1.0, 1.2)), pixels=(3, 2), n_slices=2, n_oscillation=3)
TILTED = Tip(tilt=(0.3, 0.1), charges=(0.1, -0.2), charge_heights=(0.2, -0.1), stiffness=(0.3, 0.2, 0.05))


@pytest.mark.parametrize("tip", [Tip(stiffness=(0.25, 0.25, 0.01)), TILTED], ids=["co", "tilted"])
@pytest.mark.parametrize("name", ["pos", "charge", "z_top", *TIP_FIELDS])
def test_gradients_are_those_of_finite_differences(tip, name):
    renderer = ProbeParticleModel(SMALL, tip, dtype=torch.float64, backend="torch")
    molecule, parameters = water(), TipParameters.from_tips(tip)
    values = {"pos": molecule.pos.double(), "charge": molecule.charge.double(), "z_top": torch.tensor([6.9])}
    values = {k: v.double() for k, v in values.items()} | {k: getattr(parameters, k) for k in TIP_FIELDS}

    def stack(value):
        v = values | {name: value}
        data = molecule.clone()
        data.pos, data.charge = v["pos"], v["charge"]
        return renderer(data, replace(parameters, **{k: v[k] for k in TIP_FIELDS}), v["z_top"])

    assert stack(values[name]).std() > 0.01
    assert torch.autograd.gradcheck(stack, values[name].requires_grad_(), eps=1e-5, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["pos", "charge", "dipole", "z_top", "tilt", "charges", "charge_heights"])
def test_gradients_with_dipoles_are_those_of_finite_differences(name):
    renderer = ProbeParticleModel(SMALL, TILTED, dtype=torch.float64, backend="torch")
    molecule, parameters = water(), TipParameters.from_tips(TILTED)
    values = {"pos": molecule.pos, "charge": molecule.charge, "z_top": torch.tensor([6.9])}
    values["dipole"] = 0.2 * torch.sin(torch.arange(9.0) + 1).reshape(3, 3)
    values = {k: v.double() for k, v in values.items()} | {k: getattr(parameters, k) for k in TIP_FIELDS}

    def stack(value):
        v = values | {name: value}
        data = molecule.clone()
        data.pos, data.charge, data.dipole = v["pos"], v["charge"], v["dipole"]
        return renderer(data, replace(parameters, **{k: v[k] for k in TIP_FIELDS}), v["z_top"])

    assert torch.autograd.gradcheck(stack, values[name].requires_grad_(), eps=1e-5, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["pos", "z_top", "bond_length"])
def test_gradients_through_substeps_are_those_of_finite_differences(name):
    renderer = ProbeParticleModel(replace(SMALL, substeps=2), TILTED, dtype=torch.float64, backend="torch")
    values = {"pos": water().pos.double(), "z_top": torch.tensor([6.9]).double()}
    parameters = TipParameters.from_tips(TILTED)
    value = values.get(name, parameters.bond_length).requires_grad_()

    def stack(v):
        data, given = water(), values | {name: v}
        data.pos = given["pos"]
        tip = replace(parameters, bond_length=given.get("bond_length", parameters.bond_length))
        return renderer(data, tip, given["z_top"])

    assert torch.autograd.gradcheck(stack, value, eps=1e-5, atol=1e-5, rtol=1e-4)


def test_heights_of_the_data_have_gradients_and_placed_ones_have_none():
    molecule = water()
    molecule.pos.requires_grad_()
    molecule.z_top = torch.tensor([7.0], requires_grad=True)
    renderer = ProbeParticleModel(SMALL, dtype=torch.float64, backend="torch")
    by_height = torch.autograd.grad(renderer(molecule).sum(), [molecule.z_top, molecule.pos])
    # Tip down or molecule up is the same.
    torch.testing.assert_close(by_height[0].sum(), -by_height[1][:, 2].sum())
    molecule.z_top = None
    placed = torch.autograd.grad(renderer(molecule, z_top=7.0).sum(), molecule.pos)
    torch.testing.assert_close(placed[0], by_height[1])


def test_parameters_render_as_their_tips_do():
    batch = Batch.from_data_list([water(), water()])
    renderer = ProbeParticleModel(SMALL, dtype=torch.float64, backend="torch")
    tips = [[Tip()], [Tip(probe="Xe", charges=(0.3,), charge_heights=(0.0,))]]
    stack = renderer(batch, tips)
    torch.testing.assert_close(renderer(batch, TipParameters.from_tips(tips)), stack)
    one = TipParameters.from_tips(tips[:1])
    torch.testing.assert_close(renderer(batch, one), renderer(batch, Tip()))
    channels = renderer(batch, TipParameters.from_tips([[*row, Tip()] for row in tips]))
    torch.testing.assert_close(channels, torch.cat([stack, renderer(batch, Tip())], 1))


def test_channels_are_the_stacks_of_their_tips():
    renderer = ProbeParticleModel(SMALL, dtype=torch.float64, backend="torch")
    batch = Batch.from_data_list([water(), AFMData.empty()])
    both = renderer(batch, [[Tip(), TILTED]], z_top=7.0)
    alone = [renderer(batch, t, z_top=7.0) for t in (Tip(), TILTED)]
    torch.testing.assert_close(both, torch.cat(alone, 1))
    mixed = renderer(batch, [[Tip(), TILTED], [TILTED, Tip()]], z_top=7.0)
    torch.testing.assert_close(mixed, both)  # the second graph is empty


def test_pixels_are_those_of_the_full_stack():
    pixels = torch.tensor([[2, 0], [0, 1], [2, 0]])
    renderer = ProbeParticleModel(SMALL, TILTED, dtype=torch.float64, backend="torch")
    some, stack = renderer(water(), pixels=pixels), renderer(water())
    torch.testing.assert_close(some, stack[..., pixels[:, 1], pixels[:, 0]])
    with pytest.raises(InputError, match="pixels"):
        renderer(water(), pixels=torch.tensor([[3, 0]]))


def test_relaxed_probe_balances_springs_and_surface():
    renderer = ProbeParticleModel(SMALL, TILTED, dtype=torch.float64, backend="torch")
    molecule = water()
    relaxed = renderer.relax(molecule, z_top=7.0)
    assert relaxed.converged.all()
    assert relaxed.probe.shape == (1, 1, 4, 2, 3, 3)
    anchor = torch.tensor([SMALL.x[2], SMALL.y[1], 7.0 - 2 * SMALL.dz])
    probe = relaxed.probe[0, 0, 2, 1, 2]
    d = probe - anchor
    k = torch.tensor(TILTED.stiffness) / N_PER_M
    stretch = TILTED.radial_stiffness / N_PER_M * (d.norm() - TILTED.bond_length)
    tip = -k * (d - torch.tensor(TILTED.equilibrium)) - stretch * d / d.norm()
    radius, depth = (torch.tensor(v) for v in lj_parameters(molecule.z))
    probe_radius, probe_depth = lj_parameters([8])
    surface = torch.zeros(3, dtype=torch.float64)
    for i in range(3):
        r = probe - molecule.pos[i]
        ratio = ((radius[i] + probe_radius[0]) / r.norm()) ** 6
        surface += 12 * (depth[i] * probe_depth[0]).sqrt() * (ratio**2 - ratio) * r / r.norm() ** 2
        for charge, height in zip(TILTED.charges, TILTED.charge_heights, strict=True):
            above = r + height * torch.tensor([0, 0, 1])
            surface += COULOMB * molecule.charge[i] * charge * above / above.norm() ** 3
    torch.testing.assert_close(surface + tip, torch.zeros(3).double(), rtol=0, atol=2e-7)
    torch.testing.assert_close(relaxed.force[0, 0, 2, 1, 2], surface[2], rtol=1e-5, atol=0)


def test_unconverged_relaxation_is_reported(monkeypatch):
    monkeypatch.setattr(relaxation, "_MAX_ITERATIONS", 1)
    with pytest.warns(UserWarning, match="at rest outside"):
        converged = ProbeParticleModel(SMALL, backend="torch").relax(water(), z_top=7.0).converged
    assert not converged.all()
    with pytest.raises(InputError, match="at rest outside"):
        ProbeParticleModel(SMALL, on_unconverged="error", backend="torch")(water(), z_top=7.0)


def test_gradients_reach_every_graph_of_a_batch():
    batch = Batch.from_data_list([water(), water()])
    batch.pos.requires_grad_()
    ProbeParticleModel(Scan(pixels=(5, 5), n_slices=2), backend="torch")(batch).square().sum().backward()
    assert batch.pos.grad.abs().sum(1).gt(0).all()


def test_neutral_tip_has_gradients_and_empty_graphs_too():
    batch = Batch.from_data_list([water(), AFMData.empty()])
    batch.pos.requires_grad_()
    batch.charge.requires_grad_()
    tip = Tip(charges=(), charge_heights=())
    ProbeParticleModel(Scan(pixels=(5, 5), n_slices=2), tip, backend="torch")(
        batch, z_top=6.9
    ).square().sum().backward()
    assert batch.pos.grad.abs().sum() > 0
    assert not batch.charge.grad.any()


def test_chunks_change_nothing(monkeypatch):
    renderer = ProbeParticleModel(Scan(pixels=(7, 5), n_slices=2), dtype=torch.float64, backend="torch")
    molecule = water()
    molecule.pos.requires_grad_()

    def stack_and_gradient():
        stack = renderer(molecule)
        return stack, torch.autograd.grad(stack.square().sum(), molecule.pos)[0]

    whole = stack_and_gradient()
    monkeypatch.setattr(scene, "PAIRS", 10)
    torch.testing.assert_close(stack_and_gradient(), whole, rtol=1e-5, atol=1e-6)


def test_other_precisions_are_refused():
    with pytest.raises(InputError, match="dtype"):
        ProbeParticleModel(dtype=torch.float16, backend="torch")
