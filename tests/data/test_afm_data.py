import copy
import pickle

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.utils import unbatch

from torch_afm.data import AFMData, pack_atoms
from torch_afm.testing import assert_same_graph, random_graph
from torch_afm.utils import InputError


def _sample(n: int, m: int, seed: int) -> AFMData:
    """A training sample with ``n`` atoms left and ``m`` missing, random values throughout."""
    rng = torch.Generator().manual_seed(seed)
    data = random_graph(n, seed)
    linked = (torch.rand(m, n, generator=rng) < 0.5).nonzero().t()
    data.update(
        {
            "reference": torch.randn(1, 1, 2, 3, 4, generator=rng),
            "simulated": torch.randn(1, 1, 2, 3, 4, generator=rng),
            "missing_z": torch.randint(1, 9, (m,), generator=rng),
            "missing_pos": torch.randn(m, 3, generator=rng),
            "missing_edge_index": linked,
            "z_top": torch.randn(1, generator=rng),
        }
    )
    return data


# (atoms left, atoms missing): empty graphs and nothing missing first, in the middle, last, and throughout.
LAYOUTS = [
    [(0, 3), (4, 2), (5, 1)],
    [(4, 2), (0, 3), (5, 0)],
    [(4, 2), (5, 1), (0, 2)],
    [(4, 0), (0, 0), (3, 0)],
    [(0, 2), (0, 0), (0, 1)],
    [(3, 4)],
    [(0, 1), (2, 3), (0, 0), (0, 5), (6, 2), (0, 2)],
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_collate_then_split_gives_the_samples_back(layout):
    samples = [_sample(n, m, seed) for seed, (n, m) in enumerate(layout)]
    batch = Batch.from_data_list(samples)
    back = batch.to_data_list()
    assert len(back) == len(samples)
    for actual, expected in zip(back, samples, strict=True):
        assert isinstance(actual, AFMData)
        assert_same_graph(actual, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_follows_both_kinds_of_atoms(layout):
    batch = Batch.from_data_list([_sample(n, m, 0) for n, m in layout])
    graphs = torch.arange(len(layout))
    atoms, missing = torch.tensor(layout).t()
    assert batch.num_graphs == len(layout)
    assert torch.equal(batch.batch, graphs.repeat_interleave(atoms))
    assert torch.equal(batch.missing_graph, graphs.repeat_interleave(missing))
    # Apart again: whoever collates, and with whatever else.
    for data in (batch, pickle.loads(pickle.dumps(batch)), copy.deepcopy(batch), batch.to("cpu")):
        parts = unbatch(data.missing_z, data.missing_graph, batch_size=len(layout))
        assert [len(part) for part in parts] == missing.tolist()
    for i, (_, m) in enumerate(layout):
        assert torch.equal(batch[i].missing_graph, torch.zeros(m, dtype=torch.long))
    (loaded,) = DataLoader(batch.to_data_list(), batch_size=len(layout))
    assert torch.equal(loaded.missing_graph, batch.missing_graph)
    assert batch.reference.shape == (len(layout), 1, 2, 3, 4)
    assert batch.z_top.shape == (len(layout),)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_edges_of_a_batch_join_the_same_atoms(layout):
    """Each atom is marked with a number of its own; an edge must join the marks it joined before."""
    samples = [_sample(n, m, seed) for seed, (n, m) in enumerate(layout)]
    edges, missing_edges = [], []
    for i, data in enumerate(samples):
        data.charge = 100.0 * i + torch.arange(len(data.z))
        data.missing_pos = (1000.0 * (i + 1) + torch.arange(data.num_missing))[:, None].expand(-1, 3)
        edges += [(data.charge[a], data.charge[b]) for a, b in data.edge_index.t()]
        missing_edges += [(data.missing_pos[a, 0], data.charge[b]) for a, b in data.missing_edge_index.t()]
    batch = Batch.from_data_list(samples)
    assert [(batch.charge[a], batch.charge[b]) for a, b in batch.edge_index.t()] == edges
    joined = [(batch.missing_pos[a, 0], batch.charge[b]) for a, b in batch.missing_edge_index.t()]
    assert joined == missing_edges


def test_increment_of_missing_edges_has_a_row_for_each_kind_of_atom():
    data = _sample(4, 3, 0)
    assert data.__inc__("missing_edge_index", data.missing_edge_index).tolist() == [[3], [4]]
    assert data.__inc__("edge_index", data.edge_index) == 4
    assert data.__inc__("missing_z", data.missing_z) == 0


def test_every_argument_is_optional_and_only_given_keys_are_held():
    assert list(AFMData().keys()) == []
    assert AFMData().num_missing == 0
    data = AFMData(z=torch.tensor([1]), name="hydrogen")
    assert sorted(data.keys()) == ["name", "z"]
    assert AFMData(missing_z=torch.tensor([1, 6])).num_missing == 2


def test_surfaces_and_molecules_share_a_batch_only_by_saying_so():
    """PyG takes the keys of the first graph: cells of the others would be dropped in silence."""
    slab, molecule = random_graph(3, 0), random_graph(4, 1)
    slab.cell, slab.pbc = 9 * torch.eye(3)[None], torch.ones(1, 3, dtype=torch.bool)
    for graphs in ([slab, molecule], [molecule, slab], [molecule, molecule, slab]):
        for collate in (Batch.from_data_list, lambda g: next(iter(DataLoader(g, batch_size=3)))):
            with pytest.raises(InputError, match="batch: expected cell and pbc in all graphs or in none"):
                collate(graphs)
    molecule.cell, molecule.pbc = torch.zeros(1, 3, 3), torch.zeros(1, 3, dtype=torch.bool)
    batch = Batch.from_data_list([molecule, slab])
    assert batch.cell.shape == (2, 3, 3) and batch.pbc.any(dim=1).tolist() == [False, True]
    assert_same_graph(batch.to_data_list()[1], slab)


def test_missing_atoms_are_numbered_however_they_are_set():
    by_item, by_attribute, by_update = AFMData(), AFMData(), AFMData(missing_z=torch.tensor([1]))
    by_item["missing_z"] = by_attribute.missing_z = torch.tensor([1, 6])
    by_update.update({"missing_z": torch.tensor([1, 6])})
    for data in (by_item, by_attribute, by_update, AFMData.from_dict(by_item.to_dict())):
        assert data.missing_graph.tolist() == [0, 0]
    batch = Batch.from_data_list([by_item, by_attribute])
    batch.missing_z = batch.missing_z + 1
    assert batch.missing_graph.tolist() == [0, 0, 1, 1]


def test_packed_atoms_are_those_of_a_batch():
    graphs = [random_graph(n, n) for n in (3, 0, 2)]
    packed, batch = pack_atoms(graphs), Batch.from_data_list(graphs)
    for key in ("z", "pos", "charge", "ptr"):
        assert torch.equal(packed[key], batch[key])
    assert packed.num_graphs == 3


def test_text_is_collated_to_a_list():
    graphs = [random_graph(2, 0), random_graph(0, 1)]
    for data, name in zip(graphs, ["a", "b"], strict=True):
        data.name = name
    batch = Batch.from_data_list(graphs)
    assert batch.name == ["a", "b"]
    assert [d.name for d in batch.to_data_list()] == ["a", "b"]


def test_graphs_with_and_without_dipoles_share_no_batch_in_silence():
    dipolar, bare = random_graph(3, 0), random_graph(4, 1)
    dipolar.dipole = torch.ones(3, 3)
    for graphs in ([dipolar, bare], [bare, dipolar]):
        with pytest.raises(InputError, match="batch: expected dipole in all graphs or in none"):
            Batch.from_data_list(graphs)
    packed = pack_atoms([bare, dipolar, AFMData.empty()])
    bare.dipole = torch.zeros(4, 3)
    batch = Batch.from_data_list([bare, dipolar])
    assert torch.equal(batch.dipole, torch.cat([torch.zeros(4, 3), torch.ones(3, 3)]))
    assert torch.equal(packed.dipole, batch.dipole)
    assert_same_graph(batch.to_data_list()[1], dipolar)
