"""Molecules that lack atoms, completed."""

import torch
from rdkit import Chem

from tests.prediction.answers.cases import CLASSES, predicted
from torch_afm.data import from_smiles, to_rdmol
from torch_afm.prediction.answers import complete
from torch_afm.prediction.atoms import no_atoms, select_atoms


def whole(smiles):
    molecule = from_smiles(smiles)
    return predicted(molecule.z, molecule.pos, torch.full((len(molecule.z),), 0.9))


def test_hydrogens_that_are_missing_come_back_near_their_places():
    graph = whole("c1ccccc1O")
    kept = torch.ones(len(graph.z), dtype=torch.bool)
    kept[(graph.z == 1).nonzero().flatten()[:2]] = False
    found = complete(select_atoms(graph, kept), no_atoms(CLASSES))
    assert len(found.z) == len(graph.z) and int(found.completed.sum()) == 2
    torch.testing.assert_close(found.pos[: int(kept.sum())], graph.pos[kept])
    gaps = torch.cdist(found.pos[found.completed], graph.pos[~kept])
    assert float(gaps.amin(1).max()) < 0.2


def test_a_whole_molecule_stays_as_it_is():
    graph = whole("CCO")
    found = complete(graph, no_atoms(CLASSES))
    assert not found.completed.any() and torch.equal(found.z, graph.z)


def test_atoms_below_the_cut_are_bonded_to_those_above():
    graph = whole("CC")
    carbons = (graph.z == 6).nonzero().flatten()
    found = complete(select_atoms(graph, carbons[:1]), select_atoms(graph, carbons[1:]))
    assert (found.z == 1).sum() == 6
    assert Chem.MolToSmiles(Chem.RemoveHs(to_rdmol(found))) == "CC"


def test_nothing_is_completed_to_nothing():
    found = complete(no_atoms(CLASSES), no_atoms(CLASSES))
    assert not len(found.z) and not len(found.completed)
