"""What refinement through the simulator is worth, over molecules of the test split, which no weights were
trained on, each in a random one of its 30 best orientations:

* ``oracle``: all is known but the positions of the visible atoms, which start 0.3 Å off, in a random
  direction each;
* ``real``: from the predictor's own output. Tip, charges, elements and hidden atoms are predicted or fitted.
  The reference is imaged by a randomly moved tip. Errors are those of the atoms that the prediction has
  within 0.5 Å of a visible atom; the pairs are those of the start before and after, so that no atom can drop
  out by getting worse;
* ``prior``: distances in molecules of the training split, less the covalent radii, that the geometry prior's
  numbers are taken from.

Molecules are done one by one into ``runs/<name>.jsonl``, from where an interrupted run goes on.

    python -m benchmarks.prediction.refinement --case oracle|real|prior [--molecules 100] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.common import table, write
from torch_afm.config import Scan, to_dict
from torch_afm.data import AFMData
from torch_afm.datasets import MoleculeDataset
from torch_afm.elements import covalent_radius
from torch_afm.generation import RefinementResult, RefinementSettings, generate, refine
from torch_afm.metrics import match_atoms
from torch_afm.metrics.intervals import bootstrap
from torch_afm.models import Generator, load_generator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, RandomTip, best_rotations

#: Å: surface cut, offset of the oracle case, cutoff of the pairs, rms thickness below which a molecule is
#: flat.
Z_MIN, OFF, CUTOFF, FLAT = -0.7, 0.3, 0.5, 0.05
ROTATIONS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=["oracle", "real", "prior"], required=True)
    parser.add_argument("--molecules", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", default="spatial")
    parser.add_argument("--noise", type=float, default=0.0, help="of the reference, in std of a slice")
    parser.add_argument("--split", choices=["test", "validation"], default="test")
    parser.add_argument("--name", help="name of the file of results; default refinement_<case>")
    args = parser.parse_args()
    name = args.name or f"refinement_{args.case}"
    given = {key: value for key, value in vars(args).items() if value is not None}
    command = "python -m benchmarks.prediction.refinement " + " ".join(f"--{k} {v}" for k, v in given.items())
    source = MoleculeDataset()
    split = source.split()[{"prior": 0, "real": 2, "oracle": 2}[args.case] if args.split == "test" else 1]
    chosen = np.random.default_rng(args.seed).permutation(split)[: args.molecules].tolist()
    if args.case == "prior":
        rows = distances([source[i] for i in chosen])
        path = write(name, command, rows, vars(args), ["rdkit", "ase"])
        print(table(rows, {key: lambda r, k=key: _shown(r[k]) for key in rows[0]}))  # type: ignore[misc]
        print(f"wrote {path.name}")
        return
    model = load_generator(args.weights) if args.case == "real" else None
    scan = model.config.scan if model is not None else Scan(pixels=(64, 64))
    ppm = ProbeParticleModel(scan, on_unconverged="ignore")
    kept = Path("runs") / f"{name}.jsonl"
    kept.parent.mkdir(exist_ok=True)
    settings = repr(RefinementSettings() if model is not None else RefinementSettings.known())
    key = f"{command}, {settings}"
    done = _resumed(kept, key)
    with kept.open("a") as file:
        for index in tqdm(chosen, disable=None):
            if index not in done:
                truth = _oriented(source[index], index)
                row = (
                    oracle(truth, index, ppm, args.noise)
                    if model is None
                    else real(truth, index, ppm, model, args.noise)
                )
                done[index] = {"index": index, **row}
                file.write(json.dumps({"key": key, **done[index]}) + "\n")
                file.flush()
    molecules = [done[index] for index in chosen]
    scored = [m for m in molecules if m["before"] is not None]
    groups = {
        "all": scored,
        "flat": [m for m in scored if m["flat"]],
        "not flat": [m for m in scored if not m["flat"]],
    }
    rows = [summary(group, part) for group, part in groups.items() if part]
    rows[0]["nothing_matched"] = len(molecules) - len(scored)
    told = {
        **vars(args),
        "scan": to_dict(scan),
        "refinement": settings,
        "per_molecule": molecules,
    }
    path = write(name, command, rows, told, ["torch", "torch-geometric"])
    columns = {
        "molecules": lambda r: f"{r['group']} ({r['molecules']})",
        "error before, Å": lambda r: _interval(r, "before"),
        "after, Å": lambda r: _interval(r, "after"),
        "after / before": lambda r: _interval(r, "ratio"),
        "median after, Å": lambda r: _interval(r, "median_after"),
        "worse": lambda r: _interval(r, "worse"),
        "taken": lambda r: _interval(r, "taken"),
        "added, right / all": lambda r: f"{r['added_right']} / {r['added_in_all']}",
        "CPU s, mean / most": lambda r: f"{r['cpu_s']:.2f} / {r['cpu_s_most']:.2f}",
    }
    print(table(rows, columns))
    print(f"wrote {path.name}")


def oracle(truth: AFMData, index: int, ppm: ProbeParticleModel, noise: float) -> dict[str, Any]:
    """All known, visible atoms ``OFF`` from where they are."""
    generator = torch.Generator().manual_seed(index)
    visible = truth.pos[:, 2] >= Z_MIN
    off = torch.randn(truth.pos.shape, generator=generator)
    start = truth.clone()
    start.pos = truth.pos + OFF * off / off.norm(dim=1, keepdim=True) * visible[:, None]
    start.sigma = (OFF / 3**0.5) * visible[:, None].float().expand(-1, 3)
    z_top = float(anchor_height(truth, ppm.scan, ppm.tip))
    stack = _noisy(ppm(truth, z_top=z_top), noise, generator)
    begun = time.process_time()
    result = refine(start, stack, ppm, z_top, settings=RefinementSettings.known(), starts=3, seed=index)
    pairs = visible.nonzero().flatten()
    return _row(truth, result, pairs, pairs, time.process_time() - begun)


def real(
    truth: AFMData, index: int, ppm: ProbeParticleModel, model: Generator, noise: float
) -> dict[str, Any]:
    """From the predictor's output."""
    z_top = float(anchor_height(truth, ppm.scan, ppm.tip))
    moved = RandomTip().draw(np.random.default_rng((1, index)))
    tip, height = RandomTip.apply(ppm.tip, z_top, **moved)
    clean = ppm(truth, tip=tip, z_top=height)
    stack = _noisy(clean, noise, torch.Generator().manual_seed(index))
    found = generate(model, stack, ppm, z_top)
    if not len(found.graph.z):
        return {"before": None, "visible": int((truth.pos[:, 2] >= Z_MIN).sum())}
    begun = time.process_time()
    result = refine(found.graph, stack, ppm, z_top, context=found.context, seed=index, top=0.0)
    cpu = time.process_time() - begun
    visible = (truth.pos[:, 2] >= Z_MIN).nonzero().flatten()
    match = match_atoms(found.graph.pos, truth.pos[visible], CUTOFF)
    row = _row(truth, result, match.pred, visible[match.true], cpu)
    for key, graph in (("f1_before", found.graph), ("f1_after", result.data)):
        row[key] = match_atoms(graph.pos, truth.pos[visible], CUTOFF).f1
    x, y = result.tip.tilt
    row["tip_error"] = [x - moved["tilt"][0], y - moved["tilt"][1], result.z_top - z_top - moved["distance"]]
    return row


