"""Training samples a second on a CPU, end to end: rendered, measured, augmented, collated, fetched from the
workers, forward, loss, backward, clipped, Adam; through Lightning and the package's data module and module,
as ``torch-afm train`` runs. First the path of before, then with one lever after the other, then on realistic
scenes. Then where the time goes, stage by stage, and how far the losses in bfloat16 are from those in
float32.

CPU milliseconds a sample count all processes; two idle cores make 2000 of them a second, which is the figure
to compare where the machine has other work. Samples a second are by the wall.

    python -m benchmarks.training.throughput [--cases abcdef] [--workers 1] [--threads 1] [--repeats 2]
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch_geometric.data import Batch

from benchmarks.common import spread, table, write
from benchmarks.training.cases import CASES, EPOCH, cpu_seconds, known_cases, molecules, run
from benchmarks.training.stages import data_stages
from torch_afm.config import to_dict
from torch_afm.models import make_generator
from torch_afm.train.datamodule import AFMDataModule
from torch_afm.train.memory import keep_memory
from torch_afm.train.module import GeneratorModule

_MODULE = "benchmarks.training.throughput"

#: Ways to share two cores between workers and threads of the network, tried on realistic scenes.
_WAYS = ((1, 1), (1, 2))

#: Largest relative difference of the losses of a batch in bfloat16 and float32.
_TOLERANCE = 1e-2

#: Batches whose losses are compared.
_COMPARED = 4


class StageTimes(L.Callback):
    """Seconds of every epoch by the wall, CPU seconds of this process by stage, and of the workers."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self.losses: list[float] = []
        self._spent: dict[str, float] = defaultdict(float)
        self._last = self._wall = self._workers_at = 0.0

    def _mark(self, stage: str) -> None:
        now = time.process_time()
        self._spent[stage] += now - self._last
        self._last = now

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._spent.clear()
        self._workers_at, self._last, self._wall = (
            _workers_seconds(trainer),
            time.process_time(),
            time.perf_counter(),
        )

    def on_train_batch_start(self, *args: Any) -> None:
        self._mark("receive")

    def on_before_backward(self, *args: Any) -> None:
        self._mark("forward and loss")

    def on_after_backward(self, *args: Any) -> None:
        self._mark("backward")

    def on_train_batch_end(self, *args: Any) -> None:
        self._mark("clip and Adam")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._mark("receive")
        wall, workers = time.perf_counter() - self._wall, _workers_seconds(trainer) - self._workers_at
        self.epochs.append({**self._spent, "workers": workers, "wall": wall})
        self.losses.append(float(trainer.callback_metrics["train/total"]))


def _workers_seconds(trainer: L.Trainer) -> float:
    """CPU seconds of the workers so far; 0 before there are any."""
    loader: Any = trainer.train_dataloader
    workers = getattr(getattr(loader, "_iterator", None), "_workers", [])
    return cpu_seconds([worker.pid for worker in workers])


