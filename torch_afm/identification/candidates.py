"""Molecules that a scan may show, and the ways in which each may lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets.enumerate import is_planar
from torch_afm.datasets.geometries import xtb_molecule
from torch_afm.datasets.smi import read_smi
from torch_afm.io import read_molecule
from torch_afm.transforms import best_rotations, flat_rotation
from torch_afm.utils import InputError

#: Orientations of a molecule that does not lie flat, at most, beside its two flattest ones; drawn ones that
#: they are chosen from, the best of so many; and degrees between the axes that are up in two of them.
_ORIENTATIONS, _BEST, _DRAWN, _BETWEEN = 60, 100, 500, 12.0

#: Degrees by which a planar molecule lies tilted, in as many directions.
_TILT, _TILTS = 5.0, 6

#: Turns by half a turn about an axis in the plane of the scan.
_OVER = Rotation.from_euler("x", 180, degrees=True)

_LISTS = {".smi", ".smiles", ".txt"}


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
        cls, smiles: str, name: str | None = None, conformers: int = 1, seed: int = 0
    ) -> Candidate:
        """With the GFN2-xTB geometry of an embedded molecule, else conformers by ETKDG.

        Args:
            smiles: the molecule.
            name: its SMILES by default.
            conformers: number of geometries of a molecule that has no stored one.
            seed: of the conformers.

        Raises:
            InputError: for an invalid SMILES, or one that no conformer is found for.
        """
        known = xtb_molecule(smiles)
        if known is not None:
            return cls(name or smiles, (known,), smiles)
        first = from_smiles(smiles, seed=seed)
        count = 1 if is_planar(first) else conformers
        more = (from_smiles(smiles, seed=seed + i) for i in range(1, count))
        return cls(name or smiles, (first, *more), smiles)


def read_candidates(paths: Sequence[str | Path], conformers: int = 1, seed: int = 0) -> Iterator[Candidate]:
    """Candidates from files and SMILES.

    Args:
        paths: lists of SMILES (``.smi``: a SMILES and a name a line), files of one molecule (xyz, SDF, ...),
            or SMILES themselves.
        conformers: of each molecule of a SMILES.
        seed: of the conformers.

    Raises:
        InputError: for what is neither.
    """
    for path in paths:
        file = Path(path)
        if file.suffix.lower() in _LISTS and file.is_file():
            for _, smiles, name in read_smi(file):
                yield Candidate.from_smiles(smiles, name or None, conformers, seed)
        elif file.is_file():
            yield Candidate(file.stem, (read_molecule(file),))
        elif file.suffix and file.parent != Path(".") and not file.exists():
            raise InputError(f"candidates: {file}: no such file")
        else:
            yield Candidate.from_smiles(str(path), None, conformers, seed)


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
