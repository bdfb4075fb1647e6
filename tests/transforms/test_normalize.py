import numpy as np
import torch

from torch_afm.transforms import NormalizeSlices


def test_each_slice_alone():
    stack = torch.randn(2, 3, 16, 24, generator=torch.manual_seed(0)) * torch.arange(1, 4)[:, None, None] + 5
    out = NormalizeSlices()(stack).numpy()
    expected = stack.numpy().astype(np.float64)
    expected -= expected.mean(axis=(2, 3), keepdims=True)
    expected /= expected.std(axis=(2, 3), keepdims=True)
    assert np.allclose(out, expected, atol=1e-5)


def test_flat_slice_is_zero():
    stack = torch.full((1, 2, 4, 4), -3.0)
    stack[0, 1, 0, 0] = 1
    out = NormalizeSlices()(stack)
    assert torch.equal(out[0, 0], torch.zeros(4, 4)) and out[0, 1].std(correction=0).item() - 1 < 1e-6
    assert str(NormalizeSlices()) == "NormalizeSlices(eps=1e-06)"


def test_gradient_is_that_of_the_equation():
    stack = torch.randn(1, 2, 5, 6, generator=torch.manual_seed(0), dtype=torch.float64)
    stack[0, 1] = 1.5  # no contrast
    weight = torch.randn(stack.shape, generator=torch.manual_seed(1), dtype=torch.float64)
    stack.requires_grad_()
    (gradient,) = torch.autograd.grad((NormalizeSlices()(stack) * weight).sum(), stack)
    # Of y = (x - m) / s: (w - mean(w) - y mean(w y)) / s.
    x, w = stack.detach()[0, 0], weight[0, 0]
    y = (x - x.mean()) / x.std(correction=0)
    expected = (w - w.mean() - y * (w * y).mean()) / x.std(correction=0)
    assert torch.allclose(gradient[0, 0], expected, atol=1e-12) and not gradient[0, 1].any()
