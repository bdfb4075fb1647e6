"""Training samples in HDF5: stacks in few bytes, their tips and their graphs.

A file holds, in datasets of their own,

- ``stack`` ``[S, C, Z, Y, X]``, float16 or uint8, one chunk a sample, with ``scale`` and ``offset``
  ``[S, C, Z]``: Δf in Hz is ``offset + scale * stack``;
- ``sample`` ``[S]``, a table of :data:`SAMPLE`: where a sample comes from, its tip, and its rows in
- ``atom``, a table of :data:`ATOM`, and ``bond`` ``[E, 2]``, pairs of atoms counted from 0 in each sample;
- where any graph has dipoles, ``dipole`` ``[A, 3]`` of every atom, in e Å.

Every chunk and every header carries a checksum, which HDF5 verifies when it reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.config.cache import COMPRESSION, STORAGE
from torch_afm.data import AFMData
from torch_afm.utils import InputError, check_finite

#: Indices of molecule or scene, rotation and tip draw; offset of the probe and change of the anchor heights,
#: both in Å; first anchor height without that change, in Å; first and last + 1 row in the tables.
SAMPLE = np.dtype(
    [
        ("molecule", "<i4"),
        ("rotation", "<i2"),
        ("draw", "<i2"),
        ("tilt", "<f8", (2,)),
        ("distance", "<f8"),
        ("z_top", "<f8"),
        ("atoms", "<i4", (2,)),
        ("bonds", "<i4", (2,)),
    ]
)

#: Atomic number, position in Å and charge in e.
ATOM = np.dtype([("z", "u1"), ("pos", "<f4", (3,)), ("charge", "<f4")])

#: What h5py raises on damaged files.
_DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError, IndexError)


@dataclass(frozen=True)
class StoredSample:
    """A molecule in one orientation, and its stack under one tip.

    Args:
        graph: ``z``, ``pos``, ``charge``, ``edge_index`` and perhaps ``dipole`` of the whole molecule,
            oriented.
        stack: its Δf stack in Hz.
        z_top: first anchor height in Å, in the graph's frame, without ``distance``.
        tilt: offset of the probe's equilibrium in Å.
        distance: change of the anchor heights in Å.
        molecule: index of the molecule, or of the scene.
        rotation: index of the rotation among those of the molecule.
        draw: index of the tip draw.

    Shapes:
        stack ``[C, Z, Y, X]``.
    """

    graph: AFMData
    stack: Tensor
    z_top: float
    tilt: tuple[float, float]
    distance: float
    molecule: int
    rotation: int
    draw: int


def quantize(stack: np.ndarray, storage: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A stack in 2 bytes or 1 a pixel: of each slice the deviation from its mean, over its standard
    deviation, as float16 (rounded by 2⁻¹¹ of itself at most); or 256 equal steps from its least to its
    greatest value (rounded by half a step at most).

    Args:
        stack: Δf in Hz.
        storage: ``"float16"`` or ``"uint8"``.

    Shapes:
        stack ``[..., Y, X]``; returns values of the same shape, scale and offset ``[...]``, such that
        ``stack`` is ``offset + scale * values``.

    Raises:
        InputError: for another storage, and for numbers that are not finite.
    """
    if storage not in STORAGE:
        raise InputError(f"storage: expected one of {', '.join(STORAGE)}, got {storage!r}")
    check_finite("stack", stack)
    wide = stack.astype(np.float64)
    if storage == "float16":
        offset, scale = wide.mean(axis=(-2, -1)), wide.std(axis=(-2, -1))
    else:
        offset, scale = wide.min(axis=(-2, -1)), np.ptp(wide, axis=(-2, -1)) / 255
    # Rounded before they are used, so that their rounding is not in the result.
    offset, scale = offset.astype(np.float32), scale.astype(np.float32)
    divisor = np.where(scale > 0, scale, 1)
    values = (wide - offset[..., None, None]) / divisor[..., None, None]
    if storage == "float16":
        return values.astype(np.float16), scale, offset
    return np.clip(np.rint(values), 0, 255).astype(np.uint8), scale, offset


