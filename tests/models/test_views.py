"""Mirror images and turns of what a spatial generator sees."""

import pytest
import torch

from torch_afm.config import Scan, SpatialGeneratorConfig
from torch_afm.data import AFMData
from torch_afm.models import SpatialGenerator
from torch_afm.models.views import predict_views
from torch_afm.testing import random_graph
from torch_afm.utils import InputError

SQUARE = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(16, 16), n_slices=2)
OBLONG = Scan(window=((-4.0, 4.0), (-2.0, 2.0)), pixels=(32, 16), n_slices=2)


def network(scan):
    torch.manual_seed(0)
    model = SpatialGenerator(SpatialGeneratorConfig(scan=scan, channels=(6, 8), query_channels=7)).eval()
    model.head.weight.data.mul_(3)
    return model


def graph(scan, n=5, seed=0):
    data = random_graph(n, seed)
    data.pos = data.pos / 2
    data.reference, data.simulated = torch.randn(2, 1, 1, *scan.shape, generator=torch.manual_seed(seed))
    return data


def mirrored(data):
    """The same, as seen in a mirror along x."""
    flip = torch.tensor([-1.0, 1.0, 1.0])
    return AFMData(
        z=data.z, pos=data.pos * flip, reference=data.reference.flip(-1), simulated=data.simulated.flip(-1)
    )


def turned(data):
    """The same, turned by 90 degrees from x towards y."""
    x, y, z = data.pos.T
    stacks = (torch.rot90(data[name], 1, dims=(-1, -2)) for name in ("reference", "simulated"))
    reference, simulated = stacks
    return AFMData(z=data.z, pos=torch.stack([-y, x, z], 1), reference=reference, simulated=simulated)


@torch.no_grad()
def test_one_view_is_the_network_itself():
    model, graphs = network(OBLONG), [graph(OBLONG), graph(OBLONG, 0, 1), graph(OBLONG, 7, 2)]
    for data, out in zip(graphs, predict_views(model, graphs), strict=True):
        alone = model(data)
        for a, b in zip((*out[:5], *out.graph), (*alone[:5], *alone.graph), strict=True):
            torch.testing.assert_close(a, b)


@torch.no_grad()
@pytest.mark.parametrize(("scan", "views"), [(SQUARE, 8), (SQUARE, 4), (OBLONG, 4)])
def test_a_mirror_image_gets_the_mirrored_answer(scan, views):
    model, data = network(scan), graph(scan)
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
def test_a_turned_image_gets_the_turned_answer():
    model, data = network(SQUARE), graph(SQUARE)
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
    torch.testing.assert_close(out.stop, other.stop, **close)


def test_numbers_of_views():
    assert network(SQUARE).views == (1, 4, 8) and network(OBLONG).views == (1, 4)
    with pytest.raises(InputError, match="views: expected 1 or 4 or 8 of this SpatialGenerator, got 3"):
        network(SQUARE).propose([graph(SQUARE)], 3)
    with pytest.raises(InputError, match="views: expected 1 or 4 of this SpatialGenerator, got 8"):
        network(OBLONG).propose([graph(OBLONG)], 8)
