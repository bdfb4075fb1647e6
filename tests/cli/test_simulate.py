"""Molecule in, stack file out."""

import io
import sys
import warnings

import ase.io
import numpy as np
import pytest
import torch
from ase.build import fcc111

from torch_afm.cli.main import main
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, from_smiles
from torch_afm.io import read_stack, write_xyz
from torch_afm.io.structures import FORMATS
from torch_afm.ppm import ProbeParticleModel

#: Two atoms off the centre, not on one height, charged.
ATOMS = AFMData(
    z=torch.tensor([8, 6]),
    pos=torch.tensor([[3.0, 1.0, 5.0], [4.0, 2.0, 4.5]]),
    charge=torch.tensor([-0.3, 0.3]),
)


def test_a_file_as_a_user_runs_it(cli, tmp_path):
    """The stack is the torch renderer's of the molecule moved under the window, and a picture lies beside."""
    write_xyz(tmp_path / "co.xyz", ATOMS)
    out = tmp_path / "new" / "co.npz"
    options = ["--scan.pixels", "[24,20]", "--scan.n_slices", "4", "--tip.tilt", "[0.3,-0.1]", "--png"]
    result = cli("simulate", tmp_path / "co.xyz", "--out", out, *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert "co.xyz: 2 atoms, 0 outside the scan window" in result.stdout
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")

    stack = read_stack(out)
    scan, tip = Scan(pixels=(24, 20), n_slices=4), Tip(tilt=(0.3, -0.1))
    moved = AFMData(z=ATOMS.z, charge=ATOMS.charge, pos=torch.tensor([[-0.5, -0.5, 0.0], [0.5, 0.5, -0.5]]))
    expected = ProbeParticleModel(scan, tip, backend="torch")(moved)[0].numpy()
    assert stack.stack.shape == (1, 4, 20, 24)
    assert np.sqrt(np.mean((stack.stack - expected) ** 2)) < 1e-3 * expected.std()
    np.testing.assert_allclose([a["pos"] for a in stack.meta["atoms"]], moved.pos, atol=1e-6)


def test_a_smiles_shows_its_flat_side_and_the_seed_decides(tmp_path, capsys):
    options = ["--scan.pixels", "[8,8]", "--scan.n_slices", "1", "--backend", "torch"]
    heights = []
    for seed in ("0", "0", "1"):
        out = tmp_path / "benzene.npz"
        assert main(["simulate", "--smiles", "c1ccccc1", "--out", str(out), "--seed", seed, *options]) == 0
        heights.append([a["pos"][2] for a in read_stack(out).meta["atoms"]])
    assert "rendered by torch" in capsys.readouterr().out
    assert heights[0] == heights[1] != heights[2]
    assert min(min(h) for h in heights) > -1.5  # on its edge, benzene reaches 5 Å down


def test_rotation_as_is_keeps_the_conformer_of_a_smiles(tmp_path):
    out = tmp_path / "s.npz"
    options = ["--rotation", "as-is", "--scan.pixels", "[8,8]", "--scan.n_slices", "1"]
    assert main(["simulate", "--smiles", "CCO", "--out", str(out), *options]) == 0
    found = torch.tensor([a["pos"] for a in read_stack(out).meta["atoms"]])
    pos = from_smiles("CCO").pos
    torch.testing.assert_close(found - found[0], pos - pos[0], atol=1e-5, rtol=0)


def test_atoms_outside_the_window_are_counted(tmp_path, capsys):
    options = ["--scan.window", "[[-1,1],[-8,8]]", "--scan.pixels", "[4,4]", "--scan.n_slices", "1"]
    write_xyz(
        tmp_path / "h2.xyz",
        AFMData(z=torch.tensor([1, 1]), pos=torch.tensor([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])),
    )
    assert main(["simulate", str(tmp_path / "h2.xyz"), "--out", str(tmp_path / "s.npz"), *options]) == 0
    assert "2 atoms, 2 outside" in capsys.readouterr().out


SMALL = ["--scan.pixels", "[8,6]", "--scan.n_slices", "2", "--backend", "torch"]


def _simulated(tmp_path, *arguments):
    out = tmp_path / "s.npz"
    assert main(["simulate", *map(str, arguments), "--out", str(out), *SMALL]) == 0
    return read_stack(out)


@pytest.mark.parametrize(
    "smiles", ["c1ccc2cc3cc4cc5ccccc5cc4cc3cc2c1", "O=c1oc(=O)c2ccc3c4c2c1ccc4c(=O)oc3=O"]
)
def test_flat_molecules_lie_flat(tmp_path, smiles):
    """Pentacene and naphthalenetetracarboxylic dianhydride, as they are imaged on a surface."""
    found = _simulated(tmp_path, "--smiles", smiles, "--rotation", "flat").meta["atoms"]
    assert float(np.ptp([a["pos"][2] for a in found])) < 0.1
    again = _simulated(tmp_path, "--smiles", smiles, "--rotation", "flat").meta["atoms"]
    assert found == again


def test_positions_as_they_are_and_the_center_of_a_window_elsewhere(tmp_path):
    """ppafm's users have their molecules at 0 to 20 Å: nothing moves, or the middle comes to the middle."""
    write_xyz(tmp_path / "co.xyz", ATOMS)
    window = ["--scan.window", "[[0,10],[0,6]]"]
    stack = _simulated(tmp_path, tmp_path / "co.xyz", "--position", "as-is", *window)
    np.testing.assert_allclose([a["pos"] for a in stack.meta["atoms"]], ATOMS.pos, atol=1e-6)
    scan = Scan(window=((0, 10), (0, 6)), pixels=(8, 6), n_slices=2)
    expected = ProbeParticleModel(scan, backend="torch")(ATOMS)[0].numpy()
    assert np.sqrt(np.mean((stack.stack - expected) ** 2)) < 1e-3 * expected.std()
    assert stack.z[0] == pytest.approx(stack.meta["z_top"] - scan.dz * (scan.n_oscillation - 1) / 2)
    centered = _simulated(tmp_path, tmp_path / "co.xyz", *window).meta["atoms"]
    np.testing.assert_allclose(centered[0]["pos"], [4.5, 2.5, 0.0], atol=1e-6)
    np.testing.assert_allclose(centered[1]["pos"], [5.5, 3.5, -0.5], atol=1e-6)


def test_a_periodic_file_gives_the_image_of_a_surface(tmp_path, capsys):
    """Every cell looks like the next, and the stack tells the cell."""
    slab = fcc111("Au", (1, 1, 2), vacuum=6.0, orthogonal=False)
    ase.io.write(tmp_path / "POSCAR", slab, format="vasp")
    a = float(slab.cell[0, 0])
    window = ["--scan.window", f"[[0,{7 * a}],[0,6]]"]
    stack = _simulated(tmp_path, tmp_path / "POSCAR", *window)
    assert "2 atoms, in a periodic cell" in capsys.readouterr().out
    np.testing.assert_allclose(stack.stack, np.roll(stack.stack, 1, axis=-1), atol=2e-3 * stack.stack.std())
    np.testing.assert_allclose(stack.meta["cell"], slab.cell, atol=1e-5)
    assert stack.meta["pbc"] == [True, True, True]


def test_a_slab_across_the_boundary_of_its_cell(tmp_path):
    """Its lowest layer, written at the upper end of the cell, would be what is imaged."""
    slab = fcc111("Au", (1, 1, 3), vacuum=6.0)
    slab.pbc = True
    for shift, warned in ((0.0, False), (-7.0, True)):
        slab.positions[:, 2] += shift
        slab.wrap()
        ase.io.write(tmp_path / "POSCAR", slab, format="vasp")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            _simulated(tmp_path, tmp_path / "POSCAR")
        assert any("largest gap along z, 12.0 Å" in str(w.message) for w in told) == warned


def test_standard_input_labels_and_exponents(tmp_path, capsys, monkeypatch):
    text = "2\n\nC1 0 0 0\nO2 0 0 1.13D0\n".encode("utf-8-sig")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    atoms = _simulated(tmp_path, "-", "--format", "xyz").meta["atoms"]
    assert [a["element"] for a in atoms] == ["C", "O"]
    assert atoms[0]["pos"][2] == pytest.approx(-1.13)
    told = capsys.readouterr().out
    assert "standard input: 2 atoms" in told and "no charges are known" in told


def test_a_failed_simulation_leaves_the_earlier_stack(tmp_path, monkeypatch, capsys):
    before = _simulated(tmp_path, "--smiles", "C")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert main(["simulate", "--smiles", "CC", "--out", str(tmp_path / "s.npz"), *SMALL]) == 2
    assert "No space left" in capsys.readouterr().err
    np.testing.assert_array_equal(read_stack(tmp_path / "s.npz").stack, before.stack)


def test_bad_input(tmp_path, capsys):
    (tmp_path / "a.extxyz").write_text('1\nLattice="4 0 0 0 4 0 0 0 9"\nC 0 0 0\n')
    for arguments, told in [
        (["--smiles", "C", "--position", "as-is", "--rotation", "flat"], "--position as-is: expected"),
        ([str(tmp_path / "a.extxyz"), "--rotation", "best"], "rotation: expected as-is for a periodic"),
        (["-"], "format: expected one of"),
        (["--smiles", "C", "--tip.probe", "He"], "probe: no Lennard-Jones parameters for He"),
        (["--smiles", "C", "--format", "pdf"], "argument --format: "),
    ]:
        assert main(["simulate", *arguments, "--out", str(tmp_path / "s.npz"), *SMALL]) == 2
        assert f"error: {told}" in capsys.readouterr().err
    assert not (tmp_path / "s.npz").exists()


def test_help_names_all_formats(capsys):
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    assert "{" + ",".join(FORMATS) + "}" in "".join(capsys.readouterr().out.split())
