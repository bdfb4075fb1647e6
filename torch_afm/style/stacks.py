"""Stacks of a domain from files."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from torch_afm.io import read_stack
from torch_afm.io.hdf5 import SampleFile
from torch_afm.utils import InputError


def read_stacks(path: str | Path) -> list[Tensor]:
    """All stacks of a domain, each channel one of its own, in Hz.

    Args:
        path: a stack file (.npz), a folder of such, or a folder that ``torch-afm dataset`` rendered.

    Shapes:
        each ``[Z, Y, X]``, in the order of the files' names.

    Raises:
        InputError: for a path without stacks, and for files that cannot be read.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob("*.npz"))
    if files:
        return [torch.from_numpy(channel) for file in files for channel in read_stack(file).stack]
    stacks: list[Tensor] = []
    for file in sorted(path.glob("*.h5")):
        samples = SampleFile(file)
        for i in range(len(samples)):
            stacks += samples.stack(i).unbind()
        samples.close()
    if not stacks:
        raise InputError(f"{path}: expected a stack file (.npz), or a folder with .npz or .h5 files")
    return stacks
