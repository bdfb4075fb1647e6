"""Style translation where the truth is known: domain A is the simulator's, domain B the simulator's with a
stand-in for an experiment's style (double and asymmetric tip, drift, gamma, plane, row offsets, noise), of
other molecules. Of test molecules, in neither, both images are known, so that translation and its content
can be scored against the truth, and denoising by backward translation, too.

    python -m benchmarks.style.standin             # hours on one core; continues where it was interrupted
    python -m benchmarks.style.standin --quick     # a minute, writes no result
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import table, write
from torch_afm.config import GraphGeneratorConfig
from torch_afm.datasets import CacheConfig, MoleculeDataset, write_cache
from torch_afm.metrics.images import content_preservation
from torch_afm.nn.style import Scaling, StyleTranslator
from torch_afm.style import evaluate_translation, read_stacks
from torch_afm.train import StyleConfig, train_style
from torch_afm.transforms import (
    AddNoise,
    AddPlane,
    AddRowOffsets,
    DoubleTip,
    Drift,
    NormalizeSlices,
    TipAsymmetry,
)

GAMMA = 1.4
METRICS = ("physical frechet", "physical kid", "physical mmd", "random frechet", "random kid", "random mmd")


def stand_in(stacks: Tensor, seed: int) -> Tensor:
    """Normalised stacks ``[B, C, Z, Y, X]`` as the stand-in experiment shows them: one tip, one scanner, and
    noise of every stack's own."""
    count = len(stacks)
    rng = np.random.default_rng(seed)
    stacks = DoubleTip([0.25] * count, [[0.08, 0.05]] * count, [1] * count)(stacks)
    stacks = TipAsymmetry([0.05] * count, [2.2] * count)(stacks)
    stacks = Drift([[0.004, -0.003]] * count)(stacks)
    low = stacks.amin((-2, -1), keepdim=True)
    span = stacks.amax((-2, -1), keepdim=True) - low
    stacks = ((stacks - low) / span) ** GAMMA * span + low
    stacks = AddPlane([0.2] * count, rng.uniform(0, 2 * math.pi, count).tolist())(stacks)
    stacks = AddRowOffsets([0.02] * count, rng.integers(2**53, size=count).tolist())(stacks)
    return AddNoise([0.12] * count, rng.integers(2**53, size=count).tolist())(stacks)


def domain(folder: Path, molecules: list, rotations: int) -> Tensor:
    """Simulated stacks, normalised: ``[N, 1, Z, Y, X]``."""
    scan = GraphGeneratorConfig.preset("small").scan
    config = CacheConfig(scan=scan, rotations=rotations, candidates=max(20, rotations))
    write_cache(folder, molecules, config)
    return NormalizeSlices()(torch.stack(read_stacks(folder))[:, None])


def to_scale(stacks: Tensor) -> Tensor:
    """Stacks ``[N, 1, Z, Y, X]`` as networks and metrics see them."""
    scaling = Scaling()
    return scaling.apply(stacks, scaling.measure(stacks))[:, 0]


def score(name: str, stacks: Tensor, domain_: Tensor, truth: Tensor) -> dict:
    """Distances to a domain of other molecules, and content against the paired truth."""
    stacks, domain_, truth = (to_scale(one) for one in (stacks, domain_, truth))
    found = evaluate_translation(0, stacks, truth, domain_)
    return {
        "name": name,
        "distances": found.distances,
        "floors": found.floors,
        "truth": content_preservation(stacks, truth),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    parser.add_argument("--context", type=int, default=0, help="neighbouring slices that networks see")
    parser.add_argument("--out", default="runs/standin", help="folder for stacks and training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    count, rotations = (8, 1) if args.quick else (150, 2)
    out = Path(args.out) / ("quick" if args.quick else f"context{args.context}")
    source = MoleculeDataset()
    order = np.random.default_rng(0).permutation(len(source)).tolist()
    parts = [[source[i] for i in order[k * count : (k + 1) * count]] for k in range(3)]
    names = ("a", "b", "test")
    a, clean_b, clean = (domain(out / n, part, rotations) for n, part in zip(names, parts, strict=True))
    b, styled = stand_in(clean_b, 1), stand_in(clean, 2)

    size = {"epochs": 1, "decay_epochs": 0, "epoch_pairs": 2, "every": 1, "crop": 32, "validation": 4}
    if not args.quick:
        size = {"epochs": 8, "decay_epochs": 8, "epoch_pairs": 200, "every": 2, "crop": 64, "validation": 20}
    config = StyleConfig(
        out=str(out / "run"),
        context=args.context,
        slices=2 * args.context + 1,
        threads=1,
        accelerator="cpu",
        progress=False,
        **size,
    )
    start = time.process_time()
    choice = train_style(config, list(a[:, 0]), list(b[:, 0]))
    seconds = time.process_time() - start
    epoch = choice.epoch or max(choice.rejected)
    networks = out / "run" / "epochs" / f"{epoch:04d}"
    forward, backward = (StyleTranslator.load(networks / n) for n in ("forward", "backward"))
    rows = [
        score("simulated, to stand-in: before", clean, b, styled),
        score("simulated, to stand-in: translated", forward(clean), b, styled),
        score("stand-in, to simulated: before", styled, a, clean),
        score("stand-in, to simulated: translated", backward(styled), a, clean),
    ]
    columns = {"": lambda row: row["name"]}
    for metric in METRICS:
        columns[f"{metric} (floor)"] = lambda row, m=metric: (
            f"{row['distances'][m]:.3g} ({row['floors'][m]:.2g})"
        )
    for key in ("correlation", "ssim", "lost"):
        columns[f"{key} with truth"] = lambda row, k=key: f"{row['truth'][k]:.3f}"
    print(table(rows, columns))
    print(f"epoch {choice.epoch} of {config.total_epochs} chosen, rejected: {choice.rejected or 'none'}")
    print(f"{len(clean)} test stacks; training {seconds:.0f} s of CPU in this start")
    if not args.quick:
        settings = {"molecules": count, "rotations": rotations, "context": args.context, "gamma": GAMMA}
        settings |= size | {"chosen": choice.epoch, "train_cpu_s": seconds}
        command = f"python -m benchmarks.style.standin --context {args.context}"
        packages = ("torch", "lightning", "torchmetrics")
        print(f"wrote {write(f'style_standin_context{args.context}', command, rows, settings, packages)}")


if __name__ == "__main__":
    main()
