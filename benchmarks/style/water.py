"""Style translation of water on Au(111) (arXiv:2509.02240): the public simulated slices and slices of four
experimental stacks, in the folder that TORCH_AFM_DATA names. There is no truth: image metrics beside their
floors, what is left of the content, and the checkpoint that they choose.

    TORCH_AFM_DATA=... python -m benchmarks.style.water [--pairs 800]

Continues where it stopped. Slices are 8-bit, each (simulated) or each stack (experimental) scaled by its own
range, and treated one by one. Simulated slices that are kept for the evaluation are of other structures;
the experimental ones are of the same four images as those that are trained on, so their metrics flatter.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.common import table, write
from benchmarks.style.standin import METRICS
from torch_afm.train import StyleConfig, train_style

_EPOCHS = 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=800, help="pairs of crops to train on")
    parser.add_argument("--out", default="runs/water", help="folder of the run; holds pictures of the data")
    args = parser.parse_args()
    if "TORCH_AFM_DATA" not in os.environ:
        sys.exit("skipped: TORCH_AFM_DATA is not set (the folder that holds water_au111)")
    folder = Path(os.environ["TORCH_AFM_DATA"]) / "water_au111"
    torch.set_num_threads(1)
    simulated, experimental = slices(folder / "sim_png"), slices(folder / "experimental_png")
    config = StyleConfig(
        out=args.out,
        noise=True,
        residual=True,
        detail=True,
        crop=64,
        epochs=_EPOCHS // 2,
        decay_epochs=_EPOCHS - _EPOCHS // 2,
        epoch_pairs=args.pairs // _EPOCHS,
        every=2,
        lr=5e-4,
        lambda_cycle=5.0,
        lambda_identity=0.0,
        validation=12,
        threads=1,
        accelerator="cpu",
        progress=False,
    )
    kept = Path(args.out) / "cpu_seconds.json"
    start = time.process_time()
    choice = train_style(config, simulated, experimental)
    if not kept.exists():
        kept.write_text(json.dumps(time.process_time() - start))
    rows: list[dict[str, Any]] = json.loads((Path(args.out) / "evaluation.json").read_text())
    for row in rows:
        row["told"] = "chosen" if row["epoch"] == choice.epoch else choice.rejected.get(row["epoch"], "")
    print(table(rows, COLUMNS))
    seconds = json.loads(kept.read_text())
    print(f"{len(simulated)} simulated slices, {len(experimental)} experimental ones; {seconds:.0f} s of CPU")
    names = ("crop", "epoch_pairs", "lr", "lambda_cycle", "lambda_identity", "noise", "residual")
    settings = {name: getattr(config, name) for name in names}
    settings |= {"simulated": len(simulated), "experimental": len(experimental), "train_cpu_s": seconds}
    command = f"python -m benchmarks.style.water --pairs {args.pairs}"
    path = write("style_water", command, rows, settings, ("torch", "lightning"))
    print(f"wrote {path.name}")


def slices(folder: Path) -> list[Tensor]:
    """All images of a folder in the order of their names, as stacks of one slice ``[1, Y, X]``."""
    found = [np.asarray(Image.open(file).convert("L"), np.float32) for file in sorted(folder.glob("*.png"))]
    if not found:
        sys.exit(f"expected PNG images in {folder}, got none")
    return [torch.from_numpy(image)[None] / 255 for image in found]


def _content(way: str, key: str) -> Callable[[Any], str]:
    return lambda row: f"{row[way][key]:.3f}"


COLUMNS: dict[str, Callable[[Any], str]] = {"epoch": lambda row: str(row["epoch"])}
for _metric in METRICS:
    COLUMNS[f"{_metric} (floor)"] = lambda row, m=_metric: (
        f"{row['distances'][m]:.3g} ({row['floors'][m]:.2g})"
    )
for _key in ("correlation", "ssim", "lost"):
    COLUMNS[_key] = _content("content", _key)
for _key in ("correlation", "lost"):
    COLUMNS[f"back: {_key}"] = _content("backward", _key)
COLUMNS[""] = lambda row: row["told"]


if __name__ == "__main__":
    main()
