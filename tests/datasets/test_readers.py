"""Users' own molecules: what stands in a file comes out of the data set, and what cannot be read is named."""

import warnings
from pathlib import Path

import ase.db
import ase.io
import pytest
import torch
from ase import Atoms
from ase.build import fcc111, molecule
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdPartialCharges
from torch_geometric.data import Data
from torch_geometric.datasets import QM9

from torch_afm.config import Scan
from torch_afm.config.training import MOLECULE_SUFFIXES
from torch_afm.data import covalent_bonds, from_smiles, to_ase
from torch_afm.datasets import AFMDataset, MoleculeDataset, readers
from torch_afm.datasets.smi import write_smi
from torch_afm.io import write_sdf, write_xyz
from torch_afm.testing import assert_same_graph, water
from torch_afm.utils import InputError

SMILES = ["CCO", "c1ccsc1", "CC(=O)Cl"]


@pytest.fixture(scope="module")
def graphs():
    return [from_smiles(s) for s in SMILES]


def _write_all(path, graphs, write):
    texts = []
    for graph in graphs:
        write(path, graph)
        texts.append(path.read_text())
    path.write_text("".join(texts))
    return texts


def _without_charges(graph):
    graph = graph.clone()
    graph.charge = torch.zeros_like(graph.charge)
    return graph


def _same(data, graph, atol=1e-6):
    data = data.clone()
    del data.name
    if "smiles" in data:
        del data.smiles
    assert_same_graph(data, graph, atol)


def test_xyz_with_charges(tmp_path, graphs):
    _write_all(tmp_path / "a.xyz", [water(), *graphs], write_xyz)
    dataset = MoleculeDataset.read(tmp_path / "a.xyz", cache=False)
    assert len(dataset) == 4 and dataset.failed == [] and dataset.smiles is None
    for data, graph in zip(dataset, [water(), *graphs], strict=True):
        _same(data, graph)


def test_damaged_molecules_of_an_xyz_leave_the_others_whole(tmp_path, graphs):
    """One too short, one too long, one with a word for a number, text in between, an empty one."""
    texts = _write_all(tmp_path / "a.xyz", graphs, write_xyz)
    short = "3\nshort\nO 0 0 0\nH 0 0 1\n"
    long = "1\n7\nO 0 0 0\nH 0 0 1\n"
    word = "2\nword\nO 0 0 zero\nH 0 0 1\n"
    parts = [short, texts[0], long, texts[1], "hello world\n", word, texts[2], "0\nempty\n"]
    (tmp_path / "a.xyz").write_text("\n".join(parts))
    with pytest.warns(UserWarning, match="5 of 8 molecules left out.*line 1: a.xyz, line 4: expected 3 atom"):
        dataset = MoleculeDataset.read(tmp_path / "a.xyz", cache=tmp_path / "cache")
    for data, graph in zip(dataset, graphs, strict=True):
        _same(data, graph)
    lines = (tmp_path / "a.xyz").read_text().splitlines()
    at = {f"line {i}": line for i, line in enumerate(lines, start=1)}
    assert [at[f.origin] for f in dataset.failed] == ["3", "1", "hello world", "2", "0"]
    assert [f.number for f in dataset.failed] == [0, 2, 4, 5, 7] and dataset.ids.tolist() == [1, 3, 6]
    found = [
        next(line for line in at if f"{line}:" in f.reason.split(", ", 1)[-1]) for f in dataset.failed[:4]
    ]
    assert [at[line] for line in found] == ["H 0 0 1", "H 0 0 1", "hello world", "O 0 0 zero"]
    summary = dataset.summary()
    assert summary.startswith("3 of 8 molecules\n2 left out: expected n atom line(s)")
    assert "1 left out: expected numbers in columns n on" in summary


def test_charges_that_are_missing_are_computed_or_zero(tmp_path, graphs):
    """Gasteiger's by RDKit from the SMILES, here: the bond orders were found again from the positions."""
    _write_all(tmp_path / "a.xyz", [_without_charges(g) for g in graphs], write_xyz)
    for data, graph, smiles in zip(
        MoleculeDataset.read(tmp_path / "a.xyz", cache=False), graphs, SMILES, strict=True
    ):
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        rdPartialCharges.ComputeGasteigerCharges(mol)
        expected = torch.tensor([a.GetDoubleProp("_GasteigerCharge") for a in mol.GetAtoms()]).float()
        assert torch.allclose(data.charge, expected, atol=1e-5)
        _same(data, graph, atol=1e-5)
    zero = MoleculeDataset.read(tmp_path / "a.xyz", charges="zero", cache=False)
    assert all(not data.charge.any() for data in zero)
    mmff = MoleculeDataset.read(tmp_path / "a.xyz", charges="mmff94", cache=False)
    assert torch.allclose(mmff[0].charge, from_smiles("CCO", charges="mmff94").charge, atol=1e-5)