def dequantize(values: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> Tensor:
    """What :func:`quantize` was given, to its precision, as float32."""
    factor, shift = (np.asarray(a, np.float32)[..., None, None] for a in (scale, offset))
    return torch.from_numpy(values.astype(np.float32) * factor + shift)


def pack_samples(
    samples: Iterable[StoredSample],
    storage: str = "float16",
    compression: str = "gzip",
) -> bytes:
    """The bytes of an HDF5 file of ``samples``, at least one. Equal samples give equal bytes.

    Made in memory: whoever writes it to a disk can write it whole or not at all.

    Args:
        samples: stacks of one shape; where any graph has dipoles, those of the others are stored as zeros.
        storage: see :func:`quantize`.
        compression: one of :data:`COMPRESSION`.

    Raises:
        InputError: for an unknown storage or compression, and where h5py is not installed.
    """
    if compression not in COMPRESSION:
        raise InputError(f"compression: expected one of {', '.join(COMPRESSION)}, got {compression!r}")
    h5py = import_h5py()
    rows, stacks = [], []
    atoms, bonds = [np.empty(0, ATOM)], [np.empty((0, 2), np.int16)]
    dipoles, dipolar = [], False
    n_atoms = n_bonds = 0
    for sample in samples:
        stacks.append(quantize(sample.stack.numpy(), storage))
        atoms.append(_atoms(sample.graph))
        dipolar |= "dipole" in sample.graph
        dipoles.append(sample.graph.get("dipole", torch.zeros_like(sample.graph.pos)).numpy())
        bonds.append(sample.graph.edge_index.numpy().T.astype(np.int16))
        ranges = (n_atoms, n_atoms + len(atoms[-1])), (n_bonds, n_bonds + len(bonds[-1]))
        (_, n_atoms), (_, n_bonds) = ranges
        origin = sample.molecule, sample.rotation, sample.draw
        rows.append((*origin, sample.tilt, sample.distance, sample.z_top, *ranges))
    filters: dict[str, Any] = {"fletcher32": True, "shuffle": compression != "none"}
    if compression != "none":
        filters["compression"] = compression
    if compression == "gzip":
        filters["compression_opts"] = 1
    with h5py.File.in_memory(libver="latest") as file:
        file.attrs["axes"] = "sample, channel, z (far to near), y, x"
        shape = (len(stacks), *stacks[0][0].shape)
        stack = file.create_dataset("stack", shape, storage, chunks=(1, *shape[1:]), **filters)
        stack.attrs["unit"] = "Hz = offset + scale * stack"
        for i, (values, _, _) in enumerate(stacks):
            stack[i] = values
        small = {
            "scale": np.stack([s for _, s, _ in stacks]),
            "offset": np.stack([o for _, _, o in stacks]),
            "sample": np.array(rows, SAMPLE),
            "atom": np.concatenate(atoms),
            "bond": np.concatenate(bonds),
        }
        if dipolar:
            small["dipole"] = np.concatenate(dipoles).astype("<f4")
        for key, table in small.items():
            file.create_dataset(key, data=table, maxshape=(None, *table.shape[1:]), **filters)
        file.flush()
        return bytes(file.id.get_file_image())


class SampleFile:
    """An HDF5 file of :func:`pack_samples`, open for reading; it must not be passed to another process.

    Args:
        path: the file.

    Raises:
        InputError: for a missing file, one that is something else or is damaged, naming it; when a sample is
            read too, since only then its checksum is verified.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file")
        h5py = import_h5py()
        try:
            # Without locks, which network file systems may lack: a finished file never changes.
            self._file = h5py.File(self.path, "r", locking=False)
            self._stack, self._atom, self._bond = (self._file[key] for key in ("stack", "atom", "bond"))
            self._dipole = self._file.get("dipole")
            self._scale, self._offset = self._file["scale"][:], self._file["offset"][:]
            self.rows = self._file["sample"][:]
        except _DAMAGE as error:
            raise self._damaged(error) from None

    def __len__(self) -> int:
        return len(self.rows)

    def graph(self, index: int) -> AFMData:
        """The graph of a sample."""
        row = self.rows[index]
        try:
            atoms, bonds = self._atom[slice(*row["atoms"])], self._bond[slice(*row["bonds"])]
            dipole = None if self._dipole is None else self._dipole[slice(*row["atoms"])]
        except _DAMAGE as error:
            raise self._damaged(error) from None
        graph = AFMData(
            z=torch.from_numpy(atoms["z"].astype(np.int64)),
            pos=torch.from_numpy(atoms["pos"].copy()),
            charge=torch.from_numpy(atoms["charge"].copy()),
            edge_index=torch.from_numpy(np.ascontiguousarray(bonds.T, dtype=np.int64)),
        )
        if dipole is not None:
            graph.dipole = torch.from_numpy(dipole)
        return graph

    def stack(self, index: int) -> Tensor:
        """The stack ``[C, Z, Y, X]`` of a sample, in Hz."""
        try:
            values = self._stack[index]
        except _DAMAGE as error:
            raise self._damaged(error) from None
        return dequantize(values, self._scale[index], self._offset[index])

    def __getitem__(self, index: int) -> StoredSample:
        row = self.rows[index]
        return StoredSample(
            graph=self.graph(index),
            stack=self.stack(index),
            z_top=float(row["z_top"]),
            tilt=(float(row["tilt"][0]), float(row["tilt"][1])),
            distance=float(row["distance"]),
            molecule=int(row["molecule"]),
            rotation=int(row["rotation"]),
            draw=int(row["draw"]),
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _damaged(self, error: Exception) -> InputError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return InputError(f"{self.path}: expected an intact file of training samples ({reason})")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path.name!r}, {len(self)})"


def import_h5py() -> ModuleType:
    """h5py, or :class:`InputError` naming the extra that brings it."""
    try:
        import h5py  # not at the top: an optional dependency
    except ImportError:
        raise InputError("h5py: expected it to be installed; pip install 'torch_afm[io]'") from None
    return h5py


def _atoms(graph: AFMData) -> np.ndarray:
    atoms = np.empty(graph.z.numel(), ATOM)
    for key in ("z", "pos", "charge"):
        atoms[key] = graph[key].numpy()
    return atoms
