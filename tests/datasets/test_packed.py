import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.datasets.packed import PackedMolecules
from torch_afm.testing import assert_same_graph, benzene, random_graph, water
from torch_afm.utils import InputError


def test_gives_back_what_came_in():
    molecules = [water(), benzene(), random_graph(1), random_graph(7, seed=2)]
    packed = PackedMolecules([*molecules[:3], AFMData(**molecules[3].to_dict(), name="seven")])
    assert len(packed) == 4 and str(packed) == "PackedMolecules(4)"
    for i, molecule in enumerate(molecules):
        assert_same_graph(packed[i], molecule)


def test_copies():
    packed = PackedMolecules([water()])
    packed[0].pos += 1
    assert torch.equal(packed[0].pos, water().pos)


def test_bad_input():
    with pytest.raises(InputError, match="expected at least one"):
        PackedMolecules([])
    with pytest.raises(InputError, match="'charge' in each, got none in molecule 1"):
        PackedMolecules([water(), AFMData(z=torch.tensor([1]), pos=torch.zeros(1, 3))])
