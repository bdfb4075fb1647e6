"""What every layer keeps: number types, PyG's Sequential, torch.compile, empty graphs."""

import copy
import inspect

import pytest
import torch
import torch_geometric.nn as pyg

import torch_afm.nn as nn

SCAN = {"n_slices": 4, "pixels": (16, 12)}


def encoder(residual=False):
    shape = {"volume_channels": (2, 3), "map_channels": (4, 6), "attention_channels": 8, "out_channels": 5}
    return nn.AFMEncoder(**SCAN, **shape, residual=residual, coordinates=residual)


def edges():
    return torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


#: Layer and inputs of each kind, in float64.
LAYERS = {
    "RecurrentRelationalConv": lambda: (nn.RecurrentRelationalConv(6, (8,)), (torch.randn(4, 6), edges())),
    "GatedAggregation": lambda: (
        nn.GatedAggregation(6, 8, 5),
        (torch.randn(4, 6), torch.tensor([0, 0, 2, 2]), None, 4),
    ),
    "QueryAttentionGate": lambda: (
        nn.QueryAttentionGate(3, 5, 4),
        (torch.randn(2, 3, 8, 6), torch.randn(2, 5, 4, 3), torch.randn(2, 4)),
    ),
    "FoldedConv3d": lambda: (nn.FoldedConv3d(2, 3, 3, depth=4), (torch.randn(2, 8, 6, 5),)),
    "AFMEncoder": lambda: (encoder(), (torch.randn(2, 1, 4, 12, 16), torch.randn(2, 8))),
    "AFMEncoder, residual": lambda: (encoder(True), (torch.randn(2, 1, 4, 12, 16), torch.randn(2, 8))),
    "ClassHead": lambda: (nn.ClassHead(6, 3), (torch.randn(2, 6),)),
    "PositionHead": lambda: (nn.PositionHead(6, (8.0, 8.0, 0.7)), (torch.randn(2, 6),)),
    "BondHead": lambda: (
        nn.BondHead(6),
        (torch.randn(4, 6), torch.randn(2, 6), torch.tensor([0, 0, 1, 1])),
    ),
}


@pytest.fixture(params=LAYERS)
def case(request):
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        return LAYERS[request.param]()
    finally:
        torch.set_default_dtype(torch.float32)


def cast(inputs, dtype):
    floats = (isinstance(v, torch.Tensor) and v.is_floating_point() for v in inputs)
    return [v.to(dtype) if is_float else v for v, is_float in zip(inputs, floats, strict=True)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_number_types(case, dtype, tolerance):
    layer, inputs = case
    exact = layer(*inputs)
    found = copy.deepcopy(layer).to(dtype)(*cast(inputs, dtype))
    assert found.dtype == dtype
    assert (found.double() - exact).norm() <= tolerance * exact.norm()


def test_compiles_without_a_break(case):
    layer, inputs = case
    torch._dynamo.reset()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    plain = layer(*inputs)
    torch.testing.assert_close(compiled(*inputs), plain, rtol=1e-10, atol=1e-12)
    parameters = [p for p in layer.parameters() if p.requires_grad]
    gradients = [torch.autograd.grad(f(*inputs).square().sum(), parameters) for f in (compiled, layer)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_compiles_to_machine_code(case):
    layer, inputs = case
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(layer)(*inputs), layer(*inputs), rtol=1e-9, atol=1e-12)


def test_empty_graphs():
    nothing, index = torch.empty(0, 6), torch.empty(2, 0, dtype=torch.long)
    assert nn.RecurrentRelationalConv(6)(nothing, index).shape == (0, 6)
    no_nodes = torch.empty(0, dtype=torch.long)
    out = nn.GatedAggregation(6, 8, 5)(nothing, no_nodes, dim_size=3)
    assert out.shape == (3, 5) and not out.any()
    assert nn.BondHead(6)(nothing, torch.randn(2, 6), no_nodes).shape == (0,)


def test_in_a_sequence_of_pyg():
    x, batch = torch.randn(5, 6), torch.tensor([0, 0, 0, 1, 1])
    layers = [
        (nn.RecurrentRelationalConv(6), "x, edge_index -> x"),
        torch.nn.ReLU(),
        (nn.RecurrentRelationalConv(6), "x, edge_index -> x"),
        (nn.GatedAggregation(6, 8, 4), "x, batch -> x"),
        nn.ClassHead(4, 3),
    ]
    model = pyg.Sequential("x, edge_index, batch", layers)
    by_hand = x
    for layer in (layers[0][0], torch.nn.ReLU(), layers[2][0]):
        by_hand = layer(by_hand) if isinstance(layer, torch.nn.ReLU) else layer(by_hand, edges())
    by_hand = layers[4](layers[3][0](by_hand, batch))
    torch.testing.assert_close(model(x, edges(), batch), by_hand)


@pytest.mark.parametrize("name", nn.__all__)
def test_docstrings_tell_the_shapes(name):
    thing = getattr(nn, name)
    if inspect.isclass(thing) and issubclass(thing, torch.nn.Module):
        assert "Shapes:" in inspect.getdoc(thing)
