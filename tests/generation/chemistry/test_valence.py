import pytest
import torch

from torch_afm.data import append_atom, covalent_bonds, from_smiles, valence_errors
from torch_afm.generation.chemistry import fits_valence, trim_bonds
from torch_afm.testing import benzene, random_graph, water
from torch_afm.utils import InputError


def test_fits_where_the_graph_with_the_atom_has_no_errors():
    fits = []
    for seed in range(40):
        graph = random_graph(6, seed)
        ok = valence_errors(graph.z, graph.edge_index)
        if ok.any():
            continue
        bonded = torch.rand(4, 6, generator=torch.Generator().manual_seed(seed)) < 0.35
        new_z = torch.tensor([1, 6, 7, 8])
        found = fits_valence(graph.z, graph.edge_index, new_z, bonded)
        for z, mask, fit in zip(new_z.tolist(), bonded, found.tolist(), strict=True):
            joined = append_atom(graph, z, [0.0, 0, 0], mask)
            assert fit == (not valence_errors(joined.z, joined.edge_index).any())
            fits.append(fit)
    assert 10 < sum(fits) < len(fits) - 10


def test_the_longest_bond_goes():
    molecule = water()
    z = torch.cat([molecule.z, torch.tensor([1])])
    pos = torch.cat([molecule.pos, torch.tensor([[0.0, 1.2, 0.0]])])
    edges = covalent_bonds(z, pos)
    keep = trim_bonds(z, pos, edges)
    assert set(map(tuple, edges[:, ~keep].T.tolist())) == {(0, 3), (3, 0)}
    # Unless another one is less probable.
    probability = torch.where((edges == 1).any(dim=0), 0.1, 0.9)
    kept = trim_bonds(z, pos, edges, probability)
    assert set(map(tuple, edges[:, ~kept].T.tolist())) == {(0, 1), (1, 0)}


def test_sound_graphs_keep_all_bonds_and_crowded_ones_become_sound():
    for graph in (benzene(), from_smiles("CS(=O)(=O)[N+](C)(C)C"), from_smiles("O=P(O)(O)O")):
        assert trim_bonds(graph.z, graph.pos, graph.edge_index).all()
    for seed in range(10):
        graph = random_graph(12, seed)
        pos = graph.pos / 3
        edges = covalent_bonds(graph.z, pos)
        assert valence_errors(graph.z, edges).any()
        left = edges[:, trim_bonds(graph.z, pos, edges)]
        assert not valence_errors(graph.z, left).any()
        assert {*map(tuple, left.T.tolist())} == {*map(tuple, left.flip(0).T.tolist())}


def test_bad_input():
    with pytest.raises(InputError, match="bonded"):
        fits_valence(torch.tensor([6]), torch.empty(2, 0).long(), torch.tensor([1]), torch.ones(1, 2).bool())
    with pytest.raises(InputError, match="both directions"):
        trim_bonds(torch.tensor([6, 6]), torch.zeros(2, 3), torch.tensor([[0], [1]]))
