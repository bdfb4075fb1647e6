"""Molecules packed into flat arrays, read or computed once and kept in the user's cache folder. A lost or
damaged file costs time, never a wrong number."""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from torch_afm.data import AFMData
from torch_afm.datasets.readers import Source
from torch_afm.io.files import load_npz, write_whole
from torch_afm.progress import ProgressBar
from torch_afm.utils import InputError

#: Molecules in one file of an unfinished computation: what an interruption loses at most.
_CHUNK = 128

_CHECKSUM = "sha256"

Arrays = dict[str, np.ndarray]


def load_or_compute(source: Source, folder: Path | None) -> Arrays:
    """The molecules of a source, from ``folder`` if it has them; else computed on all cores (RDKit works
    outside Python's lock, so threads do), and a computation that was interrupted goes on where it stopped.

    Shapes:
        ``index`` ``[M]``, the records that molecules come from; ``atom_ptr`` and ``edge_ptr`` ``[M + 1]``,
        where each molecule's atoms and edges begin; z ``[N]``, pos ``[N, 3]``, charge ``[N]`` and edge_index
        ``[2, E]`` of all; where any has dipoles, dipole ``[N, 3]``; where any repeats, cell ``[M, 3, 3]`` and
        pbc ``[M, 3]``;
        ``failed``, JSON in bytes: the other records, and why.
    """
    whole = None if folder is None else read_arrays(folder / f"{source.key}.npz")
    if whole is not None:
        return whole
    starts = range(0, len(source.records), _CHUNK)
    files = [] if folder is None else [folder / f"{source.key}.part{start:08d}.npz" for start in starts]
    parts = []
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        ProgressBar(total=len(source.records), desc="molecules", unit="mol") as bar,
    ):

        def one(number: int) -> AFMData | str:
            return _read(source, number)

        for i, start in enumerate(starts):
            numbers = range(start, min(start + _CHUNK, len(source.records)))
            part = read_arrays(files[i]) if files else None
            if part is None:
                part = _pack(start, pool.map(one, numbers))
                if files and not write_arrays(files[i], part):
                    folder, files = None, []
            bar.update(len(numbers))
            parts.append(part)
    result = _concatenate(parts)
    if folder is not None and write_arrays(folder / f"{source.key}.npz", result):
        for file in files:
            file.unlink(missing_ok=True)
    return result


def join_arrays(parts: Sequence[Arrays], records: Sequence[int]) -> Arrays:
    """Packed arrays of several sources as those of one, which has the ``records`` of each, one source after
    the other."""
    moved = []
    for part, start in zip(parts, np.cumsum([0, *records]), strict=False):
        failed = [(int(start) + i, reason) for i, reason in failures(part)]
        moved.append({**part, "index": part["index"] + start, "failed": _json_bytes(failed)})
    return _concatenate(moved)


def unpack(arrays: Arrays, index: int) -> AFMData:
    """Molecule ``index`` of packed arrays, copied."""
    atoms = slice(*arrays["atom_ptr"][index : index + 2])
    edges = slice(*arrays["edge_ptr"][index : index + 2])
    data = AFMData(
        z=torch.tensor(arrays["z"][atoms], dtype=torch.long),
        pos=torch.tensor(arrays["pos"][atoms]),
        charge=torch.tensor(arrays["charge"][atoms]),
        edge_index=torch.tensor(arrays["edge_index"][:, edges], dtype=torch.long),
    )
    if "dipole" in arrays:
        data.dipole = torch.tensor(arrays["dipole"][atoms])
    if "pbc" in arrays and arrays["pbc"][index].any():
        data.cell = torch.tensor(arrays["cell"][index : index + 1])
        data.pbc = torch.tensor(arrays["pbc"][index : index + 1])
    return data


def failures(arrays: Arrays) -> list[tuple[int, str]]:
    """Records that gave no molecule, and why."""
    return [(i, reason) for i, reason in json.loads(arrays["failed"].tobytes())]


def uncharged(arrays: Arrays) -> int:
    """How many molecules of more than one element have zero charges alone."""
    starts = arrays["atom_ptr"][:-1]
    if not len(starts):
        return 0
    z = arrays["z"]
    mixed = np.maximum.reduceat(z, starts) != np.minimum.reduceat(z, starts)
    return int((mixed & (np.maximum.reduceat(np.abs(arrays["charge"]), starts) == 0)).sum())


