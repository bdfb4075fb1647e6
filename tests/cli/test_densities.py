"""``torch-afm simulate --model fdbm``."""

import numpy as np
import pytest
import torch
from ase.io.cube import write_cube
from ase.units import Bohr, Hartree

from torch_afm.cli.main import main
from torch_afm.config import Scan
from torch_afm.data import to_ase
from torch_afm.io import read_stack, write_xyz
from torch_afm.ppm import FDBM, ProbeParticleModel
from torch_afm.ppm.atomic_densities import with_atomic_densities
from torch_afm.testing import water
from torch_afm.transforms import Orient

OPTIONS = ["--scan.pixels", "[6,5]", "--scan.n_slices", "2", "--scan.window", "[[-2,2],[-2,2]]"]


@pytest.fixture
def files(tmp_path):
    """Water, and cubes of its density and potential."""
    data = with_atomic_densities(water())
    data.charge = torch.zeros(3)
    write_xyz(tmp_path / "water.xyz", data)
    atoms = to_ase(data)
    for name, grid, unit in (("density", data.density, Bohr**-3), ("potential", data.potential, Hartree)):
        atoms.cell = grid.cell
        with (tmp_path / f"{name}.cube").open("w", encoding="utf-8") as file:
            write_cube(file, atoms, grid.values / unit, origin=grid.origin)
    return data, tmp_path


def test_from_files(files, capsys):
    data, folder = files
    out = folder / "out.npz"
    grids = ["--density", str(folder / "density.cube"), "--potential", str(folder / "potential.cube")]
    model = ["--model", "fdbm", "--pauli-a", "20", "--pauli-b", "1.05", "--d3", "none"]
    assert main(["simulate", str(folder / "water.xyz"), "--out", str(out), *model, *grids, *OPTIONS]) == 0
    assert "no charges" not in capsys.readouterr().out
    stack = read_stack(out)
    scan = Scan(window=((-2, 2), (-2, 2)), pixels=(6, 5), n_slices=2)
    renderer = ProbeParticleModel(scan, backend="torch", forcefield=FDBM(20.0, 1.05, None))
    expected = renderer(Orient()(data.clone()))[0].numpy()
    assert np.abs(stack.stack - expected).max() < 1e-2 * expected.std()
    found = stack.meta["fdbm"]
    assert found == {"a": 20, "b": 1.05, "d3": None, "density": "density.cube", "tip_density": "CO"}


def test_from_atoms(tmp_path):
    out = tmp_path / "out.npz"
    command = ["simulate", "--smiles", "O", "--model", "fdbm", "--density", "atoms", "--out", str(out)]
    assert main([*command, *OPTIONS]) == 0
    assert read_stack(out).meta["fdbm"]["density"] == "atoms"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pauli-a", "3"], "--pauli-a: expected --model fdbm"),
        (
            ["--model", "fdbm", "--density", "a.cube"],
            "--density: expected pyscf, atoms, or a file with one of --potential beside it, got a.cube alone",
        ),
        (["--model", "fdbm", "--potential", "a.cube"], "--potential: expected a file of --density"),
        (
            ["--model", "fdbm", "--density", "atoms", "--density-unit", "e/A3"],
            "--density-unit: expected a file",
        ),
        (["--model", "fdbm", "--pauli-a", "12"], "--pauli-a, --pauli-b: expected both"),
        (["--model", "fdbm", "--pauli-a", "-1", "--pauli-b", "1"], "--pauli-a"),
        (["--model", "fdbm", "--tip.charges", "[0,0,0]"], "--tip.charges: expected none with --model fdbm"),
        (
            ["--model", "fdbm", "--density", "atoms", "--tip-preset", "Xe"],
            "--tip-density: expected that of a tip that ends in Xe, got CO",
        ),
        (["--model", "fdbm", "--forcefield", "a.ini"], "--forcefield"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, capsys, options, message):
    assert main(["simulate", "--smiles", "O", "--out", str(tmp_path / "out.npz"), *options]) == 2
    assert message in capsys.readouterr().err


def test_tips_of_files(files, capsys):
    """Water is one, with its oxygen at the origin; moved aside it is none."""
    data, folder = files
    out, tip = folder / "out.npz", folder / "density.cube"
    command = ["simulate", "--smiles", "O", "--model", "fdbm", "--density", "atoms"]
    command += ["--tip-density", str(tip)]
    command += ["--out", str(out), *OPTIONS]
    assert main(command) == 0
    assert read_stack(out).meta["fdbm"]["tip_density"] == "density.cube"
    atoms = to_ase(data)
    atoms.cell = data.density.cell
    atoms.positions += 1.0
    with tip.open("w", encoding="utf-8") as file:
        write_cube(file, atoms, data.density.values * Bohr**3, origin=data.density.origin + 1.0)
    assert main(command) == 2
    assert "--tip-density: density: expected the probe atom" in capsys.readouterr().err
