"""Settings and results of long work, kept in files, so that it can go on where it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch_afm.io.files import write_json, write_whole
from torch_afm.utils import InputError


def keep_settings(
    path: Path, settings: Mapping[str, Any], free: Collection[str] = (), description: str = "a run"
) -> None:
    """Write the settings of ``description`` into its folder; where those of an earlier start stand there,
    check first that they are the same, but for those in ``free`` and those that an earlier version did not
    write.

    Raises:
        InputError: naming the settings that differ, and for a file that cannot be read.
    """
    now = json.loads(json.dumps(settings))
    if path.exists():
        try:
            before = dict(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{path}: expected the settings of {description} ({error}); delete the folder, or give "
                "another"
            ) from None
        changed = sorted(k for k in now if k not in free and before.get(k, now[k]) != now[k])
        if changed:
            raise InputError(
                f"{path.parent}: holds {description} with other settings ({', '.join(changed)}); "
                "give another folder, or delete it"
            )
    write_json(path, now)


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of :func:`append_record`; none where there is no file. A last line that an interruption cut
    off is removed.

    Raises:
        InputError: for a line that is no record, naming it.
    """
    if not path.exists():
        return []
    whole, end, _ = path.read_bytes().rpartition(b"\n")
    if path.stat().st_size != len(whole + end):
        write_whole(path, whole + end)
    records = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            records.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: expected a record in JSON ({error}); delete the file"
            ) from None
    return records


def append_record(path: Path, record: Mapping[str, Any]) -> None:
    """Add a record to a file, as a line of JSON."""
    with path.open("ab") as file:
        file.write((json.dumps(record) + "\n").encode())
