"""Fingerprints of what is visible, against counts by hand."""

from collections import Counter

import pytest
import torch

from torch_afm.data import AFMData, from_smiles, remove_atoms
from torch_afm.identification import (
    Candidate,
    fingerprint,
    nearest_candidates,
    orientations,
    similarity,
    tanimoto,
)
from torch_afm.testing import benzene


def test_counts():
    assert fingerprint(benzene()) == {"C": 6, "H": 6, "C-C": 6, "C-H": 6, "ring of 6": 1}
    azulene = fingerprint(from_smiles("c1ccc2cccc2cc1"))
    assert azulene == {"C": 10, "H": 8, "C-C": 11, "C-H": 8, "ring of 5": 1, "ring of 7": 1}
    assert fingerprint(from_smiles("OC(F)=O"))["C-O"] == 2
    assert fingerprint(AFMData.empty()) == {}


def test_a_part_of_a_molecule_has_no_ring():
    part = remove_atoms(benzene(), [0])
    assert fingerprint(part) == {"C": 5, "H": 6, "C-C": 4, "C-H": 5}


def test_tanimoto_by_hand():
    assert tanimoto(Counter(C=2, H=4), Counter(C=3, O=1)) == pytest.approx(2 / 8)
    assert tanimoto(Counter(C=2), Counter(C=2)) == 1 and tanimoto(Counter(), Counter()) == 1
    assert tanimoto(Counter(C=2), Counter()) == 0


def test_a_candidate_is_like_what_it_shows_and_not_like_all_of_itself():
    """Of a molecule that stands upright no image shows the lower half."""
    molecule = from_smiles("CC(C)(C)C(N)C(=O)O")
    candidate = Candidate("one", (molecule,))
    laid = orientations(molecule)[2]
    shown = remove_atoms(laid, laid.pos[:, 2] < -0.7)
    assert 0 < len(shown.z) < len(molecule.z)
    assert similarity(candidate, fingerprint(shown)) == pytest.approx(1.0)
    assert similarity(candidate, fingerprint(molecule)) < 1


def test_the_nearest_come_first():
    names = ["c1ccncc1", "c1ccc2cccc2cc1", "c1ccc2ccccc2c1", "c1ccc2ncccc2c1", "CCO"]
    candidates = [Candidate.from_smiles(name) for name in names]
    naphthalene = from_smiles("c1ccc2ccccc2c1")
    # Two atoms that the network took for others change little.
    naphthalene.z[torch.tensor([0, 1])] = torch.tensor([16, 9])
    found = [candidate.name for candidate in nearest_candidates(candidates, naphthalene, 4)]
    assert found[0] == names[2] and set(found[1:3]) == {names[1], names[3]} and found[3] == names[0]
    assert len(nearest_candidates(candidates, naphthalene)) == 5
