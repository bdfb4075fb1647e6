"""Whether "the image agrees" means that a structure is right: many predictions, good ones and bad ones, and
what each rule says of them.

Molecules are those of the validation split, in their best orientation or any of the 30 best, and flat ones as
they lie on a surface. Their stacks are drawn with what a scan may have: a tilted tip, another height than the
one that is told, a tilt of the molecule, noise, rows of their own offset, a softer or harder tip. Of
every second prediction of ten atoms and more a part is taken away again, half of it or eight atoms side by
side, and every second of these is refined once more: structures that lack something.

A prediction is *right* where F1 at 0.5 Å or the share of the heavy atoms that were found is 0.9 and more, and
*wrong* where both are below 0.7, heights counted from where they fit best.

    python -m benchmarks.prediction.verdict [--trials 250] [--keep build/verdict]

Each prediction is kept in a file of the folder ``--keep``, and none of these is made again.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.common import table, write
from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets import MoleculeDataset
from torch_afm.io import AFMStack
from torch_afm.metrics import Calibration, match_atoms
from torch_afm.models import SpatialGenerator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.prediction import Prediction, RefinementSettings, judge, predict_structure, refine
from torch_afm.transforms import Orient, RandomTip, best_rotations

FLAT = (
    "c1ccc2cc3ccccc3cc2c1",
    "c1ccc2c(c1)ccc1ccccc12",
    "c1ccc2c(c1)ccc1c3ccccc3ccc21",
    "c1ccc2c(c1)-c1cccc3cccc-2c13",
    "c1ccc2c(c1)[nH]c1ccccc12",
    "c1ccc2nc3ccccc3cc2c1",
    "c1ccc2c(c1)oc1ccccc12",
    "O=C1c2ccccc2C(=O)c2ccccc21",
    "c1ccc2nccnc2c1",
    "c1ccc2c(c1)-c1ccccc1-2",
    "c1ccc2c(c1)c1ccccc1c1ccccc21",
    "Brc1c2ccccc2cc2ccccc12",
    "Clc1ccc2ccccc2c1",
    "Cc1cccc2ccccc12",
    "c1ccc2c(c1)Cc1ccccc1-2",
    "c1ccc2cccc-2cc1",
    "O=c1c2ccccc2oc2ccccc12",
    "c1cnc2c(c1)ccc1cccnc12",
    "C1=Cc2cccc3cccc1c23",
    "Ic1ccc2ccccc2c1",
    "Brc1ccc(-c2ccccc2)cc1",
    "COc1ccc2ccccc2c1",
    "Nc1ccc2ccccc2c1",
    "Oc1ccc2ccccc2c1",
    "FC(F)(F)c1ccc2ccccc2c1",
    "c1ccc2c(c1)sc1ccccc12",
    "N#Cc1ccc2ccccc2c1",
    "c1cc2ccc3cccc4ccc(c1)c2c34",
)


#: F1, or share of the heavy atoms, from which on a prediction is right, and below which it is wrong.
RIGHT, WRONG = 0.9, 0.7

#: Å below the top atom down to which the atoms of a flat molecule count.
DEEP = -1.25


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One stack: what was drawn."""

    name: str
    flat: bool
    turn: int
    tilt: float
    height: float
    noise: float
    rows: float
    stiffness: float
    sigma: float


