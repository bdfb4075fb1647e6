"""How well the noise of a scan is known from the scan itself: stacks of known noise, of four molecules.

    python -m benchmarks.prediction.noise

Noise is white in the plane, an offset of each row, or interpolated (a Gaussian of so many pixels); a share of
the variance of each slice, or as strong in all slices, so that far ones, of less contrast, are noisier; of
ten slices, or as many as it says. *Prepared* stacks were made noisy as a file would contain them, of other
pixels than those of the network, and then prepared as :func:`torch_afm.predict` does. *Every slice twice* is
a scan with repeats. What is printed: the true share, the mean of the slices, and the estimate over it, from
the lowest to the highest of the molecules, and of all slices; shares below half a hundredth count as that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from benchmarks.common import table, write
from torch_afm.config import Scan, Tip
from torch_afm.config.generators import PRESETS
from torch_afm.config.prediction import ScanPreparation
from torch_afm.data import from_smiles
from torch_afm.io.scans import ScanStack, prepare_scan
from torch_afm.metrics.evidence import noise_floor
from torch_afm.metrics.images import noise_share
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations

MOLECULES = ("c1ccc2cc3ccccc3cc2c1", "OC(=O)c1ccccc1", "CC(C)CO", "Brc1ccc2ccccc2c1")

#: 20 slices of 0.1 Å, pixels of 0.2 Å; the nearest is that of training, ten are farther.
SCAN = Scan(pixels=(96, 96), window=((-9.6, 9.6), (-9.6, 9.6)), n_slices=20)

#: Smallest share that counts, and seed of the noise.
SMALLEST, SEED = 0.005, 0

#: Slices for one that was measured -> what that is called.
SPARSE = {1: "", 3: ", every third slice measured"}

#: What makes a clean stack noisy, ``[Z, Y, X]``: the noise.
Noise = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def white(share: float, same: bool = False) -> Noise:
    """White noise with a share of the variance of each slice; or of the nearest, the ``same`` in all."""

    def draw(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _strength(clean, share, same) * rng.normal(size=clean.shape)

    return draw


def rows(share: float) -> Noise:
    """Offsets of rows."""

    def draw(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _strength(clean, share) * rng.normal(size=(*clean.shape[:2], 1)) * np.ones_like(clean)

    return draw


def interpolated(share: float, pixels: float) -> Noise:
    """White noise that was blurred by a Gaussian of so many pixels."""

    def draw(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = ndimage.gaussian_filter(rng.normal(size=clean.shape), (0, pixels, pixels))
        return _strength(clean, share) * noise / noise.std(axis=(1, 2), keepdims=True)

    return draw


def _strength(clean: np.ndarray, share: float, same: bool = False) -> np.ndarray:
    spread = clean.std(axis=(1, 2), keepdims=True)
    return np.sqrt(share / (1 - share)) * (spread[-1:] if same else spread)


#: Name -> noise and number of slices.
CASES: dict[str, tuple[Noise, int]] = {
    **{f"white, {share:g}": (white(share), 10) for share in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)},
    **{f"white, 0.1, of {n}": (white(0.1), n) for n in (1, 2, 3, 4, 20)},
    "white, 0.1 of the nearest, far ones noisier": (white(0.1, same=True), 10),
    "rows, 0.1": (rows(0.1), 10),
    "rows, 0.1, of 1": (rows(0.1), 1),
    "interpolated, 0.7 pixels, 0.1": (interpolated(0.1, 0.7), 10),
    "interpolated, 0.7 pixels, 0.1, of 1": (interpolated(0.1, 0.7), 1),
    "interpolated, 1.2 pixels, 0.1": (interpolated(0.1, 1.2), 10),
    "no noise": (white(0.0), 10),
}


def render() -> list[np.ndarray]:
    """Clean stacks of the molecules."""
    stacks = []
    for smiles in MOLECULES:
        molecule = from_smiles(smiles)
        molecule = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
        top = float(anchor_height(molecule, SCAN, Tip())) + 10 * SCAN.dz
        stacks.append(ProbeParticleModel(SCAN).quiet()(molecule, z_top=top)[0, 0].cpu().double().numpy())
    return stacks


def prepared(stack: np.ndarray, every: int) -> np.ndarray:
    """A stack as the network is shown it, of which every so many slices were measured."""
    heights = SCAN.dz * np.arange(len(stack))[::-1]
    scan = ScanStack(stack[::-1][::every][::-1], heights[::-1][::every][::-1], SCAN.window, meta={})
    found = prepare_scan(scan, PRESETS["scan"].scan, ScanPreparation(align="never"), whole=True)
    return found.stack.afm_stack().stack[0].astype(float)


def compare(name: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """True and estimated shares of noisy stacks and their noise."""
    shares = [np.maximum(noise.var(axis=(1, 2)) / noisy.var(axis=(1, 2)), SMALLEST) for noisy, noise in pairs]
    row: dict[str, Any] = {"noise": name, "true": float(np.mean([share.mean() for share in shares]))}
    for key, estimate in (("floor", noise_floor), ("by height alone", noise_share)):
        ratios = [
            np.maximum(estimate(noisy), SMALLEST) / share
            for (noisy, _), share in zip(pairs, shares, strict=True)
        ]
        means = [
            float(np.maximum(estimate(noisy), SMALLEST).mean() / share.mean())
            for (noisy, _), share in zip(pairs, shares, strict=True)
        ]
        row[key] = {
            "molecules": [min(means), max(means)],
            "slices": [float(min(r.min() for r in ratios)), float(max(r.max() for r in ratios))],
        }
    return row


def measure() -> list[dict[str, Any]]:
    """One row a case."""
    rng, clean = np.random.default_rng(SEED), render()
    found = []
    for name, (draw, n) in CASES.items():
        noises = [draw(stack[-n:], rng) for stack in clean]
        noisy = [stack[-n:] + noise for stack, noise in zip(clean, noises, strict=True)]
        found.append(compare(name, list(zip(noisy, noises, strict=True))))
    twice = [np.repeat(stack[-6:], 2, axis=0) for stack in clean]
    noises = [white(0.1)(stack, rng) for stack in twice]
    pairs = [(stack + noise, noise) for stack, noise in zip(twice, noises, strict=True)]
    found.append(compare("white, 0.1, every slice twice", pairs))
    for every in SPARSE:
        pairs = []
        for stack in clean:
            noisy = prepared(stack + white(0.2)(stack, rng), every)
            pairs.append((noisy, noisy - prepared(stack, every)))
        found.append(compare(f"white, 0.2, prepared{SPARSE[every]}", pairs))
    return found


def _ends(key: str, what: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: "{:.2f} to {:.2f}".format(*row[key][what])


COLUMNS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "noise": lambda row: row["noise"],
    "true share": lambda row: f"{row['true']:.3f}",
    "estimate over it": _ends("floor", "molecules"),
    "of slices": _ends("floor", "slices"),
    "by height alone": _ends("by height alone", "molecules"),
}


def main() -> None:
    torch.set_num_threads(1)
    found = measure()
    settings = {"molecules": list(MOLECULES), "seed": SEED, "smallest": SMALLEST}
    path = write(
        "prediction_noise", "python -m benchmarks.prediction.noise", found, settings, ("torch", "numpy")
    )
    print(table(found, COLUMNS))
    print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
