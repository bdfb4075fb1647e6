"""Structures of scans of the stand-in domain, right ones, wrong ones, and those that the network predicts,
fitted and kept in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.prediction_scans.structures import (
    Structure,
    edit,
    fit,
    other_molecule,
    split,
    true_structure,
)
from benchmarks.standin.imaging import Measured, image_scene
from benchmarks.standin.scores import DEEPEST
from benchmarks.standin.strata import SEED, Scene, draw_scenes
from torch_afm import predict
from torch_afm.config import Scan
from torch_afm.config.generators import PRESETS
from torch_afm.config.prediction import PredictOptions
from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.io.scans import prepare_scan
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.preparation import count_measured_slices
from torch_afm.prediction.refinement import ScannedModel, Scanner
from torch_afm.utils import InputError

#: Strata with molecules to tell from others.
USED = (
    *("alone, centered", "alone, anywhere", "flat", "flat, halogen"),
    *("protruding group", "three slices", "far", "noisy"),
)

#: Most atoms of a scene, down to 3 Å: larger ones take long.
MAX_ATOMS = 60

#: Wrong structures of a scan, and molecules of which the best is another one.
WRONG, POOL = 3, 3


class Trial(NamedTuple):
    """A structure of a scan, judged.

    Args:
        scene: number of the scene.
        name: what it is.
        structure: its atoms.
        simulated: its image.
        stack: the scan.
        truth: the true atoms.
        certainty: probability of each atom of the graph to be there and of its element.
    """

    scene: int
    name: str
    structure: Structure
    simulated: torch.Tensor
    stack: AFMStack
    truth: AFMData
    certainty: torch.Tensor | None


def draw(part: str, count: int) -> list[Scene]:
    """The first scenes of each stratum that are not too large, of all strata by turns."""
    found: dict[str, list[Scene]] = {name: [] for name in USED}
    for scene in draw_scenes(part):
        some = found.get(scene.stratum.name)
        small = int((scene.atoms.pos[:, 2] >= DEEPEST).sum()) <= MAX_ATOMS
        if some is not None and len(some) < count and small:
            some.append(scene)
    return [some[i] for i in range(count) for some in found.values()]


def fit_scene(path: Path, scene: Scene, pool: Sequence[AFMData]) -> None:
    """Fit the structures of a scene, and keep them."""
    torch.set_num_threads(1)
    rng = np.random.default_rng((11, scene.number))
    measured = image_scene(scene, SEED)
    true = true_structure(measured)
    kept: dict[str, Any] = {"truth_z": measured.truth.z, "truth_pos": measured.truth.pos}
    if len(true.graph.z):
        kept |= _fit_all(measured, true, scene, pool, rng)
    try:
        kept |= _predicted(measured)
    except InputError:
        print(f"scene {scene.number} was refused", flush=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **{key: np.asarray(value) for key, value in kept.items()})
    part.rename(path)


def _fit_all(
    measured: Measured, true: Structure, scene: Scene, pool: Sequence[AFMData], rng: np.random.Generator
) -> dict[str, Any]:
    prepared = prepare_scan(measured.stack, PRESETS["scan"].scan, whole=True)
    stack, scan = prepared.stack.afm_stack(), prepared.scan
    nearest = measured.turning_point + scan.amplitude / 2 + stack.z[-1] - measured.stack.heights[-1]
    z_top = float(nearest + scan.dz * (scan.n_slices - 1 + (scan.n_oscillation - 1) / 2))
    structures = {"truth": true} | _wrong(true, scene, pool, stack, scan, z_top, rng)
    kept: dict[str, Any] = _stack("", stack, count_measured_slices(prepared))
    for name, structure in structures.items():
        if not len(structure.graph.z):
            continue
        fitted = fit(structure, stack, scan, z_top)
        kept |= _atoms(name, fitted.structure) | {f"{name}:simulated": fitted.simulated}
    return kept


def _wrong(
    true: Structure,
    scene: Scene,
    pool: Sequence[AFMData],
    stack: AFMStack,
    scan: Scan,
    z_top: float,
    rng: np.random.Generator,
) -> dict[str, Structure]:
    wrong = edit(true, rng)
    names = [*wrong, "another molecule"]
    first = scene.number % len(names)
    chosen = {names[(first + i) % len(names)] for i in range(min(WRONG, len(names)))}
    found = {name: wrong[name] for name in wrong if name in chosen}
    if "another molecule" in chosen:
        heavy = sum(int((part.z > 1).sum()) for part in true)
        alike = [m for m in pool if int((m.z > 1).sum()) == heavy]
        some = [alike[i] for i in rng.permutation(len(alike))[:POOL].tolist()]
        renderer = ScannedModel(ProbeParticleModel(scan).quiet(), Scanner())
        other = other_molecule(true, some, renderer, stack, z_top)
        found |= {} if other is None else {"another molecule": other}
    return found


def _predicted(measured: Measured) -> dict[str, Any]:
    found = predict(measured.stack, "scan", PredictOptions())
    if not len(found.graph.z):
        return {}
    shares = found.graph.class_probabilities.amax(dim=1)
    return {
        **_atoms("predicted", Structure(found.graph, found.context)),
        **_stack("predicted:", found.reference, found.reference.meta["measured"]),
        "predicted:simulated": found.simulated,
        "predicted:certainty": found.graph.confidence * shares,
    }


def _stack(prefix: str, stack: AFMStack, measured: int) -> dict[str, Any]:
    return {
        f"{prefix}stack": stack.stack,
        f"{prefix}x": stack.x,
        f"{prefix}y": stack.y,
        f"{prefix}heights": stack.z,
        f"{prefix}measured": measured,
        f"{prefix}leveled": stack.leveled,
    }


def _atoms(name: str, structure: Structure) -> dict[str, Any]:
    return {
        f"{name}:{part}{key}": atoms[key].detach()
        for part, atoms in zip(("", "context_"), structure, strict=True)
        for key in ("z", "pos")
    }


def read_trials(path: Path) -> Iterator[Trial]:
    """The structures of a scene that were kept."""
    with np.load(path) as file:
        kept = {key: file[key] for key in file.files}
    scene = int(path.stem)
    truth = AFMData(z=torch.from_numpy(kept["truth_z"]), pos=torch.from_numpy(kept["truth_pos"]))
    for key in list(kept):
        name, _, what = key.partition(":")
        if what != "simulated":
            continue
        prefix = "predicted:" if name == "predicted" else ""
        meta = {
            "measured": int(kept[f"{prefix}measured"]),
            "leveled": bool(kept[f"{prefix}leveled"]),
            "unit": "Hz",
        }
        axes = (kept[f"{prefix}{axis}"] for axis in ("x", "y", "heights"))
        stack = AFMStack(kept[f"{prefix}stack"], *axes, meta)
        graph, context = (
            AFMData(
                z=torch.from_numpy(kept[f"{name}:{part}z"]), pos=torch.from_numpy(kept[f"{name}:{part}pos"])
            )
            for part in ("", "context_")
        )
        structure = Structure(graph, context)
        certainty = kept.get(f"{name}:certainty")
        yield Trial(
            scene,
            name,
            structure if name == "predicted" else split(structure, stack),
            torch.from_numpy(kept[key]),
            stack,
            truth,
            None if certainty is None else torch.from_numpy(certainty),
        )
