"""Training samples a second that the CPU makes: two stacks each, rendered, augmented and collated, of
molecules taken evenly from the embedded list. By this process on all cores (0 workers) and by worker
processes of one core each, for the data of ``benchmarks.training.throughput``, which trains on them; and in
128 x 128 pixels. Then where the time goes, stage by stage, on one core, and what each augmentation takes.

CPU milliseconds a sample count all processes; samples a second are by the wall, so other work on the machine
lowers them.

    python -m benchmarks.training.loading [--cases acdef] [--workers 2] [--repeats 2] [--molecules 64]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.common import spread, table, write
from benchmarks.training.cases import CASES, cpu_seconds, known_cases, molecules, run
from benchmarks.training.stages import data_stages
from torch_afm.config import Scan, to_dict
from torch_afm.datasets import AFMDataset, StepDraws
from torch_afm.functional import normalize_slices
from torch_afm.train.datamodule import AFMDataModule
from torch_afm.transforms import (
    Augment,
    Background,
    CropSlices,
    CropWindow,
    Cutout,
    DetectorNoise,
    DoubleTip,
    Motion,
    Noise,
    Plane,
    SliceShift,
    TipAsymmetry,
    Turn,
    augment,
)
from torch_afm.transforms.base import as_lists

_MODULE = "benchmarks.training.loading"

#: Pixels along each side: samples of the augmentations that are timed.
_SIZES = {128: 64, 64: 128}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", default="acdef", help="of those of benchmarks.training.throughput")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--molecules", type=int, default=64)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        part, *values = args.part.split()
        print(json.dumps(_PARTS[part](args, *values)))
        return
    load = os.getloadavg()[0]
    atoms = [len(m.z) for m in molecules(args.molecules)]  # into the cache, for all that follow
    keys = [key for key in known_cases() if key in args.cases]
    parts = [f"loader {key} 64 {args.workers}" for key in keys]
    parts += [f"loader {keys[0]} {size} {workers}" for size, workers in ((64, 0), (128, args.workers))]
    loaders = [_run(part, args) for part in parts]
    print(table(loaders, _LOADER_COLUMNS), end="\n\n", flush=True)
    stages = [_run(f"stages {key}", args) for key in keys]
    print(_side_by_side("CPU-ms a sample, one core", keys, [s["cpu_s"] for s in stages]), end="\n\n")
    alone = [_run(f"alone {size}", args) for size in _SIZES]
    seconds = [{name: s["median"] for name, s in row["cpu_s"].items()} for row in alone]
    print(_side_by_side("CPU-ms a sample, two stacks", [f"{size} pixels" for size in _SIZES], seconds))
    settings = {
        "cases": {key: to_dict(CASES[key]) for key in keys},
        "molecules": len(atoms),
        "atoms": {"mean": float(np.mean(atoms)), "least": min(atoms), "most": max(atoms)},
        "augmentations": str(Augment()),
        "load_average_before": load,
        "seed": 0,
    }
    command = f"python -m {_MODULE} --cases {''.join(keys)} --workers {args.workers} "
    command += f"--repeats {args.repeats} --molecules {args.molecules}"
    packages = ["torch", "torch-geometric", "pyopencl", "numpy"]
    path = write("loading", command, [*loaders, *stages, *alone], settings, packages)
    print(f"\n{len(atoms)} molecules of {np.mean(atoms):.1f} atoms on average; wrote {path}")


_LOADER_COLUMNS: dict[str, Callable[[Any], str]] = {
    "": lambda r: r["case"],
    "data": lambda r: r["name"],
    "pixels, slices": lambda r: f"{r['pixels']} x {r['pixels']} x 10",
    "workers": lambda r: f"{r['workers']}",
    "samples/s": lambda r: f"{1 / r['wall_s']['median']:.1f}",
    "CPU-ms a sample": lambda r: f"{1e3 * r['cpu_s']['median']:.2f}",
    "of these, receiving": lambda r: f"{1e3 * r['receive_cpu_s']['median']:.2f}" if r["workers"] else "",
    "samples in 2 CPU-s": lambda r: f"{2 / r['cpu_s']['median']:.1f}",
}


def loader(args: argparse.Namespace, key: str, size: str, workers: str) -> dict[str, Any]:
    """Seconds a sample of whole epochs, after one to warm up."""
    case = CASES[key]
    config = case.config(int(workers))
    scan = replace(config.model.scan, pixels=(int(size), int(size)))
    config = replace(config, model=replace(config.model, scan=scan)) if key == "a" else config
    data = AFMDataModule(config, list(molecules(args.molecules)))
    data.setup()
    batches_of = data.train_dataloader()
    times: dict[str, list[float]] = defaultdict(list)
    for epoch in range(args.repeats + 1):
        batches_of.sampler.set_epoch(epoch)
        iterator = iter(batches_of)
        pids = [w.pid for w in getattr(iterator, "_workers", [])]
        start = time.perf_counter(), time.process_time(), cpu_seconds(pids)
        count = sum(batch.num_graphs for batch in iterator)
        wall, own = time.perf_counter() - start[0], time.process_time() - start[1]
        if epoch:
            times["wall_s"].append(wall / count)
            times["cpu_s"].append((own + cpu_seconds(pids) - start[2]) / count)
            times["receive_cpu_s"].append(own / count)
    row = {"question": "loader", "case": key, "name": case.name, "pixels": scan.pixels[0]}
    row |= {"workers": int(workers), "batch": config.batch_size, "repeats": args.repeats}
    return row | {name: spread(values) for name, values in times.items()}


def stages(args: argparse.Namespace, key: str) -> dict[str, Any]:
    """CPU seconds a sample of every stage, on one core."""
    return {"question": "stages", "case": key, "cpu_s": data_stages(CASES[key], args.molecules)}


def alone(args: argparse.Namespace, size: str) -> dict[str, Any]:
    """CPU seconds that each augmentation takes for the two stacks of a sample, those that are not in the
    default too, on as many stacks at a time as training changes."""
    torch.set_num_threads(1)
    scan = Scan(pixels=(int(size), int(size)))
    dataset = AFMDataset(molecules(8), scan, StepDraws(augment=Augment(stack=())))
    samples = dataset.__getitems__([(0, i) for i in range(8)])
    few = torch.cat([stack for one in samples for stack in (one.reference, one.simulated)])
    stacks = few.repeat(_SIZES[int(size)] // 8, 1, 1, 1, 1)
    count = max(1, augment._CACHED // stacks[0].numel())
    parts = stacks.split(count)
    seconds: dict[str, list[float]] = defaultdict(list)

    def measure(name: str, changes: Sequence[Callable[[Any], Any]]) -> None:
        for _ in range(args.repeats + 1):
            start = time.process_time()
            for change, part in zip(changes, parts, strict=True):
                change(part)
            seconds[name].append(2 * (time.process_time() - start) / len(stacks))

    rngs = [np.random.default_rng(i) for i in range(len(stacks))]
    measure("normalize", [normalize_slices] * len(parts))
    changes = (Noise(), SliceShift(), Cutout(), Plane(), Motion(), Background(), DetectorNoise())
    for random in (*changes, DoubleTip(), TipAsymmetry()):
        found = [random.draw(scan.shape, rng) for rng in rngs]
        applied = [partial(random.apply, **as_lists(found[i * count :][:count])) for i in range(len(parts))]
        measure(type(random).__name__, applied)
    for move in (Turn(), CropWindow((3 * int(size) // 4,) * 2), CropSlices(8, 4)):
        found = [move.draw(scan, samples[0].pos.numpy(), rng) for rng in rngs]
        applied = [partial(move.apply, **as_lists(found[i * count :][:count])) for i in range(len(parts))]
        measure(type(move).__name__, applied)
    cpu = {name: spread(values[1:]) for name, values in seconds.items()}
    return {"question": "alone", "pixels": int(size), "repeats": args.repeats, "cpu_s": cpu}


def _side_by_side(title: str, names: Sequence[str], seconds: Sequence[dict[str, float]]) -> str:
    """Milliseconds by stage, a column of each of ``seconds``, and their sums."""
    found = list(dict.fromkeys(stage for one in seconds for stage in one))
    columns: dict[str, Callable[[Any], str]] = {title: lambda stage: stage}
    for name, one in zip(names, seconds, strict=True):
        columns[name] = lambda stage, one=one: f"{1e3 * one[stage]:.3f}" if stage in one else ""
    return table(found, columns)  # type: ignore[arg-type]


def _run(part: str, args: argparse.Namespace) -> dict[str, Any]:
    """In a process of its own; stages on one core."""
    threads = {} if part.startswith("loader") else {"POCL_MAX_PTHREAD_COUNT": "1"}
    options = f"--repeats={args.repeats}", f"--molecules={args.molecules}"
    return run(_MODULE, "--part", part, *options, **threads)


_PARTS: dict[str, Callable[..., dict[str, Any]]] = {"loader": loader, "stages": stages, "alone": alone}


if __name__ == "__main__":
    main()
