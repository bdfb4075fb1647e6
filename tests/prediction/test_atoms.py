import pytest
import torch

from torch_afm.config import SequentialGeneratorConfig, SpatialGeneratorConfig
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.models import Proposal, Revision, make_generator
from torch_afm.prediction.atoms import (
    append_atoms,
    concat_graphs,
    far_from,
    no_atoms,
    revise,
    select_atoms,
    split_context,
    with_bonds,
)

CLASSES = AtomClasses()


def chain(n: int, sigma: bool = False) -> AFMData:
    """Carbons 1.4 Å apart along x, with bonds of probability 0.5, 0.6, ..."""
    graph = AFMData(z=torch.full((n,), 6), pos=torch.zeros(n, 3), charge=torch.arange(n) / 10)
    graph.pos[:, 0] = 1.4 * torch.arange(n)
    graph.confidence, graph.class_probabilities = 0.5 + torch.arange(n) / 10, torch.full((n, 2), 0.5)
    if sigma:
        graph.sigma = torch.full((n, 3), 0.1)
    pairs = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    graph.edge_index = torch.cat([pairs, pairs.flip(0)], dim=1)
    graph.bond_probability = (0.5 + torch.arange(n - 1) / 10).repeat(2)
    return graph


def bonds(graph: AFMData) -> dict[tuple[int, int], float]:
    pairs = map(tuple, graph.edge_index.T.tolist())
    return {pair: round(p, 4) for pair, p in zip(pairs, graph.bond_probability.tolist(), strict=True)}


def test_selected_atoms_keep_their_bonds():
    some = select_atoms(chain(4), torch.tensor([0, 1, 3]))
    assert bonds(some) == {(0, 1): 0.5, (1, 0): 0.5} and some.charge.tolist() == pytest.approx([0, 0.1, 0.3])
    assert bonds(select_atoms(chain(4), chain(4).pos[:, 0] > 1)) == {
        **{(0, 1): 0.6, (1, 0): 0.6},
        **{(1, 2): 0.7, (2, 1): 0.7},
    }
    assert len(select_atoms(no_atoms(CLASSES), torch.zeros(0, dtype=torch.bool)).z) == 0


def test_concatenated_graphs_keep_what_all_know():
    whole = concat_graphs([no_atoms(CLASSES), chain(2, sigma=True), chain(3)])
    assert bonds(whole) == {(0, 1): 0.5, (1, 0): 0.5, (2, 3): 0.5, (3, 2): 0.5, (3, 4): 0.6, (4, 3): 0.6}
    assert "sigma" not in whole and len(whole.confidence) == 5
    assert "sigma" in concat_graphs([no_atoms(CLASSES), chain(2, sigma=True)])
    assert concat_graphs([no_atoms(CLASSES)]).bond_probability.shape == (0,)


def test_appended_atoms_are_bonded_where_that_is_probable():
    atoms = select_atoms(chain(2), torch.arange(2))
    del atoms.edge_index, atoms.bond_probability
    whole = append_atoms(chain(2), atoms, torch.tensor([[0.9, 0.5], [0.1, 0.75]]))
    assert bonds(whole) == {(0, 1): 0.5, (1, 0): 0.5, (0, 2): 0.9, (2, 0): 0.9, (1, 3): 0.75, (3, 1): 0.75}


def test_a_revision_moves_and_removes():
    """Of two that meet the one that is more real stays; what is hardly real goes."""
    graph = chain(4)
    pos = graph.pos + torch.tensor([0.0, 0.2, 0.0])
    pos[3] = pos[2] + 0.1
    real = torch.tensor([0.9, 0.2, 0.5, 0.8])
    revised = revise(graph, Revision(pos, real, torch.empty(2, 0), torch.empty(0)))
    torch.testing.assert_close(revised.pos, pos[[0, 3]])
    assert revise(graph, None) is graph


def test_bonds_are_those_of_the_network_or_of_distances():
    graph = chain(3)
    revision = Revision(graph.pos, torch.ones(3), torch.tensor([[0, 0], [1, 2]]), torch.tensor([0.4, 0.8]))
    assert bonds(with_bonds(graph, Proposal(graph, 0.5, True, revised=revision))) == {
        (0, 2): 0.8,
        (2, 0): 0.8,
    }
    given = Proposal(no_atoms(CLASSES), 0.5, True, bonds=torch.empty(0, 3))
    assert with_bonds(graph, given) is graph
    found = bonds(with_bonds(graph, Proposal(no_atoms(CLASSES), 0.5, True)))
    assert found == {(0, 1): 0.3, (1, 0): 0.3, (1, 2): 0.42, (2, 1): 0.42}


def test_context_is_that_of_a_network_that_predicts_it():
    graph = chain(3)
    graph.pos[:, 2] = torch.tensor([0.0, -0.6, -0.8])
    spatial = make_generator(SpatialGeneratorConfig(channels=(4,), query_channels=4))
    answer, context = split_context(graph, spatial)
    assert len(answer.z) == 2 and len(context.z) == 1 and len(bonds(answer)) == 2 and not bonds(context)
    sequential = make_generator(SequentialGeneratorConfig())
    assert [len(part.z) for part in split_context(graph, sequential)] == [3, 0]


def test_far_from():
    a, b = chain(2).pos, torch.tensor([[0.3, 0.0, 0.0]])
    assert far_from(a, b).tolist() == [False, True]
    assert far_from(a, b[:0]).tolist() == [True, True]
