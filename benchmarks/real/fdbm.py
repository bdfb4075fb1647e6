"""Measured stacks of known molecules: does the image of the right molecule come nearer to the scan by
densities? Needs the public data in the folder that TORCH_AFM_DATA names, and PySCF.

    TORCH_AFM_DATA=... python -m benchmarks.real.fdbm [--stacks BCB_CO ...]

The molecule starts where it was found independently, or, where nobody did, where the fit of
:func:`torch_afm.identify` lays it with Lennard-Jones and charges. Each model images it once, from 1.5 Å above
the usual first height to 1 Å below; its images are turned, shifted and scaled within the plane and moved in
height so that they agree best: all models have this freedom, and no other. r is the mean over the slices of
Pearson's correlation with the scan.

Dipoles are those of GFN2-xTB where the package has them. Of a Xe tip it has no density. A and B are fitted to
the very stack, so that their r is an upper bound. Few stacks are anecdotes: nothing is to be tuned to them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rdkit import Chem
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from benchmarks.common import table, write
from benchmarks.real.run import read_pose
from torch_afm.config import Scan, Tip
from torch_afm.config.identification import IdentifyOptions
from torch_afm.data import AFMData
from torch_afm.datasets.geometries import xtb_molecule
from torch_afm.datasets.planar import canonical
from torch_afm.identification import Candidate, identify
from torch_afm.io.scans import read_scan
from torch_afm.ppm import FDBM, ProbeParticleModel, anchor_height
from torch_afm.ppm.atomic_densities import with_atomic_densities
from torch_afm.ppm.dft import with_densities


class Known(NamedTuple):
    """A measured stack of a known molecule.

    Args:
        stack: its file.
        smiles: the molecule.
        tip: that it was measured with.
        pose: file of the molecule in the frame of the scan, where there is one.
    """

    stack: str
    smiles: str
    tip: str
    pose: str | None = None


_CAMPHOR = "CC1(C)C2CCC1(C)C(=O)C2"
KNOWN = {
    "BCB_CO": Known("edafm_BCB_CO_exp.h5", "Clc1cc(Cl)cc(Br)c1", "CO", "edafm_BCB_CO_pose.xyz"),
    "BCB_Xe": Known("edafm_BCB_Xe_exp.h5", "Clc1cc(Cl)cc(Br)c1", "Xe"),
    "camphor_1": Known("camphor_exp_1.h5", _CAMPHOR, "CO"),
    "camphor_3": Known("camphor_exp_3.h5", _CAMPHOR, "CO"),
}
#: A and B that are tried beside the defaults.
PAULI = ((15.0, 1.0), (41.0, 1.0), (110.0, 1.0), (110.0, 1.1))
#: Å above the usual first height and below, around the window, and between simulated pixels.
ABOVE, BELOW, MARGIN, PIXEL = 1.5, 1.0, 1.0, 0.25
#: Every how many of the measured pixels are compared.
EVERY = 4
#: Bounds of the turn in 0.1 rad, of shifts in 0.5 Å, and of the logarithm of the scale in 0.05.
BOUNDS = ((-3.0, 3.0), (-2.0, 2.0), (-2.0, 2.0), (-4.5, 4.5))


class Measured(NamedTuple):
    """A scan: values ``[Z, Y, X]``, far to near, and its pixels ``[Y]`` and ``[X]`` in Å."""

    values: np.ndarray
    y: np.ndarray
    x: np.ndarray
    step: float


def load(path: Path) -> Measured:
    """Some pixels of a scan."""
    stack = read_scan(path)
    part = slice(None, None, EVERY)
    step = abs(float(stack.heights[1] - stack.heights[0]))
    return Measured(stack.values[:, part, part], stack.y[part], stack.x[part], step)


def images(data: AFMData, model: FDBM | None, tip: Tip, measured: Measured) -> tuple[np.ndarray, Scan]:
    """Simulated slices ``[Z, Y, X]`` at all heights that are tried, and the scan of them."""
    ends = [(float(v[0]) - MARGIN, float(v[-1]) + MARGIN) for v in (measured.x, measured.y)]
    pixels = tuple(round((b - a) / PIXEL) + 1 for a, b in ends)
    n_slices = len(measured.values) + round((ABOVE + BELOW) / measured.step)
    scan = Scan(window=tuple(ends), pixels=pixels, n_slices=n_slices, dz=measured.step)
    renderer = ProbeParticleModel(scan, tip, forcefield=model).quiet()
    nominal = replace(scan, n_slices=len(measured.values))
    top = float(anchor_height(data, nominal, tip))
    return renderer(data, z_top=top + ABOVE)[0, 0].numpy(), scan


def agreement(stack: np.ndarray, scan: Scan, measured: Measured, middle: np.ndarray) -> dict[str, Any]:
    """Best r over heights, and turns, shifts and scales within the plane about the ``middle`` of the
    molecule."""
    count = len(measured.values)
    reference = measured.values.reshape(count, -1)
    reference = reference - reference.mean(1, keepdims=True)
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    grid = np.stack(np.meshgrid(measured.x, measured.y), -1).reshape(-1, 2) - middle

    def r(values: np.ndarray, first: int) -> float:
        angle, scale = 0.1 * values[0], np.exp(0.05 * values[3])
        c, s = np.cos(angle), np.sin(angle)
        at = grid @ np.array([[c, -s], [s, c]]) / scale + middle + 0.5 * values[1:3]
        index = (at - [scan.x[0], scan.y[0]]) / [scan.x[1] - scan.x[0], scan.y[1] - scan.y[0]]
        found = np.stack(
            [
                map_coordinates(image, index.T[::-1], order=1, mode="nearest")
                for image in stack[first : first + count]
            ]
        )
        found -= found.mean(1, keepdims=True)
        return float(((found * reference).sum(1) / np.linalg.norm(found, axis=1).clip(1e-12)).mean())

    best: dict[str, Any] = {"r": -1.0}
    for first in range(0, len(stack) - count + 1, 2):
        start = np.zeros(4) if best["r"] < 0 else best["values"]
        options = {"maxiter": 3, "xtol": 0.02, "ftol": 1e-3}
        found = minimize(
            lambda v, first=first: -r(v, first), start, method="Powell", bounds=BOUNDS, options=options
        )
        if -found.fun > best["r"]:
            best = {"r": float(-found.fun), "values": found.x, "first": first}
    # Once more from there, to the end.
    first, options = best["first"], {"maxiter": 10, "xtol": 0.01, "ftol": 1e-4}
    found = minimize(lambda v: -r(v, first), best["values"], method="Powell", bounds=BOUNDS, options=options)
    best["r"], values = float(-found.fun), found.x
    del best["values"]
    height = ABOVE - best.pop("first") * scan.dz
    return best | {
        "height": round(height, 2),
        "scale": float(np.exp(0.05 * values[3])),
        "turn": float(0.1 * values[0]),
    }


def start_pose(item: Known, folder: Path) -> AFMData:
    """The molecule in the frame of the scan, with charges."""
    if item.pose is not None:
        return read_pose(folder / item.pose, item.stack)
    candidate = Candidate.from_smiles(canonical(Chem.MolFromSmiles(item.smiles)), seed=1)
    answer = identify(folder / item.stack, [candidate], IdentifyOptions(tip=item.tip)).answers[0]
    return answer.pose.atoms


def models(item: Known, placed: AFMData, densities: bool) -> Iterator[tuple[str, AFMData, FDBM | None]]:
    """Name, sample and model."""
    plain = placed.clone()
    if "dipole" in plain:
        del plain.dipole
    yield "LJ, charges", plain, None
    known = xtb_molecule(canonical(Chem.MolFromSmiles(item.smiles)))
    if known is not None and bool((known.z == placed.z).all()):
        dipoles = laid(known, placed)
        yield "LJ, charges and dipoles", dipoles, None
    if item.tip != "CO":
        return
    yield "free atoms", with_atomic_densities(plain), FDBM()
    if not densities:
        return
    sample = with_densities(plain)
    yield "PySCF", sample, FDBM()
    for a, b in PAULI:
        yield "PySCF, A and B fitted", sample, FDBM(a, b)


def laid(molecule: AFMData, placed: AFMData) -> AFMData:
    """``molecule`` turned and shifted onto the atoms of ``placed``, its dipoles turned with it."""
    result = molecule.clone()
    a, b = (v.pos.double().numpy() for v in (molecule, placed))
    turn, _ = Rotation.align_vectors(b - b.mean(0), a - a.mean(0))
    result.pos = torch.from_numpy(turn.apply(a - a.mean(0)) + b.mean(0)).float()
    result.dipole = torch.from_numpy(turn.apply(molecule.dipole.numpy())).float()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stacks", nargs="+", choices=KNOWN, default=list(KNOWN))
    parser.add_argument("--no-densities", action="store_true", help="leave out what takes PySCF")
    args = parser.parse_args()
    if "TORCH_AFM_DATA" not in os.environ:
        sys.exit("skipped: TORCH_AFM_DATA is not set (the folder that holds real)")
    folder = Path(os.environ["TORCH_AFM_DATA"]) / "real"
    rows: list[dict[str, Any]] = []
    for name in args.stacks:
        item = KNOWN[name]
        measured, placed, tip = load(folder / item.stack), start_pose(item, folder), Tip.preset(item.tip)
        middle = placed.pos[:, :2].double().mean(0).numpy()
        found: dict[str, dict[str, Any]] = {}
        for title, sample, model in models(item, placed, not args.no_densities):
            stack, scan = images(sample, model, tip, measured)
            result = agreement(stack, scan, measured, middle)
            if model is not None:
                result |= {"a": float(model.a), "b": float(model.b)}
            if title not in found or result["r"] > found[title]["r"]:
                found[title] = result
            print(name, title, result, flush=True)
        default = found.get("PySCF")
        if default is not None and default["r"] > found["PySCF, A and B fitted"]["r"]:
            found["PySCF, A and B fitted"] = default
        rows += [{"stack": name, "model": title} | result for title, result in found.items()]
    columns = {
        "stack": lambda r: r["stack"],
        "model": lambda r: r["model"] + (f" ({r['a']:g}, {r['b']:g})" if "fitted" in r["model"] else ""),
        "r": lambda r: f"{r['r']:.3f}",
        "height, Å": lambda r: f"{r['height']:+.1f}",
        "scale": lambda r: f"{r['scale']:.2f}",
    }
    print(table(rows, columns))
    command = f"TORCH_AFM_DATA=... python -m benchmarks.real.fdbm --stacks {' '.join(args.stacks)}"
    write("real_fdbm", command, rows, {"pauli": PAULI}, ("torch", "numpy", "scipy"))


if __name__ == "__main__":
    main()
