"""Molecules and periodic structures in files: what is written comes back, and what is wrong is refused."""

import io
import sys

import ase.io
import numpy as np
import pytest
import torch
from rdkit import Chem

from tests.io.molecule_files import MOL2, SDF, WATER
from torch_afm.config import Scan
from torch_afm.data import AFMData, from_smiles, to_ase
from torch_afm.io import read_molecule, write_sdf, write_xyz
from torch_afm.io.structures import write_cif
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError


def test_the_image_of_a_file_with_a_cell_is_periodic(tmp_path, slab):
    """The same as of many cells side by side, written out, and not as of one."""
    slab.set_initial_charges([0.0] * len(slab))
    slab.cell[2] = 0, 0, 30
    ase.io.write(tmp_path / "POSCAR", slab, format="vasp")
    ase.io.write(tmp_path / "wide.xyz", slab.repeat((15, 15, 1)), format="extxyz")
    middle = slab.cell[0, :2] * 7 + slab.cell[1, :2] * 7
    scan = Scan(window=((0, 5), (0, 4)), pixels=(6, 5), n_slices=3, n_oscillation=4)
    wide = read_molecule(tmp_path / "wide.xyz")
    wide.pos[:, :2] -= torch.tensor(middle, dtype=torch.float32)
    wide.pbc[:] = False
    images = []
    for data in (read_molecule(tmp_path / "POSCAR"), wide, read_molecule(tmp_path / "POSCAR")):
        images.append(data)
    images[2].pbc[:] = False
    repeated, explicit, island = (ProbeParticleModel(scan, backend="torch")(data) for data in images)
    assert float((repeated - explicit).square().mean().sqrt() / explicit.std()) < 1e-3
    assert float((island - explicit).square().mean().sqrt() / explicit.std()) > 0.1


@pytest.mark.filterwarnings("ignore:FHI-aims")
@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("POSCAR", "vasp"),
        ("CONTCAR.relaxed", "vasp"),
        ("slab.vasp", "vasp"),
        ("slab.cif", "cif"),
        ("geometry.in", "aims"),
        ("slab.pdb", "proteindatabank"),
    ],
)
def test_formats_with_a_cell(tmp_path, slab, name, format):
    slab = slab.copy()
    slab.pbc = True
    ase.io.write(tmp_path / name, slab, format=format)
    data = read_molecule(tmp_path / name)
    assert data.pbc.all() and "cell" in data
    assert sorted(data.z.tolist()) == sorted(slab.numbers.tolist())
    # Periodic distances, for formats turn cells and wrap atoms.
    found, given = (np.sort(a.get_all_distances(mic=True).ravel()) for a in (to_ase(data), slab))
    np.testing.assert_allclose(found, given, atol=3e-3)


def test_a_pdb_of_a_molecule_has_no_cell(tmp_path):
    """What the format writes where there is no crystal is a cube of 1 Å."""
    text = "CRYST1    1.000    1.000    1.000  90.00  90.00  90.00 P 1           1\n"
    for i, (e, x) in enumerate((("O", 0.0), ("H", 0.96)), start=1):
        text += f"HETATM{i:5d}  {e}   HOH A   1    {x:8.3f}{0:8.3f}{0:8.3f}  1.00  0.00           {e}\n"
    (tmp_path / "a.pdb").write_text(text + "END\n")
    data = read_molecule(tmp_path / "a.pdb")
    assert data.z.tolist() == [8, 1] and "cell" not in data and data.edge_index.tolist() == [[0, 1], [1, 0]]


def test_sites_that_are_occupied_in_part(tmp_path, slab):
    ase.io.write(tmp_path / "a.cif", slab)
    text = (tmp_path / "a.cif").read_text()
    (tmp_path / "a.cif").write_text(text.replace(" 1.0000\n", " 0.5000\n").replace(" 1.0\n", " 0.5\n"))
    with pytest.warns(UserWarning, match="read as full"):
        assert len(read_molecule(tmp_path / "a.cif").z) == len(slab)


def test_standard_input(monkeypatch):
    for text, name in ((WATER, "xyz"), (MOL2, "mol2")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert 8 in read_molecule("-", name).z.tolist()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"3\nbad\n")))
    with pytest.raises(InputError, match="standard input, line 2"):
        read_molecule("-", "xyz")


