"""Compiled kernels kept from one process to the next, so that no damaged or locked cache stops a render.

PoCL maps the files of its cache into the process: a damaged one ends it by a signal. So every process gets a
folder of its own, filled from one archive with checksums. Whatever is wrong with that costs a compilation."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
import zipfile
from collections.abc import Callable
from multiprocessing.util import Finalize
from pathlib import Path

from torch_afm.utils import cache_dir

#: What PoCL needs beside the kernels, in bytes, and the size from which the archive is begun anew.
_ROOM, _LARGEST = 1 << 22, 1 << 26

#: Seconds after which a folder without its process is removed; one container does not see the processes of
#: another.
_FORGOTTEN = 7 * 24 * 3600

#: Name of a folder: machine and process; PoCL makes files in it that nobody else needs.
_NAME = re.compile(r"pocl-(?P<host>.*)-(?P<pid>\d+)-\w+")
_SCRATCH = "tempfile_*"

#: Environment variable by which PoCL finds its cache.
VARIABLE = "POCL_CACHE_DIR"

#: This process, and its folder.
_mine: tuple[int, Path] | None = None


def archive() -> Path:
    """The file that kernels are kept in."""
    return cache_dir() / "pocl.zip"


def set_pocl_folder() -> Path | None:
    """Give PoCL a folder of this process, removed when the process ends; before OpenCL is first used. It lies
    in ``POCL_CACHE_DIR``, in the user's cache folder or with the temporary files, the first of these that has
    room; ``None`` where none has."""
    global _mine
    if _mine is not None and _mine[0] == os.getpid() and _mine[1].is_dir():
        return _mine[1]
    inherited_value = os.environ.get(VARIABLE)
    inherited = inherited_value is not None and _NAME.fullmatch(
        Path(inherited_value).name
    )  # it goes with the parent process
    for parent in (lambda: None if inherited else inherited_value, cache_dir, tempfile.gettempdir):
        folder = _make(parent)
        if folder is not None:
            _unpack(folder)
            _mine, os.environ[VARIABLE] = (os.getpid(), folder), str(folder)
            Finalize(None, _finish, args=(folder, inherited_value, _kernels(folder)), exitpriority=0)
            return folder
    return None


def _make(place: Callable[[], str | Path | None]) -> Path | None:
    """A folder in what ``place`` returns, or ``None`` where kernels cannot be written and run there."""
    folder = None
    try:
        found = place()
        if found is None:
            return None
        parent = Path(found).absolute()
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
        if match is None or match["host"] != socket.gethostname() or _alive(int(match["pid"])):
            continue
        if time.time() - path.stat().st_mtime > _FORGOTTEN:
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


def _finish(folder: Path, inherited_value: str | None, unpacked: list[Path]) -> None:
    """Keep what was compiled, and remove the folder."""
    if inherited_value is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = inherited_value
    names = _kernels(folder)
    if names != unpacked:
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
