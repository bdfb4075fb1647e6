"""Text files of users."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from torch_afm.utils import InputError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Characters that text has none of; form feeds and the end-of-file mark of DOS do occur.
_BINARY = re.compile("[\x00-\x08\x0e-\x19\x1b-\x1f]")


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
