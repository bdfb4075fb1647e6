"""What is dropped on the page: a molecule, or the files of a scan."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from torch_afm.config import PRESETS, ReadOptions
from torch_afm.data import AFMData, from_smiles
from torch_afm.io import read_molecule
from torch_afm.io.atoms import structure_format
from torch_afm.io.files import decode
from torch_afm.io.scans import PreparedScan, prepare_scan, read_scan
from torch_afm.utils import InputError

#: Ending of a file that holds a SMILES.
SMILES_SUFFIX = ".smi"


@dataclass(frozen=True, eq=False)
class Dropped:
    """What files hold.

    Args:
        name: what it is called.
        content: a molecule, or a scan on the pixels and heights of the weights ``scan``, on which images are
            made, too.
    """

    name: str
    content: AFMData | PreparedScan


def read_dropped(files: Mapping[str, bytes], options: ReadOptions | None = None) -> Dropped:
    """A molecule from one file (:func:`torch_afm.io.read_molecule`, or a SMILES in a ``.smi`` file), or a
    scan from one or more (:func:`torch_afm.io.scans.read_scan`, :func:`torch_afm.io.scans.prepare_scan`).

    Args:
        files: content of each file by its name.
        options: what the files of a scan do not say.

    Raises:
        InputError: for no files, several molecules, or files that cannot be read, by their names.
    """
    # What a browser calls a file is no path here.
    named = {PurePosixPath(name.replace("\\", "/")).name: content for name, content in files.items()}
    named.pop("", None)
    if not named:
        raise InputError("files: expected a molecule or the files of a scan, got none")
    molecules = [name for name in named if _is_molecule(name)]
    if len(molecules) > 1 or (molecules and len(named) > 1):
        raise InputError(
            f"files: expected one molecule or the files of one scan, got {', '.join(named)[:200]}"
        )
    if molecules and molecules[0].lower().endswith(SMILES_SUFFIX):
        return read_smiles(decode(named[molecules[0]], molecules[0]))
    with tempfile.TemporaryDirectory(prefix="torch-afm-live-") as folder:
        paths = [Path(folder) / name for name in named]
        name = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
        try:
            for path in paths:
                path.write_bytes(named[path.name])
            if molecules:
                return Dropped(name, read_molecule(paths[0]))
            stack = read_scan(paths, **vars(options or ReadOptions()))
            return Dropped(name, prepare_scan(stack, PRESETS["scan"].scan, whole=True))
        except InputError as error:
            raise InputError(str(error).replace(folder + os.sep, "")) from None
        except OSError as error:
            raise InputError(
                f"{', '.join(named)[:200]}: cannot be kept while it is read ({error.strerror})"
            ) from None


def read_smiles(text: str) -> Dropped:
    """The molecule of a SMILES: the first word of the first line that holds one.

    Raises:
        InputError: for no SMILES, and as :func:`torch_afm.data.from_smiles`.
    """
    words = text.split()
    if not words:
        raise InputError("smiles: expected a molecule, got nothing")
    return Dropped(words[0], from_smiles(words[0]))


def _is_molecule(name: str) -> bool:
    if name.lower().endswith(SMILES_SUFFIX):
        return True
    try:
        structure_format(Path(name))
    except InputError:
        return False
    return True
