"""Text files of users."""

from __future__ import annotations

from pathlib import Path

from torch_afm.utils import InputError


def read_text(path: Path) -> str:
    """The text of a file in UTF-8.

    Raises:
        InputError: where there is no such file, or none that can be read as text.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read it as text ({error})") from None
