"""Molecules that are easily mistaken for another: its isomers and its nearest neighbors in the embedded
lists."""

from __future__ import annotations

from functools import cache

import numpy as np
from rdkit import Chem, DataStructs, rdBase
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from torch_afm.datasets import embedded_smiles
from torch_afm.datasets.planar import canonical
from torch_afm.datasets.smi import EMBEDDED

#: Heavy atoms by which a decoy may differ.
_SIZE = 3


def decoys(smiles: str, n: int = 99) -> list[str]:
    """The molecules of the embedded lists that are most like another, of at most three heavy atoms more or
    less: isomers first, then by the Tanimoto similarity of their Morgan fingerprints.

    Args:
        smiles: the molecule; it is not among them.
        n: number of decoys.
    """
    mol = Chem.MolFromSmiles(smiles)
    itself, formula, size = canonical(mol), CalcMolFormula(mol), mol.GetNumHeavyAtoms()
    pool = [entry for entry in _pool() if entry[0] != itself and abs(entry[3] - size) <= _SIZE]
    similar = DataStructs.BulkTanimotoSimilarity(_fingerprint(mol), [entry[2] for entry in pool])
    rank = np.array([value + (entry[1] == formula) for value, entry in zip(similar, pool, strict=True)])
    return [pool[i][0] for i in np.argsort(-rank, kind="stable")[:n].tolist()]


@cache
def _pool() -> list[tuple[str, str, DataStructs.ExplicitBitVect, int]]:
    """SMILES, formula, fingerprint and heavy atoms of all embedded molecules, each once."""
    found = {}
    with rdBase.BlockLogs():
        for name in EMBEDDED:
            for smiles in embedded_smiles(name):
                mol = Chem.MolFromSmiles(smiles)
                key = canonical(mol)
                found[key] = key, CalcMolFormula(mol), _fingerprint(mol), mol.GetNumHeavyAtoms()
    return list(found.values())


def _fingerprint(mol: Chem.Mol) -> DataStructs.ExplicitBitVect:
    return rdFingerprintGenerator.GetMorganGenerator(radius=2).GetFingerprint(mol)
