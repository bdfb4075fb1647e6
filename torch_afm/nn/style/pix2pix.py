"""Weights of the pix2pix / CycleGAN framework."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from torch_afm.nn.style.networks import PatchDiscriminator, ResnetGenerator
from torch_afm.utils import InputError, check_finite

#: Buffers that instance norms of old files have and nobody uses.
_UNUSED = ("running_mean", "running_var", "num_batches_tracked")


def load_pix2pix_state_dict(
    network: ResnetGenerator | PatchDiscriminator, weights: str | Path | Mapping[str, Tensor]
) -> None:
    """Load weights that the framework pytorch-CycleGAN-and-pix2pix saved (``*_net_G_A.pth``: generator from A
    to B; ``*_net_D_A.pth``: discriminator of B), for networks with instance norm.

    Its parameters are named after their place in one sequence (``model.10.conv_block.5.weight``), whose order
    is that of ours; files of data-parallel runs and of generators with dropout load too.

    Args:
        network: of the same size; it is changed in place.
        weights: a file, or what it holds.

    Raises:
        InputError: for a missing file, one that holds anything but tensors, and weights of another network.
    """
    state = weights if isinstance(weights, Mapping) else _read(Path(weights))
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError("weights: expected a state dict of tensors, got other values in it")
    names = sorted((name for name in state if not name.endswith(_UNUSED)), key=_place)
    own = network.state_dict()
    shapes = [tuple(state[name].shape) for name in names]
    wanted = [tuple(value.shape) for value in own.values()]
    if shapes != wanted:
        at = next((i for i, pair in enumerate(zip(shapes, wanted, strict=False)) if pair[0] != pair[1]), -1)
        if at < 0:
            raise InputError(f"weights: expected {len(wanted)} tensors for {network}, got {len(shapes)}")
        raise InputError(f"weights: expected {wanted[at]} in {names[at]} for {network}, got {shapes[at]}")
    for name in names:
        check_finite(name, state[name])
    network.load_state_dict({key: state[name] for key, name in zip(own, names, strict=True)})


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: expected a state dict of tensors ({reason})") from None
    if not isinstance(state, Mapping):
        raise InputError(f"{path}: expected a state dict, got {type(state).__name__}")
    return state


def _place(name: str) -> tuple[list[int], bool]:
    """Place of a parameter in the framework's sequence: the numbers in its name, weights before biases."""
    return [int(part) for part in name.split(".") if part.isdigit()], name.endswith("bias")
