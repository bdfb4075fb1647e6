"""Molecules that a scan may show, and the ways in which each may lie."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rdkit import Chem, rdBase
from scipy.spatial.transform import Rotation

from torch_afm.config.formats import STRUCTURE_SUFFIXES
from torch_afm.data import AFMData, from_smiles, to_rdmol
from torch_afm.datasets import embedded_smiles
from torch_afm.datasets.enumerate import is_planar
from torch_afm.datasets.geometries import xtb_molecule
from torch_afm.datasets.readers import SOURCES, Source
from torch_afm.datasets.smi import EMBEDDED, read_smi
from torch_afm.datasets.xtb import relax
from torch_afm.io import read_molecule
from torch_afm.transforms import best_rotations, flat_rotation
from torch_afm.utils import BackendUnavailable, InputError

#: Orientations of a molecule that does not lie flat, at most, beside its two flattest ones; drawn ones that
#: they are chosen from, the best of so many; and degrees between the axes that are up in two of them.
_ORIENTATIONS, _BEST, _DRAWN, _BETWEEN = 60, 150, 500, 13.0

#: Degrees by which a planar molecule lies tilted, in as many directions.
_TILT, _TILTS = 5.0, 6

#: Turns by half a turn about an axis in the plane of the scan.
_OVER = Rotation.from_euler("x", 180, degrees=True)

#: Å: conformers whose heavy atoms lie nearer than this, root mean square, count as one.
_SAME = 0.3

#: Endings of lists of SMILES, and of all files of molecules.
_SMILES = {".smi", ".xz"}
_SUFFIXES = {*SOURCES, *STRUCTURE_SUFFIXES}


@dataclass(frozen=True)
class Candidate:
    """A molecule that a scan may show.

    Args:
        name: what it is called.
        conformers: its geometries, ``z``, ``pos``, ``charge`` and ``edge_index``.
        smiles: where it is known.
    """

    name: str
    conformers: tuple[AFMData, ...]
    smiles: str | None = None

    @classmethod
    def from_smiles(
        cls, smiles: str, name: str | None = None, conformers: int = 1, seed: int = 0, xtb: bool = False
    ) -> Candidate:
        """With the GFN2-xTB geometry of an embedded molecule, else conformers by ETKDG.

        Args:
            smiles: the molecule.
            name: its SMILES by default.
            conformers: geometries at most of a molecule that has no stored one and is not planar; those that
                are alike count as one.
            seed: of the conformers.
            xtb: whether these are relaxed by GFN2-xTB; one that does not converge stays as it is.

        Raises:
            InputError: for an invalid SMILES, one that no conformer is found for, and ``xtb`` without tblite.
        """
        known = xtb_molecule(_canonical(smiles))
        if known is not None:
            return cls(name or smiles, (known,), smiles)
        found: list[AFMData] = []
        for i in range(conformers):
            molecule = from_smiles(smiles, seed=seed + i)
            if not any(_deviation(molecule, other) < _SAME for other in found):
                found.append(molecule)
            if is_planar(molecule):
                break
        return cls(name or smiles, tuple(_relaxed(m) if xtb else m for m in found), smiles)

    @classmethod
    def from_molecule(cls, molecule: AFMData, name: str) -> Candidate:
        """With the geometry of a molecule, and its SMILES where its bonds make sense.

        Args:
            molecule: ``z``, ``pos`` and ``edge_index``; charges it lacks are zeros.
            name: what it is called.

        Raises:
            InputError: for a periodic structure.
        """
        if "pbc" in molecule and bool(molecule.pbc.any()):
            raise InputError(f"candidates: {name}: expected a molecule, got a periodic structure")
        mol = to_rdmol(molecule)
        if mol.NeedsUpdatePropertyCache():
            return cls(name, (molecule,))
        with rdBase.BlockLogs():
            Chem.AssignStereochemistryFrom3D(mol)
            return cls(name, (molecule,), Chem.MolToSmiles(Chem.RemoveHs(mol)))


def read_candidates(
    sources: Iterable[Candidate | str | Path], conformers: int = 1, seed: int = 0, xtb: bool = False
) -> Iterator[Candidate]:
    """Candidates from lists, files and SMILES, each when it is asked for. What a list holds and cannot be
    used is left out, with a warning; so is a SMILES of a molecule that came before.

    Args:
        sources: candidates; names of embedded lists, ``organic`` or ``planar``; lists of SMILES (``.smi``,
            ``.smi.xz``); files with the geometries of one molecule or of many (SDF, xyz, ASE databases, mol2
            and others); or SMILES themselves.
        conformers: as in :meth:`Candidate.from_smiles`.
        seed: likewise.
        xtb: likewise.

    Raises:
        InputError: for what is none of these, and for a file of which nothing can be used.
    """
    known: set[str] = set()
    for source in sources:
        failed: list[str] = []
        count = 0
        for entry in _entries(source, conformers, seed, xtb):
            count += 1
            if entry.smiles is not None and _canonical(entry.smiles) in known:
                continue
            try:
                candidate = entry.read()
            except InputError as error:
                if entry.origin is None:
                    raise
                failed.append(f"{entry.origin}: {error}")
                continue
            if candidate.smiles is not None:
                known.add(_canonical(candidate.smiles))
            yield candidate
        if failed and len(failed) == count:
            raise InputError(f"candidates: {source}: none of {count} can be used; {failed[0]}")
        if failed:
            warnings.warn(
                f"{source}: {len(failed)} of {count} candidates left out; the first: {failed[0]}",
                stacklevel=2,
            )


class _Entry(NamedTuple):
    """A molecule to be read: what messages call it in its list, ``None`` where it is no part of one; its
    SMILES, where it is one; and what reads it."""

    origin: str | None
    smiles: str | None
    read: Callable[[], Candidate]


def _entries(source: Candidate | str | Path, conformers: int, seed: int, xtb: bool) -> Iterator[_Entry]:
    """What a source holds."""

    def conformed(origin: str | None, smiles: str, name: str | None = None) -> _Entry:
        return _Entry(origin, smiles, lambda: Candidate.from_smiles(smiles, name, conformers, seed, xtb))

    if isinstance(source, Candidate):
        yield _Entry(None, None, lambda: source)
        return
    path = Path(source)
    suffix = path.suffix.lower()
    if str(source) in EMBEDDED:
        yield from (conformed(smiles, smiles) for smiles in embedded_smiles(str(source)))
    elif path.is_dir() or (not path.is_file() and suffix in _SUFFIXES):
        raise InputError(
            f"candidates: {path}: {'expected a file, got a folder' if path.is_dir() else 'no such file'}"
        )
    elif suffix in _SMILES:
        for line, smiles, name in read_smi(path):
            yield conformed(f"line {line}", smiles, None if name == f"molecule-{line}" else name)
    elif suffix in SOURCES:
        yield from _geometries(path, SOURCES[suffix](path, seed, "gasteiger"))
    elif path.is_file():
        yield _Entry(None, None, lambda: Candidate.from_molecule(read_molecule(path), path.stem))
    elif not _canonical(str(source)):
        raise InputError(
            f"candidates: expected a file of molecules, {', '.join(EMBEDDED)} or a SMILES, got "
            f"{str(source)!r}"
        )
    else:
        yield conformed(None, str(source))


def _geometries(path: Path, source: Source) -> Iterator[_Entry]:
    """The records of a file: one by itself is called as the file; of several, those without a name as the
    file, and by their number."""

    def read(record: Any, name: str) -> Candidate:
        return Candidate.from_molecule(source.read(record), name)

    several = len(source.records) > 1
    rows = zip(source.records, source.names, source.origins, strict=True)
    for number, (record, name, origin) in enumerate(rows, start=1):
        if not several:
            name = path.stem
        elif name == f"molecule-{number}":
            name = f"{path.stem}-{number}"
        yield _Entry(origin if several else None, None, partial(read, record, name))


def _canonical(smiles: str) -> str:
    """The same for all SMILES of a molecule, with its stereochemistry; empty for what is none."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        return "" if mol is None else str(Chem.MolToSmiles(mol))


