"""Formats of scan files, by registration."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from torch_afm.io.scans import readers
from torch_afm.io.scans.recognize import HEAD, recognize_file
from torch_afm.io.scans.scan_block import ScanBlock
from torch_afm.utils import InputError

#: Reads the images of one channel and direction (``"forward"`` or ``"backward"``) of a file; without a
#: channel those of the frequency shift.
Reader = Callable[[Path, str | None, str], ScanBlock]
R = TypeVar("R", bound=Reader)

#: Entry points of packages whose modules register further formats.
ENTRY_POINTS = "torch_afm.scan_readers"


@dataclass(frozen=True)
class ScanFormat:
    """A format of scan files.

    Args:
        name: what it is called; unique.
        read: its reader.
        suffixes: endings of its files, in small letters, with their dot.
        magic: first bytes of its files, where they have some of their own; any of them.
    """

    name: str
    read: Reader
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...] = ()


_FORMATS: dict[str, ScanFormat] = {}


def scan_reader(name: str, suffixes: tuple[str, ...], magic: tuple[bytes, ...] = ()) -> Callable[[R], R]:
    """Register a function as the reader of a format.

    A format from outside of the package is one module, whose entry point of the group
    ``torch_afm.scan_readers`` names it::

        @scan_reader("my format", suffixes=(".my",))
        def read_my_format(path: Path, channel: str | None, direction: str) -> ScanBlock:
            ...

    Where several formats have one ending and none of them knows the first bytes of a file, it is read by the
    one that has no ``magic``, of several by the one registered last.

    Args:
        name: of the format; a format of that name is replaced.
        suffixes: see :class:`ScanFormat`.
        magic: see :class:`ScanFormat`.
    """

    def register(read: R) -> R:
        _FORMATS[name] = ScanFormat(name, read, suffixes, magic)
        return read

    return register


def scan_formats() -> tuple[ScanFormat, ...]:
    """All formats, those of other packages last."""
    _load_readers()
    return tuple(_FORMATS.values())


def scan_suffixes() -> tuple[str, ...]:
    """Endings of all files that are read."""
    return tuple(dict.fromkeys(suffix for known in scan_formats() for suffix in known.suffixes))


def scan_format(path: Path) -> ScanFormat:
    """The format of a file, by its first bytes where they belong to one, else by its ending.

    Raises:
        InputError: for a file that cannot be read or has another format, which is named if it is known.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from None
    suffix = path.suffix.lower()
    named = [known for known in scan_formats() if suffix in known.suffixes]
    begun = [known for known in scan_formats() if head.startswith(known.magic)]
    both = [known for known in named if known in begun]
    if both:
        return both[-1]
    if other := recognize_file(path, head, bool(named), bool(begun)):
        expected = "a scan" if named else f"a file ending in {', '.join(scan_suffixes())}"
        raise InputError(f"{path}: expected {expected}, got {other.name}; {other.remedy}")
    if begun:
        return begun[-1]
    if not named:
        raise InputError(
            f"{path}: expected a file ending in {', '.join(scan_suffixes())}, got one of an unknown format; "
            "if Gwyddion opens it, save its images of Δf as .gwy"
        )
    return ([known for known in named if not known.magic] or named)[-1]


def read_block(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """What the reader of a file's format makes of it.

    Args:
        path: the file.
        channel: name of the channel; ``None`` for the frequency shift.
        direction: of the fast axis.

    Raises:
        InputError: as :func:`scan_format` and as the reader, and where one of another package fails.
    """
    known = scan_format(path)
    try:
        return known.read(path, channel, direction)
    except (InputError, MemoryError):
        raise
    except Exception as error:
        module = known.read.__module__
        if module.startswith(f"{readers.__name__}."):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path}: the reader of {known.name} in {module} fails ({reason})") from error


@cache
def _load_readers() -> None:
    """Import all modules that register a format, once."""
    for module in pkgutil.iter_modules(readers.__path__):
        importlib.import_module(f"{readers.__name__}.{module.name}")
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except Exception as error:  # of somebody else's package: it must not take the other formats along
            warnings.warn(
                f"the scan reader {entry.name!r} ({entry.value}) cannot be imported: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )
