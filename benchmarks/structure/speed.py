"""CPU-seconds a structure for all features: waters above Au(111), about 500 atoms with and without periodic
images. Plain loops over the six published features stand beside.

    python -m benchmarks.structure.speed [--repeats 20]
"""

from __future__ import annotations

import argparse

import ase
import ase.build
import numpy as np

from benchmarks.common import measure, table, write
from benchmarks.structure.loops import published_features
from torch_afm.metrics.structure import (
    FEATURES,
    StructureSettings,
    angular_distribution,
    radial_distribution,
    structure_features,
)


def water_on_gold(seed: int = 0) -> ase.Atoms:
    """12 x 12 gold atoms, a honeycomb of 96 waters on two of every three, as in an ice bilayer, and 23 waters
    on top of some of these; places disturbed by 0.15 Å, directions random: 501 atoms."""
    rng = np.random.default_rng(seed)
    atoms = ase.build.fcc111("Au", (12, 12, 1), a=2.885 * np.sqrt(2), vacuum=10.0)
    steps = np.array(atoms.cell)[:2] / 12
    honeycomb = [(i, j) for i in range(12) for j in range(12) if (i - j) % 3]
    upper = [(i, j) for i, j in honeycomb if (i - j) % 3 == 1][::2][:23]
    sites = [(*site, 13.0) for site in honeycomb] + [(*site, 15.8) for site in upper]
    water = ase.build.molecule("H2O")
    for i, j, height in sites:
        turned = water.copy()
        turned.euler_rotate(*rng.uniform(0, 360, 3))
        place = np.array([i, j]) @ steps + [0, 0, height]
        turned.positions += place + rng.normal(0, 0.15, 3)
        atoms += turned
    atoms.pbc = (True, True, False)
    return atoms


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    atoms = water_on_gold()
    names = list(FEATURES)
    cases = {
        "all features, default": lambda: structure_features(atoms),
        "all features, visible with shadow": lambda: structure_features(
            atoms, StructureSettings.visible(shadow=1.52)
        ),
        "all features, published conventions": lambda: structure_features(
            atoms, StructureSettings.huang2025()
        ),
        "all features, RDF and ADF, default": lambda: (
            structure_features(atoms),
            radial_distribution(atoms),
            angular_distribution(atoms),
        ),
        "six features, plain loops": lambda: published_features(atoms),
    }
    rows = [
        {"case": case, **measure(function, args.repeats if "loops" not in case else 3)}
        for case, function in cases.items()
    ]
    columns = {
        "case": lambda r: r["case"],
        "CPU-s a structure, median": lambda r: f"{r['cpu_s']['median']:.4f}",
        "quartiles": lambda r: f"{r['cpu_s']['quartile_1']:.4f}-{r['cpu_s']['quartile_3']:.4f}",
    }
    print(f"{len(atoms)} atoms, {len(names)} features\n\n{table(rows, columns)}")
    write(
        "structure_speed",
        "python -m benchmarks.structure.speed",
        rows,
        {"atoms": len(atoms), "features": names, "repeats": args.repeats, "seed": 0},
        ("numpy", "scipy", "ase"),
    )


if __name__ == "__main__":
    main()
