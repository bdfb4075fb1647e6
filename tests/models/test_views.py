"""Mirror images and turns of what a generator of maps sees."""

import pytest
import torch

from torch_afm.config import Scan, ScanGeneratorConfig, SpatialGeneratorConfig
from torch_afm.models import ScanGenerator, SpatialGenerator
from torch_afm.models.views import predict_views
from torch_afm.testing import random_graph
from torch_afm.utils import InputError

SQUARE = Scan(window=((-3.75, 3.75), (-3.75, 3.75)), pixels=(16, 16), n_slices=2)
OBLONG = Scan(window=((-3.875, 3.875), (-1.875, 1.875)), pixels=(32, 16), n_slices=2)


def network(scan, cls=SpatialGenerator):
    torch.manual_seed(0)
    if cls is ScanGenerator:
        return ScanGenerator(ScanGeneratorConfig(scan=scan, channels=(6, 8))).eval()
    model = SpatialGenerator(SpatialGeneratorConfig(scan=scan, channels=(6, 8), query_channels=7)).eval()
    model.head.weight.data.mul_(3)
    return model


def graph(scan, n=5, seed=0):
    data = random_graph(n, seed)
    data.pos = data.pos / 2
    data.reference, data.simulated = torch.randn(2, 1, 1, *scan.shape, generator=torch.manual_seed(seed))
    data.valid = torch.rand(data.reference.shape, generator=torch.manual_seed(seed)) < 0.9
    data.amplitude = torch.tensor([0.4])
    return data


def mirrored(data):
    """The same, as seen in a mirror along x."""
    seen = data.clone()
    seen.pos = data.pos * torch.tensor([-1.0, 1.0, 1.0])
    for key in ("reference", "simulated", "valid"):
        seen[key] = data[key].flip(-1)
    return seen


def turned(data):
    """The same, turned by 90 degrees from x towards y."""
    x, y, z = data.pos.T
    seen = data.clone()
    seen.pos = torch.stack([-y, x, z], 1)
    for key in ("reference", "simulated", "valid"):
        seen[key] = torch.rot90(data[key], 1, dims=(-1, -2))
    return seen


@torch.no_grad()
@pytest.mark.parametrize("cls", [SpatialGenerator, ScanGenerator])
def test_one_view_is_the_network_itself(cls):
    model, graphs = network(OBLONG, cls), [graph(OBLONG), graph(OBLONG, 0, 1), graph(OBLONG, 7, 2)]
    for data, out in zip(graphs, predict_views(model, graphs), strict=True):
        alone = model(data)
        for a, b in zip((*out[:-1], *out.graph), (*alone[:-1], *alone.graph), strict=True):
            torch.testing.assert_close(a, b)


@torch.no_grad()
@pytest.mark.parametrize("cls", [SpatialGenerator, ScanGenerator])
@pytest.mark.parametrize(("scan", "views"), [(SQUARE, 8), (SQUARE, 4), (OBLONG, 4)])
def test_a_mirror_image_gets_the_mirrored_answer(scan, views, cls):
    model, data = network(scan, cls), graph(scan)
    (out,), (other,) = predict_views(model, [data], views), predict_views(model, [mirrored(data)], views)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    close = {"atol": 2e-5, "rtol": 2e-5}
    torch.testing.assert_close(out.heatmap, other.heatmap.flip(-1), **close)
    torch.testing.assert_close(out.class_logits, other.class_logits.flip(-1), **close)
    torch.testing.assert_close(out.position, other.position.flip(-1) * flip[:, None, None], **close)
    torch.testing.assert_close(out.log_var, other.log_var.flip(-1), **close)
    torch.testing.assert_close(out.graph.move, other.graph.move * flip, **close)
    torch.testing.assert_close(out.graph.bond, other.graph.bond, **close)


@torch.no_grad()
@pytest.mark.parametrize("cls", [SpatialGenerator, ScanGenerator])
def test_a_turned_image_gets_the_turned_answer(cls):
    model, data = network(SQUARE, cls), graph(SQUARE)
    (out,), (other,) = predict_views(model, [data], 8), predict_views(model, [turned(data)], 8)
    x, y, z = (torch.rot90(part, -1, dims=(-1, -2)) for part in other.position.unbind(2))
    close = {"atol": 2e-5, "rtol": 2e-5}
    torch.testing.assert_close(out.position, torch.stack([y, -x, z], 2), **close)
    torch.testing.assert_close(out.heatmap, torch.rot90(other.heatmap, -1, dims=(-1, -2)), **close)
    spread = torch.rot90(other.log_var, -1, dims=(-1, -2))[:, :, [1, 0, 2]]
    torch.testing.assert_close(out.log_var, spread, **close)
    x, y, z = other.graph.move.T
    torch.testing.assert_close(out.graph.move, torch.stack([y, -x, z], 1), **close)
    torch.testing.assert_close(out.graph.move_log_var, other.graph.move_log_var[:, [1, 0, 2]], **close)
    if cls is ScanGenerator:
        assert torch.equal(out.measured, torch.rot90(other.measured, -1, dims=(-1, -2)))
        parents = torch.rot90(other.parent_logits, -1, dims=(-1, -2))
        torch.testing.assert_close(out.parent_logits, parents, **close)
    else:
        torch.testing.assert_close(out.stop, other.stop, **close)


def test_numbers_of_views():
    assert network(SQUARE).views == (1, 4, 8) and network(OBLONG).views == (1, 4)
    with pytest.raises(InputError, match="views: expected 1 or 4 or 8 of this SpatialGenerator, got 3"):
        network(SQUARE).propose([graph(SQUARE)], 3)
    with pytest.raises(InputError, match="views: expected 1 or 4 of this SpatialGenerator, got 8"):
        network(OBLONG).propose([graph(OBLONG)], 8)