def train(key: str, args: argparse.Namespace, workers: int, threads: int) -> dict[str, Any]:
    """A run of one case: seconds a sample of its epochs after one to warm up."""
    case = CASES[key]
    config = case.config(workers, threads, args.repeats + 1)
    torch.set_num_threads(threads)
    L.seed_everything(config.seed, verbose=False)
    keep_memory()
    times = StageTimes()
    trainer = L.Trainer(
        accelerator="cpu",
        precision=config.precision,  # type: ignore[arg-type]
        max_epochs=config.epochs,
        gradient_clip_val=config.clip,
        use_distributed_sampler=False,
        limit_val_batches=0,
        logger=False,
        callbacks=[times],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    warnings.filterwarnings("ignore", module="lightning")
    trainer.fit(
        GeneratorModule(make_generator(config.model), config),
        AFMDataModule(config, list(molecules(args.molecules))),
    )
    per_sample = [{name: value / EPOCH for name, value in epoch.items()} for epoch in times.epochs[1:]]
    cpu = [sum(value for name, value in epoch.items() if name != "wall") for epoch in per_sample]
    stages = {name: spread([epoch[name] for epoch in per_sample]) for name in per_sample[0] if name != "wall"}
    row = {"question": "training", "case": key, "name": case.name, "workers": workers, "threads": threads}
    row |= {"repeats": args.repeats, "batch": config.batch_size, "last_loss": times.losses[-1]}
    wall = spread([epoch["wall"] for epoch in per_sample])
    return row | {"wall_s": wall, "cpu_s": spread(cpu), "stages_cpu_s": stages}


def stages(key: str, args: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds a sample of the stages that make samples."""
    return {"question": "stages", "case": key, "cpu_s": data_stages(CASES[key], args.molecules)}


def losses(key: str, args: argparse.Namespace) -> dict[str, Any]:
    """Losses of the same batches and weights in float32 and bfloat16, before and after some steps."""
    config = CASES[key].config()
    torch.manual_seed(config.seed)
    torch.set_num_threads(args.threads)
    data = AFMDataModule(config, list(molecules(args.molecules)))
    data.setup()
    keys = [(0, i * config.batch_size) for i in range(_COMPARED * config.batch_size)]
    samples = data.parts[0].__getitems__(keys)
    size = config.batch_size
    batches = [Batch.from_data_list(samples[i : i + size]) for i in range(0, len(samples), size)]
    module = GeneratorModule(make_generator(config.model), config)
    optimizer = torch.optim.Adam(module.parameters(), lr=config.lr)

    def loss(batch: Batch, bfloat16: bool) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            return module.loss(module.model(batch), batch).total

    differences = []
    for _ in range(2):
        with torch.no_grad():
            pairs = [(float(loss(batch, False)), float(loss(batch, True))) for batch in batches]
        differences.append(max(abs(low / full - 1) for full, low in pairs))
        for batch in batches * 4:
            optimizer.zero_grad()
            loss(batch, True).backward()
            optimizer.step()
    return {
        "question": "losses",
        "case": key,
        "batches": len(batches),
        "relative_difference": {"at_first": differences[0], "after_16_steps": differences[1]},
        "tolerance": _TOLERANCE,
    }


_PARTS: dict[str, Callable[..., dict[str, Any]]] = {"train": train, "stages": stages, "losses": losses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", default="".join(CASES), help="of " + "".join(CASES))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--molecules", type=int, default=64)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        part, key, *numbers = args.part.split()
        print(json.dumps(_PARTS[part](key, args, *map(int, numbers))))
        return
    load = os.getloadavg()[0]
    molecules(args.molecules)  # into the cache, for all that follow
    keys = [key for key in known_cases() if key in args.cases]
    trained = [_run(f"train {key} {args.workers} {args.threads}", args) for key in keys]
    print(table(trained, _COLUMNS), end="\n\n", flush=True)
    others = [way for way in _WAYS if way != (args.workers, args.threads)]
    realistic = [key for key in keys if CASES[key].realistic]
    ways = [_run(f"train {key} {w} {t}", args) for key in realistic for w, t in others]
    print(table(ways, _COLUMNS), end="\n\n", flush=True)
    made = [_run(f"stages {key}", args, POCL_MAX_PTHREAD_COUNT="1") for key in keys]
    print(_stage_table(keys, made, trained), end="\n\n", flush=True)
    distinct = {(CASES[k].preset, CASES[k].realistic): k for k in keys if CASES[k].precision != "32-true"}
    compared = [_run(f"losses {key}", args) for key in distinct.values()]
    print(table(compared, _LOSS_COLUMNS), flush=True)
    first = {r["case"]: r["last_loss"] for r in trained}
    if {"a", "b"} <= first.keys():
        print(
            f"\ntraining loss of the last epoch, the same batches: {first['a']:.4f} in float32 (a), ", end=""
        )
        print(f"{first['b']:.4f} in bfloat16 (b); weights drift apart by rounding")
    settings = {
        "cases": {key: to_dict(CASES[key]) for key in keys},
        "molecules": args.molecules,
        "epoch_samples": EPOCH,
        "load_average_before": load,
        "seed": 0,
    }
    command = f"python -m {_MODULE} --cases {''.join(keys)} --workers {args.workers} "
    command += f"--threads {args.threads} --repeats {args.repeats} --molecules {args.molecules}"
    packages = ["torch", "torch-geometric", "lightning", "pyopencl", "numpy"]
    rows = [*trained, *ways, *made, *compared]
    print(f"wrote {write('throughput', command, rows, settings, packages)}")
    assert all(max(r["relative_difference"].values()) <= _TOLERANCE for r in compared), "losses differ"


def _run(part: str, args: argparse.Namespace, **environment: str) -> dict[str, Any]:
    values = {"repeats": args.repeats, "molecules": args.molecules, "threads": args.threads}
    # Threads that wait for each other by spinning take the core from the workers, and from other work.
    environment["OMP_WAIT_POLICY"] = "PASSIVE"
    return run(_MODULE, "--part", part, *(f"--{k}={v}" for k, v in values.items()), **environment)


def _stage_table(keys: list[str], made: list[dict[str, Any]], trained: list[dict[str, Any]]) -> str:
    """CPU milliseconds a sample by stage, a column a case; what workers take more than one
    process that makes samples and nothing else is the difference of both measurements."""
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for key, found, run_row in zip(keys, made, trained, strict=True):
        of_run = {name: value["median"] for name, value in run_row["stages_cpu_s"].items()}
        workers = of_run.pop("workers")
        values = {
            **found["cpu_s"],
            "send, and slower beside the network": workers - sum(found["cpu_s"].values()),
            **of_run,
        }
        for name, value in values.items():
            rows[name][key] = value
        rows["all"][key] = run_row["cpu_s"]["median"]
    rows["all"] = rows.pop("all")
    columns: dict[str, Callable[[Any], str]] = {"CPU-ms a sample": lambda r: r["stage"]}
    for key in keys:
        columns[key] = lambda r, key=key: f"{1e3 * r[key]:.2f}" if key in r else ""
    return table([{"stage": name, **values} for name, values in rows.items()], columns)


_WAY_COLUMNS: dict[str, Callable[[Any], str]] = {
    "workers": lambda r: str(r["workers"]),
    "threads": lambda r: str(r["threads"]),
    "samples/s": lambda r: f"{1 / r['wall_s']['median']:.1f}",
    "CPU-ms a sample": lambda r: f"{1e3 * r['cpu_s']['median']:.1f}",
    "samples in 2 CPU-s": lambda r: f"{2 / r['cpu_s']['median']:.1f}",
}

_COLUMNS: dict[str, Callable[[Any], str]] = {
    "": lambda r: f"{r['case']}",
    "run": lambda r: r["name"],
    **_WAY_COLUMNS,
}

_LOSS_COLUMNS: dict[str, Callable[[Any], str]] = {
    "losses in bfloat16 against float32": lambda r: r["case"],
    "largest relative difference at first": lambda r: f"{r['relative_difference']['at_first']:.1e}",
    "after 16 steps": lambda r: f"{r['relative_difference']['after_16_steps']:.1e}",
}


if __name__ == "__main__":
    main()