def _deviation(a: AFMData, b: AFMData) -> float:
    """Root mean square distance in Å of the heavy atoms of two conformers that lie on each other."""
    first, second = (m.pos[m.z > 1].double().numpy() for m in (a, b))
    if len(first) < 2:
        return 0.0
    first, second = first - first.mean(0), second - second.mean(0)
    left = np.linalg.svd(first.T @ second)
    sign = np.sign(np.linalg.det(left[0] @ left[2]))
    shared = 2 * (left[1][0] + left[1][1] + sign * left[1][2])
    return float(np.sqrt(max((first**2).sum() + (second**2).sum() - shared, 0.0) / len(first)))


def _relaxed(molecule: AFMData) -> AFMData:
    try:
        return relax(molecule)
    except BackendUnavailable:
        raise InputError("xtb: tblite is not installed; pip install 'torch_afm[xtb]'") from None
    except InputError:
        return molecule


def orientations(molecule: AFMData, seed: int = 0) -> list[AFMData]:
    """The ways in which a molecule may lie, each centered, its top atom at z = 0: flat, with either face up;
    if it is planar, also tilted a little, and if it is not, also in the orientations that show the most atoms
    (:func:`torch_afm.transforms.best_rotations`), each with another side up. Turns within the plane of the
    scan are not among them.

    Args:
        molecule: a conformer.
        seed: of the orientations that are tried.
    """
    pos = molecule.pos.double().numpy()
    flat = flat_rotation(pos)
    turns = [flat, _OVER * flat]
    if is_planar(molecule):
        angles = np.arange(_TILTS) * (2 * np.pi / _TILTS)
        axes = np.stack([np.cos(angles), np.sin(angles), np.zeros(_TILTS)], 1)
        tilts = Rotation.from_rotvec(np.radians(_TILT) * axes)
        turns += [tilt * turn for turn in turns for tilt in tilts]
    else:
        alike = np.cos(np.radians(_BETWEEN))
        up = [turn.as_matrix()[2] for turn in turns]
        for turn in best_rotations(pos, n=_BEST, candidates=_DRAWN, seed=seed):
            axis = turn.as_matrix()[2]
            if max(float(axis @ other) for other in up) < alike:
                up.append(axis)
                turns.append(turn)
            if len(turns) == 2 + _ORIENTATIONS:
                break
    return [_laid(molecule, turn) for turn in turns]


def _laid(molecule: AFMData, turn: Rotation) -> AFMData:
    pos = turn.apply(molecule.pos.double().numpy())
    pos[:, :2] -= (pos[:, :2].min(axis=0) + pos[:, :2].max(axis=0)) / 2
    pos[:, 2] -= pos[:, 2].max()
    laid = AFMData(
        z=molecule.z,
        pos=torch.from_numpy(pos).float(),
        charge=molecule.charge if "charge" in molecule else torch.zeros(len(molecule.z)),
        edge_index=molecule.edge_index,
    )
    if "dipole" in molecule:
        laid.dipole = torch.from_numpy(turn.apply(molecule.dipole.double().numpy())).float()
    return laid


def radius(molecule: AFMData) -> float:
    """Largest lateral distance in Å of an atom from the origin."""
    return float(np.linalg.norm(molecule.pos[:, :2].numpy(), axis=1).max())
