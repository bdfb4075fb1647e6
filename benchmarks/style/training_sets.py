"""What each of the four training sets is worth: the weights ``spatial``, trained on at equal budgets on pure,
handcrafted, style and hybrid sets of the same rendered molecules (those of benchmarks/style/standin.py, which
runs first), and scored on labeled stacks of test molecules in the stand-in's style: atoms found, position
errors, and, as one would without labels, distances of bond lengths and angles from those of the training
molecules. Two more rows need no training: the weights as they are, and the same on stacks translated back.

    python -m benchmarks.style.training_sets [--samples 512] [--molecules 100] [--seeds 3]

Goes on where it stopped: what is done is kept under ``--out``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from benchmarks.common import table, write
from benchmarks.style.domains import QUICK, molecules, stand_in
from torch_afm.data import AFMData, remove_atoms, to_ase
from torch_afm.datasets import (
    EpochSampler,
    StepDataset,
    StepDraws,
    StoredReferences,
    build_training_set,
    step_loader,
)
from torch_afm.evaluation import draw_trial
from torch_afm.functional import normalize_slices
from torch_afm.metrics import match_atoms
from torch_afm.metrics.distributions import compare
from torch_afm.metrics.structure import StructureSettings, structure_features
from torch_afm.models import Generator, StyleTranslator, load_generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate
from torch_afm.train import GeneratorModule, TrainConfig
from torch_afm.transforms import Augment, Orient, RandomMutant, best_rotations

KINDS = ("pure", "handcrafted", "style", "hybrid")
#: Rows that no training is needed for.
UNTRAINED = ("weights as they are", "the same, translated back")
FEATURES = ("bond_length", "valence_angle")
#: Å, within which an atom is found.
CUTOFF = 0.5
_BATCH, _LR, _RESAMPLES = 8, 5e-4, 2000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=512, help="training samples of each network")
    parser.add_argument("--molecules", type=int, default=100, help="test molecules")
    parser.add_argument("--seeds", type=int, default=3, help="networks trained on each set")
    parser.add_argument("--weights", default="spatial", help="that training begins from")
    parser.add_argument("--out", default="runs/standin")
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs; writes no result")
    args = parser.parse_args()
    torch.set_num_threads(1)
    out = Path(args.out) / "quick" if args.quick else Path(args.out)
    if args.quick:
        args.samples, args.molecules, args.seeds = 8, QUICK["test"][0], 2
    base = load_generator(args.weights).eval()
    forward, backward = (out / "cyclegan" / name for name in ("forward", "backward"))
    if not forward.is_dir():
        raise SystemExit("expected the translation of python -m benchmarks.style.standin, got none")
    digest = hashlib.sha256(
        b"".join(_weights(base)) + b"".join(_weights(StyleTranslator.from_pretrained(forward)))
    )
    kept = out / "structures" / f"{digest.hexdigest()[:12]}-{args.samples}-{args.molecules}"
    kept.mkdir(parents=True, exist_ok=True)
    test = molecules("test", args.quick)[: args.molecules]
    runs: dict[str, list[list[dict[str, Any]]]] = {}
    for seed in range(args.seeds):
        for kind in KINDS:
            file = kept / f"{kind}-{seed}.json"
            if not file.exists():
                folder = out / "sets" / digest.hexdigest()[:12] / kind
                styled = [forward] if kind in ("style", "hybrid") else []
                build_training_set(kind, out / "a", folder, styled)
                begun = time.process_time()
                model = trained(args.weights, folder, args.samples, seed)
                seconds = time.process_time() - begun
                file.write_text(json.dumps({"seconds": seconds, "found": predictions(model, test)}))
                print(f"{kind}, seed {seed}: {seconds:.0f} s of training", flush=True)
            runs.setdefault(kind, []).append(json.loads(file.read_text())["found"])
    for name, back in zip(UNTRAINED, (None, StyleTranslator.from_pretrained(backward)), strict=True):
        file = kept / f"{name.replace(' ', '-').replace(',', '')}.json"
        if not file.exists():
            file.write_text(json.dumps({"found": predictions(base, test, back)}))
        runs[name] = [json.loads(file.read_text())["found"]]
    reference = [visible(molecule, base.config.z_min) for _, molecule in molecules("a", args.quick)]
    rows = [summary(name, found, reference) for name, found in runs.items()]
    rows += [gain(one, other, runs) for one in ("style", "hybrid") for other in ("pure", "handcrafted")]
    first = [row for row in rows if "error" in row]
    print(table(first, SCORES) + "\n\n" + table(rows[len(first) :], GAINS))
    if not args.quick:
        spent = [
            json.loads((kept / f"{k}-{s}.json").read_text())["seconds"]
            for k in KINDS
            for s in range(args.seeds)
        ]
        settings = vars(args) | {
            "batch_size": _BATCH,
            "lr": _LR,
            "views": 1,
            "revisions": 0,
            "sha256": digest.hexdigest(),
        }
        settings |= {"train_cpu_s": {"mean": float(np.mean(spent)), "most": max(spent)}}
        del settings["quick"], settings["out"]
        command = "python -m benchmarks.style.training_sets " + " ".join(
            f"--{name} {getattr(args, name)}" for name in ("samples", "molecules", "seeds")
        )
        path = write(
            "style_training_sets", command, rows, settings, ("torch", "torch-geometric", "lightning")
        )
        print(f"wrote {path.name}")


def _weights(network: torch.nn.Module) -> list[bytes]:
    return [value.numpy().tobytes() for value in network.state_dict().values()]


def trained(weights: str, folder: Path, samples: int, seed: int, lr: float = _LR) -> Generator:
    """The network trained on a set, with nothing changed in its reference stacks."""
    L.seed_everything(seed, verbose=False)
    model = load_generator(weights)
    config = TrainConfig(
        model=model.config,
        epochs=1,
        epoch_samples=samples,
        batch_size=_BATCH,
        lr=lr,
        schedule="cosine",
        seed=seed,
    )
    stored = StoredReferences(folder)
    draws = StepDraws(
        z_min=model.z_targets,
        classes=model.classes,
        mutant=RandomMutant(empty=0.35, misplaced=0.2, extra=2),
        augment=Augment(stack=()),
        seed=seed,
    )
    steps = StepDataset(stored.molecules, draws, stored)
    sampler = EpochSampler(len(steps), samples, seed)
    trainer = L.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=1,
        gradient_clip_val=config.clip,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(GeneratorModule(model, config), step_loader(steps, _BATCH, 0, sampler=sampler))
    return model.eval()


def predictions(
    model: Generator, test: list[tuple[int, AFMData]], back: Callable[[Tensor], Tensor] | None = None
) -> list[dict[str, Any]]:
    """What a network makes of each test molecule's stack in the stand-in's style, translated by ``back``
    first: atoms predicted, true and found, errors in Å, and the graph."""
    ppm = ProbeParticleModel(model.config.scan, on_unconverged="ignore")
    found = []
    for number, molecule in test:
        trial = draw_trial(molecule, number, ppm)
        stack = stand_in(normalize_slices(trial.reference), number)
        graph = generate(
            model, stack if back is None else back(stack), ppm, trial.z_top, views=1, revisions=0
        ).graph
        truth = remove_atoms(trial.truth, trial.truth.pos[:, 2] < model.config.z_min)
        match = match_atoms(graph.pos, truth.pos, CUTOFF)
        errors = (graph.pos[match.pred] - truth.pos[match.true]).norm(dim=1)
        found.append(
            {
                "atoms": [len(graph.z), len(truth.z), len(match.pred)],
                "errors": errors.tolist(),
                "z": graph.z.tolist(),
                "pos": graph.pos.tolist(),
            }
        )
    return found


def visible(molecule: AFMData, z_min: float) -> AFMData:
    """What an image shows of a molecule in its best orientation."""
    turned = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
    return remove_atoms(turned, turned.pos[:, 2] < z_min)


def counts(runs: list[list[dict[str, Any]]]) -> np.ndarray:
    """Atoms predicted, true and found, errors summed: ``[seeds, molecules, 4]``."""
    return np.array([[[*m["atoms"], sum(m["errors"])] for m in run] for run in runs], dtype=float)


def scores(count: np.ndarray) -> tuple[float, float, float, float]:
    """F1, precision, recall and mean error of matched atoms."""
    predicted, true, matched, error = count.reshape(-1, 4).sum(0)
    return (
        2 * matched / (predicted + true),
        matched / max(predicted, 1),
        matched / true,
        error / max(matched, 1),
    )


def resampled(*count: np.ndarray) -> list[list[np.ndarray]]:
    """Seeds and molecules drawn with replacement, the same molecules for each of ``count``."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_RESAMPLES):
        which = rng.integers(count[0].shape[1], size=count[0].shape[1])
        drawn.append([one[rng.integers(len(one), size=len(one))][:, which] for one in count])
    return drawn


