"""Molecule in, stack file out."""

import dataclasses
import io
import sys
import warnings

import ase
import ase.io
import ase.io.cube
import ase.io.xsf
import numpy as np
import pytest
import torch
from ase.build import fcc111

from torch_afm.cli.main import main
from torch_afm.config import ForceField, Scan, Tip
from torch_afm.config.formats import STRUCTURE_FORMATS
from torch_afm.data import AFMData, from_smiles
from torch_afm.io import read_potential, read_ppafm_params, read_stack, write_xyz
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import Orient

#: Two atoms off the center, not on one height, charged.
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


def test_files_for_other_programs(tmp_path, capsys):
    """What Gwyddion and XCrySDen are given is the stack of the npz."""
    write_xyz(tmp_path / "co.xyz", ATOMS)
    options = ["--scan.pixels", "[6,5]", "--scan.n_slices", "3", "--backend", "torch"]
    for ending in ("npz", "gwy", "xsf"):
        out = tmp_path / f"co.{ending}"
        assert main(["simulate", str(tmp_path / "co.xyz"), "--out", str(out), *options]) == 0
        assert f"wrote {out}: 3 slices of 6 x 5 pixels" in capsys.readouterr().out
    stack, images = read_stack(tmp_path / "co.npz"), read_stack(tmp_path / "co.gwy")
    assert np.array_equal(images.stack, stack.stack) and images.amplitude == pytest.approx(stack.amplitude)
    for name in "xyz":
        assert getattr(images, name) == pytest.approx(getattr(stack, name), abs=1e-6)
    with (tmp_path / "co.xsf").open() as file:
        values, origin, _, atoms = ase.io.xsf.read_xsf(file, read_data=True)
    assert np.array_equal(values.T[::-1].astype(np.float32), stack.stack[0])
    assert origin == pytest.approx([stack.x[0], stack.y[0], stack.z[-1]])
    assert atoms.get_chemical_symbols() == ["O", "C"]


def test_an_ending_of_no_format(tmp_path, capsys):
    assert main(["simulate", "--smiles", "CC", "--out", str(tmp_path / "s.h5"), *SMALL]) == 2
    assert "--out: expected a file name ending in .npz, .gwy, .xsf, got" in capsys.readouterr().err


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


def _same(stack, expected):
    assert stack.stack.shape[1:] == expected.shape[2:]
    assert np.sqrt(np.mean((stack.stack - expected[0].numpy()) ** 2)) < 1e-3 * float(expected.std())


def test_a_named_tip_and_settings_beside_it(tmp_path):
    write_xyz(tmp_path / "co.xyz", ATOMS)
    options = [tmp_path / "co.xyz", "--position", "as-is", "--scan.window", "[[0,6],[0,4]]"]
    scan = Scan(window=((0, 6), (0, 4)), pixels=(8, 6), n_slices=2)
    stack = _simulated(tmp_path, *options, "--tip-preset", "Xe")
    assert stack.tip == Tip.preset("Xe")
    _same(stack, ProbeParticleModel(scan, Tip.preset("Xe"), backend="torch")(ATOMS))
    changed = _simulated(tmp_path, *options, "--tip-preset", "Xe", "--tip.charges", "[0.1]")
    assert changed.tip == dataclasses.replace(Tip.preset("Xe"), charges=(0.1,))
    assert _simulated(tmp_path, *options, "--tip-preset", "CO").tip == Tip()


PARAMS = """probeType 54
charge 0.3
r0Probe 0.1 -0.2 3.5
stiffness 0.2 0.3 25
scanMin 0 0 11.0
scanMax 7 5 13.0
scanStep 1.0 1.0 0.2
Amplitude 1.2
gridA 9.0 0.0 0.0
gridB 0.0 8.0 0.0
gridC 0.0 0.0 30.0
"""


def test_the_settings_of_ppafm(tmp_path, capsys):
    """Scan, tip, height and lattice of params.ini, as the readers and the renderer have them."""
    write_xyz(tmp_path / "co.xyz", ATOMS)
    (tmp_path / "params.ini").write_text(PARAMS)
    out = tmp_path / "s.npz"
    arguments = [
        "simulate",
        str(tmp_path / "co.xyz"),
        "--params",
        str(tmp_path / "params.ini"),
        "--out",
        str(out),
    ]
    assert main([*arguments, "--backend", "torch"]) == 0
    assert "scan and tip of params.ini\n" in capsys.readouterr().out
    params, stack = read_ppafm_params(tmp_path / "params.ini"), read_stack(out)
    assert (stack.recorded_scan, stack.tip) == (params.scan, params.tip)
    assert stack.z_top == params.z_top == pytest.approx(12.9)
    np.testing.assert_allclose(stack.meta["cell"], params.cell)
    data = ATOMS.clone()
    data.cell, data.pbc = torch.tensor(params.cell[None]).float(), torch.tensor([[True, True, False]])
    expected = ProbeParticleModel(params.scan, params.tip, backend="torch")(data, z_top=params.z_top)
    _same(stack, expected)

    beside = ["--scan.pixels", "[8,6]", "--scan.distance", "4.0", "--tip.tilt", "[0,0]", "--tip-preset", "Cl"]
    assert main([*arguments, "--backend", "torch", *beside]) == 0
    told = capsys.readouterr().out
    assert "but for --tip-preset Cl, --scan.pixels, --scan.distance, --tip.tilt" in told
    stack = read_stack(out)
    assert stack.recorded_scan == dataclasses.replace(params.scan, pixels=(8, 6), distance=4.0)
    assert stack.tip == Tip.preset("Cl")
    _same(stack, ProbeParticleModel(stack.recorded_scan, stack.tip, backend="torch")(data))

    assert main([*arguments, "--backend", "torch", "--position", "center"]) == 0
    stack = read_stack(out)
    np.testing.assert_allclose(stack.meta["atoms"][0]["pos"], [3.0, 2.0, 0.0], atol=1e-6)
    assert "cell" not in stack.meta and stack.z_top == pytest.approx(1.6612 + 5.3 + 2.1815)


