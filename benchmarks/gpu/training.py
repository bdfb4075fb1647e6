"""Training samples a second with stacks rendered on the device of the network: what the processes
of the loader make, what rendering and augmenting costs, what the network costs, and all of it together.

    python3 -m benchmarks.gpu.training [--preset thesis] [--workers 15] [--batch 128] [--batches 50]

``--device cpu --preset small --workers 1 --batch 16 --batches 2`` tries the script out where there is no GPU.
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

import torch
from torch_geometric.data import Batch

from benchmarks.common import table, write
from torch_afm.config import generator_config
from torch_afm.datasets import AFMDataset, DeferredSteps, EpochSampler, MoleculeDataset, step_loader
from torch_afm.elements import AtomClasses
from torch_afm.models import SequentialGenerator
from torch_afm.nn import SequentialLoss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset", default="thesis")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--mutants", type=int, default=4)
    args = parser.parse_args()
    config = generator_config(args.preset)
    molecules = MoleculeDataset()
    train = [molecules[int(i)] for i in molecules.split()[0]]
    classes = AtomClasses(config.groups)
    steps = AFMDataset(train, config.scan, z_min=config.z_min, classes=classes, mutants=args.mutants)
    deferred = DeferredSteps(steps)
    sampler = EpochSampler(len(steps), args.batch * (args.batches + 1), mutants=args.mutants)
    torch.manual_seed(0)
    model = SequentialGenerator(config).to(args.device)
    loss = SequentialLoss(model.classes, config.z_min)
    optimizer = torch.optim.Adam(model.parameters())

    def learn(batch: Batch) -> None:
        with torch.autocast(torch.device(args.device).type, torch.bfloat16):
            total = loss(model(batch), batch).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()

    loader = step_loader(deferred, args.batch, args.workers, sampler=sampler)
    rows: list[dict[str, Any]] = []

    def time_it(name: str, batches: Any, work: Any) -> None:
        iterator = iter(batches)
        work(next(iterator))  # builds kernels, starts workers
        _wait(args.device)
        start, count = time.perf_counter(), 0
        for batch in iterator:
            work(batch)
            count += batch.num_graphs
        _wait(args.device)
        rows.append({"part": name, "samples_per_s": count / (time.perf_counter() - start)})

    time_it("loader: draw, cut, collate", loader, lambda b: b)
    some = list(itertools.islice(loader, 5))
    again = [b for _ in range(max(1, args.batches // 5)) for b in some]
    time_it("render and augment", again, lambda b: deferred.complete(b.clone().to(args.device)))
    whole = [deferred.complete(b.clone().to(args.device)) for b in some]
    time_it(
        "network: forward, backward, Adam",
        [b for _ in range(max(1, args.batches // 5)) for b in whole],
        learn,
    )
    time_it("all", loader, lambda b: learn(deferred.complete(b.to(args.device, non_blocking=True))))
    gpu = torch.cuda.get_device_name() if args.device.startswith("cuda") else "none"
    settings = vars(args) | {"gpu": gpu, "backend": steps.renderer.backend, "seed": 0}
    command = f"python3 -m benchmarks.gpu.training --preset {args.preset} --workers {args.workers}"
    path = write("gpu_training", command, rows, settings, ["torch", "torch-geometric"])
    print(table(rows, {"part": lambda r: r["part"], "samples/s": lambda r: f"{r['samples_per_s']:.0f}"}))
    print(f"written to {path.name}")


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
