"""Choose the slices of a scan that a network is shown, and the height of the tip there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.config.generators import MAX_ATOMS
from torch_afm.data import AFMData
from torch_afm.models import Generator
from torch_afm.ppm import ProbeParticleModel, nominal_height
from torch_afm.prediction.generate import generate
from torch_afm.prediction.result import mean_pearson
from torch_afm.prediction.tiles import cut_windows, window_image
from torch_afm.utils import InputError, check_shape

#: Å between guesses, and how many are tried at most.
_STEP, _MAX_GUESSES = 0.3, 6


@dataclass(frozen=True)
class HeightGuess:
    """A guess of the slices and of the height of the tip, and what came of it.

    Args:
        first: number of the first slice.
        z_top: first anchor height of that slice in Å above the top atom.
        pearson: Pearson's r of the image of what was found with *all* slices, mean of the slices.
    """

    first: int
    z_top: float
    pearson: float


def choose_slices(
    model: Generator,
    reference: Tensor,
    scan: Scan,
    z_top: float | None = None,
    tip: Tip | None = None,
    backend: str = "auto",
    cover: str = "auto",
    max_atoms: int = MAX_ATOMS,
    progress: Callable[[str], None] | None = None,
) -> list[HeightGuess]:
    """Predict the strongest window without refinement, in one view, for several guesses, six at most, of
    where in the scan the network's slices begin and of the first anchor height there.

    Networks know molecules from the heights they were trained at, and find little a few tenths of an Å nearer
    or farther, where what counts is the lower turning point. So slices 0.3 Å apart are tried, at the height
    of training; then the best of them 0.3 Å higher and lower. Where the height is known there is one guess,
    :func:`locate_slices`. What a guess gives is
    imaged at all heights of the scan and compared with all of them, so that guesses can be told from each
    other: far slices alone agree with almost anything.

    Args:
        model: the generator; it is shown as many slices as it was made for.
        reference: the stack, of as many slices or more, in the model's steps of height.
        scan: its window, pixels and heights.
        z_top: first anchor height of the scan in Å, where it is known.
        tip: a guess of the tip.
        backend: of the renderer.
        cover: as of :func:`predict_scan`.
        max_atoms: most atoms of each prediction.
        progress: called with each step before it begins.

    Returns:
        the guesses; that with the largest ``pearson`` is the one to choose.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for fewer slices than the model's, and as :func:`predict_scan`.
    """
    check_shape("reference", reference, (1, 1, *scan.shape))
    wanted, tip = model.config.scan, tip or Tip()
    n = wanted.n_slices
    if scan.n_slices < n:
        raise InputError(f"reference: expected at least {n} slices, got {scan.n_slices}")
    every = dataclasses.replace(scan, window=wanted.window, pixels=wanted.pixels)
    near, whole = (
        ProbeParticleModel(s, tip, backend=backend).quiet()
        for s in (dataclasses.replace(every, n_slices=n), every)
    )
    parts = [window_image(image, tile, wanted) for tile, image in cut_windows(reference, scan, wanted, cover)]
    strongest = parts[int(np.argmax([float(part.std(dim=(-1, -2)).mean()) for part in parts]))]

    guesses: list[HeightGuess] = []

    def guess(first: int, z_top: float) -> None:
        if progress is not None:
            progress(f"looking for the slices and the height of the tip, {len(guesses) + 1}")
        slices = strongest[:, :, first : first + n]
        prediction = generate(model, slices, near, z_top, max_atoms=max_atoms, views=1)
        atoms = prediction.steps[-1].graph
        shown = AFMData(z=atoms.z, pos=atoms.pos, charge=torch.zeros(len(atoms.z)))
        image = whole(shown, z_top=z_top + first * scan.dz).cpu()
        guesses.append(HeightGuess(first, z_top, mean_pearson(image, strongest)))

    if z_top is not None:
        guess(*locate_slices(scan, wanted, z_top))
        return guesses
    last, trained = scan.n_slices - n, trained_height(scan, wanted)
    count = min(1 + math.ceil(last * scan.dz / _STEP - 1e-6), _MAX_GUESSES)
    for i in range(count):
        guess(round(last * i / max(count - 1, 1)), trained)
    if len(guesses) + 2 <= _MAX_GUESSES:
        best = max(guesses, key=lambda one: one.pearson)
        for shift in (-_STEP, _STEP):
            guess(best.first, best.z_top + shift)
    return guesses


def locate_slices(scan: Scan, model: Scan, z_top: float) -> tuple[int, float]:
    """First of the slices of a scan that lie nearest to the heights of training, as many as ``model`` has,
    and its first anchor height in Å, where that of the scan is ``z_top``."""
    first = min(
        max(round((z_top - trained_height(scan, model)) / scan.dz), 0), scan.n_slices - model.n_slices
    )
    return first, z_top - first * scan.dz


def trained_height(scan: Scan, model: Scan, tip: Tip | None = None) -> float:
    """First anchor height in Å above the top atom at which a scan comes as near as those of training did: the
    lower turning points of both oscillations agree, and the forces there make the contrast. The top atom is
    taken for oxygen.

    Args:
        scan: what was measured.
        model: the scan of training.
        tip: that of the measurement, a CO by default; a larger probe stays farther away.
    """
    return nominal_height(model, tip or Tip()) + scan.amplitude - model.amplitude
