import pytest
import torch
from ase.calculators.emt import EMT

from torch_afm.data import from_smiles
from torch_afm.generation.chemistry import Chemistry, improve
from torch_afm.utils import InputError


@pytest.fixture
def graph():
    """Ethanol with a bond too many, between two hydrogens."""
    made = from_smiles("CCO")
    i, j = (made.z == 1).nonzero().flatten()[:2].tolist()
    made.edge_index = torch.cat([made.edge_index, torch.tensor([[i, j], [j, i]])], dim=1)
    made.bond_probability = torch.cat([torch.full((16,), 0.9), torch.full((2,), 0.2)])
    return made


def test_each_piece_on_and_off(graph):
    off = improve(graph, Chemistry(sanitise=False))
    assert off.graph is graph and off.relaxed is None
    sound = improve(graph)
    assert sound.graph.edge_index.size(1) == 16 and sound.graph.bond_order.tolist() == [1.0] * 16
    assert torch.equal(sound.graph.pos, graph.pos) and sound.relaxed is None
    anew = improve(graph, Chemistry(bonds="perceive", sanitise=False))
    assert anew.graph.edge_index.size(1) == 16 and "bond_probability" not in anew.graph
    assert "bond_probability" in graph
    moved = improve(graph, Chemistry(relax="uff"))
    assert moved.relaxed.force_field == "uff" and not torch.equal(moved.graph.pos, graph.pos)
    assert improve(graph, calculator=EMT()).relaxed.force_field == "EMT"
    held = improve(graph, Chemistry(relax="mmff94", restraint="fixed"))
    torch.testing.assert_close(held.graph.pos, graph.pos, atol=1e-5, rtol=0)


def test_bad_words():
    with pytest.raises(InputError, match="bonds"):
        Chemistry(bonds="guess")
    with pytest.raises(InputError, match="relax"):
        Chemistry(relax="dft")
