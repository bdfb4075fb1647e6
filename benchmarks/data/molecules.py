"""The embedded molecules beside those of the thesis: elements that their best rotations show (table 2.1),
sizes, planar ones; and what geometries, charges and rotations of all of them cost, once each.

    python -m benchmarks.data.molecules
"""

from __future__ import annotations

import os
import time
from importlib import resources
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.common import table, write
from torch_afm.datasets import MoleculeDataset
from torch_afm.datasets.enumerate import SIZE_SHARES, VISIBLE_SHARES, is_planar, visible_elements
from torch_afm.datasets.sources import rotation_table
from torch_afm.elements import ORGANIC, atomic_number


def main() -> None:
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        dataset = timed(rows, "geometries and charges", lambda: MoleculeDataset(cache=folder))
        timed(rows, "the same, read from the cache", lambda: MoleculeDataset(cache=folder))
        graphs = [dataset[i] for i in range(len(dataset))]
        timed(rows, "30 best of 500 rotations each", lambda: rotation_table(graphs, cache=folder))
        timed(rows, "the same, read from the cache", lambda: rotation_table(graphs, cache=folder))
    print(
        table(
            rows,
            {
                "all molecules": lambda r: r["what"],
                "wall s": lambda r: f"{r['wall_s']:.2f}",
                "CPU s": lambda r: f"{r['cpu_s']:.2f}",
            },
        )
    )

    share = 100 * visible_elements(graphs).mean(axis=0)
    held = [set(g.z.tolist()) for g in graphs]
    elements = [
        {
            "element": e,
            "rotations_showing_percent": float(s),
            "thesis_percent": 100 * VISIBLE_SHARES[e],
            "molecules_holding_percent": 100 * float(np.mean([atomic_number(e) in h for h in held])),
        }
        for e, s in zip(ORGANIC, share, strict=True)
    ]
    print()
    print(
        table(
            elements,
            {
                "element": lambda r: r["element"],
                "rotations that show it, %": lambda r: f"{r['rotations_showing_percent']:.1f}",
                "thesis, %": lambda r: "< 0.1" if r["element"] == "Si" else f"{r['thesis_percent']:.1f}",
                "molecules that hold it, %": lambda r: f"{r['molecules_holding_percent']:.1f}",
            },
        )
    )

    atoms = np.array([g.num_nodes for g in graphs])
    limits = [4, *SIZE_SHARES]
    sizes = [
        {"atoms": f"{low + 1} to {high}", "molecules": int(((atoms > low) & (atoms <= high)).sum())}
        for low, high in pairwise(limits)
    ]
    print()
    print(table(sizes, {"atoms": lambda r: r["atoms"], "molecules": lambda r: str(r["molecules"])}))

    planar = sum(is_planar(g) for g in graphs)
    size = Path(str(resources.files("torch_afm.datasets"))) / "resources" / "molecules.smi.xz"
    totals = {
        "molecules": len(graphs),
        "failed": len(dataset.failed),
        "planar": planar,
        "between_15_and_30_atoms": int(((atoms >= 15) & (atoms <= 30)).sum()),
        "split": [len(part) for part in dataset.split()],
        "list_bytes": size.stat().st_size,
    }
    print(f"\n{dataset.summary()}, {len(dataset.failed)} failed")
    print(f"planar: {planar} ({planar / len(graphs):.1%})")
    print(f"15 to 30 atoms: {totals['between_15_and_30_atoms'] / len(graphs):.1%}")
    print(f"split: {totals['split']}")
    print(f"list: {totals['list_bytes'] / 1000:.1f} kB")
    for number, smiles, reason in dataset.failed:
        print(f"failed: {number} {smiles}: {reason}")
    path = write(
        "molecules",
        "python -m benchmarks.data.molecules",
        [*rows, *elements, *sizes, totals],
        {"rotations": 30, "candidates": 500, "z_min": -0.7, "seed": 0, "threads": os.cpu_count()},
        ["rdkit", "numpy", "scipy", "torch"],
    )
    print(f"wrote {path.name}")


def timed(rows: list[dict[str, Any]], what: str, function: Any) -> Any:
    """What ``function()`` returns; its seconds go to ``rows``."""
    start = time.process_time(), time.perf_counter()
    result = function()
    rows.append(
        {"what": what, "cpu_s": time.process_time() - start[0], "wall_s": time.perf_counter() - start[1]}
    )
    return result


if __name__ == "__main__":
    main()
