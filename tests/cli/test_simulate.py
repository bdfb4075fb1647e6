"""Molecule in, stack file out."""

import numpy as np
import torch

from torch_afm.cli.main import main
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, from_smiles
from torch_afm.io import read_stack, write_xyz
from torch_afm.ppm import TorchRenderer

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
    expected = TorchRenderer(scan, tip).render(moved)[0].numpy()
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
