import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import TorchRenderer, autograd
from torch_afm.testing import water
from torch_afm.utils import InputError


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_golden(golden_case, dtype):
    stack = TorchRenderer(golden_case.scan, golden_case.tip, dtype=dtype).render(golden_case.data)
    rms, largest = golden_case.errors(stack)
    charged = bool(golden_case.data.charge.any())
    assert stack.dtype == dtype
    assert rms <= (1e-6 if dtype == torch.float64 else 5e-4 if charged else 1e-5)
    assert largest <= (1e-5 if dtype == torch.float64 else 3e-3 if charged else 1e-3)


@pytest.mark.parametrize("tip", [Tip(), Tip(tilt=(0.3, 0.1), charges=(0.1,), charge_heights=(0.2,))])
def test_gradients_are_those_of_finite_differences(tip):
    scan = Scan(window=((-1.5, 1.5), (-1.0, 1.2)), pixels=(3, 2), n_slices=2, n_oscillation=3)
    renderer = TorchRenderer(scan, tip, dtype=torch.float64)
    molecule = water()

    def stack(pos, charge):
        data = molecule.clone()
        data.pos, data.charge = pos, charge
        return renderer.render(data, z_top=6.9)

    arguments = [molecule.pos.double().requires_grad_(), molecule.charge.double().requires_grad_()]
    assert torch.autograd.gradcheck(stack, arguments, eps=1e-5, atol=1e-5, rtol=1e-4)


def test_gradients_reach_every_graph_of_a_batch():
    batch = Batch.from_data_list([water(), water()])
    batch.pos.requires_grad_()
    TorchRenderer(Scan(pixels=(5, 5), n_slices=2)).render(batch).square().sum().backward()
    assert batch.pos.grad.abs().sum(1).gt(0).all()


def test_neutral_tip_has_gradients_and_empty_graphs_too():
    batch = Batch.from_data_list([water(), AFMData.empty()])
    batch.pos.requires_grad_()
    batch.charge.requires_grad_()
    tip = Tip(charges=(), charge_heights=())
    TorchRenderer(Scan(pixels=(5, 5), n_slices=2), tip).render(batch, z_top=6.9).square().sum().backward()
    assert batch.pos.grad.abs().sum() > 0
    assert not batch.charge.grad.any()


def test_chunks_change_nothing(monkeypatch):
    renderer = TorchRenderer(Scan(pixels=(7, 5), n_slices=2), dtype=torch.float64)
    molecule = water()
    molecule.pos.requires_grad_()

    def stack_and_gradient():
        stack = renderer.render(molecule)
        return stack, torch.autograd.grad(stack.square().sum(), molecule.pos)[0]

    whole = stack_and_gradient()
    monkeypatch.setattr(autograd, "PAIRS", 10)
    torch.testing.assert_close(stack_and_gradient(), whole, rtol=1e-5, atol=1e-6)


def test_other_precisions_are_refused():
    with pytest.raises(InputError, match="dtype"):
        TorchRenderer(dtype=torch.float16)
