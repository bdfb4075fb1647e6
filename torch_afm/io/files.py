"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

#: Ending of the name that an unfinished file has.
UNFINISHED = ".tmp"


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
