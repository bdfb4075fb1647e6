"""What rendered training data cost and save: bytes and rounding of a stored stack, time to write and to read
it, and CPU time of whole samples from the folder beside the same samples rendered on the fly. One core.

    OMP_NUM_THREADS=1 POCL_MAX_PTHREAD_COUNT=1 python -m benchmarks.data.cache [--molecules 48] [--repeats 3]
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import spread, table, write
from torch_afm.config import Scan, to_dict
from torch_afm.config.cache import COMPRESSION, STORAGE
from torch_afm.datasets import (
    AFMDataset,
    CacheConfig,
    MoleculeDataset,
    StepDataset,
    StepDraws,
    StoredReferences,
    write_cache,
)
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.io.hdf5 import SampleFile, StoredSample, pack_samples

SIZES = (128, 64)
_BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--molecules", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    smiles = embedded_smiles()
    places = np.linspace(0, len(smiles) - 1, args.molecules).astype(int)
    molecules = list(MoleculeDataset([smiles[i] for i in places]))
    stored, samples = [], []
    for size in SIZES:
        config = CacheConfig(Scan(pixels=(size, size)), rotations=1, file_samples=len(molecules))
        exact = _references(molecules, config)
        for storage in STORAGE:
            for compression in COMPRESSION:
                stored.append(_storage(exact, size, storage, compression, args.repeats))
        for storage in STORAGE:
            samples.append(_samples(molecules, dataclasses.replace(config, storage=storage), args.repeats))
    print(table(stored, _STORED_COLUMNS), end="\n\n")
    print(table(samples, _SAMPLE_COLUMNS))
    settings = {"scan": to_dict(Scan()), "molecules": len(molecules), "rotations": 1, "seed": 0}
    path = write(
        "cache",
        f"python -m benchmarks.data.cache --molecules {args.molecules} --repeats {args.repeats}",
        [*stored, *samples],
        settings,
        ["torch", "numpy", "h5py", "pyopencl"],
    )
    print(f"\nwrote {path}")


_STORED_COLUMNS: dict[str, Callable[[Any], str]] = {
    "pixels, slices": lambda r: f"{r['pixels']} x {r['pixels']} x 10",
    "storage": lambda r: r["storage"],
    "compression": lambda r: r["compression"],
    "kB a stack": lambda r: f"{r['bytes'] / 1e3:.0f}",
    "rms error, of a slice's std": lambda r: f"{r['rms_error']:.1e}",
    "write, CPU-ms": lambda r: f"{1e3 * r['write_cpu_s']['median']:.2f}",
    "read, CPU-ms": lambda r: f"{1e3 * r['read_cpu_s']['median']:.2f}",
}
_SAMPLE_COLUMNS: dict[str, Callable[[Any], str]] = {
    "pixels, slices": lambda r: f"{r['pixels']} x {r['pixels']} x 10",
    "storage": lambda r: r["storage"],
    "on the fly, CPU-ms a sample": lambda r: f"{1e3 * r['fly_cpu_s']['median']:.1f}",
    "from the folder": lambda r: f"{1e3 * r['cached_cpu_s']['median']:.1f}",
    "ratio": lambda r: f"{r['fly_cpu_s']['median'] / r['cached_cpu_s']['median']:.2f}",
}


def _references(molecules: list, config: CacheConfig) -> list[StoredSample]:
    """The reference stacks as they are rendered, in float32."""
    dataset = AFMDataset(molecules, config.scan, rotations=1)
    graphs = dataset.oriented(range(len(molecules)))
    draws = dataset.draws.draw([(0, i) for i in range(len(molecules))], graphs, config.scan)
    moves, images = [draw.reference.tip for draw in draws], dataset.images
    stacks = images.render(graphs, moves, images.anchor_heights(graphs))
    return [StoredSample(g, stacks[i], 0.0, (0.0, 0.0), 0.0, i, 0, 0) for i, g in enumerate(graphs)]


def _storage(
    exact: list[StoredSample], size: int, storage: str, compression: str, repeats: int
) -> dict[str, Any]:
    writes, reads = [], []
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats):
            start = time.process_time()
            data = pack_samples(exact, storage, compression)
            writes.append((time.process_time() - start) / len(exact))
            path = Path(folder) / f"{repeat}.h5"
            path.write_bytes(data)
            file = SampleFile(path)
            start = time.process_time()
            stacks = [file[i].stack for i in range(len(exact))]
            reads.append((time.process_time() - start) / len(exact))
            file.close()
    true = torch.stack([s.stack for s in exact])
    error = ((torch.stack(stacks) - true) / true.std((-2, -1), keepdim=True)).square().mean().sqrt()
    return {
        "question": "storage",
        "pixels": size,
        "storage": storage,
        "compression": compression,
        "bytes": len(data) / len(exact),
        "rms_error": float(error),
        "write_cpu_s": spread(writes),
        "read_cpu_s": spread(reads),
    }


def _samples(molecules: list, config: CacheConfig, repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        write_cache(folder, molecules, config)
        stored = StoredReferences(folder)
        cached = StepDataset(stored.molecules, StepDraws(seed=config.seed), stored)
        fly = AFMDataset(molecules, config.scan, rotations=1)
        times: dict[str, list[float]] = {"fly_cpu_s": [], "cached_cpu_s": []}
        for epoch in range(repeats + 1):
            for key, dataset in (("fly_cpu_s", fly), ("cached_cpu_s", cached)):
                start = time.process_time()
                for first in range(0, len(molecules), _BATCH):
                    last = min(first + _BATCH, len(molecules))
                    dataset.__getitems__([(epoch, i) for i in range(first, last)])
                if epoch:
                    times[key].append((time.process_time() - start) / len(molecules))
    row = {"question": "samples", "pixels": config.scan.pixels[0], "storage": config.storage}
    return row | {key: spread(values) for key, values in times.items()}


if __name__ == "__main__":
    main()
