"""Entry point of ``torch-afm``: finds the sub-command and imports nothing but it."""

from __future__ import annotations

import importlib
import io
import os
import sys
import warnings
from collections.abc import Sequence

from torch_afm import __version__

#: Sub-command -> one line of help. ``torch_afm.cli.parsers.<name>`` has ``parse(argv)``, which needs no
#: torch, and ``torch_afm.cli.<name>`` has ``main(arguments) -> exit code``.
COMMANDS = {
    "doctor": "check that this machine can simulate and predict, and say what to do where it cannot",
    "demo": "one molecule through the whole job: simulate, predict, compare with the truth",
    "simulate": "molecule, surface or SMILES -> AFM stacks (.npz, .gwy, .xsf, .png), curves (.csv)",
    "live": "a page in the browser: settings move, and the images of a molecule follow",
    "scan": "list what scan files hold, and the series among them to predict from",
    "predict": "scan of a microscope, or AFM stack -> structure (.xyz, .sdf, .json) and report (.html, .png)",
    "identify": "which of some molecules a scan shows, and how it lies -> poses (.sdf, .json) and report",
    "refine": "prediction and its AFM stack -> atoms moved to fit it, by gradient through the simulator",
    "dataset": "render training data to files, or show what the data are like (--stats)",
    "train": "train a generator",
    "evaluate": "scores of a generator on molecules it never saw",
    "translate": "learn the style of other stacks (train), or give it to a stack (apply)",
    "metrics": "how far predicted structures are from theory, without labels",
}


#: Environment variable: where it is not empty, errors come with their traceback.
DEBUG = "TORCH_AFM_DEBUG"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``torch-afm`` with ``argv`` (default: the process' arguments). No error leaves a traceback, unless
    the environment has ``TORCH_AFM_DEBUG``.

    Returns:
        exit status: that of the sub-command; 2 for wrong usage or input; 1 where memory or torch_afm itself
        fails; 130 when interrupted, 141 when nobody reads the output any more.
    """
    # Before torch comes: its idle threads would otherwise burn the cores that render.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Å shows ?
    try:
        try:
            return _dispatch(list(sys.argv[1:] if argv is None else argv))
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _dispatch(arguments: list[str]) -> int:
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
    usual = warnings.formatwarning
    # One line of text: where in the code it was raised is for programmers.
    warnings.formatwarning = lambda message, *_, **__: f"torch-afm {name}: warning: {message}\n"
    try:
        # Options first: help and wrong ones need no torch.
        options = importlib.import_module(f"torch_afm.cli.parsers.{name}").parse(rest)
        return int(importlib.import_module(f"torch_afm.cli.{name}").main(options))
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        message, code = _explain(name, error)
        print(f"torch-afm {name}: error: {' '.join(message.split())}", file=sys.stderr)
        return code
    finally:
        warnings.formatwarning = usual


def _explain(name: str, error: Exception) -> tuple[str, int]:
    """One line on what went wrong, and the exit status."""
    from torch_afm.utils import BackendUnavailable, InputError  # NumPy comes with them

    if isinstance(error, InputError):
        return str(error), 2
    if isinstance(error, BackendUnavailable):
        return f"--backend: {error}; see torch-afm doctor", 2
    if isinstance(error, ImportError):
        extra = {"train": "[train]", "translate": "[train]", "live": "[live]"}.get(name, "")
        return f"{error}; pip install 'torch_afm{extra}'", 2
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error), 2
    if isinstance(error, MemoryError):
        return f"not enough memory ({error or 'no more is told'}); ask for less at once", 1
    advice = f"this is a fault of torch_afm: please report it, with what {DEBUG}=1 makes the command print"
    return f"{type(error).__name__}: {error}; {advice}", 1


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return (
        "usage: torch-afm COMMAND [options]\n\n"
        "Atomic structure from atomic force microscopy images.\n\n"
        f"commands:\n{rows}\n\n"
        "torch-afm COMMAND --help lists the options of a command; torch-afm --version prints the version."
    )
