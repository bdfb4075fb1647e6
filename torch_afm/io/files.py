"""Files of users, read with care, and files that are written whole or not at all."""

from __future__ import annotations

import codecs
import json
import os
import re
import uuid
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.utils import InputError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Characters that text has none of; form feeds and the end-of-file mark of DOS do occur.
_BINARY = re.compile("[\x00-\x08\x0e-\x19\x1b-\x1f]")

#: What NumPy and zipfile raise on files that are no npz archive, or a damaged one.
_DAMAGE = (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, MemoryError)

#: Bytes that the arrays of one archive may take.
MAX_BYTES = 2**31

#: Ending of the name that an unfinished file has.
UNFINISHED = ".tmp"


def read_text(path: Path) -> str:
    """The text of a file, see :func:`decode`.

    Raises:
        InputError: where there is no such file, or none that can be read as text.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read it ({error.strerror})") from None
    return decode(raw, str(path))


def decode(raw: bytes, where: str) -> str:
    """Text in UTF-16 with its byte order mark, else as :func:`decode_bytes` has it.

    Args:
        raw: the bytes.
        where: what messages call them.

    Raises:
        InputError: for bytes that are no text.
    """
    try:
        text = raw.decode("utf-16") if raw.startswith(_UTF_16) else decode_bytes(raw)
    except UnicodeDecodeError:
        text = decode_bytes(raw)
    if _BINARY.search(text):
        raise InputError(f"{where}: cannot read it as text (it holds control characters)")
    return text.removesuffix("\x1a")


def decode_bytes(raw: bytes) -> str:
    """Text in UTF-8, without its byte order mark, or else in Windows' code page 1252, as old programs write
    the Å of a comment. Whatever is neither becomes U+FFFD: nothing hangs on comments."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def split_lines(text: str) -> list[str]:
    r"""The lines of a text. Unlike :meth:`str.splitlines`, this breaks at line feeds and carriage returns
    alone, never at a form feed or U+2028 within a comment."""
    lines = re.split(r"\r\n|\r|\n", text)
    return lines if lines[-1] else lines[:-1]


def load_npz(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of an npz archive. No pickled object is ever loaded.

    The zip format keeps a CRC-32 of each member, checked here, so a flipped bit or a truncated file does not
    go unnoticed.

    Raises:
        InputError: for a missing file, one that is no npz archive, or a damaged array, naming file and key.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: expected an npz archive, got something else or a truncated one")
    arrays, key = {}, "the archive"
    try:
        with np.load(path, allow_pickle=False) as archive:
            size = sum(member.file_size for member in archive.zip.infolist())
            if size > MAX_BYTES:
                raise ValueError(f"{size} bytes, more than {MAX_BYTES}")
            for key in archive.files:
                arrays[key] = archive[key]
    except (*_DAMAGE, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot read {key} ({reason})") from None
    return arrays


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: under another name, to the disk, then renamed. Where that fails, what
    was there stays as it was.

    Raises:
        OSError: if it cannot be written, with its name.
    """
    # A random name: on other machines of a job array there may be processes of the same number.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{UNFINISHED}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


def write_json(path: Path, document: Any) -> None:
    """Write ``document`` as JSON in UTF-8, whole or not at all."""
    write_whole(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