def interval(values: list[Any]) -> Any:
    """From the 2.5th to the 97.5th percentile."""
    return np.percentile(np.array(values), [2.5, 97.5], axis=0).T.tolist()


def summary(name: str, runs: list[list[dict[str, Any]]], reference: list[AFMData]) -> dict[str, Any]:
    """Scores of a training set, with intervals over seeds and molecules."""
    count = counts(runs)
    f1, precision, recall, error = scores(count)
    ends = interval([scores(part) for (part,) in resampled(count)])
    graphs = [AFMData(z=torch.tensor(m["z"], dtype=torch.long), pos=torch.tensor(m["pos"]).view(-1, 3))
              for run in runs for m in run]  # fmt: skip
    settings = StructureSettings(periodic=False)
    sides = [
        structure_features([to_ase(g) for g in part], settings, FEATURES) for part in (graphs, reference)
    ]
    units = list(range(count.shape[1])) * len(runs)
    found = compare(*sides, distances=("wasserstein",), n=200, units=units).features
    return {
        "name": name,
        "seeds": len(runs),
        "molecules": count.shape[1],
        "f1": f1,
        "f1_interval": ends[0],
        "f1_of_seeds": [scores(one)[0] for one in count],
        "precision": precision,
        "recall": recall,
        "error": error,
        "error_interval": ends[3],
        "distances": {key: found[key]["distances"]["wasserstein"]["normalized"] for key in FEATURES},
    }


