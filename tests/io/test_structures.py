import re

import ase.io
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from torch_afm.data import AFMData, covalent_bonds, from_smiles, remove_atoms, to_ase, to_rdmol
from torch_afm.elements import symbol
from torch_afm.io import read_molecule, write_sdf, write_xyz
from torch_afm.testing import assert_same_graph, random_graph, water
from torch_afm.utils import InputError

WATER = "3\nwater\nO 0 0 0 -0.8\nH 0.76 0 -0.59 0.4\nH -0.76 0 -0.59 0.4\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(1, 118), *[st.floats(-99, 99, width=32)] * 3, st.floats(-2, 2, width=32)),
        min_size=1,
        max_size=9,
    )
)
def test_xyz_round_trip(tmp_path, rows):
    z = torch.tensor([r[0] for r in rows])
    numbers = torch.tensor([r[1:] for r in rows], dtype=torch.float32)
    data = AFMData(z=z, pos=numbers[:, :3].contiguous(), charge=numbers[:, 3].contiguous())
    data.edge_index = covalent_bonds(data.z, data.pos)
    path = tmp_path / "molecule.xyz"
    write_xyz(path, data)
    assert_same_graph(read_molecule(path), data, atol=1e-8)
    assert path.read_text().splitlines()[2].split()[0] == symbol(rows[0][0])


def test_xyz_can_be_read_by_ase(tmp_path):
    data = from_smiles("CC(=O)OC")
    write_xyz(tmp_path / "a.xyz", data)
    atoms = ase.io.read(tmp_path / "a.xyz")
    assert atoms.numbers.tolist() == data.z.tolist()
    assert atoms.positions == pytest.approx(data.pos.numpy(), abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        WATER,
        WATER.replace("O ", "8 ").replace("H ", "1 "),
        WATER.replace("O ", "o ").replace("H ", "  h\t"),
        WATER.replace("\n", "\r\n") + "\r\n\r\n",
        WATER.replace("water", ""),
        WATER.rstrip("\n"),
    ],
)
def test_forms_of_xyz(tmp_path, text):
    (tmp_path / "water.xyz").write_bytes(text.encode())
    data = read_molecule(tmp_path / "water.xyz")
    assert data.z.tolist() == [8, 1, 1]
    assert data.pos.tolist() == [pytest.approx(p) for p in ([0, 0, 0], [0.76, 0, -0.59], [-0.76, 0, -0.59])]
    assert data.charge.tolist() == pytest.approx([-0.8, 0.4, 0.4])
    assert data.edge_index.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]


def test_xyz_without_charges(tmp_path):
    data = water()
    del data.charge
    write_xyz(tmp_path / "water.xyz", data)
    assert all(len(line.split()) == 4 for line in (tmp_path / "water.xyz").read_text().splitlines()[2:])
    assert read_molecule(tmp_path / "water.xyz").charge.tolist() == [0, 0, 0]


def test_suffix_in_capitals(tmp_path):
    (tmp_path / "WATER.XYZ").write_text(WATER)
    assert read_molecule(str(tmp_path / "WATER.XYZ")).z.tolist() == [8, 1, 1]


def test_extended_xyz(tmp_path):
    ase.io.write(tmp_path / "water.xyz", to_ase(water()), format="extxyz")
    assert "Properties=" in (tmp_path / "water.xyz").read_text()
    assert_same_graph(read_molecule(tmp_path / "water.xyz"), water(), atol=1e-6)


@pytest.mark.parametrize("smiles", ["CS(=O)(=O)c1ccccc1[N+](=O)[O-]", "C[Si](C)(C)C#CC(=O)OC", "CC(=O)[O-]"])
def test_sdf_round_trip(tmp_path, smiles):
    data = from_smiles(smiles)
    write_sdf(tmp_path / "a.sdf", data)
    assert_same_graph(read_molecule(tmp_path / "a.sdf"), data, atol=6e-5)
    read = next(iter(Chem.SDMolSupplier(str(tmp_path / "a.sdf"))))
    assert Chem.MolToSmiles(read) == Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_sdf_of_unfinished_graphs(tmp_path, n):
    for seed in range(8):
        data = random_graph(n, seed)
        write_sdf(tmp_path / "a.sdf", data)
        assert_same_graph(read_molecule(tmp_path / "a.sdf"), data, atol=6e-5)
    data = from_smiles("c1ccc2ccccc2c1")
    data = remove_atoms(data, list(range(n, 18)))
    write_sdf(tmp_path / "a.sdf", data)
    assert_same_graph(read_molecule(tmp_path / "a.sdf"), data, atol=6e-5)


def test_mol_files_get_gasteiger_charges(tmp_path):
    data = from_smiles("CCO")
    (tmp_path / "a.mol").write_text(Chem.MolToMolBlock(to_rdmol(data)))
    assert_same_graph(read_molecule(tmp_path / "a.mol"), data, atol=6e-5)


def test_positions_are_not_moved(tmp_path):
    data = water()
    data.pos = data.pos + torch.tensor([30.0, -20, 10])
    for name, write in (("a.xyz", write_xyz), ("a.sdf", write_sdf)):
        write(tmp_path / name, data)
        assert torch.allclose(read_molecule(tmp_path / name).pos, data.pos, atol=6e-5)


