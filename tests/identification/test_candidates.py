"""Candidates: what lists, files and SMILES hold, and the ways in which each may lie."""

import warnings
from itertools import islice

import ase.build
import ase.io
import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdMolAlign

from torch_afm.data import from_smiles, to_rdmol
from torch_afm.datasets import embedded_smiles
from torch_afm.datasets.geometries import xtb_molecule
from torch_afm.identification import Candidate, candidates, orientations, read_candidates
from torch_afm.io import write_sdf, write_xyz
from torch_afm.testing import benzene, water
from torch_afm.utils import BackendUnavailable, InputError


def test_conformers_of_a_smiles_are_unlike_each_other():
    found = Candidate.from_smiles("OCCCCCCO", conformers=5)
    assert found.name == found.smiles == "OCCCCCCO" and len(found.conformers) > 1
    mols = [Chem.RemoveHs(to_rdmol(molecule)) for molecule in found.conformers]
    pairs = [(a, b) for i, a in enumerate(mols) for b in mols[:i]]
    same = [(i, i) for i in range(8)]
    assert min(rdMolAlign.AlignMol(Chem.Mol(a), b, atomMap=same) for a, b in pairs) > 0.3
    assert torch.equal(found.conformers[0].pos, from_smiles("OCCCCCCO").pos)


def test_a_planar_molecule_has_one_geometry_and_an_embedded_one_that_of_xtb():
    assert len(Candidate.from_smiles("c1ccc2ncccc2c1I", conformers=4).conformers) == 1
    smiles = embedded_smiles("planar")[3]
    (geometry,) = Candidate.from_smiles(smiles, conformers=4, name="known").conformers
    assert torch.equal(geometry.pos, xtb_molecule(smiles).pos) and "dipole" in geometry
    kekulized = Chem.MolFromSmiles(smiles)
    Chem.Kekulize(kekulized, clearAromaticFlags=True)
    written = Chem.MolToSmiles(kekulized, rootedAtAtom=2)
    assert written != smiles
    assert torch.equal(Candidate.from_smiles(written).conformers[0].pos, geometry.pos)


def test_conformers_are_relaxed_where_that_is_asked_for(monkeypatch):
    def moved(molecule):
        relaxed = molecule.clone()
        relaxed.pos = molecule.pos + 1
        return relaxed

    def fails(molecule):
        raise InputError("molecule: no minimum in 250 steps")

    def missing(molecule):
        raise BackendUnavailable("xtb: tblite is not installed")

    plain = from_smiles("CCCCCCI")
    for relax, shift in ((moved, 1.0), (fails, 0.0)):
        monkeypatch.setattr(candidates, "relax", relax)
        (geometry,) = Candidate.from_smiles("CCCCCCI", xtb=True).conformers
        assert torch.equal(geometry.pos, plain.pos + shift)
    monkeypatch.setattr(candidates, "relax", missing)
    with pytest.raises(InputError, match=r"^xtb: .*pip install 'torch_afm\[xtb\]'"):
        next(read_candidates(["CCCCCCI"], xtb=True))


def test_lists_of_smiles(tmp_path):
    file = tmp_path / "list.smi"
    file.write_text("# mine\nCCO ethanol\nnonsense bad\nOCC the same again\nC/C=C/C\nC/C=C\\C\n")
    with pytest.warns(UserWarning, match=r"list.smi: 1 of 5 candidates left out; the first: line 3: "):
        found = list(islice(read_candidates([file, "C(C)O", "planar"]), 10))
    assert [c.name for c in found[:3]] == ["ethanol", "C/C=C/C", "C/C=C\\C"]
    assert tuple(c.name for c in found[3:]) == embedded_smiles("planar")[:7]