#: Ways to write one C and one H, 1.1 Å apart along y, in formats that ASE reads.
FORMS = [
    ("POSCAR", "C H\n1\n5 0 0\n0 5 0\n0 0 5\n1 1\nCartesian\n0 0 0\n0 1.1 0\n"),
    ("POSCAR", "\n1\n5 0 0\n0 5 0\n0 0 5\nC_s D\n1 1 ! two\nCartesian\n0 0 0\n0 1.1D0 0\n\n0 0 0\n0 0 0\n"),
    ("POSCAR", "x\n1.0d0\n5 0 0\n0 5 0\n0 0 5\nC/ab H\n1 1\nSelective\nDirect\n0 0 0 T T F\n0 .22 0 T T T\n"),
    ("geometry.in", "atom 0 0 0 C1\natom 0 1.1D0 0 D # heavy\n"),
    ("a.pdb", "MODEL        1\n{}{}ENDMDL\nEND\n".format(*(
        f"HETATM    1 {name} UNK A   1    {0:8.3f}{y:8.3f}{0:8.3f}  1.00  0.00          {element:>2}\n"
        for name, y, element in ((" C1 ", 0.0, ""), (" DX1", 1.1, "D"))
    ))),
    ("a.extxyz", '2\nlattice="5D0 0 0 0 5 0 0 0 5" properties=species:S:1:pos:R:3\nC 0 0 0\nD 0 1.1 0\n'),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:FHI-aims")
def test_labels_isotopes_and_exponents_in_every_format(tmp_path):
    for name, text in FORMS:
        (tmp_path / name).write_text(text)
        data = read_molecule(tmp_path / name)
        assert data.z.tolist() == [6, 1], text
        assert (data.pos[1] - data.pos[0]).tolist() == pytest.approx([0, 1.1, 0]), text
        assert ("cell" in data) == (name in ("POSCAR", "a.extxyz")), text


def test_sites_of_a_pdb_that_are_occupied_in_part(tmp_path):
    line = "ATOM      1  N {}GLY A   1    {:8.3f}   0.000   0.000  0.50  0.00           N\n"
    (tmp_path / "a.pdb").write_text(line.format("A", 0) + line.format("B", 0.9))
    with pytest.warns(UserWarning, match="read as full"):
        assert len(read_molecule(tmp_path / "a.pdb").z) == 2


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


def test_several_records_with_fields_are_those_that_rdkit_reads(tmp_path):
    fields = [{"name": "a ring\nof six", "weight": 0.75}, {"name": "water", "weight": 0.25}]
    write_sdf(tmp_path / "a.sdf", [benzene(), water()], fields)
    ring, drop = Chem.SDMolSupplier(str(tmp_path / "a.sdf"), removeHs=False)
    assert [m.GetProp("_Name") for m in (ring, drop)] == ["a ring of six", "water"]
    assert [m.GetDoubleProp("weight") for m in (ring, drop)] == [0.75, 0.25]
    np.testing.assert_allclose(ring.GetConformer().GetPositions(), benzene().pos.numpy(), atol=1e-4)
    assert Chem.MolToSmiles(Chem.RemoveHs(ring)) == "c1ccccc1" and drop.GetNumAtoms() == 3


@pytest.mark.parametrize("write", [write_xyz, write_sdf])
def test_a_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch, write):
    write(tmp_path / "a", water())
    before = (tmp_path / "a").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="cannot write"):
        write(tmp_path / "a", from_smiles("C"))
    assert (tmp_path / "a").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


EXTENDED = "1\nProperties=species:S:1:pos:R:3\nH 0 0 0\n"
POSCAR = "H\n1\n5 0 0\n0 5 0\n0 0 5\nH\n1\nCartesian\n0 0 0\n"

