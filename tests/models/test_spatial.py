import json

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, SpatialGeneratorConfig, generator_config
from torch_afm.data import AFMData
from torch_afm.models import SequentialGenerator, SpatialGenerator, load_generator, make_generator
from torch_afm.testing import random_graph
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SCAN = Scan(window=((-4.0, 4.0), (-2.0, 2.0)), pixels=(32, 16), n_slices=3)
GROUPS = (("H",), ("C", "N", "O"), ("F", "Cl"))


def tiny(**changes) -> SpatialGenerator:
    torch.manual_seed(0)
    settings = {"scan": SCAN, "groups": GROUPS, "channels": (6, 8, 10), "query_channels": 7} | changes
    return SpatialGenerator(SpatialGeneratorConfig(**settings)).eval()


def graph(n: int, seed: int = 0) -> AFMData:
    data = random_graph(n, seed)
    stacks = torch.Generator().manual_seed(seed)
    data.reference, data.simulated = torch.randn(2, 1, 1, *SCAN.shape, generator=stacks)
    return data


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_maps_of_planes_and_classes(stride):
    model = tiny(stride=stride)
    out = model(Batch.from_data_list([graph(0), graph(5)]))
    size = (16 // stride, 32 // stride)
    assert model.grid.shape == size
    assert out.heatmap.shape == (2, 2, *size) and out.stop.shape == (2,)
    assert out.position.shape == out.log_var.shape == (2, 2, 3, *size)
    share = out.class_logits.exp()
    assert share.shape == (2, 3, *size) and (share[:, 0] == 1).all()
    torch.testing.assert_close(share[:, 1:].sum(dim=1), torch.ones(2, *size))
    assert out.graph.move.shape == out.graph.move_log_var.shape == (5, 3) and out.graph.real.shape == (5,)
    assert out.graph.bond.shape == out.graph.pairs[0].shape


def test_planes_follow_the_groups():
    assert tiny().planes.tolist() == [0, 1, 1]
    assert tiny(groups=(("C", "H"), ("O",))).planes.tolist() == [0, 0]
    assert tiny(groups=(("O",), ("H",))).planes.tolist() == [1, 0]


def test_the_preset_has_the_size_that_was_asked_for():
    model = make_generator(generator_config("spatial"))
    assert isinstance(model, SpatialGenerator)
    assert 1_000_000 < sum(p.numel() for p in model.parameters()) < 1_400_000
    assert isinstance(make_generator(generator_config("small")), SequentialGenerator)


def test_graphs_of_a_batch_do_not_mix():
    model = tiny()
    graphs = [graph(3, 1), graph(0, 2), graph(6, 3)]
    whole = model(Batch.from_data_list(graphs))
    for i, one in enumerate(graphs):
        for a, b in zip(whole[:5], model(one)[:5], strict=True):
            torch.testing.assert_close(a[i : i + 1], b)
    alone = [model(one).graph for one in graphs]
    for name in ("bond", "move", "move_log_var", "real"):
        expected = torch.cat([getattr(said, name) for said in alone])
        torch.testing.assert_close(getattr(whole.graph, name), expected)


def test_order_of_the_atoms_does_not_matter():
    model, data = tiny(), graph(6)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    turned = data.clone()
    turned.z, turned.pos = data.z[order], data.pos[order]
    a, b = model(data), model(turned)
    for one, other in zip(a[:5], b[:5], strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(a.graph.move[order], b.graph.move)
    torch.testing.assert_close(bonds(a.graph, 6)[order][:, order], bonds(b.graph, 6))


def bonds(said, n):
    matrix = torch.zeros(n, n)
    matrix[tuple(said.pairs)] = said.bond
    return matrix + matrix.T


@pytest.mark.parametrize("part", ["reference", "simulated", "pos", "z"])
def test_all_inputs_count(part):
    model, data = tiny(), graph(4)
    changed = data.clone()
    changed[part] = 1 + data[part] if part != "z" else torch.tensor([9, 9, 9, 9])
    before, after = model(data), model(changed)
    for name in ("heatmap", "class_logits", "position", "log_var", "stop"):
        assert (getattr(before, name) - getattr(after, name)).abs().max() > 1e-6, name
    assert (before.graph.move - after.graph.move).abs().max() > 1e-6


@pytest.mark.parametrize("part", ["difference", "painting"])
def test_parts_can_be_left_out(part):
    less = tiny(**{part: False})
    assert sum(p.numel() for p in less.parameters()) < sum(p.numel() for p in tiny().parameters())
    assert less(graph(4)).heatmap.shape == tiny()(graph(4)).heatmap.shape


def test_every_parameter_learns():
    model = tiny().train()
    near = [graph(3, 1), graph(4, 2)]
    for data in near:
        data.pos = data.pos / 3  # close enough for bonds
    out = model(Batch.from_data_list(near))
    sum(part.square().sum() for part in (*out[:5], *out.graph[1:])).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_save_and_load(tmp_path):
    model = tiny()
    model.save_pretrained(tmp_path)
    for loaded in (SpatialGenerator.from_pretrained(tmp_path), load_generator(tmp_path)):
        assert isinstance(loaded, SpatialGenerator) and loaded.config == model.config
        before, after = model(graph(3)), loaded.eval()(graph(3))
        pairs = zip((*before[:5], *before.graph), (*after[:5], *after.graph), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_networks_are_not_mistaken_for_each_other(tmp_path):
    tiny().save_pretrained(tmp_path / "spatial")
    with pytest.raises(InputError, match="got: weights of a SpatialGenerator"):
        SequentialGenerator.from_pretrained(tmp_path / "spatial")
    assert isinstance(load_generator("small"), SequentialGenerator)
    with pytest.raises(InputError, match="expected a saved SpatialGenerator"):
        SpatialGenerator.from_pretrained("small")
    (tmp_path / "spatial" / "config.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="expected a saved network"):
        load_generator(tmp_path / "spatial")


def test_wrong_scan():
    data = graph(2)
    data.reference = data.reference[..., 1:]
    with pytest.raises(InputError, match="reference: expected shape"):
        tiny()(data)
