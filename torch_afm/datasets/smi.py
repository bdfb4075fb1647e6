"""Lists of SMILES: the embedded one, and files."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from rdkit import Chem, rdBase

from torch_afm.io.files import decode, split_lines, write_whole
from torch_afm.utils import InputError

#: The embedded lists: ``organic``, molecules as different as those of the graph-AFM thesis, Aalto University
#: (see CITATION.cff), written by :mod:`torch_afm.datasets.enumerate`; ``planar``, written by
#: :mod:`torch_afm.datasets.planar`.
EMBEDDED = {"organic": "molecules.smi.xz", "planar": "planar.smi.xz"}


@cache
def embedded_smiles(name: str = "organic") -> tuple[str, ...]:
    """An embedded list; a molecule's id is its place in it, counted from 0. Lists are only ever appended to.

    Args:
        name: ``"organic"`` or ``"planar"``.

    Raises:
        InputError: for another name.
    """
    if name not in EMBEDDED:
        raise InputError(f"name: expected one of {', '.join(EMBEDDED)}, got {name!r}")
    raw = resources.files("torch_afm.datasets").joinpath(f"resources/{EMBEDDED[name]}").read_bytes()
    return tuple(lzma.decompress(raw).decode().split())


def canonical_smiles(smiles: str) -> str | None:
    """The same for every SMILES of a molecule, stereochemistry aside; ``None`` for what RDKit takes for no
    molecule, such as a fragment."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
    return None if mol is None else str(Chem.MolToSmiles(mol, isomericSmiles=False))


def checksum(smiles: Sequence[str]) -> str:
    """SHA-256 of a list, in hexadecimal: which molecules ids count."""
    return hashlib.sha256("\n".join(smiles).encode()).hexdigest()


def read_smi(path: str | Path) -> list[tuple[int, str, str]]:
    """Line number, SMILES and name of each molecule of a ``.smi`` or ``.smi.xz`` file: a SMILES and,
    optionally, a name a line, ``#`` comments; without name ``molecule-<line>``.

    Raises:
        InputError: for a file that is missing, has another suffix, is no text or holds no SMILES.
    """
    path = Path(path)
    if not path.name.endswith((".smi", ".smi.xz")) or not path.is_file():
        raise InputError(f"smiles: expected an existing .smi or .smi.xz file, got {str(path)!r}")
    try:
        raw = path.read_bytes()
        raw = lzma.decompress(raw) if path.suffix == ".xz" else raw
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise InputError(f"smiles: cannot read {path} ({error})") from None
    found = []
    for number, line in enumerate(split_lines(decode(raw, f"smiles: {path}")), start=1):
        fields = line.split(maxsplit=1)
        if fields and not fields[0].startswith("#"):
            found.append((number, fields[0], fields[1].strip() if len(fields) > 1 else f"molecule-{number}"))
    if not found:
        raise InputError(f"smiles: expected at least one SMILES, got none in {str(path)!r}")
    return found


def write_smi(path: str | Path, smiles: Iterable[str]) -> None:
    """Write SMILES, one a line; compressed where the name ends in ``.xz``.

    Raises:
        OSError: if the file cannot be written.
    """
    path = Path(path)
    raw = "".join(s + "\n" for s in smiles).encode()
    write_whole(path, lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME) if path.suffix == ".xz" else raw)