#: What is wrong with a file, and the line that the message names, where it can.
BAD = [
    ("a.xyz", "", ""),
    ("a.xyz", "\n \n", ""),
    ("a.xyz", "0\nnothing\n", ""),
    ("a.xyz", "three\n\nH 0 0 0\n", ", line 1"),
    ("a.xyz", "9" * 5000 + "\n\nH 0 0 0\n", ", line 1"),
    ("a.xyz", "1\n", ", line 2"),
    ("a.xyz", WATER.replace("3\n", "4\n"), ", line 5"),
    ("a.xyz", WATER.replace("3\n", "2\n"), ", line 5"),
    ("a.xyz", WATER + WATER, ""),
    ("a.xyz", WATER.replace("H 0.76", "Hx 0.76"), ", line 4"),
    ("a.xyz", WATER.replace("H 0.76", "0 0.76"), ", line 4"),
    ("a.xyz", WATER.replace("H 0.76", "X1 0.76"), ", line 4"),
    ("a.xyz", WATER.replace("0.76", "nan"), ", line 4"),
    ("a.xyz", WATER.replace("0.76", "1e30"), ""),
    ("a.xyz", WATER.replace("0.76", "zero"), ", line 4"),
    ("a.xyz", WATER.replace("H 0.76 0 -0.59 0.4", "H 0.76 0"), ", line 4"),
    ("a.xyz", WATER.replace("H 0.76 0 -0.59 0.4", ""), ", line 4"),
    ("a.xyz", WATER.replace("-0.59 0.4\nH", "-0.59\nH"), ""),
    ("a.xyz", WATER.replace("0.76", "0.03").replace("0.59", "0.01"), ""),
    ("a.xyz", EXTENDED.replace("H 0", "Hx 0"), ""),
    ("a.xyz", EXTENDED.replace("1\n", "2\n"), ", line 3"),
    ("a.xyz", EXTENDED.replace("0 0 0", "0 0 nan"), ""),
    ("a.xyz", EXTENDED * 2, ""),
    ("a.xyz", EXTENDED.replace("Prop", 'Lattice="5 0 0 5 0 0 0 0 5" Prop'), ""),
    ("a.xyz", EXTENDED.replace("Prop", 'Lattice="0.4 0 0 0 5 0 0 0 5" Prop'), ""),
    ("a.extxyz", EXTENDED.replace("Prop", 'Lattice="0 0 0 0 0 0 0 0 0" pbc="T T F" Prop'), ""),
    *[(name, text, line) for name in ("a.sdf", "a.mol") for text, line in [
        ("hello\n", ""),
        (SDF.replace("  3  2", "  9  2"), ", line 8"),
        (SDF.replace("  3  2", "  a  2"), ", line 4"),
        (SDF[:120], ", line 6"),
        (SDF.replace("  1  2  1", "  1  9  1"), ""),
        (SDF + SDF, ""),
        (SDF.replace(" O ", " Q "), ""),
        (SDF.replace("    0.0000    0.0000    0.0000 O", "       nan    0.0000    0.0000 O"), ", line 5"),
    ]],
    ("a.mol2", "hello\n", ""),
    ("a.mol2", MOL2 + MOL2, ""),
    ("a.mol2", MOL2.replace("1.420", "x"), ""),
    ("POSCAR", "hello\n", ""),
    ("POSCAR", POSCAR.replace("H\n1\nC", "H\n1000000000\nC"), ", line 7"),
    ("POSCAR", POSCAR.replace("0 5 0", "5 0 0"), ""),
    ("POSCAR", POSCAR + "1 1 1\n", ", line 10"),
    ("POSCAR", POSCAR.replace("0 0 0\n", ""), ""),
    ("POSCAR", POSCAR.replace("\nH", "").replace("H\n1", "Has one\n1"), ", line 1"),
    ("POSCAR", POSCAR.replace("\nH", "\nQ"), ", line 6"),
    ("a.cif", "data_x\nloop_\n", ""),
    ("a.pdb", "hello\n", ""),
    ("a.pdb", "CRYST1    8.000    8.000   20.000  90.00  90.00  90.00 P 21 21 21    4\n", ", line 1"),
    ("a.pdb", "ATOM      1  CA  GLY A   1       0.000   0.000   0.000\n", ", line 1"),
    ("a.sdf", SDF.replace("$$$$", "> <atom.dprop.PartialCharge>\n0.1 0.1\n\n$$$$"), ""),
    ("geometry.in", "atom 0 0 0\n", ""),
    ("geometry.in", "atom 0 0 0 Q\n", ", line 1"),
    ("a.docx", "hello", ""),
    ("a", "hello", ""),
    ("a.xyz", bytes(range(256)).decode("latin-1"), ""),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_bad_files(tmp_path, capfd):
    for name, text, line in BAD:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as error:
            read_molecule(path)
        assert str(error.value).startswith(f"{path}{line}"), (name, text)
        assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


def test_other_bad_input(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    (tmp_path / "folder.xyz").mkdir()
    for call, words in [
        (lambda: read_molecule(tmp_path / "none.xyz"), "none.xyz: no such file"),
        (lambda: read_molecule(tmp_path / "folder.xyz"), "folder.xyz: no such file"),
        (lambda: read_molecule(tmp_path / "none.xyz", "pdf"), "format: expected"),
        (lambda: read_molecule("-"), "format: expected"),
        (lambda: read_molecule("", "xyz"), "no such file"),
        (lambda: read_molecule("-", "xyz"), "standard input: cannot read"),
        (lambda: write_xyz(tmp_path / "none" / "a", water()), "cannot write"),
        (lambda: write_sdf(tmp_path / "none" / "a", water()), "cannot write"),
        (lambda: write_sdf(tmp_path / "a", [water(), water()], [{}]), "fields: expected those of 2"),
    ]:
        with pytest.raises(InputError, match=words):
            call()


def test_atoms_named_by_their_numbers_are_too_near(tmp_path):
    """The message counts atoms as the file does, from 1."""
    (tmp_path / "dup.xyz").write_text("3\n\nC 0 0 0\nC 3 0 0\nC 3 0 0.1\n")
    with pytest.raises(InputError, match=r"atoms 2 and 3 at 0\.100 Å"):
        read_molecule(tmp_path / "dup.xyz")


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused(tmp_path, slab):
    """Cut anywhere, or with bytes changed: never anything but a graph or an InputError."""
    kinds = {"POSCAR": "vasp", "a.cif": "cif", "geometry.in": "aims", "a.extxyz": "extxyz"}
    for name, format in kinds.items():
        ase.io.write(tmp_path / name, slab, format=format)
    ase.io.write(tmp_path / "a.pdb", to_ase(water()), format="proteindatabank")
    (tmp_path / "a.xyz").write_text(WATER)
    (tmp_path / "a.sdf").write_text(SDF)
    (tmp_path / "a.mol2").write_text(MOL2)
    rng = np.random.default_rng(0)
    refused = 0
    for path in sorted(tmp_path.iterdir()):
        raw = path.read_bytes()
        for _ in range(40):
            damaged = bytearray(raw[: rng.integers(1, len(raw))] if rng.random() < 0.4 else raw)
            for _ in range(rng.integers(0, 4)):
                damaged[rng.integers(len(damaged))] = rng.integers(10, 127)
            path.write_bytes(damaged)
            try:
                assert torch.isfinite(read_molecule(path).pos).all()
            except InputError:
                refused += 1
    assert refused > 50


CELL = [[6.0, 0.0], [3.0, 5.0]]


def test_a_structure_comes_back_with_its_cell(tmp_path):
    pos = torch.tensor([[1.0, 1.0, 0.0], [1.0, 2.0, -0.5], [-1.0, 0.5, -2.0]])
    data = AFMData(z=torch.tensor([8, 1, 1]), pos=pos, charge=torch.zeros(3))
    assert write_cif(tmp_path / "a.cif", data, CELL) == 3
    back = ase.io.read(tmp_path / "a.cif")
    assert sorted(back.get_chemical_symbols()) == ["H", "H", "O"]
    a, b, c = back.cell.lengths()
    assert (a, b, c) == pytest.approx((6.0, np.hypot(3, 5), 22.0))
    # Distances, periodic in the plane, are what they were.
    expected = ase.Atoms("OHH", pos.numpy(), cell=[[6, 0, 0], [3, 5, 0], [0, 0, 22]], pbc=(1, 1, 0))
    back.pbc = (True, True, False)
    assert np.sort(back.get_all_distances(mic=True).ravel()) == pytest.approx(
        np.sort(expected.get_all_distances(mic=True).ravel()), abs=1e-4
    )


def test_periodic_images_become_the_most_probable_one(tmp_path):
    pos = torch.tensor([[0.0, 0.0, 0.0], [6.2, 0.1, 0.0], [9.0, 5.1, 0.1], [3.0, 2.0, 0.0]])
    data = AFMData(z=torch.tensor([8, 6, 7, 1]), pos=pos, charge=torch.zeros(4))
    assert write_cif(tmp_path / "first.cif", data, CELL) == 2
    assert "O" in ase.io.read(tmp_path / "first.cif").get_chemical_symbols()
    data.confidence = torch.tensor([0.5, 0.6, 0.9, 0.4])
    assert write_cif(tmp_path / "best.cif", data, CELL) == 2
    assert sorted(ase.io.read(tmp_path / "best.cif").get_chemical_symbols()) == ["H", "N"]


@pytest.mark.parametrize(
    "cell", [[[1, 0]], [[1, 0], [2, 0]], [[1, 0], [float("nan"), 1]], "abc", [[1], [2, 3]]]
)
def test_no_cell(tmp_path, cell):
    with pytest.raises(InputError, match="cell: expected two vectors"):
        write_cif(tmp_path / "x.cif", benzene(), cell)


def test_nothing_is_written_in_part(tmp_path):
    write_cif(tmp_path / "a.cif", benzene(), CELL)
    before = (tmp_path / "a.cif").read_bytes()
    with pytest.raises(InputError, match="at least one atom"):
        write_cif(tmp_path / "a.cif", AFMData.empty(), CELL)
    with pytest.raises(InputError, match="cannot write"):
        write_cif(tmp_path / "none" / "x.cif", benzene(), CELL)
    assert (tmp_path / "a.cif").read_bytes() == before
