"""Dispatch: what is imported, and how failures leave the process."""

import os
import sqlite3
import subprocess
import sys
from importlib.metadata import entry_points
from types import ModuleType

import pytest

from torch_afm import __version__
from torch_afm.cli import main as module
from torch_afm.cli.main import COMMANDS, main
from torch_afm.utils import BackendUnavailable, InputError


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


@pytest.mark.parametrize("command", [*COMMANDS, "translate train", "translate apply"])
def test_the_help_of_a_command_needs_no_torch(command):
    code = (
        "import sys; from torch_afm.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: print(end.code)\n"
        "print([m for m in ('torch', 'scipy', 'rdkit', 'matplotlib') if m in sys.modules])"
    )
    arguments = [sys.executable, "-c", code, *command.split(), "--help"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    usage, *_, status, heavy = result.stdout.splitlines()
    assert usage.startswith(f"usage: torch-afm {command}")
    assert (status, heavy) == ("0", "[]")


@pytest.fixture
def command(monkeypatch):
    """``command(f)`` makes ``f`` the sub-command ``fake``, which takes its arguments as they are."""

    def install(function):
        for name, attribute, value in (("cli", "main", function), ("cli.parsers", "parse", list)):
            fake = ModuleType(f"torch_afm.{name}.fake")
            setattr(fake, attribute, value)
            monkeypatch.setitem(sys.modules, fake.__name__, fake)
        monkeypatch.setitem(module.COMMANDS, "fake", "for a test")

    return install


def _raises(error):
    def function(argv):
        raise error

    return function


#: Error of a command -> exit status and what its line says.
FAILURES = [
    (InputError("pos: expected\n  one line"), 2, "pos: expected one line"),
    (BackendUnavailable("no device"), 2, "--backend: no device; see torch-afm doctor"),
    (OSError(28, "No space left on device", "/full"), 2, "/full: No space left on device"),
    (OSError("broken"), 2, "broken"),
    (ModuleNotFoundError("No module named 'h5py'"), 2, "No module named 'h5py'; pip install 'torch_afm'"),
    (MemoryError("Unable to allocate 440. GiB"), 1, "not enough memory (Unable to allocate 440. GiB)"),
    (MemoryError(), 1, "not enough memory"),
    (OverflowError("math range error"), 1, "OverflowError: math range error; this is a fault of torch_afm"),
    (RuntimeError("PytorchStreamReader failed"), 1, "RuntimeError: PytorchStreamReader failed; "),
    (sqlite3.DatabaseError("file is not a database"), 1, "DatabaseError: file is not a database; "),
    (ValueError("a bug"), 1, "TORCH_AFM_DEBUG=1"),
]


def test_failures_become_one_line_and_an_exit_code(command, capsys):
    for error, code, message in FAILURES:
        command(_raises(error))
        assert main(["fake"]) == code
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("torch-afm fake: error: ") and message in line


def test_interrupted(command, capsys):
    command(_raises(KeyboardInterrupt()))
    assert main(["fake"]) == 130
    assert capsys.readouterr().err == ""


def test_errors_pass_for_developers(command, monkeypatch):
    monkeypatch.setenv("TORCH_AFM_DEBUG", "1")
    command(_raises(ValueError("bug")))
    with pytest.raises(ValueError, match="bug"):
        main(["fake"])


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["doctor"]])
def test_a_closed_pipe_ends_quietly(arguments):
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from torch_afm.cli.main import main; sys.exit(main())"
    process = [sys.executable, "-c", code, *arguments]
    with open(write, "w") as closed:
        done = subprocess.run(process, stdout=closed, stderr=subprocess.PIPE, text=True)
    assert done.returncode in (0, 141)  # argparse itself ignores what cannot be written
    assert done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932"])
def test_a_terminal_of_few_letters(encoding):
    """Every help has an Å, predictions have ²."""
    code = "import sys; from torch_afm.cli.main import main; main(['simulate', '--help'])"
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "lateral and vertical stiffness" in done.stdout.decode(encoding)


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
