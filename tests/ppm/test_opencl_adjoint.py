import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import OpenCLRenderer, TorchRenderer
from torch_afm.ppm.autograd import Scene, pull_torch
from torch_afm.ppm.base import prepare
from torch_afm.ppm.opencl_adjoint import pull_opencl
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
def test_against_float64_with_exact_charges(tip):
    data = benzene()
    data.pos = data.pos.double() + 0.3 * torch.sin(torch.arange(36.0)).reshape(12, 3)
    batch = prepare(data, SCAN, tip, 8.9)
    scene = Scene.of(batch, 0, SCAN, None, torch.empty(0, dtype=torch.float64))
    relaxed = TorchRenderer(SCAN, tip, dtype=torch.float64).relax(data, z_top=8.9)
    u = relaxed.probe.reshape(scene.free.shape) - batch.free(0) - scene.free
    grad = torch.linspace(-1, 2, u[..., 0].numel()).double()
    arguments = grad, u.reshape(-1, 3), scene.free.reshape(-1, 3)
    exact = pull_torch(*arguments, scene.atoms, scene.springs)
    single = [type(part)(*(v.float() for v in part)) for part in (scene.atoms, scene.springs)]
    found = pull_opencl(*(v.float() for v in arguments), *single)
    for i in (0, 1, 4, 5, 6):
        assert (found[i] - exact[i]).norm() <= 5e-4 * exact[i].norm() + 1e-12
    assert not found[2].any() and not found[3].any()


def test_batch_with_an_empty_graph_and_no_pixels():
    batch = Batch.from_data_list([water(), AFMData.empty()])
    batch.pos.requires_grad_()
    renderer = OpenCLRenderer(SCAN)
    stack = renderer.render(batch, z_top=6.9)
    (by_pos,) = torch.autograd.grad(stack.square().sum(), batch.pos)
    alone = water()
    alone.pos.requires_grad_()
    (expected,) = torch.autograd.grad(renderer.render(alone, z_top=6.9).square().sum(), alone.pos)
    torch.testing.assert_close(by_pos, expected)
    nothing = renderer.render(alone, z_top=6.9, pixels=torch.empty(0, 2, dtype=torch.long))
    assert not torch.autograd.grad(nothing.sum(), alone.pos)[0].any()
