"""What each idea of the spatial network is worth at an equal budget: networks trained on equally many
samples, one after the other on one core, and scored on the test molecules: single-atom steps as the thesis
scores them, and whole predictions from the empty graph with the tip unknown. All of them tell hydrogen from
heavier elements, as the thesis does, but for the last row, which tells ten elements apart.

    python -m benchmarks.prediction.ablation [--samples 6144] [--molecules 100] [--steps 1000]

Trained networks are kept under ``runs/ablation`` and not trained again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import table, write
from torch_afm.config import GeneratorConfig, SpatialGeneratorConfig, generator_config
from torch_afm.datasets import AFMDataset, MoleculeDataset, StepDraws
from torch_afm.elements import AtomClasses
from torch_afm.evaluation import evaluate_predictions, evaluate_steps
from torch_afm.generation import generate
from torch_afm.metrics import MoleculeMetrics, StepMetrics
from torch_afm.models import Generator, load_generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.train import TrainConfig, train

_SPATIAL = SpatialGeneratorConfig(groups=AtomClasses().groups)
_PLAIN = {"difference": False, "painting": False}

#: Name, network, and how predictions are made of it.
VARIANTS: list[tuple[str, GeneratorConfig, dict[str, Any]]] = [
    ("thesis, literal", generator_config("literal"), {}),
    ("thesis, small", generator_config("small"), {}),
    ("heat map", dataclasses.replace(_SPATIAL, **_PLAIN), {"atoms_per_step": 1}),
    ("+ difference", dataclasses.replace(_SPATIAL, painting=False), {"atoms_per_step": 1}),
    ("+ painting", _SPATIAL, {"atoms_per_step": 1}),
    ("+ all atoms at once", _SPATIAL, {}),
    ("+ revision", _SPATIAL, {"revisions": 2}),
    ("+ eight views", _SPATIAL, {"revisions": 2, "views": 8}),
    ("+ ten elements", SpatialGeneratorConfig(), {"revisions": 2, "views": 8}),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=6144)
    parser.add_argument("--molecules", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--out", default="runs/ablation")
    args = parser.parse_args()
    torch.set_num_threads(1)
    source = MoleculeDataset()
    test = np.random.default_rng(0).permutation(source.split()[2]).tolist()
    chosen = [(i, source[i]) for i in test[: args.molecules]]
    rows, scored = [], {}
    for name, settings, how in VARIANTS:
        model, seconds = trained(settings, args.samples, Path(args.out))
        ppm = ProbeParticleModel(settings.scan)
        if json.dumps(dataclasses.asdict(settings)) not in scored:
            draws = StepDraws(z_min=settings.z_min, classes=model.classes, seed=1)
            steps = AFMDataset([source[i] for i in test], settings.scan, draws)
            order = np.random.default_rng(0).permutation(len(steps))[: args.steps].tolist()
            predict = model if model.sequential else model.predict_step
            scored[json.dumps(dataclasses.asdict(settings))] = evaluate_steps({"": predict}, steps, order)[""]
        single = scored[json.dumps(dataclasses.asdict(settings))]
        pipeline = {name: pipeline_of(model, how)}
        whole = evaluate_predictions(pipeline, chosen, ppm, model.classes, settings.z_min)[name]
        rows.append({"variant": name, "cpu_minutes": seconds / 60, **scores(model, single, whole)})
        print(table(rows[-1:], COLUMNS).splitlines()[-1], flush=True)
    settings = {"samples": args.samples, "molecules": args.molecules, "steps": args.steps, "seed": 0}
    command = "python -m benchmarks.prediction.ablation " + " ".join(
        f"--{name} {value}" for name, value in vars(args).items() if name != "out"
    )
    path = write("ablation", command, rows, settings, ["torch", "torch-geometric", "lightning"])
    print(table(rows, COLUMNS))
    print(f"wrote {path.name}")


def trained(settings: GeneratorConfig, samples: int, out: Path) -> tuple[Generator, float]:
    """The network of ``settings`` after ``samples`` samples, and the CPU seconds of its training."""
    names = {json.dumps(dataclasses.asdict(s)): n for n, s, _ in reversed(VARIANTS)}
    folder = out / names[json.dumps(dataclasses.asdict(settings))].replace(" ", "-").replace(",", "")
    done = folder / "seconds.json"
    if not done.exists():
        spatial = settings.z_targets < settings.z_min
        disturbed: dict[str, Any] = {"misplaced": 0.2, "extra": 2} if spatial else {}
        config = TrainConfig(
            out=str(folder),
            model=settings,
            epochs=max(1, samples // 2048),
            epoch_samples=min(samples, 2048),
            val_samples=64,
            batch_size=16,
            lr=1.5e-3 if spatial else 1e-3,
            schedule="cosine",
            ema=0.99,
            empty=0.35,
            augmented=0.5,
            seed=1,
            workers=0,
            threads=1,
            precision="32-true" if spatial else "bf16-mixed",
            accelerator="cpu",
            progress=False,
            **disturbed,
        )
        start = time.process_time()
        train(config)
        done.write_text(json.dumps(time.process_time() - start))
    return load_generator(folder / "model").eval(), json.loads(done.read_text())


def pipeline_of(model: Generator, how: dict[str, Any]) -> Callable[..., Any]:
    return partial(generate, model, **{"revisions": 0, "views": 1} | how)


def scores(model: torch.nn.Module, single: StepMetrics, whole: MoleculeMetrics) -> dict[str, Any]:
    """What the table shows, each with its interval."""
    step, bounds = single.compute(), single.intervals()
    all_, between = whole.compute()["all"], whole.intervals()["all"]
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "step_error": step["position_error"]["mean"]["r"],
        "step_error_interval": bounds["position_error"]["mean"]["r"],
        "step_recalls": [row[i] for i, row in enumerate(step["class"]["fraction"])][:3],
        "f1": all_["f1"]["0.5"],
        "f1_interval": between["f1"]["0.5"],
        "error": all_["position_error"]["mean"]["r"],
        "error_interval": between["position_error"]["mean"]["r"],
        "bonds": all_["bonds"]["f1"],
        "bonds_interval": between["bonds"]["f1"],
        "ended": all_["ended"],
        "passes": all_["steps"],
        "seconds": all_["seconds"],
    }


def _pair(name: str, digits: int = 2) -> Callable[[Any], str]:
    def shown(row: Any) -> str:
        if row[name] is None:
            return "-"
        low, high = row[f"{name}_interval"]
        return f"{row[name]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    return shown


COLUMNS = {
    "network": lambda r: r["variant"],
    "parameters": lambda r: f"{r['parameters']:,}",
    "CPU-min": lambda r: f"{r['cpu_minutes']:.1f}",
    "one step: error, Å": _pair("step_error"),
    "stop / H / next": lambda r: " / ".join("-" if v is None else f"{v:.2f}" for v in r["step_recalls"]),
    "whole: F1 at 0.5 Å": _pair("f1"),
    "matched error, Å": _pair("error"),
    "bonds F1": _pair("bonds"),
    "ended": lambda r: ", ".join(f"{k} {v}" for k, v in r["ended"].items()),
    "s": lambda r: f"{r['seconds']:.2f}",
}


if __name__ == "__main__":
    main()
