"""Stacks in npz and HDF5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.hdf5 import import_h5py
from torch_afm.io.scans.recognize import describe_hdf5
from torch_afm.io.scans.registry import scan_reader
from torch_afm.io.scans.scan_block import (
    EXPANSION,
    MAX_VALUES,
    ChannelError,
    ScanBlock,
    check_forward,
    check_size,
    reading,
)
from torch_afm.io.stacks import AFMStack, as_stack, read_npz_stack
from torch_afm.utils import InputError


@scan_reader("npz", suffixes=(".npz",), magic=(b"PK",))
def read_npz(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """What :func:`torch_afm.io.write_stack` wrote; channels are called by their numbers from 0."""
    check_forward(path, direction)
    return stack_block(path, read_npz_stack(path), channel)


@scan_reader("hdf5", suffixes=(".h5", ".hdf5"), magic=(b"\x89HDF",))
def read_hdf5(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """The same in HDF5: datasets ``stack`` ``[C, Z, Y, X]`` or ``[Z, Y, X]``, ``x``, ``y`` and ``z``, and
    ``meta``, a JSON text of fixed length (``np.bytes_``), which may be left out. Its ``unit`` is that of the
    stack, Hz where it has none; ``scan`` brings the oscillation. Texts of variable length are
    refused: the HDF5 library takes whatever memory a damaged file says they need.

    Raises:
        InputError: for a damaged file, a missing dataset, data in other files, anything
            :class:`torch_afm.io.AFMStack` refuses.
    """
    check_forward(path, direction)
    h5py = import_h5py()
    with reading(path, "HDF5 file"), h5py.File(path, "r", locking=False) as file:
        if "stack" not in file:
            other = describe_hdf5(file)
            raise InputError(
                f"{path}: expected a dataset 'stack' in the file itself, got {other.name}; {other.remedy}"
            )
        arrays = {key: _dataset(path, file, key, "fiu") for key in ("stack", "x", "y", "z")}
        meta = _dataset(path, file, "meta", "S").item() if "meta" in file else b"{}"
        if arrays["stack"].ndim == 3:
            arrays["stack"] = arrays["stack"][None]
        stack = as_stack(path, arrays, json.loads(meta))
    return stack_block(path, stack, channel)


def _dataset(path: Path, file: Any, key: str, dtype_kinds: str) -> np.ndarray:
    """A dataset, after everything that could take memory or lead out of the file has been looked at."""
    h5py = import_h5py()
    if not isinstance(file.get(key, getlink=True), h5py.HardLink) or not isinstance(file[key], h5py.Dataset):
        raise InputError(
            f"{path}: expected a dataset {key!r} in the file itself, got "
            f"{', '.join(list(file)[:20]) or 'none'}"
        )
    dataset = file[key]
    if dataset.dtype.kind not in dtype_kinds or dataset.external or dataset.is_virtual:
        wanted = "a text of fixed length" if dtype_kinds == "S" else "real numbers"
        raise InputError(f"{path}: {key}: expected {wanted} in the file itself, got {dataset.dtype}")
    held = min(EXPANSION * path.stat().st_size, MAX_VALUES)
    check_size(path, int(dataset.size) * max(dataset.dtype.itemsize // 8, 1), held)
    check_size(path, int(np.prod(dataset.chunks or 1, dtype=object)), held)
    return np.asarray(dataset[()])


def stack_block(path: Path, stack: AFMStack, channel: str | None) -> ScanBlock:
    """One channel of a stack."""
    names = [str(i) for i in range(len(stack.stack))]
    if channel is None and len(names) == 1:
        channel = names[0]
    if channel not in names:
        raise ChannelError(
            f"channel: expected one of {', '.join(names)} in {path}, got {channel!r}", names
        )
    meta = stack.meta
    scan = stack.recorded_scan
    if scan is not None:
        meta = {"amplitude": scan.amplitude, "f0": scan.f0, "k": scan.k} | meta
    sizes = [float(axis[-1] - axis[0]) * len(axis) / max(len(axis) - 1, 1) for axis in (stack.x, stack.y)]
    return ScanBlock(
        values=stack.stack[names.index(channel)].astype(np.float64),
        heights=stack.z,
        size=(sizes[0], sizes[1]),
        center=(float(stack.x[0] + stack.x[-1]) / 2, float(stack.y[0] + stack.y[-1]) / 2),
        unit=stack.unit,
        channel=str(meta.get("channel", channel)) if len(names) == 1 else channel,
        direction=str(meta.get("direction", "forward")),
        meta=meta,
        channels=tuple(names),
    )
