"""Dispatch: what is imported, and how failures leave the process."""

import subprocess
import sys
from importlib.metadata import entry_points
from types import ModuleType

import pytest

from torch_afm import __version__
from torch_afm.cli import main as module
from torch_afm.cli.main import COMMANDS, main
from torch_afm.utils import InputError


def test_the_entry_point_is_main():
    (entry,) = entry_points(group="console_scripts", name="torch-afm")
    assert entry.load() is main


def test_help_lists_every_command_and_imports_nothing_heavy():
    code = (
        "import sys; from torch_afm.cli.main import main; main(['--help']);"
        "print([m for m in ('torch', 'numpy', 'rdkit', 'matplotlib', 'jsonargparse') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *help_text, heavy = result.stdout.splitlines()
    assert heavy == "[]"
    for name in COMMANDS:
        assert any(line.startswith(f"  {name} ") for line in help_text)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"torch-afm {__version__}\n"


def test_no_command_prints_the_help_and_fails(capsys):
    assert main([]) == 2
    assert capsys.readouterr().out.startswith("usage: torch-afm")


def test_unknown_command(cli):
    result = cli("predcit", "stack.npz")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"torch-afm: error: unknown command 'predcit'; known: {', '.join(COMMANDS)}"
    ]


@pytest.fixture
def command(monkeypatch):
    """``command(f)`` makes ``f`` the sub-command ``fake``."""

    def install(function):
        fake = ModuleType("torch_afm.cli.fake")
        fake.main = function
        monkeypatch.setitem(sys.modules, "torch_afm.cli.fake", fake)
        monkeypatch.setitem(module.COMMANDS, "fake", "for a test")

    return install


def _raises(error):
    def function(argv):
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("pos: expected\n  one line"), 2, "torch-afm fake: error: pos: expected one line\n"),
        (
            OSError(28, "No space left on device", "/full"),
            2,
            "torch-afm fake: error: /full: No space left on device\n",
        ),
        (OSError("broken"), 2, "torch-afm fake: error: broken\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_failures_become_one_line_and_an_exit_code(command, capsys, error, code, message):
    command(_raises(error))
    assert main(["fake"]) == code
    assert capsys.readouterr().err == message


def test_a_fault_of_our_own_is_not_dressed_up_as_bad_input(command):
    command(_raises(ValueError("bug")))
    with pytest.raises(ValueError, match="bug"):
        main(["fake"])


def test_arguments_and_exit_code_pass_through(command):
    seen = []
    command(lambda argv: seen.append(argv) or 7)
    assert main(["fake", "--a", "b"]) == 7
    assert seen == [["--a", "b"]]


def test_a_missing_package_is_named(monkeypatch, capsys):
    monkeypatch.setitem(module.COMMANDS, "train", "for a test")
    monkeypatch.setitem(sys.modules, "torch_afm.cli.train", None)
    assert main(["train"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("torch-afm train: error: ")
    assert line.endswith("pip install 'torch_afm[train]'")


def test_warnings_are_one_line_of_text(tmp_path):
    molecules = tmp_path / "molecules.smi"
    molecules.write_text("CCO\nnonsense\n")
    code = "import sys; from torch_afm.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "dataset", "--stats", "--part", "all", "--rotations", "1"]
    options = ["--molecules", str(molecules), "--out", str(tmp_path / "out"), "--scan.pixels", "[16,16]"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 0
    assert "torch-afm dataset: warning: 1 of 2 molecules left out" in done.stderr
    assert ".py:" not in done.stderr


@pytest.mark.parametrize("command", ["simulate", "demo", "dataset"])
def test_a_backend_that_is_not_there_is_one_line(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    options = {"simulate": ["--smiles", "O"], "demo": ["--smiles", "O"], "dataset": ["--part", "val"]}
    out = ["--out", str(tmp_path / ("x.npz" if command == "simulate" else "x"))]
    assert main([command, *options[command], *out, "--backend", "cuda"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    told = "--backend: torch sees no CUDA device; see torch-afm doctor"
    assert error == f"torch-afm {command}: error: {told}"
