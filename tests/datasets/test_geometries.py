import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from torch_afm.data import from_smiles
from torch_afm.datasets import MoleculeDataset, embedded_smiles, geometries
from torch_afm.datasets.geometries import Geometries, has_geometry, shipped_geometries, xtb_molecule
from torch_afm.datasets.smi import checksum
from torch_afm.utils import InputError


def _geometries(smiles):
    """RDKit's geometries, as those of a list."""
    found = [from_smiles(s) for s in smiles]
    return Geometries(
        checksum(smiles),
        np.array([len(m.z) for m in found], dtype=np.uint8),
        np.rint(np.concatenate([m.pos.numpy() for m in found]) * 1000).astype(np.int16),
        np.concatenate([m.charge.numpy() for m in found]).astype(np.float16),
        np.concatenate([m.pos.numpy() for m in found]).astype(np.float16),
    )


def test_files_keep_positions_to_half_a_thousandth(tmp_path):
    smiles = ["CCO", "c1ccsc1"]
    _geometries(smiles).write(tmp_path / "a.npz")
    read = Geometries.read(tmp_path / "a.npz", smiles)
    for i, text in enumerate(smiles):
        molecule, expected = read.molecule(i, text), from_smiles(text)
        assert torch.equal(molecule.z, expected.z) and torch.equal(molecule.edge_index, expected.edge_index)
        assert (molecule.pos - expected.pos).abs().max() < 5.1e-4
        assert (molecule.charge - expected.charge).abs().max() < 5e-4
        assert (molecule.dipole - expected.pos).abs().max() < 2e-3


def test_geometries_of_another_list(tmp_path):
    _geometries(["CCO"]).write(tmp_path / "a.npz")
    with pytest.raises(
        InputError, match=r"a\.npz: expected geometries of this list of 1 molecules, got others"
    ):
        Geometries.read(tmp_path / "a.npz", ["CCN"])
    raw = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(raw[:-40])
    with pytest.raises(InputError, match=r"a\.npz"):
        Geometries.read(tmp_path / "a.npz", ["CCO"])


def test_shipped_geometries_are_near_rdkits_and_neutral():
    smiles = embedded_smiles("planar")
    found = shipped_geometries()["planar"]
    assert len(found) == len(smiles) and (found.atoms > 0).mean() > 0.99
    for i in range(0, len(smiles), 40):
        if not has_geometry(smiles[i]):
            continue
        molecule, other = xtb_molecule(smiles[i]), from_smiles(smiles[i])
        assert molecule.z.tolist() == other.z.tolist()
        ours, theirs = (m.pos.double().numpy() - m.pos.double().numpy().mean(0) for m in (molecule, other))
        _, rssd = Rotation.align_vectors(ours, theirs)
        assert rssd / np.sqrt(len(ours)) < 0.5
        assert float(molecule.charge.sum()) == pytest.approx(0, abs=0.01)
        # A planar molecule has no dipole out of the plane, nor have its atoms; and atoms have some.
        normal = np.linalg.svd(ours)[2][2]
        assert 0.02 < np.abs(molecule.dipole.numpy()).max() < 2
        if np.abs(ours @ normal).max() < 0.02:
            assert np.abs(molecule.dipole.numpy() @ normal).max() < 0.02


def test_resources_are_small():
    folder = geometries.resources.files("torch_afm.datasets").joinpath("resources")
    assert sum(len(f.read_bytes()) for f in folder.iterdir() if f.name.endswith("_xtb.npz")) < 3_000_000


def test_data_set_of_shipped_geometries(tmp_path):
    smiles = [*embedded_smiles("planar")[:5], "CCCCCCO"]
    with pytest.warns(UserWarning, match="1 of 6 molecules have no GFN2-xTB geometry"):
        dataset = MoleculeDataset(smiles, geometry="xtb", cache=tmp_path)
    for i, text in enumerate(smiles[:5]):
        expected = xtb_molecule(text)
        for key in ("z", "pos", "charge", "dipole", "edge_index"):
            assert torch.equal(dataset[i][key], expected[key])
    assert torch.equal(dataset[5].pos, from_smiles("CCCCCCO").pos) and not dataset[5].dipole.any()
    again = MoleculeDataset(smiles[:5], geometry="xtb", cache=tmp_path)
    assert torch.equal(again[2].dipole, dataset[2].dipole)
    plain = MoleculeDataset(smiles[:5], cache=tmp_path)
    assert "dipole" not in plain[0] and not torch.equal(plain[2].pos, dataset[2].pos)


def test_files_of_smiles_and_names_of_lists_take_geometries(tmp_path):
    smiles = embedded_smiles("planar")[:2]
    (tmp_path / "few.smi").write_text("\n".join(smiles))
    dataset = MoleculeDataset.read(tmp_path / "few.smi", geometry="xtb", cache=tmp_path)
    assert torch.equal(dataset[1].dipole, xtb_molecule(smiles[1]).dipole)
    with pytest.warns(UserWarning, match="1 of 680 molecules have no GFN2-xTB geometry"):
        named = MoleculeDataset.read("planar", geometry="xtb", cache=tmp_path)
    assert len(named) == 680 and torch.equal(named[1].dipole, dataset[1].dipole)
    (tmp_path / "a.xyz").write_text("1\n\nC 0 0 0\n")
    with pytest.raises(InputError, match=r"geometry: expected 'rdkit' for .*a\.xyz, which has geometries"):
        MoleculeDataset.read(tmp_path / "a.xyz", geometry="xtb")


def test_split_of_an_embedded_list_is_the_published_one(tmp_path):
    dataset = MoleculeDataset(embedded_smiles("planar"), geometry="xtb", cache=tmp_path)
    parts = dataset.split(seed=7)
    assert [len(p) for p in parts] == [510, 65, 105]


def test_bad_input():
    with pytest.raises(InputError, match="geometry: expected 'rdkit' or 'xtb', got 'dft'"):
        MoleculeDataset(["C"], geometry="dft")
    assert xtb_molecule("CCCCCCO") is None
