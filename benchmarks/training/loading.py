"""Training samples a second that the CPU makes: two stacks each, rendered, augmented and collated, of
molecules taken evenly from the embedded list. By this process on all cores (0 workers) and by worker
processes of one core each; with one and with four mutants to a reference stack. Then where the time goes,
stage by stage, on one core.

CPU milliseconds a sample count all processes; samples a second are by the wall, so other work on the machine
lowers them.

    python -m benchmarks.training.loading [--workers 2] [--repeats 3] [--molecules 64]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch_geometric.data import Batch

from benchmarks.common import spread, table, write
from torch_afm.config import Scan, to_dict
from torch_afm.datasets import AFMDataset, EpochSampler, MoleculeDataset, StepDraws, step_loader
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.functional import normalize_slices
from torch_afm.ppm import inputs
from torch_afm.transforms import (
    Augment,
    CropSlices,
    CropWindow,
    Cutout,
    Noise,
    Plane,
    SliceShift,
    Turn,
    augment,
    change_stacks,
)
from torch_afm.transforms.base import as_lists

#: Pixels along each side: samples in a batch, batches timed.
SIZES = {128: (16, 12), 64: (32, 16)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--molecules", type=int, default=64)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        print(json.dumps(_CASES[args.case.split()[0]](args, *map(int, args.case.split()[1:]))))
        return
    load = os.getloadavg()[0]
    molecules = _molecules(args.molecules)  # into the cache, for all that follow
    atoms = [len(m.z) for m in molecules]
    kinds = ((0, 1), (args.workers, 1), (args.workers, 4))
    cases = [f"loader {size} {workers} {mutants}" for size in SIZES for workers, mutants in kinds]
    loaders = [_run(case, args) for case in cases]
    print(table(loaders, _LOADER_COLUMNS), end="\n\n", flush=True)
    stages = [_run(f"stages {size}", args) for size in SIZES]
    rows = [
        {"stage": name} | {str(s["pixels"]): s["cpu_s"][name] for s in stages} for name in stages[0]["cpu_s"]
    ]
    columns: dict[str, Callable[[Any], str]] = {"CPU-ms a sample, one core": lambda r: r["stage"]}
    for size in SIZES:
        columns[f"{size} x {size} x 10"] = lambda r, size=size: f"{1e3 * r[str(size)]['median']:.3f}"
    print(table(rows, columns))
    settings = {
        "scan": to_dict(Scan()),
        "molecules": len(atoms),
        "atoms": {"mean": float(np.mean(atoms)), "least": min(atoms), "most": max(atoms)},
        "augmentations": str(Augment()),
        "load_average_before": load,
        "seed": 0,
    }
    command = f"python -m benchmarks.training.loading --workers {args.workers} --repeats {args.repeats}"
    packages = ["torch", "torch-geometric", "pyopencl", "numpy"]
    path = write(
        "loading", f"{command} --molecules {args.molecules}", [*loaders, *stages], settings, packages
    )
    print(f"\n{len(atoms)} molecules of {np.mean(atoms):.1f} atoms on average; wrote {path}")


_LOADER_COLUMNS: dict[str, Callable[[Any], str]] = {
    "pixels, slices": lambda r: f"{r['pixels']} x {r['pixels']} x 10",
    "workers": lambda r: f"{r['workers']}",
    "mutants": lambda r: f"{r['mutants']}",
    "samples/s": lambda r: f"{1 / r['wall_s']['median']:.1f}",
    "CPU-ms a sample": lambda r: f"{1e3 * r['cpu_s']['median']:.2f}",
    "of these, receiving": lambda r: f"{1e3 * r['receive_cpu_s']['median']:.2f}" if r["workers"] else "",
    "samples a CPU-second": lambda r: f"{1 / r['cpu_s']['median']:.1f}",
}


def loader(args: argparse.Namespace, size: int, workers: int, mutants: int) -> dict[str, Any]:
    """Seconds a sample of whole epochs, after one to warm up."""
    batch_size, batches = SIZES[size]
    dataset = _dataset(args.molecules, size, mutants)
    sampler = EpochSampler(len(dataset), batch_size * batches, mutants=mutants)
    batches_of = step_loader(dataset, batch_size, workers, sampler=sampler)
    times: dict[str, list[float]] = defaultdict(list)
    for epoch in range(args.repeats + 1):
        sampler.set_epoch(epoch)
        iterator = iter(batches_of)
        pids = [w.pid for w in getattr(iterator, "_workers", [])]
        start = time.perf_counter(), time.process_time(), _cpu_seconds(pids)
        count = sum(batch.num_graphs for batch in iterator)
        wall, own = time.perf_counter() - start[0], time.process_time() - start[1]
        if epoch:
            times["wall_s"].append(wall / count)
            times["cpu_s"].append((own + _cpu_seconds(pids) - start[2]) / count)
            times["receive_cpu_s"].append(own / count)
    row = {"question": "loader", "pixels": size, "workers": workers, "mutants": mutants, "batch": batch_size}
    return row | {"repeats": args.repeats} | {key: spread(values) for key, values in times.items()}


def stages(args: argparse.Namespace, size: int) -> dict[str, Any]:
    """CPU seconds a sample of every stage, on one core; both stacks of a sample are counted."""
    batch_size, batches = SIZES[size]
    torch.set_num_threads(1)
    dataset = _dataset(args.molecules, size)
    keys = list(EpochSampler(len(dataset), batch_size * batches))
    cpu: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, function: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = function()
        cpu[name].append((time.process_time() - start) / batch_size)
        return result

    def prepare(*given: Any) -> Any:
        return timed("of rendering: lay out the batch", lambda: inputs.prepare(*given))

    with mock.patch("torch_afm.ppm.model.prepare", prepare):
        for i in range(0, len(keys), batch_size):
            _one_batch(dataset, keys[i : i + batch_size], timed)
    seconds = {name: spread(values[1:]) for name, values in cpu.items()}
    return {
        "question": "stages",
        "pixels": size,
        "batch": batch_size,
        "batches": batches - 1,
        "cpu_s": seconds,
    }


def _one_batch(
    dataset: AFMDataset, keys: Sequence[tuple[int, int]], timed: Callable[[str, Callable[[], Any]], Any]
) -> None:
    draws, images = dataset.draws, dataset.images
    molecules = timed("orient", lambda: dataset.oriented([index for _, index in keys]))
    drawn = timed("draw", lambda: draws.draw(keys, molecules, images.scan))
    pairs = list(zip(molecules, drawn, strict=True))
    samples = timed("remove atoms", lambda: [draws.cut(molecule, draw) for molecule, draw in pairs])

    def render() -> torch.Tensor:
        shown = [draws.imaged(s, m) for s, m in zip(samples, molecules, strict=True)]
        moves = [draw.reference.tip for draw in drawn] + [draw.simulated.tip for draw in drawn]
        z_top = images.anchor_heights(molecules)
        return images.render([*molecules, *shown], moves, torch.cat([z_top, z_top]))

    stacks = timed("render", render)
    frames = [draw.frame for draw in [*drawn, *drawn]]
    steps = [draw.reference.steps for draw in drawn] + [draw.simulated.steps for draw in drawn]
    finished = timed("normalize and augment", lambda: change_stacks(stacks, frames, steps))
    for i, sample in enumerate(samples):
        sample.reference, sample.simulated = finished[i : i + 1], finished[len(samples) + i][None]
    timed("collate", lambda: Batch.from_data_list(samples))
    # Each augmentation alone, those that are not in the default too, on as many stacks at a time as there.
    size = max(1, augment._CACHED // stacks[0].numel())
    firsts = range(0, len(stacks), size)
    parts = timed("alone: normalise", lambda: [normalize_slices(stacks[i : i + size]) for i in firsts])
    rngs = [np.random.default_rng(i) for i in range(len(stacks))]
    pixels = dataset.scan.pixels[0]
    for random in (Noise(), SliceShift(), Cutout(), Plane()):
        found = [random.draw(dataset.scan.shape, rng) for rng in rngs]
        changes = [partial(random.apply, **as_lists(found[i : i + size])) for i in firsts]
        timed(f"alone: {type(random).__name__}", lambda c=changes: _each(c, parts))
    for move in (Turn(), CropWindow((3 * pixels // 4,) * 2), CropSlices(8, 4)):
        found = [move.draw(dataset.scan, molecules[0].pos.numpy(), rng) for rng in rngs]
        moves = [partial(move.apply, **as_lists(found[i : i + size])) for i in firsts]
        timed(f"alone: {type(move).__name__}", lambda c=moves: _each(c, parts))


def _each(changes: Sequence[Callable[[Any], Any]], parts: Sequence[Any]) -> None:
    for change, part in zip(changes, parts, strict=True):
        change(part)


def _dataset(molecules: int, size: int, mutants: int = 1) -> AFMDataset:
    return AFMDataset(_molecules(molecules), Scan(pixels=(size, size)), StepDraws(mutants=mutants))


def _molecules(count: int) -> MoleculeDataset:
    """``count`` molecules, evenly out of the embedded list."""
    smiles = embedded_smiles()
    return MoleculeDataset([smiles[i] for i in np.linspace(0, len(smiles) - 1, count).astype(int)])


def _cpu_seconds(pids: Sequence[int]) -> float:
    """CPU seconds of running processes (Linux)."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")


def _run(case: str, args: argparse.Namespace) -> dict[str, Any]:
    """One case in a process of its own: what OpenCL's threads are is settled when it starts."""
    command = [sys.executable, "-m", "benchmarks.training.loading", "--case", case]
    command += [f"--repeats={args.repeats}", f"--molecules={args.molecules}"]
    threads = {"POCL_MAX_PTHREAD_COUNT": "1"} if case.startswith("stages") else {}
    done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


_CASES: dict[str, Callable[..., dict[str, Any]]] = {"loader": loader, "stages": stages}


if __name__ == "__main__":
    main()