def _read(source: Source, number: int) -> AFMData | str:
    """A molecule, or the reason why there is none."""
    try:
        data = source.read(source.records[number])
        return data if data.z.numel() else "expected at least one atom, got none"
    except InputError as error:
        return str(error)


def _pack(start: int, results: Iterable[AFMData | str]) -> Arrays:
    """Flat arrays of the results of records ``start``, ``start + 1``, ..."""
    numbered = list(enumerate(results, start=start))
    graphs = [(i, r) for i, r in numbered if not isinstance(r, str)]
    failed = [(i, r) for i, r in numbered if isinstance(r, str)]
    arrays = {
        "index": np.array([i for i, _ in graphs], dtype=np.int64),
        "atom_ptr": np.cumsum([0] + [g.z.numel() for _, g in graphs]),
        "edge_ptr": np.cumsum([0] + [g.edge_index.shape[1] for _, g in graphs]),
        "z": np.concatenate([np.empty(0, np.uint8)] + [g.z.numpy().astype(np.uint8) for _, g in graphs]),
        "pos": np.concatenate([np.empty((0, 3), np.float32)] + [g.pos.numpy() for _, g in graphs]),
        "charge": np.concatenate([np.empty(0, np.float32)] + [g.charge.numpy() for _, g in graphs]),
        "edge_index": np.concatenate(
            [np.empty((2, 0), np.int32)] + [g.edge_index.numpy().astype(np.int32) for _, g in graphs], axis=1
        ),
        "failed": _json_bytes(failed),
    }
    if any("dipole" in g for _, g in graphs):
        dipoles = [g.get("dipole", torch.zeros_like(g.pos)).numpy() for _, g in graphs]
        arrays["dipole"] = np.concatenate(dipoles)
    if any("pbc" in g for _, g in graphs):
        island = AFMData(cell=torch.zeros(1, 3, 3), pbc=torch.zeros(1, 3, dtype=torch.bool))
        lattices = [g if "pbc" in g else island for _, g in graphs]
        arrays["cell"] = np.concatenate([g.cell.numpy() for g in lattices])
        arrays["pbc"] = np.concatenate([g.pbc.numpy() for g in lattices])
    return arrays


def _concatenate(parts: list[Arrays]) -> Arrays:
    if any("pbc" in p for p in parts):
        for p in parts:
            p.setdefault("cell", np.zeros((len(p["index"]), 3, 3), np.float32))
            p.setdefault("pbc", np.zeros((len(p["index"]), 3), bool))
    if any("dipole" in p for p in parts):
        for p in parts:
            p.setdefault("dipole", np.zeros_like(p["pos"]))
    result = {
        key: np.concatenate([p[key] for p in parts], axis=-1 if key == "edge_index" else 0)
        for key in parts[0]
    }
    for key in ("atom_ptr", "edge_ptr"):
        result[key] = np.cumsum([0] + [n for p in parts for n in np.diff(p[key])])
    failed = [f for p in parts for f in failures(p)]
    result["failed"] = _json_bytes(failed)
    return result


def _json_bytes(failed: Sequence[tuple[int, str]]) -> np.ndarray:
    return np.frombuffer(json.dumps(failed).encode(), dtype=np.uint8)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> bool:
    """Write an npz, with a checksum of its arrays, whole or not at all. Where that fails, warn and return
    ``False``."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, **{_CHECKSUM: _checksum(arrays)})  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, buffer.getvalue())
        return True
    except OSError as error:
        warnings.warn(f"{path}: cannot write the cache, going on without it ({error})", stacklevel=2)
        return False


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of :func:`write_arrays`, or ``None`` where there is no such file; a damaged one, or one
    whose arrays are not those of its checksum, gives a warning and ``None``."""
    if not path.is_file():
        return None
    try:
        arrays = load_npz(path)
        expected = arrays.pop(_CHECKSUM, np.empty(0))
        if not np.array_equal(expected, _checksum(arrays)):
            raise InputError(f"{path}: expected arrays with the file's checksum, got others")
        return arrays
    except InputError as error:
        warnings.warn(f"{error}; the cached file is damaged, computing it anew", stacklevel=2)
        return None


def _checksum(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {arrays[key].shape} ".encode())
        digest.update(array.tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)
