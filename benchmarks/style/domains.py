"""Domains where the truth is known: A is the simulator's; B the simulator's with a stand-in for an
experiment's style, of other molecules; both of the published training split. Of the test molecules, of the
published test split, both images are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scaling, SpatialGeneratorConfig
from torch_afm.data import AFMData
from torch_afm.datasets import CacheConfig, MoleculeDataset, write_cache
from torch_afm.functional import normalize_slices
from torch_afm.style import read_stacks
from torch_afm.transforms import (
    DoubleTip,
    Drift,
    Noise,
    Plane,
    RowOffsets,
    TipAsymmetry,
)

GAMMA = 1.4
#: Molecules of A, B and the test set, and orientations of each.
SIZES = {"a": (250, 2), "b": (150, 2), "test": (100, 1)}
QUICK = {"a": (8, 1), "b": (8, 1), "test": (4, 1)}
_CANDIDATES = 100


def stand_in(stacks: Tensor, seed: int) -> Tensor:
    """Normalised stacks ``[B, C, Z, Y, X]`` as the stand-in experiment shows them: one tip, one scanner, and
    noise of every stack's own."""
    count = len(stacks)
    rng = np.random.default_rng(seed)
    stacks = DoubleTip.apply(stacks, [0.25] * count, [[0.08, 0.05]] * count, [1] * count)
    stacks = TipAsymmetry.apply(stacks, [0.05] * count, [2.2] * count)
    stacks = Drift.apply(stacks, [[0.004, -0.003]] * count)
    low = stacks.amin((-2, -1), keepdim=True)
    span = stacks.amax((-2, -1), keepdim=True) - low
    stacks = ((stacks - low) / span) ** GAMMA * span + low
    stacks = Plane.apply(stacks, [0.2] * count, rng.uniform(0, 2 * math.pi, count).tolist())
    stacks = RowOffsets.apply(stacks, [0.02] * count, rng.integers(2**53, size=count).tolist())
    return Noise.apply(stacks, [0.12] * count, rng.integers(2**53, size=count).tolist())


def molecules(part: str, quick: bool = False) -> list[tuple[int, AFMData]]:
    """Numbers and molecules of ``"a"``, ``"b"`` or ``"test"``."""
    sizes = QUICK if quick else SIZES
    source = MoleculeDataset()
    train, _, test = source.split()
    order = np.random.default_rng(0).permutation(test if part == "test" else train).tolist()
    start = sizes["a"][0] if part == "b" else 0
    return [(i, source[i]) for i in order[start : start + sizes[part][0]]]


def rendered(folder: Path, part: str, quick: bool = False) -> Tensor:
    """Simulated stacks of a part, normalized, ``[N, 1, Z, Y, X]``; ``folder`` keeps them."""
    rotations = (QUICK if quick else SIZES)[part][1]
    config = CacheConfig(scan=SpatialGeneratorConfig().scan, rotations=rotations, candidates=_CANDIDATES)
    write_cache(folder, [molecule for _, molecule in molecules(part, quick)], config)
    return normalize_slices(torch.stack(read_stacks(folder))[:, None])


def to_scale(stacks: Tensor) -> Tensor:
    """Stacks ``[N, 1, Z, Y, X]`` as networks and metrics see them, ``[N, Z, Y, X]``."""
    scaling = Scaling()
    return scaling.apply(stacks, scaling.measure(stacks))[:, 0]