def test_files_of_geometries(tmp_path):
    moved = water()
    moved.pos = moved.pos + torch.tensor([1.0, 2.0, 3.0])
    write_sdf(tmp_path / "two.sdf", [benzene(), moved], [{"name": "ring"}, {}])
    write_xyz(tmp_path / "drop.xyz", water())
    (tmp_path / "many.xyz").write_text("1\n\nHe 0 0 0\n1\nneon\nNe 0 0 0\n")
    ase.io.write(tmp_path / "methane.pdb", ase.build.molecule("CH4"))
    files = [tmp_path / name for name in ("two.sdf", "drop.xyz", "many.xyz", "methane.pdb")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(read_candidates(files))
    assert [c.name for c in found] == ["ring", "two-2", "drop", "many-1", "neon", "methane"]
    assert [c.smiles for c in found[:3]] == ["c1ccccc1", "O", "O"]
    np.testing.assert_allclose(found[0].conformers[0].pos, benzene().pos, atol=1e-4)
    np.testing.assert_allclose(found[1].conformers[0].pos, moved.pos, atol=1e-4)
    np.testing.assert_allclose(found[1].conformers[0].charge, moved.charge, atol=1e-6)
    assert found[5].conformers[0].z.tolist() == [6, 1, 1, 1, 1]


def test_a_smiles_of_a_geometry_that_came_before_is_left_out():
    ring = Candidate.from_molecule(benzene(), "measured")
    assert [c.name for c in read_candidates([ring, "C1=CC=CC=C1", "CCO"])] == ["measured", "CCO"]
    # Geometries may be conformers of one molecule: all of them stay.
    assert len(list(read_candidates([ring, ring]))) == 2


def test_each_is_made_when_it_is_asked_for():
    found = read_candidates(["CCO", "no molecule"])
    assert next(found).name == "CCO"
    with pytest.raises(InputError, match=r"^candidates: expected a file of molecules, organic, planar or a"):
        next(found)


def test_what_is_no_candidate(tmp_path):
    (tmp_path / "bad.smi").write_text("xyz\nabc\n")
    ase.io.write(tmp_path / "POSCAR", ase.build.bulk("Cu"), format="vasp")
    (tmp_path / "empty.sdf").write_text("")
    for source, words in [
        ("none.smi", "candidates: none.smi: no such file"),
        ("none.mol2", "candidates: none.mol2: no such file"),
        (tmp_path, "got a folder"),
        (tmp_path / "bad.smi", "bad.smi: none of 2 can be used; line 1"),
        (tmp_path / "POSCAR", "expected a molecule, got a periodic structure"),
        (tmp_path / "empty.sdf", "empty.sdf"),
    ]:
        with pytest.raises(InputError, match=words):
            list(read_candidates([source]))


def test_a_flat_molecule_lies_on_either_face():
    up, down = orientations(from_smiles("Oc1ccc2ccccc2c1Cl"))
    for laid in (up, down):
        middle = (laid.pos.amin(0) + laid.pos.amax(0)) / 2
        assert laid.pos[:, 2].max() == 0 and middle[:2].abs().max() < 1e-5
        assert laid.pos[:, 2].min() > -0.4
    # The other face is the mirror image in the plane, turned.
    mirrored = up.pos * torch.tensor([1.0, -1.0, 1.0])
    np.testing.assert_allclose(down.pos[:, :2], mirrored[:, :2], atol=1e-4)


def test_dipoles_turn_with_a_molecule():
    molecule = xtb_molecule(embedded_smiles("organic")[5])
    for laid in orientations(molecule):
        products = [(m.pos - m.pos.mean(0)) @ m.dipole.T for m in (molecule, laid)]
        np.testing.assert_allclose(*products, atol=1e-4)


def test_a_molecule_that_is_not_flat_lies_in_more_ways():
    ways = orientations(from_smiles("CC(C)(C)C(N)C(=O)O"))
    assert len(ways) > 2
    distances = [torch.cdist(way.pos, way.pos) for way in ways]
    for other in distances[1:]:
        torch.testing.assert_close(other, distances[0], atol=1e-4, rtol=0)
