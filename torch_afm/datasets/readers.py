"""Readers of the molecules of a data set: SMILES, files, ASE databases, QM9.

Each function makes a :class:`Source`, which knows its molecules one by one, so that one that cannot be read
is named by line or record and the others are used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ase
import ase.db
import rdkit
import torch
from torch_geometric.data import Data

from torch_afm.config.training import GEOMETRIES
from torch_afm.data import AFMData, from_ase, from_rdmol, from_smiles, to_rdmol
from torch_afm.data.checks import check_distances
from torch_afm.datasets.geometries import has_geometry, shipped_geometries, xtb_molecule
from torch_afm.datasets.smi import embedded_smiles, read_smi
from torch_afm.io.files import read_text, split_lines
from torch_afm.io.mdl import parse_mdl
from torch_afm.io.xyz import parse_xyz, xyz_frames
from torch_afm.utils import InputError

#: Raised whenever :func:`from_smiles` or the layout of the cache changes, a reader of files, or how several
#: molecules of one SMILES are placed.
_VERSION, _FILES, _SIDE_BY_SIDE = 2, 4, 3

_CHARGES = ("gasteiger", "mmff94", "zero")


@dataclass
class Source:
    """Molecules to be.

    Attributes:
        records: what ``read`` takes, one a molecule.
        read: makes the molecule; raises :class:`InputError`.
        names: of the molecules.
        origins: what messages call each record: a line, a row, a SMILES.
        contents: all that decides the result.
        charges: the model of charges that are not given, or ``"zero"``.
        smiles: of the molecules, where they are known.
        without_geometry: molecules that the package has no GFN2-xTB geometry of, where those are wanted.
    """

    records: Sequence[Any]
    read: Callable[[Any], AFMData]
    names: list[str]
    origins: list[str]
    contents: Sequence[object]
    charges: str
    smiles: list[str] | None = None
    without_geometry: int = 0
    key: str = field(init=False)

    def __post_init__(self) -> None:
        inputs = json.dumps([_VERSION, rdkit.__version__, *self.contents])
        self.key = hashlib.sha256(inputs.encode()).hexdigest()[:24]


def smiles_source(smiles: Sequence[str] | None, seed: int, charges: str, geometry: str = "rdkit") -> Source:
    """A list of SMILES or, for ``None``, the embedded list of organic molecules."""
    if isinstance(smiles, str | Path):
        raise InputError(
            f"smiles: expected a list of SMILES, got {str(smiles)!r}; MoleculeDataset.read reads files"
        )
    found = list(embedded_smiles() if smiles is None else smiles)
    names = [f"molecule-{i}" for i in range(1, len(found) + 1)]
    return _conformers(found, names, found, seed, charges, geometry)


def smi_source(path: str | Path, seed: int, charges: str, geometry: str = "rdkit") -> Source:
    """The SMILES of a .smi or .smi.xz file."""
    rows = read_smi(path)
    names = [name for _, _, name in rows]
    origins = [f"line {number}, {s}" for number, s, _ in rows]
    return _conformers([s for _, s, _ in rows], names, origins, seed, charges, geometry)


def _conformers(
    smiles: list[str], names: list[str], origins: list[str], seed: int, charges: str, geometry: str
) -> Source:
    if charges not in _CHARGES[:2]:
        raise InputError(f"charges: expected 'gasteiger' or 'mmff94', got {charges!r}")
    if not 0 <= seed < 2**31:
        raise InputError(f"seed: expected an integer from 0 to 2³¹ − 1, got {seed}")
    if geometry not in GEOMETRIES:
        raise InputError(f"geometry: expected 'rdkit' or 'xtb', got {geometry!r}")
    if not smiles:
        raise InputError("smiles: expected at least one SMILES, got an empty list")

    def read(text: str) -> AFMData:
        return from_smiles(text, seed, charges)

    contents = ["smiles", seed, charges, *smiles]
    if any("." in text for text in smiles):
        contents.append(_SIDE_BY_SIDE)
    source = Source(smiles, read, names, origins, contents, charges, smiles)
    if geometry == "rdkit":
        return source

    def read_geometry(text: str) -> AFMData:
        molecule = xtb_molecule(text)
        if molecule is None:
            molecule = read(text)
            molecule.dipole = torch.zeros_like(molecule.pos)
        return molecule

    contents = ["xtb", *(g.sha256 for g in shipped_geometries().values()), *contents]
    missing = sum(not has_geometry(text) for text in smiles)
    return replace(source, read=read_geometry, contents=contents, without_geometry=missing)


def xyz_source(path: str | Path, charges: str) -> Source:
    """Molecules one after the other in an xyz or extended xyz file."""
    path, text = _file(path, charges)
    blocks = list(xyz_frames(text))

    def read(block: tuple[int, str]) -> AFMData:
        return _charged(_graph(parse_xyz(block[1], path.name, block[0]), path.name), charges)

    names = []
    for i, (_, block) in enumerate(blocks, start=1):
        comment = [*split_lines(block), ""][1].strip()
        extended = any(key in comment.lower() for key in ("properties=", "lattice="))
        names.append(f"molecule-{i}" if extended or not comment else comment)
    origins = [f"line {first}" for first, _ in blocks]
    return Source(blocks, read, names, origins, [_FILES, "xyz", charges, text], charges)


def sdf_source(path: str | Path, charges: str) -> Source:
    """Records of an SDF, in the geometry that it has, hydrogens that are missing added."""
    path, text = _file(path, charges)
    blocks = list(_sdf_blocks(text))

    def read(block: tuple[int, str]) -> AFMData:
        return parse_mdl(block[1], path.name, block[0], charges)

    titles = [split_lines(block)[0].strip() for _, block in blocks]
    names = [title or f"molecule-{i}" for i, title in enumerate(titles, start=1)]
    origins = [f"record {i}, line {first}" for i, (first, _) in enumerate(blocks, start=1)]
    return Source(blocks, read, names, origins, [_FILES, "sdf", charges, text], charges)


def ase_source(path: str | Path, charges: str) -> Source:
    """Rows of an ASE database: SQLite (.db) or JSON."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"path: expected an existing ASE database, .db or .json, got {str(path)!r}")
    _check_charges(charges)
    try:
        database = ase.db.connect(path, type=path.suffix[1:].lower())
        columns = ["id", "key_value_pairs"]
        rows = [
            (r.id, r.get("name", f"row-{r.id}")) for r in database.select(include_data=False, columns=columns)
        ]
        contents = hashlib.sha256(path.read_bytes()).hexdigest()
    except Exception as error:  # SQLite's and JSON's errors, and what ASE trips over
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: ASE cannot read it as a database ({reason})") from None
    if not rows:
        raise InputError(f"{path}: expected at least one row, got none")

    def read(number: int) -> AFMData:
        try:
            atoms = database.get_atoms(id=number)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path.name}, row {number}: ASE cannot read it ({reason})") from None
        return _charged(_graph(atoms, f"{path.name}, row {number}"), charges)

    ids = [number for number, _ in rows]
    names = [str(name) for _, name in rows]
    origins = [f"row {number}" for number in ids]
    return Source(ids, read, names, origins, [_FILES, "ase", charges, contents], charges)


