"""Stacks in npz and HDF5."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from torch_afm.io.files import load_npz
from torch_afm.io.hdf5 import import_h5py
from torch_afm.io.scans.datasets import read_dataset
from torch_afm.io.scans.readers.gxsm import gxsm_block, is_gxsm
from torch_afm.io.scans.recognize import describe_hdf5
from torch_afm.io.scans.registry import scan_reader
from torch_afm.io.scans.scan_block import (
    MAX_VALUES,
    ChannelError,
    ScanBlock,
    check_forward,
    check_size,
    parse_number,
    reading,
)
from torch_afm.io.stacks import AFMStack, as_stack, read_npz_stack
from torch_afm.utils import InputError

#: Arrays of the stacks that were published beside networks for AFM.
_PUBLISHED = ("data", "lengthX", "lengthY")


@scan_reader("npz", suffixes=(".npz",), magic=(b"PK",))
def read_npz(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """What :func:`torch_afm.io.write_stack` wrote; channels are called by their numbers from 0.

    Or ``data`` ``[X, Y, Z]`` with ``lengthX`` and ``lengthY`` in Å, as the groups of ED-AFM (Oinonen et al.,
    ACS Nano 16, 89, 2022) and ml-spm publish it: y upwards, far to near. Such files tell neither heights nor
    a unit: give ``step``, or ``heights``.

    Raises:
        InputError: for a damaged archive, missing keys, anything :class:`torch_afm.io.AFMStack` refuses.
    """
    check_forward(path, direction)
    if _holds_published(path):
        return _published_block(path, channel)
    return stack_block(path, read_npz_stack(path), channel)


def _holds_published(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False  # as damaged as it is, reading it says more
    return "stack.npy" not in names and {f"{key}.npy" for key in _PUBLISHED} <= names


def _published_block(path: Path, channel: str | None) -> ScanBlock:
    if channel not in (None, "data"):
        raise ChannelError(f"channel: expected 'data', the only one of {path}, got {channel!r}", ("data",))
    arrays = load_npz(path)
    values, *lengths = (arrays[key] for key in _PUBLISHED)
    if values.ndim != 3 or values.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: data: expected real numbers [X, Y, Z], got {values.dtype} of shape {values.shape}"
        )
    check_size(path, values.size, MAX_VALUES)
    size = [
        parse_number(path, key, length.item() if length.size == 1 else "an array")
        for key, length in zip(_PUBLISHED[1:], lengths, strict=True)
    ]
    if min(size) <= 0:
        raise InputError(
            f"{path}: lengthX, lengthY: expected positive numbers of Å, got {size[0]}, {size[1]}"
        )
    return ScanBlock(
        values=values.T.astype(np.float64),
        heights=None,
        size=(size[0], size[1]),
        center=(0.0, 0.0),
        unit="arbitrary unit",
        channel="data",
        direction="forward",
        channels=("data",),
    )


@scan_reader("hdf5", suffixes=(".h5", ".hdf5"), magic=(b"\x89HDF",))
def read_hdf5(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """The same in HDF5: datasets ``stack`` ``[C, Z, Y, X]`` or ``[Z, Y, X]``, ``x``, ``y`` and ``z``, and
    ``meta``, a JSON text of fixed length (``np.bytes_``), which may be left out. Its ``unit`` is that of the
    stack, Hz where it has none; ``scan`` brings the oscillation. Texts of variable length are
    refused: the HDF5 library takes whatever memory a damaged file says they need. Files of GXSM
    (netCDF-4) are read as :func:`torch_afm.io.scans.readers.gxsm.read_gxsm` has it.

    Raises:
        InputError: for a damaged file, a missing dataset, data in other files, anything
            :class:`torch_afm.io.AFMStack` refuses.
    """
    h5py = import_h5py()
    with reading(path, "HDF5 file"), h5py.File(path, "r", locking=False) as file:
        if is_gxsm(file):
            return gxsm_block(path, file, channel, direction)
        check_forward(path, direction)
        if "stack" not in file:
            other = describe_hdf5(file)
            raise InputError(
                f"{path}: expected a dataset 'stack' in the file itself, got {other.name}; {other.remedy}"
            )
        arrays = {key: read_dataset(path, file, key, "fiu") for key in ("stack", "x", "y", "z")}
        meta = read_dataset(path, file, "meta", "S").item() if "meta" in file else b"{}"
        if arrays["stack"].ndim == 3:
            arrays["stack"] = arrays["stack"][None]
        stack = as_stack(path, arrays, json.loads(meta))
    return stack_block(path, stack, channel)


def stack_block(path: Path, stack: AFMStack, channel: str | None) -> ScanBlock:
    """One channel of a stack."""
    names = [str(i) for i in range(len(stack.stack))]
    if channel is None and len(names) == 1:
        channel = names[0]
    if channel not in names:
        raise ChannelError(f"channel: expected one of {', '.join(names)} in {path}, got {channel!r}", names)
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
