"""Style translation where the truth is known (benchmarks/style/domains.py): stacks of test molecules as
simulated, perturbed by hand, translated, and both, against the stand-in's domain of other molecules; the
content of translations against the truth; and denoising, which is translation back.

    python -m benchmarks.style.standin                     # minutes on one core; continues where it stopped
    python -m benchmarks.style.standin --method fastcut    # another method on the same stacks
    python -m benchmarks.style.standin --quick             # a minute, writes no result

What translated stacks are worth in training is told by benchmarks/style/training_sets.py.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from benchmarks.common import table, write
from benchmarks.style.domains import GAMMA, SIZES, rendered, stand_in, to_scale
from torch_afm.datasets import build_training_set
from torch_afm.functional import normalize_slices
from torch_afm.metrics.distributions import wasserstein
from torch_afm.metrics.images import (
    RandomConvolutions,
    content_preservation,
    frechet_distance,
    image_features,
    physical_features,
)
from torch_afm.metrics.intervals import bootstrap
from torch_afm.models import StyleTranslator
from torch_afm.style import evaluate_translation, read_stacks
from torch_afm.train import StyleConfig, train_style

EXTRACTORS: dict[str, Callable[[Tensor], Tensor]] = {
    "physical": physical_features,
    "random": RandomConvolutions(seed=0),
}
METRICS = tuple(f"{name} {distance}" for name in EXTRACTORS for distance in ("frechet", "kid", "mmd"))
#: Every so many pixels give a gray level.
_STRIDE = 7
_RESAMPLES = 100
#: Stacks of a domain that distances are taken to.
_TARGETS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    parser.add_argument("--method", default="cyclegan", choices=["cyclegan", "fastcut"])
    parser.add_argument("--spectral", type=float, default=0.0, help="weight of a discriminator of spectra")
    parser.add_argument("--context", type=int, default=0, help="neighboring slices that networks see")
    parser.add_argument("--out", default="runs/standin", help="folder for stacks and training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    out = Path(args.out) / "quick" if args.quick else Path(args.out)
    a, clean_b, clean = (rendered(out / part, part, args.quick) for part in ("a", "b", "test"))
    b, styled = stand_in(clean_b, 1), stand_in(clean, 2)
    chosen = {"method": args.method, "lambda_spectral": args.spectral, "context": args.context}
    config, choice, seconds = train(out, chosen, args.quick, a, b)
    run = Path(config.out)
    forward, backward = (run / name for name in ("forward", "backward"))

    kinds = {"stand-in, the truth": styled, "simulated: before": clean}
    for kind, weights in (("handcrafted", []), ("style", [forward]), ("hybrid", [forward])):
        folder = run / f"test-{kind}"
        build_training_set(kind, out / "test", folder, weights)
        kinds[kind] = normalize_slices(torch.stack(read_stacks(folder))[:, None])
    rows = score(kinds, b[:_TARGETS], clean, styled)
    back = {
        "simulated, the truth": clean,
        "stand-in: before": styled,
        "mean of 3 x 3 pixels": smoothed(styled),
    }
    if backward.is_dir():
        back["style, translated back"] = StyleTranslator.from_pretrained(backward)(styled)
    rows_back = score(back, a[:_TARGETS], styled, clean)
    for part in (rows, rows_back):
        print(table(part, DISTANCES) + "\n\n" + table(part, CONTENT) + "\n")
    print(f"epoch {choice} of {config.total_epochs} chosen; training {seconds / 60:.1f} min of CPU")
    if not args.quick:
        settings = {"molecules": SIZES, "gamma": GAMMA, **chosen}
        settings["training"] = {k: v for k, v in vars(config).items() if k in TRAINING}
        settings |= {"chosen": choice, "train_cpu_s": seconds, "targets": _TARGETS}
        command = "python -m benchmarks.style.standin"
        name = "style_standin" + f"_{run.name}".removeprefix("_cyclegan")
        for option in ("method", "spectral", "context"):
            if getattr(args, option) != parser.get_default(option):
                command += f" --{option} {getattr(args, option)}"
        path = write(name, command, rows + rows_back, settings, ("torch", "lightning"))
        print(f"wrote {path.name}")


#: Settings of the translation's training.
TRAINING: dict[str, Any] = {
    "noise": True,
    "residual": True,
    "detail": True,
    "epochs": 10,
    "decay_epochs": 10,
    "epoch_pairs": 180,
    "every": 2,
    "crop": 64,
    "validation": 20,
    "lr": 5e-4,
    "lambda_cycle": 3.0,
    "lambda_identity": 0.0,
    "lambda_nce": 1.0,
    "flip": False,
}
_QUICK = {"epochs": 1, "decay_epochs": 0, "epoch_pairs": 2, "every": 1, "validation": 4}


def train(
    out: Path, chosen: dict[str, Any], quick: bool, a: Tensor, b: Tensor
) -> tuple[StyleConfig, int | None, float]:
    """The translation between A and B: settings, epoch chosen, CPU seconds of its training (of the last
    start, where it was interrupted)."""
    name = chosen["method"] + "_spectral" * bool(chosen["lambda_spectral"])
    name += f"_context{chosen['context']}" * (chosen["context"] > 0)
    guard = {"min_correlation": -1.0, "max_lost": 1.0} if quick else {}
    config = StyleConfig(
        out=str(out / name),
        slices=2 * chosen["context"] + 1,
        threads=1,
        accelerator="cpu",
        progress=False,
        **TRAINING | chosen | (_QUICK if quick else {}) | guard,
    )
    kept = Path(config.out) / "cpu_seconds.json"
    start = time.process_time()
    choice = train_style(config, list(a[:, 0]), list(b[:, 0]))
    if not kept.exists():
        kept.write_text(json.dumps(time.process_time() - start))
    if choice.epoch is None:
        raise SystemExit("the translation destroys content; nothing to score")
    return config, choice.epoch, json.loads(kept.read_text())


def score(kinds: dict[str, Tensor], target: Tensor, source: Tensor, truth: Tensor) -> list[dict[str, Any]]:
    """Each of the stacks against a domain, their source and their truth. The second of them is what the
    others improve."""
    stacks = {name: to_scale(one) for name, one in kinds.items()}
    target, source, truth = (to_scale(one) for one in (target, source, truth))
    gray = target.flatten()[::_STRIDE].numpy()
    order = np.random.default_rng(0).permutation(len(target))
    halves = [target[order[i::2]].flatten()[::_STRIDE].numpy() for i in range(2)]
    before = list(stacks.values())[1]
    rows = []
    for name, one in stacks.items():
        found = evaluate_translation(0, one, source, target)
        rows.append(
            {
                "name": name,
                "stacks": len(one),
                "distances": found.distances
                | {"grey levels": wasserstein(one.flatten()[::_STRIDE].numpy(), gray)},
                "floors": found.floors | {"grey levels": wasserstein(*halves)},
                "closed": {key: closed(key, one, before, target, found.floors) for key in EXTRACTORS},
                "content": found.content,
                "truth": content_preservation(one, truth),
            }
        )
    return rows


def closed(name: str, stacks: Tensor, before: Tensor, target: Tensor, floors: dict[str, float]) -> Any:
    """Share of the way from the Fréchet distance before to its floor, and, of few features, its interval
    over stacks."""
    extract, floor = EXTRACTORS[name], floors[f"{name} frechet"]
    features = [image_features(one, extract) for one in (stacks, before, target)]
    mean, spread = features[2].mean(0), features[2].std(0)
    after, first, wanted = ((f - mean) / spread for f in features)
    after, first = (f.reshape(len(stacks), -1, f.shape[1]) for f in (after, first))

    def share(index: np.ndarray) -> float:
        now, then = (frechet_distance(f[index].reshape(-1, f.shape[2]), wanted) for f in (after, first))
        return (then - now) / (then - floor)

    molecule = np.arange(len(stacks))
    if stacks is before:
        return {"value": 0.0, "interval": [0.0, 0.0]}
    quick = after.shape[2] < 32
    return {
        "value": share(molecule),
        "interval": bootstrap(share, molecule, _RESAMPLES) if quick else None,
    }


def smoothed(stacks: Tensor) -> Tensor:
    """The plainest way to denoise."""
    filled = pad(stacks.flatten(0, 1), (1, 1, 1, 1), mode="replicate")
    return avg_pool2d(filled, 3, 1).view_as(stacks)


def _share(key: str) -> Callable[[Any], str]:
    def shown(row: Any) -> str:
        value, ends = row["closed"][key]["value"], row["closed"][key]["interval"]
        return f"{value:.1%}" + (f" ({ends[0]:.1%} to {ends[1]:.1%})" if ends else "")

    return shown


DISTANCES: dict[str, Callable[[Any], str]] = {"stacks": lambda row: row["name"]}
for _metric in (*METRICS, "grey levels"):
    DISTANCES[f"{_metric} (floor)"] = lambda row, m=_metric: (
        f"{row['distances'][m]:.3g} ({row['floors'][m]:.2g})"
    )
for _name in EXTRACTORS:
    DISTANCES[f"{_name} Fréchet closed"] = _share(_name)
CONTENT: dict[str, Callable[[Any], str]] = {"stacks": lambda row: row["name"]}
for _part, _of in (("content", "source"), ("truth", "truth")):
    for _key in ("correlation", "ssim", "lost"):
        CONTENT[f"{_key} with {_of}"] = lambda row, p=_part, k=_key: f"{row[p][k]:.3f}"
CONTENT["adjacent slices (source)"] = lambda row: (
    f"{row['content']['adjacent']:.3f} ({row['content']['adjacent_source']:.3f})"
)


if __name__ == "__main__":
    main()
