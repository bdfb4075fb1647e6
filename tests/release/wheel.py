"""Whether what is released works: sdist and wheel built, the wheel installed in a clean environment, used.

``python tests/release/wheel.py`` (``make test-wheel``) from a checkout. Takes minutes and the package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Upper limit of the wheel, megabytes.
MEGABYTES = 25

#: What is not part of the source: an old ``build`` folder would bring deleted modules back.
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "build", "dist", "demo", "runs", "*.egg-info", ".*_cache", "__pycache__", "shared"
)

#: Run by the installed package: every module but those for which an extra is needed.
_IMPORTS = """
import importlib, pkgutil, sys
import torch_afm
assert sys.prefix in torch_afm.__file__, torch_afm.__file__
extras = (".train", ".live.page", ".cli.live")
names = [m.name for m in pkgutil.walk_packages(torch_afm.__path__, "torch_afm.")]
names = [name for name in names if not any(extra in name for extra in extras)]
for name in names:
    importlib.import_module(name)
print(len(names), "modules imported from", torch_afm.__file__)
"""

_USE = """
from torch_afm.config import Scan
from torch_afm.data import from_smiles
from torch_afm.datasets import MoleculeDataset, embedded_smiles
from torch_afm.models import load_generator
from torch_afm.ppm import ProbeParticleModel
stack = ProbeParticleModel(Scan(pixels=(16, 16)))(from_smiles("O"))
smiles = embedded_smiles()
print("stack", tuple(stack.shape), "molecules", len(MoleculeDataset(smiles[:20])), "of", len(smiles))
for name in ("small", "spatial", "scan"):
    print(name, sum(p.numel() for p in load_generator(name).parameters()), "parameters")
"""


def main() -> int:
    """Build, compare, install, run; 0 if all is well."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        shutil.copytree(ROOT, source, ignore=_LEFT_OUT)
        print("building sdist and wheel")
        sdist, wheel = _build(source, folder / "tree", "--sdist", "--wheel")
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (unpacked,) = (folder / "unpacked").iterdir()
        (again,) = _build(unpacked, folder / "again", "--wheel")

        problems = [*_contents(source, wheel), *_differences(wheel, again), *_size(sdist, wheel)]
        problems += _install_and_run(wheel, folder)
    for problem in problems:
        print("FAILED:", problem)
    print("the wheel does not stand" if problems else "the wheel stands")
    return 1 if problems else 0


def _build(source: Path, out: Path, *kinds: str) -> list[Path]:
    _run([sys.executable, "-m", "build", *kinds, "--outdir", str(out), str(source)], quiet=True)
    return sorted(out.iterdir(), key=lambda path: path.suffix)  # .gz before .whl


def _contents(source: Path, wheel: Path) -> list[str]:
    """Every file of the package is in the wheel, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {n for n in archive.namelist() if ".dist-info/" not in n}
    package = source / "torch_afm"
    wanted = {p.relative_to(source).as_posix() for p in package.rglob("*") if p.is_file()}
    kinds = Counter(Path(n).suffix or Path(n).name for n in inside)
    print("files inside:", ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    return [f"{n} is not in the wheel" for n in sorted(wanted - inside)] + [
        f"{n} is in the wheel and not in the package" for n in sorted(inside - wanted)
    ]


def _differences(wheel: Path, again: Path) -> list[str]:
    """The wheel of the tree and that of the sdist hold the same files with the same bytes."""
    first, second = _checksums(wheel), _checksums(again)
    names = sorted(n for n in first.keys() | second.keys() if first.get(n) != second.get(n))
    if not names:
        print("the sdist builds the same wheel:", len(first), "files")
    return [f"{n} differs between the wheels of the tree and of the sdist" for n in names]


def _checksums(wheel: Path) -> dict[str, int]:
    with zipfile.ZipFile(wheel) as archive:
        return {i.filename: i.CRC for i in archive.infolist() if not i.filename.endswith("/RECORD")}


def _size(sdist: Path, wheel: Path) -> list[str]:
    sizes = {path.name: path.stat().st_size / 1e6 for path in (sdist, wheel)}
    for name, size in sizes.items():
        print(f"{name}: {size:.2f} MB")
    return [f"{n} has {size:.1f} MB, more than {MEGABYTES}" for n, size in sizes.items() if size > MEGABYTES]


def _install_and_run(wheel: Path, folder: Path) -> list[str]:
    """Install the wheel without extras in a new environment and use it away from the checkout."""
    home, away = folder / "venv", folder / "away"
    away.mkdir()
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt")]
    print("installing")
    _run([*pip, "torch"])
    _run([*pip, str(wheel)])
    # Nothing of the checkout, and no kernels compiled earlier.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env["XDG_CACHE_HOME"] = str(folder / "cache")
    command = str(home / "bin" / "torch-afm")
    jobs = {
        "pip check": [python, "-m", "pip", "check"],
        "import every module": [python, "-c", _IMPORTS],
        "use kernels, molecules and weights": [python, "-c", _USE],
        "torch-afm --help": [command, "--help"],
        "torch-afm doctor": [command, "doctor"],
        "torch-afm demo": [command, "demo", "--out", "demo"],
    }
    problems = []
    for name, job in jobs.items():
        print(f"-- {name}", flush=True)
        if code := subprocess.run(job, cwd=away, env=env).returncode:
            problems.append(f"{name} ended with {code}")
    missing = {"report.png", "prediction.xyz", "prediction.json"} - {p.name for p in away.glob("demo/*")}
    return problems + [f"demo wrote no {name}" for name in sorted(missing)]


def _run(command: list[str], quiet: bool = False) -> None:
    done = subprocess.run(command, capture_output=quiet, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed\n{(done.stdout or '')[-2000:]}{(done.stderr or '')[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
