"""``torch-afm doctor``: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

import torch
from jsonargparse import Namespace

from torch_afm import __version__
from torch_afm.config import Scan
from torch_afm.data import AFMData, from_smiles
from torch_afm.models import load_generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.cuda import CUDAUnavailable, check_cuda
from torch_afm.ppm.kernel_cache import set_pocl_folder
from torch_afm.ppm.opencl import import_pyopencl
from torch_afm.transforms import Orient
from torch_afm.utils import cache_dir

#: Packages whose versions matter; this module could not have been imported without them.
_PACKAGES = ("torch", "torch-geometric", "numpy", "scipy", "rdkit", "ase", "matplotlib", "safetensors")

#: Where the two renderers may differ, as a share of the stack's standard deviation (float32 both).
_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Check:
    """One line of the report: ``ok``, ``warning`` or ``missing``, what was found, and what to do.

    ``predict`` works if nothing is missing.
    """

    status: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.status:<8} {self.text}" + (f"\n{'':<8} -> {self.advice}" if self.advice else "")


def main(args: Namespace) -> int:
    """Run the sub-command; 0 if ``torch-afm predict`` would work here, else 1."""
    fine = True
    for part in (_packages, _opencl, _cuda, _folders, _weights, _renders):
        for check in part():
            print(check, flush=True)
            fine &= check.status != "missing"
    print("torch-afm predict works here." if fine else "torch-afm predict does not work here; see `missing`.")
    return 0 if fine else 1


def _packages() -> Iterator[Check]:
    yield Check("ok", f"torch_afm {__version__}, Python {platform.python_version()} on {platform.platform()}")
    for name in _PACKAGES:
        yield Check("ok", f"{name} {_version(name)}")
    if importlib.util.find_spec("torch_scatter"):
        yield Check("ok", f"torch-scatter {_version('torch-scatter')}")
    else:
        yield Check("ok", "torch-scatter not installed (optional: torch's own scatter is used)")
    if found := _version("lightning"):
        yield Check("ok", f"lightning {found}")
    else:
        yield Check("warning", "lightning not installed", "to train: pip install 'torch_afm[train]'")


def _opencl() -> Iterator[Check]:
    advice = "rendering falls back to torch, which is slower; pip install pyopencl pocl-binary-distribution"
    if not (found := _version("pyopencl")):
        yield Check("warning", "pyopencl not installed", advice)
        return
    yield Check("ok", f"pyopencl {found}")
    cl = import_pyopencl()
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        yield Check("warning", f"no OpenCL platform ({error})", advice)
        return
    for p in platforms:
        devices = ", ".join(f"{d.name.strip()} ({d.max_compute_units} units)" for d in p.get_devices())
        yield Check("ok", f"OpenCL {p.name}, {p.version}: {devices or 'no devices'}")
    if any("Portable Computing" in p.name for p in platforms):
        linker = shutil.which("ld")
        yield (
            Check("ok", f"linker {linker}")
            if linker
            else Check("warning", "no linker `ld`, which PoCL needs", "install binutils (or gcc)")
        )


def _cuda() -> Iterator[Check]:
    if not torch.cuda.is_available():
        yield Check("ok", "no CUDA device (optional)")
        return
    yield Check("ok", f"CUDA {torch.version.cuda}: {torch.cuda.get_device_name()}")
    try:
        check_cuda()
    except CUDAUnavailable as error:
        yield Check("warning", f"stacks are not rendered by CUDA: {error}", "pip install 'torch_afm[cuda13]'")


def _folders() -> Iterator[Check]:
    folder = cache_dir()
    if _writable(folder):
        yield Check("ok", f"cache of kernels and molecules {folder} is writable")
    else:
        text = f"cache of kernels and molecules {folder} is not writable: made anew each time, in seconds"
        yield Check("warning", text, "set XDG_CACHE_HOME to a folder that is")
    if set_pocl_folder() is None:
        yield Check("warning", "no folder with room for PoCL's files", "set POCL_CACHE_DIR to one")


def _writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _weights() -> Iterator[Check]:
    folder = files("torch_afm.models") / "weights"
    names = sorted(f.name for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []
    if not names:
        yield Check("missing", "no weights in the package", "torch-afm train, then predict --weights FOLDER")
    for name in names:
        model = load_generator(name)
        count = sum(p.numel() for p in model.parameters())
        nz, ny, nx = model.config.scan.shape
        yield Check("ok", f"weights {name!r}: {count:,} parameters, stacks of {nx} x {ny} x {nz}")


def _renders() -> Iterator[Check]:
    molecule = Orient()(from_smiles("Oc1ccccc1"))
    scan = Scan(pixels=(64, 64))
    stacks: dict[str, torch.Tensor] = {}
    problems: list[Check] = []
    backends = ["OpenCL", "torch"] + ["CUDA"] * torch.cuda.is_available()
    for name in backends:
        try:
            stacks[name], seconds = _timed(ProbeParticleModel(scan, backend=name.lower()), molecule)
        except Exception as error:  # a broken driver raises anything; the report goes on
            problems.append(Check("warning", f"{name} renderer fails: {' '.join(str(error).split())}"))
        else:
            yield Check("ok", f"{name} renderer: 64 x 64 x 10 of phenol in {seconds * 1e3:.0f} ms")
    yield from problems
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch renders in its place is told above
        try:
            renderer = ProbeParticleModel(scan)
            renderer(molecule)
        except Exception as error:  # likewise
            text = f"--backend auto fails: {' '.join(str(error).split())}"
            yield Check("missing", text, "see the warnings above")
        else:
            yield Check("ok", f"--backend auto renders by {renderer.backend}")
    for name in stacks.keys() - {"torch"} if "torch" in stacks else ():
        difference = (stacks[name] - stacks["torch"]).square().mean().sqrt() / stacks["torch"].std()
        text = f"{name} and torch differ by {float(difference):.1e} of the stack's standard deviation (rms)"
        yield (
            Check("ok", text)
            if difference < _TOLERANCE
            else Check("missing", text, "one of them is wrong here: report this with the lines above")
        )


def _timed(renderer: ProbeParticleModel, molecule: AFMData) -> tuple[torch.Tensor, float]:
    """The stack, and the seconds that a second render takes (the first one compiles)."""
    renderer(molecule)
    start = time.perf_counter()
    stack = renderer(molecule)
    return stack, time.perf_counter() - start


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
