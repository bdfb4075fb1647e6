"""What every renderer has to respect, whatever its numbers."""

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import water

SCAN = Scan(window=((-3.0, 3.0), (-3.0, 3.0)), pixels=(13, 13), n_slices=4, n_oscillation=5)
TILTED = Tip(tilt=(0.4, -0.2), stiffness=(0.2, 0.3, 0.05))

# Largest difference that rounding makes, in units of std(Δf).
RENDERERS = [
    pytest.param({"backend": "opencl"}, 2e-3, id="opencl"),
    pytest.param({"backend": "torch", "dtype": torch.float64}, 1e-9, id="torch"),
]
pytestmark = pytest.mark.parametrize(("options", "tolerance"), RENDERERS)


def molecule() -> AFMData:
    data = water()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())[0]
    data.pos = data.pos.double() @ turn.T
    data.z_top = torch.tensor([7.0]).double()
    return data


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.std())


def test_rotation_about_z_by_90_degrees(options, tolerance):
    stack = ProbeParticleModel(SCAN, TILTED, **options)(molecule())
    turned = molecule()
    turned.pos = turned.pos[:, [1, 0, 2]] * torch.tensor([-1, 1, 1])
    (x0, y0), (kx, ky, kz) = TILTED.tilt, TILTED.stiffness
    tip = Tip(tilt=(-y0, x0), stiffness=(ky, kx, kz))
    # (x, y) -> (-y, x) sends the image's Y axis onto -X.
    expected = torch.rot90(stack, 1, dims=(4, 3))
    assert difference(ProbeParticleModel(SCAN, tip, **options)(turned), expected) < tolerance
    assert difference(stack, expected) > 100 * tolerance


def test_shift_of_molecule_and_window(options, tolerance):
    stack = ProbeParticleModel(SCAN, TILTED, **options)(molecule())
    moved = molecule()
    moved.pos = moved.pos + torch.tensor([11.0, -7.0, 5.0])
    moved.z_top = moved.z_top + 5
    window = ((8.0, 14.0), (-10.0, -4.0))
    scan = Scan(window=window, pixels=SCAN.pixels, n_slices=SCAN.n_slices, n_oscillation=SCAN.n_oscillation)
    assert difference(ProbeParticleModel(scan, TILTED, **options)(moved), stack) < tolerance


def test_order_of_atoms(options, tolerance):
    stack = ProbeParticleModel(SCAN, TILTED, **options)(molecule())
    data, order = molecule(), torch.tensor([2, 0, 1])
    data.z, data.pos, data.charge = data.z[order], data.pos[order], data.charge[order]
    assert difference(ProbeParticleModel(SCAN, TILTED, **options)(data), stack) < tolerance


def test_far_atom_adds_nothing(options, tolerance):
    stack = ProbeParticleModel(SCAN, TILTED, **options)(molecule())
    data = molecule()
    data.z = torch.cat([data.z, torch.tensor([6])])
    data.pos = torch.cat([data.pos, torch.tensor([[0.0, 400.0, 0.0]]).double()])
    data.charge = torch.cat([data.charge, torch.tensor([0.5])])
    assert difference(ProbeParticleModel(SCAN, TILTED, **options)(data), stack) < max(tolerance, 1e-5)


def test_empty_molecule_is_flat(options, tolerance):
    stack = ProbeParticleModel(SCAN, TILTED, **options)(AFMData.empty(), z_top=7.0)
    assert stack.shape == (1, 1, *SCAN.shape)
    assert not stack.any()


def test_batch_equals_loop_with_empty_graphs_and_a_tip_each(options, tolerance):
    close = molecule()
    close.z_top = close.z_top - 0.4
    neutral = molecule()
    neutral.charge = torch.zeros(3)
    hollow = AFMData.empty()
    hollow.pos = hollow.pos.double()
    hollow.z_top = torch.tensor([7.0]).double()
    graphs = [hollow, molecule(), hollow, close, neutral, hollow]
    off_probe = Tip(charges=(0.2, -0.1), charge_heights=(0.0, 0.6))
    tips = [Tip(), TILTED, Tip(), Tip(probe="Xe", charges=(0.3,), charge_heights=(0.0,)), off_probe, Tip()]
    r = ProbeParticleModel(SCAN, **options)
    together = r(Batch.from_data_list(graphs), [[tip] for tip in tips])
    assert together.shape == (6, 1, *SCAN.shape)
    for stack, graph, tip in zip(together, graphs, tips, strict=True):
        alone = r(graph, tip)[0]
        assert (stack - alone).abs().max() <= tolerance * together.std()


def test_channels_equal_single_tips(options, tolerance):
    other = Tip(probe="Xe", charges=(0.3,), charge_heights=(0.0,), bond_length=3.5)
    r = ProbeParticleModel(SCAN, **options)
    batch = Batch.from_data_list([molecule(), molecule()])
    stack = r(batch, [[TILTED, other]])
    assert stack.shape == (2, 2, *SCAN.shape)
    for channel, tip in enumerate((TILTED, other)):
        assert difference(r(batch, tip)[:, 0], stack[:, channel]) <= tolerance
    each = r(batch, [[TILTED, other], [other, TILTED]])
    assert difference(each[1], stack[1].flip(0)) <= tolerance
    heights = torch.tensor([[7.0, 7.3]])
    raised = r(molecule(), [[TILTED, other]], z_top=heights)
    assert difference(raised[:, :1], r(molecule(), TILTED, z_top=7.0)) <= tolerance
    assert difference(raised[:, 1:], r(molecule(), other, z_top=7.3)) <= tolerance


def test_subset_of_pixels_equals_the_whole_there(options, tolerance):
    scan = Scan(window=((-3.0, 3.0), (-2.0, 2.0)), pixels=(13, 9), n_slices=3, n_oscillation=4)
    r = ProbeParticleModel(scan, TILTED, **options)
    pixels = torch.tensor([[12, 0], [0, 8], [5, 3], [6, 3], [5, 3], [0, 0], [7, 7], [1, 2], [9, 4]])
    stack, some = r(molecule()), r(molecule(), pixels=pixels)
    assert some.shape == (1, 1, 3, 9)
    assert difference(some, stack[..., pixels[:, 1], pixels[:, 0]]) <= tolerance
    probe = r.relax(molecule(), pixels=pixels).probe
    assert probe.shape == (1, 1, scan.n_heights, 9, 3)
    whole = r.relax(molecule()).probe[..., pixels[:, 1], pixels[:, 0], :]
    assert (probe - whole).abs().max() <= 1e-3
    assert r(molecule(), pixels=pixels[:0]).shape == (1, 1, 3, 0)
