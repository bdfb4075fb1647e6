"""Shares of a folder's files, and the journals of those that are finished.

Each finished file stands with its SHA-256 in ``files.json``, or in ``files-3-of-16.json`` of a shard: every
list has one writer, so that jobs may share a folder.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from torch_afm.io.files import UNFINISHED, write_json
from torch_afm.utils import InputError


@dataclass(frozen=True)
class Shard:
    """One of several jobs that share the files of a folder: number ``index`` (from 1) of ``count``.

    Raises:
        InputError: unless 1 ≤ index ≤ count.
    """

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise InputError(f"shard: expected i/n with 1 ≤ i ≤ n, got {self.index}/{self.count}")

    @property
    def journal(self) -> str:
        """Name of the list of files that this shard has finished."""
        return "files.json" if self.count == 1 else f"files-{self.index}-of-{self.count}.json"

    def files(self, count: int) -> range:
        """Numbers of those of ``count`` files that are this shard's."""
        return range(self.index - 1, count, self.count)


def read_journal(path: Path) -> dict[str, str]:
    """SHA-256 of each finished file, by name; empty where there is no list.

    Raises:
        InputError: for a list that cannot be read, naming it.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
        return {str(name): str(digest) for name, digest in entries.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: expected a list of finished files ({error})") from None


def write_journal(path: Path, entries: dict[str, str]) -> None:
    """Write what :func:`read_journal` reads."""
    write_json(path, dict(sorted(entries.items())))


def finished_digests(folder: Path, lenient: bool = False) -> dict[str, set[str]]:
    """SHA-256 of each file that any writer has finished; several where it was written more than once.

    Args:
        folder: where the lists are.
        lenient: warn of a list that cannot be read, and go on without it.

    Raises:
        InputError: for a list that cannot be read, naming it, unless ``lenient``.
    """
    digests: dict[str, set[str]] = {}
    for path in sorted(folder.glob("files*.json")):
        try:
            entries = read_journal(path)
        except InputError as error:
            if not lenient:
                raise
            warnings.warn(f"{error}; going on without it", stacklevel=3)
            continue
        for name, digest in entries.items():
            digests.setdefault(name, set()).add(digest)
    return digests


def integrity_error(path: Path, digests: set[str], checksum: bool = True) -> str | None:
    """What is wrong with a file, ``None`` if nothing is.

    Args:
        path: the file.
        digests: what :func:`finished_digests` says about it.
        checksum: compute its SHA-256, for which it is read as a whole.
    """
    if not digests:
        return "not rendered yet"
    if not path.is_file():
        return "no such file"
    if not checksum:
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest in digests else "its checksum is not that of the file written"


def remove_unfinished(folder: Path, names: Collection[str]) -> None:
    """Remove what a killed process left of files with these names, see
    :func:`~torch_afm.io.files.write_whole`."""
    for path in folder.glob(f".*{UNFINISHED}"):
        if path.name[1:].rsplit(".", 2)[0] in names:
            path.unlink(missing_ok=True)