def draw(number: int, pool: list[int]) -> Drawn:
    """The draw of a number, always the same."""
    rng = np.random.default_rng((7, number))
    flat = bool(rng.uniform() < 0.5)
    name = FLAT[int(rng.integers(len(FLAT)))] if flat else str(pool[number % len(pool)])
    return Drawn(
        name=name,
        flat=flat,
        turn=0 if rng.uniform() < 0.7 else int(rng.integers(30)),
        tilt=float(rng.choice([0, 0, 0, 0, 3, 8])),
        height=float(rng.choice([0, 0, 0, 0, -0.2, 0.2, -0.35, 0.3, 0.5, 1.0])),
        noise=float(rng.choice([0, 0, 0, 0.02, 0.05, 0.1, 0.2, 0.5])),
        rows=float(rng.choice([0, 0, 0, 0, 0, 0.05, 0.2])),
        stiffness=float(rng.choice([1, 1, 1, 1, 0.7, 1.6])),
        sigma=float(rng.choice([0.145, 0.3])),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=250)
    parser.add_argument("--keep", type=Path, default=Path("build/verdict"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.keep.mkdir(parents=True, exist_ok=True)
    model = SpatialGenerator.from_pretrained("spatial").eval()
    source = MoleculeDataset()
    pool = np.random.default_rng(5).permutation(source.split()[1]).tolist()
    trials: list[dict[str, Any]] = []
    for number in tqdm(range(args.trials), disable=None):
        path, drawn = args.keep / f"{number:04d}.npz", draw(number, pool)
        if not path.exists():
            predict(path, drawn, number, model, source)
        trials += scored(path, drawn, model)
    rows = summaries(trials)
    settings = {
        "weights": "spatial",
        "trials": args.trials,
        "split": "validation",
        "flat": list(FLAT),
        "right": RIGHT,
        "wrong": WRONG,
        "predictions": len(trials),
        "right_ones": sum(t["score"] >= RIGHT for t in trials),
        "wrong_ones": sum(t["score"] < WRONG for t in trials),
        "areas": areas(trials),
    }
    command = f"python -m benchmarks.prediction.verdict --trials {args.trials}"
    path = write("prediction_verdict", command, rows, settings, ["torch", "torch-geometric"])
    print(table(rows, COLUMNS))
    print(f"\narea under the curve, right against wrong: {settings['areas']}")
    print(f"wrote {path.name}")


def scored(path: Path, drawn: Drawn, model: SpatialGenerator) -> list[dict[str, Any]]:
    """What was predicted, and what a part of it is: how good, and what the rules look at."""
    with np.load(path) as file:
        kept = {key: torch.from_numpy(file[key]) for key in file.files}
    scan = model.config.scan
    stack = AFMStack(kept["reference"][0].numpy(), scan.x, scan.y, -np.arange(scan.n_slices) * scan.dz)
    truth = AFMData(z=kept["truth_z"], pos=kept["truth_pos"])
    found = []
    for prefix in ("", "part_"):
        if f"{prefix}z" not in kept:
            continue
        graph, context = (
            AFMData(z=kept[f"{prefix}{name}z"], pos=kept[f"{prefix}{name}pos"]) for name in ("", "context_")
        )
        verdict = judge(graph, context, kept[f"{prefix}simulated"], stack, Calibration.min_pearson)
        f1, skeleton = quality(graph, context, truth, DEEP if drawn.flat else model.config.z_min, drawn.flat)
        found.append(
            {
                "score": max(f1, skeleton),
                "pearson": verdict.pearson,
                "without_noise": verdict.without_noise,
                "curvature": verdict.curvature,
                "explained": verdict.explained,
            }
        )
    return found


def quality(
    graph: AFMData, context: AFMData, truth: AFMData, z_min: float, whole: bool
) -> tuple[float, float]:
    """F1, and the share of heavy atoms that were found: of the atoms above a height, at 0.5 Å. Atoms of the
    context may stand for them; with ``whole`` they count as predicted, too. Heights are aligned."""
    pos = torch.cat([graph.pos, context.pos])
    flat = pos.new_tensor([1.0, 1.0, 0.0])
    aside = match_atoms(pos * flat, truth.pos * flat)
    rise = torch.zeros(3)
    if len(aside.pred):
        rise[2] = (pos[aside.pred, 2] - truth.pos[aside.true, 2]).median()
    pairs = match_atoms(pos, truth.pos + rise)
    hit = torch.zeros(len(truth.z), dtype=torch.bool)
    hit[pairs.true] = True
    n = len(pos) if whole else len(graph.z)
    visible = truth.pos[:, 2] >= z_min
    precision = int((pairs.pred < n).sum()) / n if n else 0.0
    recall = float(hit[visible].float().mean())
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    heavy = visible & (truth.z > 1)
    return f1, float(hit[heavy].float().mean()) if heavy.any() else f1


def summaries(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a rule."""
    rules: dict[str, Callable[[dict[str, Any]], bool]] = {
        f"mean r at least {limit}": lambda t, limit=limit: t["pearson"] >= limit
        for limit in (0.69, 0.9, 0.95, 0.97, 0.98)
    }
    rules |= {
        f"r without noise at least {limit}": lambda t, limit=limit: t["without_noise"] >= limit
        for limit in (0.95, 0.97, 0.98)
    }
    rules |= {
        f"r of curvature at least {limit}": lambda t, limit=limit: t["curvature"] >= limit
        for limit in (0.9, 0.95, 0.97)
    }
    rules["the verdict"] = lambda t: bool(t["explained"])
    return [
        {
            "rule": name,
            "explained": sum(map(rule, trials)),
            "not_right": sum(rule(t) and t["score"] < RIGHT for t in trials),
            "wrong": sum(rule(t) and t["score"] < WRONG for t in trials),
            "right_lost": sum(not rule(t) and t["score"] >= RIGHT for t in trials),
        }
        for name, rule in rules.items()
    ]


def areas(trials: list[dict[str, Any]]) -> dict[str, float]:
    """How often a right prediction scores higher than a wrong one, of each score."""
    right = [t for t in trials if t["score"] >= RIGHT]
    wrong = [t for t in trials if t["score"] < WRONG]
    return {
        key: float(np.mean([(a[key] > b[key]) + 0.5 * (a[key] == b[key]) for a in right for b in wrong]))
        for key in ("pearson", "without_noise", "curvature")
    }


COLUMNS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "rule": lambda r: r["rule"],
    "explained": lambda r: str(r["explained"]),
    "not right": lambda r: str(r["not_right"]),
    "wrong": lambda r: f"{r['wrong']} ({100 * r['wrong'] / max(r['explained'], 1):.1f} %)",
    "right ones lost": lambda r: str(r["right_lost"]),
}


def predict(path: Path, drawn: Drawn, number: int, model: SpatialGenerator, source: MoleculeDataset) -> None:
    """Make the stack, predict it, take something away again, and keep all of it."""
    rng = np.random.default_rng((8, number))
    renderer = ProbeParticleModel(model.config.scan, on_unconverged="ignore")
    truth = _lying(drawn, rng) if drawn.flat else _standing(drawn, source)
    z_top = float(anchor_height(truth, renderer.scan, renderer.tip))
    moved, _ = RandomTip.apply(renderer.tip, z_top, **RandomTip().draw(rng))
    softer = tuple(k * drawn.stiffness for k in moved.stiffness)
    moved = dataclasses.replace(moved, stiffness=softer)
    clean = renderer(truth, tip=moved, z_top=z_top + drawn.height).cpu()
    noise = drawn.noise * rng.normal(size=clean.shape) + drawn.rows * rng.normal(size=(*clean.shape[:-1], 1))
    reference = clean + torch.from_numpy(noise).float()
    settings = RefinementSettings(distance_sigma=drawn.sigma)
    found = predict_structure(model, reference, renderer, z_top, refinement=settings)
    kept = {"truth_z": truth.z, "truth_pos": truth.pos, "reference": reference} | _kept(found)
    if number % 2 and len(found.graph.z) >= 10:
        kept |= _lacking(found, reference, renderer, settings if number % 4 == 1 else None, rng)
    np.savez_compressed(path.with_suffix(".part.npz"), **{k: np.asarray(v) for k, v in kept.items()})
    path.with_suffix(".part.npz").rename(path)


def _lying(drawn: Drawn, rng: np.random.Generator) -> AFMData:
    """Flat on a surface, turned in its plane, and tilted."""
    molecule = from_smiles(drawn.name)
    heavy = molecule.pos[molecule.z > 1].double()
    axes = torch.linalg.svd(heavy - heavy.mean(0)).Vh
    if torch.linalg.det(axes) < 0:
        axes[2] *= -1
    a, t = rng.uniform(0, 2 * np.pi), np.radians(drawn.tilt)
    spin = torch.tensor([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    lean = torch.tensor([[1.0, 0, 0], [0, np.cos(t), -np.sin(t)], [0, np.sin(t), np.cos(t)]])
    molecule.pos = (molecule.pos.double() @ axes.T @ spin.double().T @ lean.double().T).float()
    return Orient()(molecule)


def _standing(drawn: Drawn, source: MoleculeDataset) -> AFMData:
    molecule = source[int(drawn.name)]
    turns = best_rotations(molecule.pos, n=30 if drawn.turn else 1)
    return Orient(turns[drawn.turn])(molecule)


def _kept(found: Prediction) -> dict[str, Any]:
    graph, context = found.graph, found.context
    return {
        "simulated": found.simulated,
        "z": graph.z,
        "pos": graph.pos,
        "context_z": context.z,
        "context_pos": context.pos,
    }


def _lacking(
    found: Prediction,
    reference: Tensor,
    renderer: ProbeParticleModel,
    settings: RefinementSettings | None,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """The prediction without half of its atoms, or without eight side by side; refined again or not."""
    graph, context = found.graph, found.context
    flat = graph.pos[:, :2]
    if rng.uniform() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        along = flat @ flat.new_tensor([np.cos(angle), np.sin(angle)])
        gone = along > along.median()
    else:
        away = (flat - flat[int(rng.integers(len(flat)))]).norm(dim=1)
        gone = torch.zeros(len(flat), dtype=torch.bool)
        gone[away.argsort()[:8]] = True
    near = (torch.cdist(context.pos[:, :2], flat[gone]) < 1.2).any(1)
    part = AFMData(z=graph.z[~gone], pos=graph.pos[~gone], charge=graph.charge[~gone])
    part.sigma = graph.sigma[~gone]
    rest = AFMData(z=context.z[~near], pos=context.pos[~near], charge=context.charge[~near])
    rest.sigma = context.sigma[~near]
    tip, z_top = found.tip, found.z_top
    if settings is not None:
        result = refine(
            part, reference, renderer, z_top, tip, rest if len(rest.z) else None, settings=settings
        )
        if result.accepted:
            deep = [p for p in (result.context, result.added) if len(p.z)]
            part, tip, z_top = result.data, result.tip, result.z_top
            keys = ("z", "pos", "charge")
            rest = AFMData(**{k: torch.cat([p[k] for p in deep]) for k in keys}) if deep else AFMData.empty()
    charges = [p.charge if "charge" in p else torch.zeros(len(p.z)) for p in (part, rest)]
    whole = AFMData(
        z=torch.cat([part.z, rest.z]), pos=torch.cat([part.pos, rest.pos]), charge=torch.cat(charges)
    )
    return {
        "part_simulated": renderer(whole, tip=tip, z_top=z_top).cpu(),
        "part_z": part.z,
        "part_pos": part.pos,
        "part_context_z": rest.z,
        "part_context_pos": rest.pos,
    }


if __name__ == "__main__":
    main()