def test_lennard_jones_parameters_of_a_file(tmp_path):
    write_xyz(tmp_path / "co.xyz", ATOMS)
    (tmp_path / "atomtypes.ini").write_text("2.0 0.01 1.8 8 O\n")
    options = [tmp_path / "co.xyz", "--position", "as-is", "--scan.window", "[[0,6],[0,4]]"]
    stack = _simulated(tmp_path, *options, "--forcefield", tmp_path / "atomtypes.ini")
    scan, forcefield = stack.recorded_scan, ForceField((("O", 2.0, 0.01),))
    assert stack.meta["forcefield"] == {"lennard_jones": [["O", 2.0, 0.01]]}
    # The top atom and the probe are both of that element.
    assert stack.z_top == pytest.approx(5.0 + 2.0 + scan.distance + 2.0)
    _same(stack, ProbeParticleModel(scan, forcefield=forcefield, backend="torch")(ATOMS))
    assert not np.allclose(stack.stack, _simulated(tmp_path, *options).stack)


@pytest.mark.parametrize("electron", [False, True])
def test_a_potential_on_a_grid_moves_with_its_atoms(tmp_path, electron):
    """Centered, and in the place of the charges."""
    write_xyz(tmp_path / "co.xyz", ATOMS)
    shape, edge = (24, 24, 40), 0.5
    grid = np.stack(np.meshgrid(*(edge * np.arange(n) for n in shape), indexing="ij"), axis=-1)
    centers = ATOMS.pos.double().numpy() + np.array([2.0, 2.0, -2.0])
    bells = [np.exp(-((grid - center) ** 2).sum(-1) / 8) for center in centers]
    values = 0.4 * bells[1] - 0.5 * bells[0]
    if electron:
        values = -values
    atoms = ase.Atoms(["O", "C"], centers, cell=np.diag(np.multiply(shape, edge)))
    with open(tmp_path / "v.cube", "w") as file:
        ase.io.cube.write_cube(file, atoms, values, origin=(-2.0, -2.0, 2.0))
    options = [
        "--potential",
        tmp_path / "v.cube",
        "--potential-unit",
        "eV",
        *["--potential-electron"] * electron,
    ]
    window = ["--scan.window", "[[-3,3],[-2,2]]"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which sign it has is made up here
        stack = _simulated(tmp_path, tmp_path / "co.xyz", *window, *options)
        potential = read_potential(tmp_path / "v.cube", electron, "eV")
    assert stack.meta["potential"] == "v.cube"
    data = ATOMS.clone()
    data.potential = potential
    expected = ProbeParticleModel(stack.recorded_scan, backend="torch")(Orient()(data))
    _same(stack, expected)
    plain = _simulated(tmp_path, tmp_path / "co.xyz", *window)
    assert not np.allclose(stack.stack, plain.stack, atol=0.05 * plain.stack.std())


def test_bad_input(tmp_path, capsys):
    (tmp_path / "a.extxyz").write_text('1\nLattice="4 0 0 0 4 0 0 0 9"\nC 0 0 0\n')
    for arguments, told in [
        (["--smiles", "C", "--position", "as-is", "--rotation", "flat"], "--position as-is: expected"),
        (
            [str(tmp_path / "a.extxyz"), "--rotation", "best"],
            "--rotation: expected as-is for a sample with a",
        ),
        (
            ["--smiles", "C", "--cell", "[[9,0],[0,9]]"],
            "--rotation: expected as-is for a sample with a cell, which is not turned, got best, the default",
        ),
        (["-"], "format: expected one of"),
        (["--smiles", "C", "--tip.probe", "He"], "probe: no Lennard-Jones parameters for He"),
        (["--smiles", "C", "--format", "pdf"], "argument --format: "),
        (["--smiles", "C", "--tip-preset", "gold"], "argument --tip-preset: "),
        (["--smiles", "C", "--potential", "v.cube"], "--potential: expected the file of the atoms"),
        (["--smiles", "C", "--potential-unit", "eV"], "--potential-unit: expected --potential beside it"),
        (["--smiles", "C", "--params", "none.ini"], "none.ini: no such file"),
        (["--smiles", "C", "--forcefield", "none.ini"], "none.ini: no such file"),
    ]:
        assert main(["simulate", *arguments, "--out", str(tmp_path / "s.npz"), *SMALL]) == 2
        assert f"error: {told}" in capsys.readouterr().err
    assert not (tmp_path / "s.npz").exists()


def test_help_names_all_formats(capsys):
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    assert "{" + ",".join(STRUCTURE_FORMATS) + "}" in "".join(capsys.readouterr().out.split())
