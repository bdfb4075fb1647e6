"""Entry point of ``torch-afm``: finds the sub-command and imports nothing but it."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence

from torch_afm import __version__

#: Sub-command -> one line of help; its module is ``torch_afm.cli.<name>``, with ``main(argv) -> exit code``.
COMMANDS = {
    "doctor": "check that this machine can simulate and predict, and say what to do where it cannot",
    "demo": "one molecule through the whole job: simulate, predict, compare with the truth",
    "simulate": "molecule file or SMILES -> AFM stack (.npz, .png)",
    "predict": "scan of a microscope, or AFM stack -> structure (.xyz, .sdf, .json) and report (.html, .png)",
    "refine": "prediction and its AFM stack -> atoms moved to fit it, by gradient through the simulator",
    "dataset": "render training data to files, or tell what the data show (--stats)",
    "train": "train a generator",
    "evaluate": "scores of a generator on molecules it never saw",
    "translate": "learn the style of other stacks (train), or give it to a stack (apply)",
    "metrics": "how far predicted structures are from theory, without labels",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``torch-afm`` with ``argv`` (default: the process' arguments).

    Returns:
        exit status: that of the sub-command; 2 for wrong usage or input; 130 when interrupted.
    """
    # Before torch comes: its idle threads would otherwise burn the cores that render.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "--version":
        print(f"torch-afm {__version__}")
        return 0
    if name not in COMMANDS:
        print(f"torch-afm: error: unknown command {name!r}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return _run(name, rest)
    except KeyboardInterrupt:
        return 130


def _run(name: str, arguments: list[str]) -> int:
    try:
        command = importlib.import_module(f"torch_afm.cli.{name}").main
    except ImportError as error:
        extra = "[train]" if name in ("train", "translate") else ""
        print(f"torch-afm {name}: error: {error}; pip install 'torch_afm{extra}'", file=sys.stderr)
        return 2
    usual = warnings.formatwarning
    # One line of text: where in the code it was raised is for programmers.
    warnings.formatwarning = lambda message, *_, **__: f"torch-afm {name}: warning: {message}\n"
    try:
        return _guarded(name, command, arguments)
    finally:
        warnings.formatwarning = usual


def _guarded(name: str, command: Callable[[list[str]], int], arguments: list[str]) -> int:
    # Not at the top: torch comes with them, which `torch-afm --help` can do without.
    from torch_afm.ppm.device import BackendUnavailable
    from torch_afm.utils import InputError

    try:
        return int(command(arguments))
    except InputError as error:
        message = str(error)
    except BackendUnavailable as error:
        message = f"--backend: {error}; see torch-afm doctor"
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    print(f"torch-afm {name}: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return (
        "usage: torch-afm COMMAND [options]\n\n"
        "Atomic structure out of atomic force microscopy images.\n\n"
        f"commands:\n{rows}\n\n"
        "torch-afm COMMAND --help tells a command's options; torch-afm --version the version."
    )
