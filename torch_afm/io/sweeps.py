"""Stacks of one sample with different settings, in one file."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.files import load_npz, write_whole
from torch_afm.io.stacks import AFMStack
from torch_afm.utils import InputError

_KEYS = ("stacks", "x", "y", "z", "meta")


def write_sweep(path: str | Path, stacks: Sequence[AFMStack]) -> None:
    """Write V stacks with the same pixels as npz: ``stacks`` ``[V, Z, Y, X]``, ``x``, ``y``, ``z``
    ``[V, Z]``, ``meta``, the V settings as a JSON list, and, by its name, each number that
    ``meta["parameters"]`` of the stacks holds, ``[V]``.

    Raises:
        InputError: for no stacks, stacks of more than one channel or of different pixels, settings that do
            not fit into JSON, and a file that cannot be written.
    """
    if not stacks:
        raise InputError("stacks: expected at least one, got none")
    first = stacks[0]
    for stack in stacks:
        if stack.stack.shape != (1, *first.stack.shape[1:]):
            raise InputError(
                f"stacks: expected one channel and equal shapes, got {first.stack.shape} and "
                f"{stack.stack.shape}"
            )
        if not (np.array_equal(stack.x, first.x) and np.array_equal(stack.y, first.y)):
            raise InputError("stacks: expected the same pixels in all, got others")
    arrays: dict[str, Any] = {
        "stacks": np.concatenate([stack.stack for stack in stacks]),
        "x": first.x,
        "y": first.y,
        "z": np.stack([stack.z for stack in stacks]),
    }
    for name in first.meta.get("parameters", {}):
        arrays[name] = np.array([stack.meta["parameters"][name] for stack in stacks])
    try:
        arrays["meta"] = np.array(json.dumps([stack.meta for stack in stacks], allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"meta: expected settings that fit into JSON ({error})") from None
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    try:
        write_whole(Path(path), buffer.getvalue())
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None


def read_sweep(path: str | Path) -> list[AFMStack]:
    """The stacks that :func:`write_sweep` wrote; ``meta["parameters"]`` of each are what varies.

    Raises:
        InputError: for a missing or damaged file, or one of other arrays, naming it.
    """
    arrays = load_npz(path)
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise InputError(f"{path}: expected the keys {', '.join(_KEYS)}; {', '.join(missing)} missing")
    values, z = arrays["stacks"], arrays["z"]
    try:
        metas = json.loads(arrays["meta"].item())
    except (TypeError, ValueError):
        metas = None
    if (
        not isinstance(metas, list)
        or values.ndim != 4
        or z.ndim != 2
        or not len(metas) == len(values) == len(z)
    ):
        raise InputError(f"{path}: expected stacks [V, Z, Y, X] with z [V, Z] and V settings, got others")
    try:
        return [
            AFMStack(values[i][None], arrays["x"], arrays["y"], z[i], meta) for i, meta in enumerate(metas)
        ]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