def gain(one: str, other: str, runs: dict[str, list[list[dict[str, Any]]]]) -> dict[str, Any]:
    """Difference of two training sets in F1 and error, with intervals over seeds and molecules."""
    first, second = counts(runs[one]), counts(runs[other])
    parts = [np.subtract(scores(x), scores(y)) for x, y in resampled(first, second)]
    f1, error = (np.subtract(scores(first), scores(second))[i] for i in (0, 3))
    ends = interval(parts)
    return {
        "name": f"{one} - {other}",
        "f1_gain": float(f1),
        "f1_gain_interval": ends[0],
        "error_gain": float(error),
        "error_gain_interval": ends[3],
    }


def _between(name: str, digits: int = 3) -> Callable[[Any], str]:
    def shown(row: Any) -> str:
        low, high = row[f"{name}_interval"]
        return f"{row[name]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    return shown


def _distance(name: str) -> Callable[[Any], str]:
    def shown(row: Any) -> str:
        found = row["distances"][name]
        if found is None:
            return "-"
        low, high = found["interval"]
        return f"{found['value']:.3f} ({low:.3f} to {high:.3f}; floor {found['floor']:.3f})"

    return shown


SCORES: dict[str, Callable[[Any], str]] = {
    "training set": lambda row: row["name"],
    "seeds": lambda row: str(row["seeds"]),
    "F1 at 0.5 Å": _between("f1"),
    "precision / recall": lambda row: f"{row['precision']:.3f} / {row['recall']:.3f}",
    "error of found atoms, Å": _between("error"),
    "bond lengths, W1 / 1.5 Å": _distance("bond_length"),
    "valence angles, W1 / 180°": _distance("valence_angle"),
}
GAINS: dict[str, Callable[[Any], str]] = {
    "difference": lambda row: row["name"],
    "F1 at 0.5 Å": _between("f1_gain"),
    "error, Å": _between("error_gain"),
}


if __name__ == "__main__":
    main()