def test_no_lewis_structure_no_charges(tmp_path):
    """Two hydrogens on one hydrogen: no valence that RDKit knows."""
    (tmp_path / "a.xyz").write_text("3\nH3\nH 0 0 0\nH 0.7 0 0\nH -0.7 0 0\n")
    data = MoleculeDataset.read(tmp_path / "a.xyz", cache=False)[0]
    assert data.name == "H3" and data.edge_index.shape == (2, 4) and not data.charge.any()


def test_molecules_without_charges_are_counted(tmp_path):
    """A carbon on its own has no Lewis structure with an oxygen; hydrogen has no charges for good reason."""
    gold = "2\n\nAu 0 0 0\nO 0 0 1.9\n"
    (tmp_path / "a.xyz").write_text(gold + "2\n\nH 0 0 0\nH 0 0 0.74\n" + "1\n\nXe 0 0 0\n" + gold)
    with pytest.warns(UserWarning, match="2 of 4 molecules have no charges"):
        MoleculeDataset.read(tmp_path / "a.xyz", cache=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MoleculeDataset.read(tmp_path / "a.xyz", charges="zero", cache=False)


def test_many_molecules_in_one_frame_have_the_charges_of_each(tmp_path):
    whole = from_smiles(".".join(["O=[N+]([O-])c1ccccc1"] * 8))
    write_xyz(tmp_path / "n8.xyz", _without_charges(whole))
    data = MoleculeDataset.read(tmp_path / "n8.xyz", cache=False)[0]
    assert torch.allclose(data.charge, whole.charge, atol=1e-4) and float(data.charge.abs().max()) > 0.2


def test_cells_are_kept_and_training_on_molecules_refuses_them(tmp_path):
    slab = fcc111("Au", (2, 2, 1), vacuum=6.0)
    slab.info.clear()
    water = molecule("H2O")
    ase.io.write(tmp_path / "a.extxyz", [water, slab], format="extxyz")
    with ase.db.connect(tmp_path / "a.db") as database:
        database.write(water)
        database.write(slab)
    for name in ("a.extxyz", "a.db"):
        for _ in range(2):  # made, and from the cache
            island, periodic = MoleculeDataset.read(tmp_path / name, cache=tmp_path / "cache")
            assert "cell" not in island and periodic.pbc.tolist() == [[True, True, False]]
            assert torch.allclose(periodic.cell[0], torch.tensor(slab.cell.array).float(), atol=1e-6)
    molecules = MoleculeDataset.read(tmp_path / "a.db", cache=False)
    with pytest.raises(InputError, match=r"^molecules.* got one"):
        AFMDataset(molecules, Scan(), backend="torch")


def test_atoms_on_top_of_each_other_are_left_out(tmp_path, graphs):
    _write_all(tmp_path / "a.xyz", graphs, write_xyz)
    with (tmp_path / "a.xyz").open("a") as file:
        file.write("2\ndouble\nC 0 0 0\nC 0 0 0\n")
    with pytest.warns(UserWarning, match="1 of 4 molecules left out.*atoms 1 and 2 at 0"):
        assert len(MoleculeDataset.read(tmp_path / "a.xyz", cache=False)) == 3
    far = Data(z=graphs[0].z, pos=graphs[0].pos * 0.1, edge_index=graphs[0].edge_index)
    with pytest.raises(InputError, match=r"expected atoms at least 0\.5 Å"):
        MoleculeDataset.from_qm9([far], cache=False)


def test_hydrogens_that_lack_are_added(tmp_path):
    mol = Chem.MolFromSmiles("CCO")
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    (tmp_path / "noH.sdf").write_text(Chem.MolToMolBlock(mol))
    with pytest.warns(UserWarning, match=r"noH\.sdf: added the hydrogens"):
        data = MoleculeDataset.read(tmp_path / "noH.sdf", cache=False)[0]
    assert sorted(data.z.tolist()) == sorted(from_smiles("CCO").z.tolist())


@pytest.mark.parametrize(
    "name", ["a.smi", "a.smi.xz", "a.xyz", "a.extxyz", "a.sdf", "a.mol", "a.db", "a.JSON"]
)
def test_the_ending_tells_the_reader(tmp_path, graphs, name):
    graph, path = graphs[0], tmp_path / name
    if "smi" in name:
        write_smi(path, SMILES[:1])
    elif path.suffix in (".xyz", ".extxyz"):
        write_xyz(path, graph)
    elif path.suffix in (".sdf", ".mol"):
        write_sdf(path, graph)
    else:
        with ase.db.connect(path, type=path.suffix[1:].lower()) as database:
            database.write(to_ase(graph))
    _same(MoleculeDataset.read(path, cache=False)[0], graph, atol=6e-5)


def test_extxyz(tmp_path, graphs):
    path = tmp_path / "a.extxyz"
    ase.io.write(path, [to_ase(g) for g in graphs], format="extxyz")
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace("C ", "Qq", 1)
    path.write_text("\n".join(lines) + "\n")
    with pytest.warns(UserWarning, match="1 of 3 molecules left out.*line 1: a.extxyz: element"):
        dataset = MoleculeDataset.read(path, cache=False)
    for data, graph in zip(dataset, graphs[1:], strict=True):
        _same(data, graph)


def test_sdf_keeps_its_geometry_bonds_and_charges(tmp_path, graphs):
    _write_all(tmp_path / "a.sdf", graphs, write_sdf)
    dataset = MoleculeDataset.read(tmp_path / "a.sdf", cache=False)
    for data, graph in zip(dataset, graphs, strict=True):
        _same(data, graph, atol=6e-5)


def test_sdf_of_other_programs(tmp_path):
    """Titles are names; charges are computed; bonds are those of the record, not those of distances."""
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(=O)N"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    mol.SetProp("_Name", "acetamide")
    text = Chem.MolToMolBlock(mol)
    wide = Chem.Mol(mol)
    for i in range(wide.GetNumAtoms()):
        wide.GetConformer().SetAtomPosition(i, mol.GetConformer().GetAtomPosition(i) * 3)
    (tmp_path / "a.sdf").write_text(text + "$$$$\n" + Chem.MolToMolBlock(wide))
    near, far = MoleculeDataset.read(tmp_path / "a.sdf", cache=False)
    assert near.name == "acetamide" and torch.equal(near.edge_index, far.edge_index)
    assert torch.allclose(near.charge, from_smiles("CC(=O)N").charge, atol=1e-5)
    assert covalent_bonds(far.z, far.pos).numel() == 0
    zero = MoleculeDataset.read(tmp_path / "a.sdf", charges="zero", cache=False)
    assert not zero[0].charge.any()


def test_bad_records_of_an_sdf(tmp_path, graphs):
    texts = _write_all(tmp_path / "a.sdf", graphs, write_sdf)
    drawing = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")) + "$$$$\n"
    parts = [texts[0], drawing, "$$$$\n", texts[1].replace("  1  2  1", "  1 99  1"), texts[2]]
    (tmp_path / "a.sdf").write_text("".join(parts))
    with pytest.warns(UserWarning, match="3 of 5 molecules left out"):
        dataset = MoleculeDataset.read(tmp_path / "a.sdf", cache=False)
    for data, graph in zip(dataset, (graphs[0], graphs[2]), strict=True):
        _same(data, graph, atol=6e-5)
    starts = [1 + "".join(parts[:i]).count("\n") for i in range(5)]
    assert [f.origin for f in dataset.failed] == [f"record {i + 1}, line {starts[i]}" for i in (1, 2, 3)]
    assert (
        "expected positions in 3-D, got a 2-D drawing; use its SMILES instead: CCO"
        in dataset.failed[0].reason
    )


def test_every_suffix_has_a_reader():
    assert {Path(f"a{suffix}").suffix for suffix in MOLECULE_SUFFIXES} == readers.SOURCES.keys()


def test_smiles_files_name_the_line(tmp_path):
    (tmp_path / "a.smi").write_text("# mine\nCCO ethanol\nC(\nC\n")
    with pytest.warns(UserWarning, match=r"1 of 3 molecules left out.*line 3, C\(: smiles: expected a valid"):
        dataset = MoleculeDataset.read(tmp_path / "a.smi", cache=False)
    assert dataset.names == ["ethanol", "molecule-4"] and dataset.ids.tolist() == [0, 2]
    (methane,) = MoleculeDataset(["C"], cache=False)
    methane.name = "molecule-4"
    assert_same_graph(dataset[1], methane)


@pytest.mark.parametrize("suffix", ["db", "json"])
def test_ase_database(tmp_path, graphs, suffix):
    path = tmp_path / f"a.{suffix}"
    with ase.db.connect(path) as database:
        database.write(to_ase(graphs[0]), name="ethanol")
        database.write(Atoms())
        database.write(to_ase(_without_charges(graphs[1])))
    with pytest.warns(UserWarning, match="1 of 3 molecules left out.*row 2: expected at least one atom"):
        dataset = MoleculeDataset.read(path, cache=False)
    assert dataset.names == ["ethanol", "row-3"]
    for data, graph in zip(dataset, graphs, strict=False):
        _same(data, graph, atol=1e-5)


def test_qm9_made_by_pyg_from_a_small_file(tmp_path):
    """The raw files that PyG would download, of three molecules: it makes its data set out of them."""
    raw = tmp_path / "raw"
    raw.mkdir()
    writer = Chem.SDWriter(str(raw / "gdb9.sdf"))
    given = []
    for number, smiles in enumerate(("C", "CC#N", "O=CN"), start=1):
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        rdDistGeom.EmbedMolecule(mol, randomSeed=1)
        mol.SetProp("_Name", f"gdb_{number}")
        writer.write(mol)
        given.append((smiles, torch.tensor(mol.GetConformer().GetPositions()).float()))
    writer.close()
    rows = ["mol_id," + ",".join("abcdefghijklmnopqrs")] + [f"gdb_{i}" + ",0" * 19 for i in (1, 2, 3)]
    (raw / "gdb9.sdf.csv").write_text("\n".join(rows) + "\n")
    (raw / "uncharacterized.txt").write_text("\n" * 10)
    dataset = MoleculeDataset.from_qm9(tmp_path, cache=False)
    assert dataset.names == ["gdb_1", "gdb_2", "gdb_3"]
    for data, (smiles, pos) in zip(dataset, given, strict=True):
        expected = from_smiles(smiles)
        assert torch.equal(data.z, expected.z) and torch.equal(data.edge_index, expected.edge_index)
        assert torch.allclose(data.pos, pos, atol=6e-5)
        assert torch.allclose(data.charge, expected.charge, atol=1e-5)
        assert Chem.CanonSmiles(
            Chem.MolToSmiles(Chem.RemoveHs(Chem.MolFromSmiles(data.smiles)))
        ) == Chem.CanonSmiles(smiles)
    part = MoleculeDataset.from_qm9(QM9(str(tmp_path))[1:], cache=False)
    assert part.names == ["gdb_2", "gdb_3"]


def test_graphs_without_positions(graphs):
    good = Data(z=graphs[0].z, pos=graphs[0].pos, edge_index=graphs[0].edge_index)
    with pytest.warns(UserWarning, match="graph 0: graph: expected z, pos and edge_index"):
        dataset = MoleculeDataset.from_qm9([Data(z=graphs[0].z), good], cache=False)
    _same(dataset[0], graphs[0], atol=1e-5)


def test_files_are_read_once(tmp_path, graphs, monkeypatch):
    path = tmp_path / "a.xyz"
    _write_all(path, graphs, write_xyz)
    first = MoleculeDataset.read(path, cache=tmp_path / "cache")
    with monkeypatch.context() as context:
        context.setattr(readers, "parse_xyz", lambda *_: pytest.fail("read again"))
        again = MoleculeDataset.read(path, cache=tmp_path / "cache")
    for a, b in zip(first, again, strict=True):
        assert_same_graph(a, b)
    write_xyz(path, graphs[2])
    assert len(MoleculeDataset.read(path, cache=tmp_path / "cache")) == 1


def test_bad_input(tmp_path):
    (tmp_path / "a.db").write_text("no database")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "empty.xyz").write_text("\n")
    (tmp_path / "bad.xyz").write_text("hello\n")
    (tmp_path / "a.xyz").write_text("1\n\nH 0 0 0\n")
    (tmp_path / "folder").write_text("in the way")
    cases = [
        ("read", "none.xyz", "no such file"),
        ("read", "empty.xyz", "got an empty file"),
        ("read", "bad.xyz", "none of 1 can be used; line 1: bad.xyz, line 1: expected the number"),
        ("read", "none.db", "existing ASE database"),
        ("read", "a.db", "ASE cannot read it as a database"),
        ("read", "a.json", "ASE cannot read it|at least one row"),
        ("from_qm9", "folder", "PyG cannot make QM9"),
        ("read", "a.docx", "expected a file ending in .smi, "),
    ]
    for name, file, words in cases:
        with pytest.raises(InputError, match=words) as error:
            getattr(MoleculeDataset, name)(tmp_path / file, cache=False)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="charges: expected one of"):
        MoleculeDataset.read(tmp_path / "a.xyz", charges="bader", cache=False)
    with pytest.raises(InputError, match="at least one graph"):
        MoleculeDataset.from_qm9([], cache=False)
