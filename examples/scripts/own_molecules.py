"""Molecules of one's own from files: what is read, what is left out and why, and one as a graph."""

from pathlib import Path

from torch_afm.data import from_smiles
from torch_afm.datasets import MoleculeDataset
from torch_afm.io import read_molecule, write_xyz

Path("mine.smi").write_text("c1ccccc1 benzene\nCC(=O)O acetic acid\nnot a molecule\n")
molecules = MoleculeDataset.read("mine.smi")
print(f"{len(molecules)} molecules, {sum(m.z.numel() for m in molecules)} atoms")
for skipped in molecules.failed:
    print("left out:", *skipped)

write_xyz("water.xyz", from_smiles("O"))
print("from a file:", read_molecule("water.xyz"))
