import networkx as nx
import pytest
import torch
from scipy.spatial.distance import directed_hausdorff

from torch_afm.data import AFMData, covalent_bonds, from_smiles, remove_atoms
from torch_afm.metrics import edit_distance, match_atoms
from torch_afm.metrics.atoms import chamfer, graph_edit_distance, hausdorff, is_valid
from torch_afm.testing import benzene, random_graph, water
from torch_afm.utils import InputError


def test_edits_by_hand():
    truth, graph = water(), water()
    exact = match_atoms(graph.pos, truth.pos)
    assert edit_distance(graph, truth, exact) == 0
    graph.z = torch.tensor([8, 1, 9])  # one class
    graph.edge_index = graph.edge_index[:, [0, 2]]  # one bond
    assert edit_distance(graph, truth, exact) == 2
    assert edit_distance(graph, truth, exact, (torch.ones(3), torch.ones(3))) == 1
    # All atoms elsewhere: three off, three on, and all bonds of both.
    far = match_atoms(graph.pos + 5, truth.pos)
    assert edit_distance(graph, truth, far) == 3 + 3 + 1 + 2
    assert graph_edit_distance(graph, truth) == 2


def test_graph_edit_distance_against_networkx():
    for seed in range(12):
        a, b = random_graph(seed % 5, seed), random_graph(3 + seed % 2, seed + 50)
        graphs = []
        for g in (a, b):
            made = nx.Graph()
            made.add_nodes_from((i, {"z": z}) for i, z in enumerate(g.z.tolist()))
            made.add_edges_from(g.edge_index.T.tolist())
            graphs.append(made)
        direct = nx.graph_edit_distance(*graphs, node_match=lambda x, y: x["z"] == y["z"])
        assert graph_edit_distance(a, b) == graph_edit_distance(b, a) == direct
        assert direct <= edit_distance(a, b, match_atoms(a.pos, b.pos))


def test_graph_edit_distance_does_not_see_the_order_of_atoms():
    molecule = remove_atoms(from_smiles("CC(=O)OC1CC1"), range(7, 15))
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    shuffled = AFMData(
        z=molecule.z[order], pos=molecule.pos[order], edge_index=order.argsort()[molecule.edge_index]
    )
    assert graph_edit_distance(shuffled, molecule) == 0
    assert graph_edit_distance(AFMData.empty(), molecule) == 7 + molecule.edge_index.size(1) // 2


def test_graph_edit_distance_refuses_what_takes_forever():
    with pytest.raises(InputError, match="at most 8"):
        graph_edit_distance(random_graph(9), random_graph(2))


def test_a_visible_part_is_valid_and_five_bonds_to_carbon_are_not():
    assert is_valid(AFMData.empty()) and is_valid(water()) and is_valid(benzene())
    part = from_smiles("OC(=O)c1ccccc1[N+](=O)[O-]")
    top = part.z[:9], part.pos[:9]
    assert is_valid(AFMData(z=top[0], pos=top[1], edge_index=covalent_bonds(*top)))
    star = torch.tensor([[0, 0, 0, 0, 0], [1, 2, 3, 4, 5]])
    for center, leaves, valid in ((6, 5, False), (6, 4, True), (7, 4, True), (8, 3, False), (1, 2, False)):
        z = torch.tensor([center] + [6] * leaves)
        edges = torch.cat([star[:, :leaves], star[:, :leaves].flip(0)], dim=1)
        assert is_valid(AFMData(z=z, pos=torch.zeros(len(z), 3), edge_index=edges)) is valid


def test_distances_of_sets():
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.rand(n, 3, generator=generator, dtype=torch.float64) for n in (5, 8))
    forth, back = directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0]
    assert hausdorff(a, b) == pytest.approx(max(forth, back))
    table = torch.cdist(a, b)
    assert chamfer(a, b) == pytest.approx(float(table.amin(1).mean() + table.amin(0).mean()) / 2)
    nothing = torch.empty(0, 3)
    assert hausdorff(nothing, nothing) == chamfer(nothing, nothing) == 0
    assert hausdorff(a, nothing) is None and chamfer(nothing, b) is None
