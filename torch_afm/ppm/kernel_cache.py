"""Compiled kernels kept from one process to the next, so that no damaged or locked cache stops a render.

PoCL maps the files of its cache into the process: a damaged one ends it by a signal. So every process gets a
folder of its own, filled from one archive with checksums. Whatever is wrong with that costs a compilation."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import zipfile
from multiprocessing.util import Finalize
from pathlib import Path

from torch_afm.utils import cache_dir

#: What PoCL needs beside the kernels, in bytes, and the size from which the archive is begun anew.
_ROOM, _LARGEST = 1 << 22, 1 << 26

#: Name of a folder: machine and process; PoCL makes files in it that nobody else needs.
_NAME = re.compile(r"pocl-(?P<host>.*)-(?P<pid>\d+)-\w+")
_SCRATCH = "tempfile_*"

#: Environment variable by which PoCL finds its cache.
VARIABLE = "POCL_CACHE_DIR"


def archive() -> Path:
    """The file that kernels are kept in."""
    return cache_dir() / "pocl.zip"


def set_pocl_folder() -> Path | None:
    """Give PoCL a folder for this process and its children, removed when the process ends; before OpenCL is
    first used. It lies in ``POCL_CACHE_DIR``, in the user's cache folder or with the temporary files, the
    first of these that has room; ``None`` where none has."""
    given = os.environ.get(VARIABLE)
    if given and _NAME.fullmatch(Path(given).name) and Path(given).is_dir():
        return Path(given)  # that of the parent process
    for parent in (given, cache_dir(), tempfile.gettempdir()):
        folder = None if parent is None else _make(Path(parent))
        if folder is not None:
            _unpack(folder)
            os.environ[VARIABLE] = str(folder)
            Finalize(None, _finish, args=(folder, given, _kernels(folder)), exitpriority=0)
            return folder
    return None


def _make(parent: Path) -> Path | None:
    """A folder in ``parent``, or ``None`` where kernels cannot be written and run there."""
    folder = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=f"pocl-{socket.gethostname()}-{os.getpid()}-", dir=parent))
        if hasattr(os, "ST_NOEXEC") and os.statvfs(folder).f_flag & os.ST_NOEXEC:
            raise OSError("nothing can be executed there")
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            if file.write(bytes(_ROOM)) < _ROOM:
                raise OSError("no room")
    except OSError:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return None
    return folder


def _sweep(parent: Path) -> None:
    """Remove folders of processes that were killed."""
    for path in parent.glob("pocl-*"):
        match = _NAME.fullmatch(path.name)
        if match and match["host"] == socket.gethostname() and not _alive(int(match["pid"])):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    return True


def _unpack(folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive()) as file:
            file.extractall(folder)  # checks the sums
    except Exception:  # there is none, or it is damaged, at which zipfile raises much
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)


def _kernels(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.match(_SCRATCH))
    return sorted(path.relative_to(folder) for path in found)


def _finish(folder: Path, given: str | None, known: list[Path]) -> None:
    """Keep what was compiled, and remove the folder."""
    if given is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = given
    names = _kernels(folder)
    if names != known:
        _pack(folder, names)
    shutil.rmtree(folder, ignore_errors=True)


def _pack(folder: Path, names: list[Path]) -> None:
    temporary = None
    try:
        if sum((folder / name).stat().st_size for name in names) > _LARGEST:
            names = []
        archive().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=archive().parent, suffix=".tmp", delete=False) as opened:
            temporary = Path(opened.name)
            with zipfile.ZipFile(opened, "w") as file:
                for name in names:
                    file.write(folder / name, name)
        temporary.replace(archive())
    except (OSError, ValueError):  # ValueError: a time before 1980
        if temporary is not None:
            temporary.unlink(missing_ok=True)
