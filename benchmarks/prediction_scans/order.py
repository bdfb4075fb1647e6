"""How often ``--reverse try`` finds which end of a scan is near.

    python -m benchmarks.prediction_scans.order [--scenes 4] [--part test]

Scenes of the stand-in domain (molecules alone, next to each other, flat, with groups that stand out, layers,
water), ``--scenes`` of each, 16 x 16 Å: 14 slices of 0.1 Å, the farthest 0.2 Å lower to 0.6 Å higher than
that of training, white noise of 5 or 20 % of the contrast of the nearest, each slice stretched to 0..255 by
itself, so that the level of Δf tells nothing. Prints the share of the stacks whose near end is found: by r of
the image of what is found in either order, without refinement; by sharpness; by both.
:mod:`torch_afm.prediction.order` was set by the validation part.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import numpy as np

from benchmarks.common import table, write
from benchmarks.standin.strata import STRATA, draw_scenes
from torch_afm.config import PredictOptions, Scan, SearchOptions, Tip
from torch_afm.io.scans import ScanStack
from torch_afm.io.scans.prepare import BLURRED
from torch_afm.models import Generator, load_generator
from torch_afm.ppm import ProbeParticleModel, nominal_height
from torch_afm.prediction.order import Order, weigh_orders
from torch_afm.prediction.preparation import choose_preparation

NAMES = ("alone, anywhere", "neighbors", "flat", "protruding group", "layer", "water")

#: Share of the contrast of the nearest slice; Å by which the farthest lies above that of training.
NOISES, HEIGHT = (0.05, 0.2), (-0.2, 0.6)

SCAN = Scan(window=((-8.0, 8.0), (-8.0, 8.0)), pixels=(64, 64), n_slices=14)

OPTIONS = PredictOptions(search=SearchOptions(refine=False, views=1), reverse="try")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=4, help="of each stratum")
    parser.add_argument("--part", default="test", choices=("test", "validation"))
    args = parser.parse_args()
    rows = []
    stacks = simulate(args.scenes, args.part)
    for weights in ("scan", "spatial"):
        model = load_generator(weights)
        for noise in NOISES:
            found = [weigh(model, stack) for stack in stacks[noise]]
            rows.append(summary(found) | {"weights": weights, "noise": noise})
    print(table(rows, COLUMNS))
    command = f"python -m benchmarks.prediction_scans.order --scenes {args.scenes} --part {args.part}"
    settings = {"scenes": args.scenes, "part": args.part, "strata": NAMES, "seed": 0}
    write("prediction_scans_order", command, rows, settings, ("torch", "numpy", "scipy"))


def simulate(scenes: int, part: str) -> dict[float, list[ScanStack]]:
    """Stacks far to near for each noise."""
    strata = [dataclasses.replace(s, count=scenes) for s in STRATA if s.name in NAMES]
    renderer, rng = ProbeParticleModel(SCAN), np.random.default_rng(0)
    top = nominal_height(SCAN, Tip())
    found: dict[float, list[ScanStack]] = {noise: [] for noise in NOISES}
    for scene in draw_scenes(part, strata):
        images = renderer(scene.atoms, z_top=top + rng.uniform(*HEIGHT))[0, 0].double().numpy()
        grain = images[-1].std() * rng.normal(size=images.shape)
        for noise in NOISES:
            values = images + noise * grain
            low, high = (f(values, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
            values = np.rint(255 * (values - low) / (high - low))
            found[noise].append(ScanStack(values, SCAN.slice_heights(0.0), SCAN.window, unit="gray value"))
    return found


def weigh(model: Generator, stack: ScanStack) -> Order:
    """Both witnesses; the order as given is right."""
    both = [choose_preparation(model, stack, OPTIONS, reverse=reverse) for reverse in (False, True)]
    return weigh_orders(model, stack, both, OPTIONS)


def summary(found: list[Order]) -> dict[str, Any]:
    """Shares that are right."""
    agree = [order for order in found if order.agree]
    return {
        "stacks": len(found),
        "image": float(np.mean([order.gain > 0 for order in found])),
        "sharpness": float(np.mean([order.sharpness.margin > 0 for order in found])),
        "both": float(np.mean([not order.reverse for order in found])),
        "agree": len(agree) / len(found),
        "right_where_agree": float(np.mean([not order.reverse for order in agree])) if agree else None,
        "doubted": float(np.mean([order.sharpness.margin < BLURRED for order in found])),
        "doubted_reversed": float(np.mean([-order.sharpness.margin < BLURRED for order in found])),
        "gains": [order.gain for order in found],
        "margins": [order.sharpness.margin for order in found],
    }


#: Headings of the table.
COLUMNS = {
    "weights": lambda r: r["weights"],
    "noise": lambda r: f"{100 * r['noise']:.0f} %",
    "stacks": lambda r: str(r["stacks"]),
    "right by image": lambda r: f"{100 * r['image']:.0f} %",
    "by sharpness": lambda r: f"{100 * r['sharpness']:.0f} %",
    "by both": lambda r: f"{100 * r['both']:.0f} %",
    "agree": lambda r: f"{100 * r['agree']:.0f} %",
    "doubted as given": lambda r: f"{100 * r['doubted']:.0f} %",
    "doubted reversed": lambda r: f"{100 * r['doubted_reversed']:.0f} %",
    "right where they do": lambda r: f"{100 * r['right_where_agree']:.0f} %",
}


if __name__ == "__main__":
    main()
