"""How near cheaper models come to the full-density-based model on PySCF's densities: thirty molecules with
lone pairs, triple bonds and halogens (:mod:`benchmarks.fdbm.molecules`), and what it costs.

Each molecule lies flat under a 16 x 16 Å window of 64 x 64 pixels and 20 heights. Against the stack of
PySCF's density, at the same height:

* Lennard-Jones with the charges of RDKit (Gasteiger), with those of GFN2-xTB, and with its atomic dipoles,
  too;
* the full-density-based model on superposed free atoms: neutral, with the charges of GFN2-xTB, and with its
  atomic dipoles, too.

Printed are the correlation r of the stacks, each slice less its mean, and the rms difference over the
standard deviation of PySCF's stack, then both at the best of the heights 0.2 Å below to 0.2 Å above, medians
over the molecules and the lowest r. CPU seconds: of the density by PySCF and of a stack with it at hand.

    python -m benchmarks.fdbm.run [--folder runs/fdbm] [--at-hand]     # needs pyscf

Densities and results are kept in the folder, molecule by molecule: a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import table, write
from benchmarks.fdbm.molecules import FOLDER, MOLECULES, densities, load
from torch_afm.config import Scan, to_dict
from torch_afm.data import AFMData, from_smiles
from torch_afm.ppm import FDBM, ProbeParticleModel, anchor_height
from torch_afm.ppm.atomic_densities import with_atomic_densities
from torch_afm.transforms import Orient, flat_rotation

SCAN = Scan(pixels=(64, 64))
#: Slices that an approximation may be moved by, 0.1 Å each.
MOVES = 2
#: Names of the approximations, as printed.
MODELS = {
    "lj": "LJ, charges by RDKit",
    "lj_xtb": "LJ, charges by xTB",
    "lj_dipoles": "LJ, charges and dipoles by xTB",
    "atoms": "free atoms",
    "atoms_charges": "free atoms, charges by xTB",
    "atoms_dipoles": "free atoms, charges and dipoles by xTB",
}


def likeness(stack: torch.Tensor, exact: torch.Tensor) -> tuple[float, float]:
    """r, each slice less its mean, and the rms difference over the standard deviation of ``exact``."""
    a, b = (v - v.mean((-1, -2), keepdim=True) for v in (stack, exact))
    r = float((a * b).sum() / (a.norm() * b.norm()))
    return r, float((stack - exact).square().mean().sqrt() / exact.std())


def place(molecule: AFMData) -> AFMData:
    """The molecule flat under the window."""
    return Orient(flat_rotation(molecule.pos))(molecule.clone())


def approximations(smiles: str) -> Iterator[tuple[str, AFMData, bool]]:
    """Name, molecule, and whether it has densities."""
    molecule = load(smiles)
    bare, charged = molecule.clone(), molecule.clone()
    del bare.charge, bare.dipole, charged.dipole
    rdkit = bare.clone()
    # In the same order of atoms.
    rdkit.charge = from_smiles(smiles, seed=0).charge
    yield "lj", rdkit, False
    yield "lj_xtb", charged, False
    yield "lj_dipoles", molecule, False
    yield "atoms", with_atomic_densities(bare), True
    yield "atoms_charges", with_atomic_densities(charged), True
    yield "atoms_dipoles", with_atomic_densities(molecule), True


def compare(smiles: str, folder: Path) -> dict[str, Any]:
    """One row of results."""
    molecule, density_cpu = densities(smiles, folder)
    data, tip = place(molecule), ProbeParticleModel(SCAN).tip
    top = float(anchor_height(data, SCAN, tip))
    start = time.process_time()
    exact = ProbeParticleModel(SCAN, forcefield=FDBM())(data, z_top=top)
    row: dict[str, Any] = {
        "smiles": smiles,
        "group": MOLECULES[smiles],
        "atoms": len(molecule.z),
        "density_cpu_s": density_cpu,
        "stack_cpu_s": time.process_time() - start,
        "std_hz": float(exact.std()),
    }
    scan = replace(SCAN, n_slices=SCAN.n_slices + 2 * MOVES)
    for name, sample, dense in approximations(smiles):
        model = ProbeParticleModel(scan, forcefield=FDBM() if dense else None)
        stack = model(place(sample), z_top=top + MOVES * scan.dz)
        moved = [likeness(stack[:, :, i : i + SCAN.n_slices], exact) for i in range(2 * MOVES + 1)]
        best = int(np.argmax([r for r, _ in moved]))
        row |= {f"{name}_r": moved[MOVES][0], f"{name}_error": moved[MOVES][1]}
        row |= {f"{name}_best_r": moved[best][0], f"{name}_best_error": moved[best][1]}
        # The first slices are those of a tip that is higher.
        row[f"{name}_raised"] = round((MOVES - best) * scan.dz, 1)
    return row


def summary(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Medians of one approximation over the molecules."""

    def median(key: str) -> float:
        return float(np.median([row[f"{name}_{key}"] for row in rows]))

    keys = ("r", "error", "best_r", "best_error", "raised")
    return {"name": name} | {key: median(key) for key in keys} | {"lowest": min(r[f"{name}_r"] for r in rows)}


def number(key: str) -> Callable[[Mapping[str, Any]], str]:
    """Column of a table."""
    return lambda row: f"{row[key]:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where densities and results are kept")
    parser.add_argument("--at-hand", action="store_true", help="only molecules whose density is kept already")
    args = parser.parse_args()
    file, seconds = args.folder / "rows.json", args.folder / "seconds.json"
    kept: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    there = json.loads(seconds.read_text("utf-8")) if seconds.is_file() else {}
    names = [smiles for smiles in MOLECULES if not args.at_hand or smiles in there]
    for smiles in names:
        if smiles not in kept:
            kept[smiles] = compare(smiles, args.folder)
            file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            print(smiles, {k: round(v, 3) for k, v in kept[smiles].items() if k.endswith("_r")}, flush=True)
    rows = [kept[smiles] for smiles in names]
    settings = {"scan": to_dict(SCAN), "moves": MOVES, "molecules": len(rows), "of": len(MOLECULES)}
    write("fdbm", "python -m benchmarks.fdbm.run", rows, settings, ("torch", "numpy", "pyscf"))
    each = {"molecule": lambda r: f"`{r['smiles']}`", "atoms": lambda r: str(r["atoms"])}
    each |= {"density, CPU-s": lambda r: f"{r['density_cpu_s']:.0f}", "stack": number("stack_cpu_s")}
    each |= {f"{title}: r": number(f"{name}_r") for name, title in MODELS.items()}
    print(table(rows, each))
    columns = {
        "against PySCF's densities": lambda r: MODELS[r["name"]],
        "r": number("r"),
        "lowest r": number("lowest"),
        "error / std": number("error"),
        "best height: r": number("best_r"),
        "error / std ": number("best_error"),
        "raised by, Å": lambda r: f"{r['raised']:+.1f}",
    }
    print(f"\nMedians of {len(rows)} of {len(MOLECULES)} molecules:\n")
    print(table([summary(rows, name) for name in MODELS], columns))
    stack, density = (np.median([row[key] for row in rows]) for key in ("stack_cpu_s", "density_cpu_s"))
    print(f"\nMedian CPU seconds: density {density:.0f}, stack {stack:.2f}")


if __name__ == "__main__":
    main()
