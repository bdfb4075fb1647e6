"""Thirty small molecules for the full-density-based model, ten each with lone pairs, triple bonds and
halogens, in their GFN2-xTB geometries with charges and atomic dipoles that the package ships; and their
densities by PySCF, each kept in a folder as soon as it is there, with the CPU seconds it took.

    python -m benchmarks.fdbm.molecules [--folder runs/fdbm]            # needs pyscf
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from torch_afm.data import AFMData
from torch_afm.datasets.geometries import xtb_molecule
from torch_afm.ppm.dft import with_densities

GROUPS = {
    "lone pairs": (
        "c1ccncc1",
        "c1ccc2nonc2c1",
        "O=C1C=CC(=O)C=C1",
        "NC(=O)c1cocn1",
        "O=[N+]([O-])c1cnco1",
        "Nc1ccccc1",
        "Oc1cccs1",
        "O=C(O)c1cccnn1",
        "CC(=O)O",
        "CS(C)=O",
    ),
    "triple bonds": (
        "N#Cc1ccccc1",
        "C#Cc1ccccc1",
        "C#Cc1ccncc1",
        "N#Cc1cnccn1",
        "N#Cc1cn[nH]c1",
        "C#Cc1ccco1",
        "C#CC#CC",
        "CC#CC",
        "N#CCCC#N",
        "N#Cc1ncnc2nc[nH]c12",
    ),
    "halogens": (
        "Fc1ccccc1",
        "Clc1ccccc1",
        "Brc1ccccc1",
        "O=C1C=CC(=O)C(I)=C1",
        "Clc1cncc(Cl)c1",
        "Nc1cnc(Br)cn1",
        "Brc1cccs1",
        "N#Cc1cc(Cl)no1",
        "FC(F)(F)c1cccnn1",
        "FC(F)=C(F)C(F)(F)F",
    ),
}
#: The molecules and their groups, the groups by turns.
MOLECULES = {
    smiles: group
    for row in zip(*GROUPS.values(), strict=True)
    for group, smiles in zip(GROUPS, row, strict=True)
}
FOLDER = Path("runs/fdbm")


def load(smiles: str) -> AFMData:
    """The molecule with charges and dipoles by GFN2-xTB."""
    molecule = xtb_molecule(smiles)
    if molecule is None:
        raise KeyError(f"no GFN2-xTB geometry of {smiles}")
    return molecule


def densities(smiles: str, folder: Path) -> tuple[AFMData, float]:
    """The molecule with its densities by PySCF, and the CPU seconds that they took when they were made."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "seconds.json"
    seconds = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    os.environ["XDG_CACHE_HOME"] = str(folder.resolve())
    start = time.process_time()
    # The charges by xTB add up to no more than rounding, and densities are those of the neutral molecule.
    data = with_densities(load(smiles))
    if smiles not in seconds:
        seconds[smiles] = time.process_time() - start
        file.write_text(json.dumps(seconds, indent=1) + "\n", encoding="utf-8")
    return data, seconds[smiles]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where densities are kept")
    args = parser.parse_args()
    for smiles, group in MOLECULES.items():
        data, seconds = densities(smiles, args.folder)
        print(f"{smiles:24} {group:12} {len(data.z):3} atoms {seconds:6.1f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
