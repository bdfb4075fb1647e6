"""Bad input: one clear line on stderr, exit status 2, no traceback."""

import json

import numpy as np
import pytest

from torch_afm.cli.main import COMMANDS, main
from torch_afm.config import Scan

SCAN = Scan(pixels=(64, 64))


@pytest.fixture
def files(tmp_path):
    """A folder of bad files."""
    (tmp_path / "unobtainium.xyz").write_text("1\n\nUo 0 0 0\n")
    (tmp_path / "tungsten.xyz").write_text("1\n\nW 0 0 0\n")
    (tmp_path / "empty.xyz").write_text("0\n\n")
    (tmp_path / "cut.xyz").write_text("3\n\nC 0 0 0\n")
    (tmp_path / "molecule.png").write_text("C")
    (tmp_path / "text.npz").write_text("not a zip file")
    save = {"x": SCAN.x, "y": SCAN.y, "z": SCAN.slice_heights(8.0), "meta": json.dumps({"z_top": 8.0})}
    stack = np.zeros((1, *SCAN.shape), np.float32)
    np.savez(tmp_path / "good.npz", stack=stack, **save)
    np.savez(tmp_path / "nan.npz", stack=np.where(np.arange(64) == 3, np.nan, stack), **save)
    np.savez(tmp_path / "flat.npz", stack=stack[0], **save)
    np.savez(tmp_path / "nokey.npz", stack=stack)
    small = Scan(pixels=(32, 32))
    axes = {"x": small.x, "y": small.y, "z": small.slice_heights(8.0)}
    np.savez(tmp_path / "small.npz", stack=np.zeros((1, *small.shape), np.float32), **axes)
    return tmp_path


def check(code: int, stderr: str, command: str, message: str) -> None:
    (line,) = stderr.splitlines()
    assert code == 2
    assert line.startswith(f"torch-afm {command}: error: ")
    assert message in line


SIMULATE = [
    ("{}/none.xyz", "none.xyz: no such file"),
    ("{}/unobtainium.xyz", "got 'Uo'"),
    ("{}/tungsten.xyz", "no Lennard-Jones parameters for W"),
    ("{}/empty.xyz", "expected at least one atom"),
    ("{}/cut.xyz", "expected 3 atom line(s)"),
    ("{}/molecule.png", "ending in .xyz"),
    ("", "expected a file or --smiles, got neither"),
    ("--smiles C1CC", "smiles"),
    ("--smiles C {}/empty.xyz", "got both"),
    ("--smiles C --out stack.txt", "--out: expected a file name ending in .npz"),
    ("--smiles C --rotation upside-down", "--rotation"),
    ("--smiles C --seed -1", "--seed"),
    ("--smiles C --scan.dz -1", "dz"),
    ("--smiles C --scan.distance nan", "--scan.distance"),
    ("--smiles C --tip.probe Kryptonite", "Kryptonite"),
    ("--smiles C --bogus 1", "--bogus"),
    ("--smiles C --out /proc/none/stack.npz", "/proc/none"),
]

PREDICT = [
    ("{}/none.npz --out {}/o", "none.npz: no such file"),
    ("{}/text.npz --out {}/o", "text.npz: expected an npz archive"),
    ("{}/nan.npz --out {}/o", "NaN"),
    ("{}/flat.npz --out {}/o", "[C, Z, Y, X]"),
    ("{}/nokey.npz --out {}/o", "missing"),
    ("{}/small.npz --out {}/o", "values: expected images with contrast"),
    ("{}/good.npz", "out"),
    ("{}/good.npz --out {}/good.npz", "good.npz"),
    ("{}/good.npz --out {}/o --z-top nan", "--z-top"),
    ("{}/good.npz --out {}/o --max-atoms -1", "--max-atoms"),
    ("{}/good.npz --out {}/o --weights {}", "expected a saved network"),
    ("{}/good.npz --out {}/o --weights huge", "'huge'"),
]


def _arguments(command, line, files, weights):
    arguments = line.replace("{}", str(files)).split()
    extra = ["--weights", str(weights)] if command == "predict" and "--weights" not in arguments else []
    return [command, *arguments, *extra]


def test_one_line_and_exit_status_2(capsys, monkeypatch, files, weights):
    monkeypatch.chdir(files)
    for command, cases in (("simulate", SIMULATE), ("predict", PREDICT)):
        for line, message in cases:
            code = main(_arguments(command, line, files, weights))
            check(code, capsys.readouterr().err, command, message)


@pytest.mark.parametrize(
    ("command", "line", "message"),
    [
        ("simulate", "--smiles C1CC", "smiles"),
        ("predict", "{}/small.npz --out {}/o", "values: expected images with contrast"),
    ],
)
def test_the_same_in_a_process_of_its_own(cli, files, weights, command, line, message):
    """Nothing else may write to stderr there: no warning of an import, no line of RDKit."""
    result = cli(*_arguments(command, line, files, weights))
    assert result.stdout == ""
    check(result.returncode, result.stderr, command, message)


def test_every_command_refuses_unknown_options(capsys):
    for command in COMMANDS:
        assert main([command, "--bogus"]) == 2
        assert "--bogus" in capsys.readouterr().err