def _row(
    truth: AFMData, result: RefinementResult, pred: torch.Tensor, true: torch.Tensor, cpu: float
) -> dict[str, Any]:
    errors = [
        (graph[pred] - truth.pos[true]).norm(dim=1)
        for graph in (result.start.pos, result.data.pos, result.trajectory[-1])
    ]
    before, after, fit = (float(e.mean()) if len(e) else None for e in errors)
    spread = torch.linalg.svdvals((truth.pos - truth.pos.mean(0)).double())[-1] / len(truth.pos) ** 0.5
    return {
        "before": before,
        "after": after,
        "fit": fit,
        "sigma": float(result.sigma[pred].square().sum(1).mean().sqrt()) if len(pred) else None,
        "accepted": result.accepted,
        "loss_before": result.loss_before,
        "loss_after": result.loss_after,
        "added": len(result.added.z),
        "added_right": len(match_atoms(result.added.pos, truth.pos, CUTOFF).pred),
        "starts": result.starts,
        "atoms": len(result.data.z),
        "pairs": len(pred),
        "flat": bool(spread < FLAT),
        "cpu_s": cpu,
    }


def summary(group: str, molecules: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over molecules, with bootstrap intervals."""
    values = {
        key: np.array([m[key] for m in molecules], dtype=float)
        for key in ("before", "after", "accepted", "cpu_s")
    }

    def scores(index: np.ndarray) -> dict[str, float]:
        before, after = values["before"][index], values["after"][index]
        return {
            "before": before.mean(),
            "after": after.mean(),
            "median_after": float(np.median(after)),
            "ratio": after.mean() / before.mean(),
            "worse": (after > before).mean(),
            "taken": values["accepted"][index].mean(),
        }

    everything = np.arange(len(molecules))
    return {
        "group": group,
        "molecules": len(molecules),
        **{key: float(value) for key, value in scores(everything).items()},
        "interval": bootstrap(scores, everything),
        "added_right": sum(m["added_right"] for m in molecules),
        "added_in_all": sum(m["added"] for m in molecules),
        "cpu_s": float(values["cpu_s"].mean()),
        "cpu_s_most": float(values["cpu_s"].max()),
    }


def distances(molecules: list[AFMData]) -> list[dict[str, Any]]:
    """Distances less the radii of the two atoms, by kind of pair; with ``C`` for every atom other than H
    too."""
    found: dict[tuple[str, bool, int], list[np.ndarray]] = {}
    for data in molecules:
        n = len(data.z)
        bonded = np.zeros((n, n), dtype=bool)
        bonded[tuple(data.edge_index.numpy())] = True
        across = (bonded.astype(int) @ bonded.astype(int) > 0) & ~bonded
        kinds = {"bonded": bonded, "across an angle": across, "others": ~bonded & ~across}
        apart = torch.cdist(data.pos.double(), data.pos.double()).numpy()
        heavy = (data.z > 1).long().numpy()
        upper = np.triu(np.ones((n, n), dtype=bool), 1)
        for known in (True, False):
            z = data.z if known else torch.where(data.z > 1, 6, 1)
            radius = np.array([covalent_radius(v) for v in z.tolist()])
            excess = apart - radius[:, None] - radius
            for kind, of_kind in kinds.items():
                for count in range(3):
                    chosen = of_kind & upper & (heavy[:, None] + heavy == count)
                    found.setdefault((kind, known, count), []).append(excess[chosen])
    rows = []
    for (kind, known, count), parts in sorted(found.items(), key=lambda item: (item[0][0], not item[0][1])):
        values = np.concatenate(parts)
        if len(values):
            rows.append(
                {
                    "pairs": kind,
                    "elements": "known" if known else "H or C",
                    "atoms other than H": count,
                    "number": len(values),
                    "mean": float(values.mean()),
                    "std": float(values.std()),
                    **{f"{q} %": float(np.percentile(values, q)) for q in (1, 5, 95, 99)},
                }
            )
    return rows


def _oriented(molecule: AFMData, index: int) -> AFMData:
    turns = best_rotations(molecule.pos, n=ROTATIONS)
    return Orient(turns[int(np.random.default_rng((0, index)).integers(len(turns)))])(molecule)


def _noisy(stack: torch.Tensor, noise: float, generator: torch.Generator) -> torch.Tensor:
    if not noise:
        return stack
    scale = stack.std(dim=(-2, -1), keepdim=True)
    return stack + noise * scale * torch.randn(stack.shape, generator=generator)


def _resumed(path: Path, key: str) -> dict[int, dict[str, Any]]:
    """Molecules that an interrupted run of the same command with the same settings has done."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return {row["index"]: row for row in rows if row.pop("key", None) == key}


def _interval(row: dict[str, Any], key: str) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(row[key], *row["interval"][key])


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
