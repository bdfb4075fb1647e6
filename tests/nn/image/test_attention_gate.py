import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import correlate
from torch import Tensor

from torch_afm.nn import QueryAttentionGate


def make(global_kernel: int = 3, attention_kernel: int = 3, scale: float = 1.0) -> QueryAttentionGate:
    torch.manual_seed(0)
    gate = QueryAttentionGate(3, 5, 4, global_kernel, attention_kernel, scale).double()
    with torch.no_grad():
        gate.attention_conv.bias.normal_()  # must not matter
    return gate


def maps(batch: int, size: tuple[int, int], global_size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 3, *size, generator=generator, dtype=torch.float64)
    g = torch.randn(batch, 5, *global_size, generator=generator, dtype=torch.float64)
    return x, g, torch.randn(batch, 4, generator=generator, dtype=torch.float64)


def plain(gate: QueryAttentionGate, x: Tensor, g: Tensor, query: Tensor) -> Tensor:
    """The equations of the docstring, operation by operation."""
    up = F.interpolate(g, size=x.shape[-2:], mode="bilinear", align_corners=False)
    s = x + gate.global_conv(up).relu()
    score = (gate.attention_conv(s) * query.softmax(dim=1)[:, :, None, None]).sum(
        dim=1
    ) * gate.attention_scale
    alpha = score.flatten(1).softmax(dim=1).view_as(score)
    return (alpha[:, None] * x).sum(dim=(2, 3))


def upsample(g: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear interpolation between pixel centers, held constant beyond the outermost ones."""
    out = np.empty(size)
    for y in range(size[0]):
        for x in range(size[1]):
            v, u = (
                min(max((i + 0.5) * n / m - 0.5, 0), n - 1)
                for i, n, m in zip((y, x), g.shape, size, strict=True)
            )
            y0, x0 = min(int(v), g.shape[0] - 2), min(int(u), g.shape[1] - 2)
            a, b = v - y0, u - x0
            out[y, x] = (1 - a) * ((1 - b) * g[y0, x0] + b * g[y0, x0 + 1])
            out[y, x] += a * ((1 - b) * g[y0 + 1, x0] + b * g[y0 + 1, x0 + 1])
    return out


def conv(x: np.ndarray, layer: torch.nn.Conv2d) -> np.ndarray:
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    filtered = [sum(correlate(x[i], w[i], mode="constant") for i in range(len(x))) for w in weight]
    return np.stack(filtered) + bias[:, None, None]


@pytest.mark.parametrize("size", [(8, 4), (2, 2)])
def test_thesis_equations_in_numpy(size):
    gate = make()
    x, g, query = maps(2, size, (2, 2))
    out = gate(x, g, query).detach().numpy()
    for b in range(2):
        up = np.stack([upsample(channel, size) for channel in g[b].numpy()])
        s = x[b].numpy() + np.maximum(conv(up, gate.global_conv), 0)
        q = np.exp(query[b].numpy()) / np.exp(query[b].numpy()).sum()
        score = sum(q_c * channel for q_c, channel in zip(q, conv(s, gate.attention_conv), strict=True))
        alpha = np.exp(score) / np.exp(score).sum()
        np.testing.assert_allclose(out[b], (alpha * x[b].numpy()).sum(axis=(1, 2)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("global_kernel", [1, 3])
@pytest.mark.parametrize("attention_kernel", [1, 3, 5])
@pytest.mark.parametrize(("size", "scale"), [((16, 16), 1.0), ((9, 13), 20.0), ((4, 4), 0.5)])
def test_rewritten_form_is_exact(size, scale, attention_kernel, global_kernel):
    gate = make(global_kernel, attention_kernel, scale)
    x, g, query = maps(2, size, (4, 4))
    inputs = [x.requires_grad_(), g.requires_grad_(), query.requires_grad_()]
    ours, theirs = gate(*inputs), plain(gate, *inputs)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)

    inputs += [p for name, p in gate.named_parameters() if name != "attention_conv.bias"]
    seed = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad(ours, inputs, seed), torch.autograd.grad(theirs, inputs, seed), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_attention_bias_is_dead():
    gate = make()
    assert [name for name, p in gate.named_parameters() if not p.requires_grad] == ["attention_conv.bias"]
    gate.attention_conv.bias.requires_grad_()
    (gradient,) = torch.autograd.grad(
        plain(gate, *maps(2, (8, 8), (2, 2))).square().sum(), gate.attention_conv.bias
    )
    assert gradient.abs().max() < 1e-12


def test_one_map_for_all_queries():
    gate = make()
    x, g, _ = maps(1, (8, 8), (2, 2))
    query = torch.randn(3, 4, dtype=torch.float64)
    expected = gate(x.expand(3, -1, -1, -1), g.expand(3, -1, -1, -1), query)
    torch.testing.assert_close(gate(x, g, query), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("autocast", [False, True])
def test_further_maps_are_averaged_under_the_attention(autocast):
    gate = make().float()
    with torch.no_grad():  # attend to the one bright pixel of channel 0, and to nothing else
        gate.global_conv.weight.zero_()
        gate.global_conv.bias.fill_(-1)
        gate.attention_conv.weight.zero_()
        gate.attention_conv.weight[:, 0, 1, 1] = 1
    x = torch.zeros(2, 3, 8, 6)
    x[0, 0, 5, 2] = x[1, 0, 0, 4] = 1000
    # bfloat16 has no odd numbers up here.
    columns, rows = torch.meshgrid(301 + torch.arange(6.0), 301 + torch.arange(8.0), indexing="xy")
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        out = gate(x, torch.zeros(2, 5, 2, 2), torch.zeros(2, 4), torch.stack([columns, rows]))
    assert out[:, 3:].tolist() == [[303, 306], [305, 301]]


def test_repr_and_parameters():
    gate = QueryAttentionGate(32, 96, 64)
    assert (
        str(gate)
        == "QueryAttentionGate(32, 96, 64, global_kernel=3, attention_kernel=3, attention_scale=1.0)"
    )
    assert sum(p.numel() for p in gate.parameters()) == (96 * 9 * 32 + 32) + (32 * 9 * 64 + 64)