def test_empty_graphs_are_written(tmp_path):
    write_xyz(tmp_path / "a.xyz", AFMData.empty())
    write_sdf(tmp_path / "a.sdf", AFMData.empty())
    assert len(ase.io.read(tmp_path / "a.xyz", format="xyz")) == 0
    for name in ("a.xyz", "a.sdf"):
        with pytest.raises(InputError, match="expected at least one atom"):
            read_molecule(tmp_path / name)


BAD_XYZ = [
    ("", "expected a molecule, got an empty file"),
    ("\n \n", "expected a molecule, got an empty file"),
    ("0\nnothing\n", "expected at least one atom"),
    ("three\n\nH 0 0 0\n", "line 1: expected the number of atoms, got 'three'"),
    ("-1\n\nH 0 0 0\n", "line 1: expected the number of atoms"),
    ("1\n", "line 2: expected 1 atom line"),
    (WATER.replace("3\n", "4\n"), "line 5: expected 4 atom line(s), as line 1 says, got 3"),
    (WATER.replace("3\n", "2\n"), "line 5: expected 2 atom line(s)"),
    (WATER + WATER, "expected 3 atom line(s)"),
    (WATER.replace("H 0.76", "Hx 0.76"), "line 4: element: expected a chemical symbol"),
    (WATER.replace("H 0.76", "119 0.76"), "line 4: element: expected a chemical symbol"),
    (WATER.replace("H 0.76", "0 0.76"), "line 4: element: expected a chemical symbol"),
    (WATER.replace("H 0.76", "X 0.76"), "line 4: element: expected a chemical symbol"),
    (WATER.replace("0.76", "nan"), "line 4: expected finite numbers"),
    (WATER.replace("0.76", "inf"), "line 4: expected finite numbers"),
    (WATER.replace("0.76", "1e30"), "line 4: expected finite numbers"),
    (WATER.replace("0.76", "zero"), "line 4: expected numbers in columns 2 on"),
    (WATER.replace("H 0.76 0 -0.59 0.4", "H 0.76 0"), "line 4: expected 'element x y z [charge]', got 3"),
    (WATER.replace("H 0.76 0 -0.59 0.4", ""), "line 4: expected 'element x y z [charge]', got 0"),
    (WATER.replace("-0.59 0.4\nH", "-0.59 0.4 1 2\nH"), "line 4: expected 'element x y z [charge]', got 7"),
    (WATER.replace("-0.59 0.4\nH", "-0.59\nH"), "expected a charge in column 5 on every line or on none"),
    ("1\nProperties=species:S:1:pos:R:3\nHx 0 0 0\n", "ASE cannot read it as extended xyz"),
    ("2\nProperties=species:S:1:pos:R:3\nH 0 0 0\n", "ASE cannot read it as extended xyz"),
    ("1\nProperties=species:S:1:pos:R:3\nH 0 0 nan\n", "pos: expected finite"),
    ("1\nProperties=species:S:1:pos:R:3\nH 0 0 0\n" * 2, "expected one molecule, got 2"),
]

SDF = Chem.MolToMolBlock(to_rdmol(water())) + "$$$$\n"
BAD_SDF = [
    ("", "expected a molecule, got an empty file"),
    ("hello\n", "expected one molecule, got 0"),
    (SDF.replace("  3  2", "  9  2"), "line 8: expected three finite coordinates"),
    (SDF.replace("  3  2", "  a  2"), "line 4: expected the number of atoms"),
    (SDF[:120], "line 6: expected three finite coordinates"),
    (SDF.replace("  1  2  1", "  1  9  1"), "RDKit cannot read it as an MDL file; line 4 says 3 atom(s)"),
    (SDF + SDF, "expected one molecule, got 2"),
    (SDF.replace(" O ", " Q "), "element: expected"),
    (
        SDF.replace("    0.0000    0.0000    0.0000 O", "       nan    0.0000    0.0000 O"),
        "line 5: expected three finite coordinates",
    ),
]


@pytest.mark.parametrize(
    ("suffix", "text", "words"),
    [(".xyz", *b) for b in BAD_XYZ] + [(s, *b) for s in (".sdf", ".mol") for b in BAD_SDF],
)
def test_bad_files(tmp_path, suffix, text, words, capfd):
    path = tmp_path / f"bad{suffix}"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(words)) as error:
        read_molecule(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


def test_other_bad_input(tmp_path):
    for name, words in [
        ("none.xyz", "no such file"),
        ("a.pdb", "expected a file ending in"),
        ("a", "ending in"),
    ]:
        with pytest.raises(InputError, match=words):
            read_molecule(tmp_path / name)
    (tmp_path / "folder.xyz").mkdir()
    with pytest.raises(InputError, match="no such file"):
        read_molecule(tmp_path / "folder.xyz")
    (tmp_path / "binary.xyz").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="cannot read it as text"):
        read_molecule(tmp_path / "binary.xyz")
    for write in (write_xyz, write_sdf):
        with pytest.raises(InputError, match="cannot write"):
            write(tmp_path / "none" / "a", water())