def qm9_source(molecules: str | Path | Sequence[Data], charges: str) -> Source:
    """PyG's QM9, or graphs laid out like its."""
    _check_charges(charges)
    if isinstance(molecules, str | Path):
        from torch_geometric.datasets import QM9

        try:
            graphs = list(QM9(str(molecules)))
        except Exception as error:  # what downloading and PyG's own processing trip over
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"root: PyG cannot make QM9 in {str(molecules)!r} ({reason})") from None
    else:
        graphs = [molecules[i] for i in range(len(molecules))]
    if not graphs:
        raise InputError("molecules: expected at least one graph, got none")

    def read(graph: Data) -> AFMData:
        if graph.z is None or graph.pos is None or graph.edge_index is None:
            raise InputError("graph: expected z, pos and edge_index, got a graph without")
        data = AFMData(z=graph.z, pos=graph.pos, charge=torch.zeros(graph.z.numel()))
        data.edge_index = graph.edge_index
        check_distances("pos", data.pos)
        return _charged(data, charges)

    digest = hashlib.sha256()
    for graph in graphs:
        for key in ("z", "pos", "edge_index"):
            digest.update(b"" if graph.get(key) is None else graph[key].numpy().tobytes())
    names = [str(g.get("name", f"molecule-{i}")) for i, g in enumerate(graphs, start=1)]
    smiles = [str(g.smiles) for g in graphs] if all("smiles" in g for g in graphs) else None
    origins = [f"graph {i}" for i in range(len(graphs))]
    return Source(graphs, read, names, origins, [_FILES, "qm9", charges, digest.hexdigest()], charges, smiles)


#: Endings of files -> what reads them, given the file, the seed of conformers and the model of charges.
SOURCES: dict[str, Callable[[str | Path, int, str], Source]] = {
    ".smi": smi_source,
    ".xz": smi_source,
    ".xyz": lambda path, _, charges: xyz_source(path, charges),
    ".extxyz": lambda path, _, charges: xyz_source(path, charges),
    ".sdf": lambda path, _, charges: sdf_source(path, charges),
    ".mol": lambda path, _, charges: sdf_source(path, charges),
    ".db": lambda path, _, charges: ase_source(path, charges),
    ".json": lambda path, _, charges: ase_source(path, charges),
}


def _file(path: str | Path, charges: str) -> tuple[Path, str]:
    path = Path(path)
    _check_charges(charges)
    text = read_text(path)
    if not text.strip():
        raise InputError(f"{path}: expected molecules, got an empty file")
    return path, text


def _check_charges(charges: str) -> None:
    if charges not in _CHARGES:
        raise InputError(f"charges: expected one of {', '.join(_CHARGES)}, got {charges!r}")


def _sdf_blocks(text: str) -> Iterator[tuple[int, str]]:
    """First line and text of each record, its ``$$$$`` included."""
    first, record = 1, []
    for number, line in enumerate(split_lines(text), start=1):
        record.append(line)
        if line.startswith("$$$$"):
            yield first, "\n".join(record) + "\n"
            first, record = number + 1, []
    if any(line.strip() for line in record):
        yield first, "\n".join(record) + "\n"


def _graph(atoms: ase.Atoms, origin: str) -> AFMData:
    try:
        return from_ase(atoms)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None


def _charged(data: AFMData, charges: str) -> AFMData:
    """``data``, with the charges of a model where it has none but zeros and its Lewis structure is found."""
    if charges != "zero" and data.z.numel() and not bool(data.charge.any()):
        mol = to_rdmol(data)
        if not mol.NeedsUpdatePropertyCache():
            data.charge = from_rdmol(mol, charges).charge
    return data
