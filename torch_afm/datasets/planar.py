"""The recipe of the embedded list of planar molecules, of the kinds that AFM groups image flat on surfaces:
polycyclic aromatics, azaacenes, quinones, anhydrides, imides, thiophenes, macrocycles; plain, with nitrogen
in the rings, halogenated, with ethynyl, nitrile, carboxyl and other flat groups.

``python -m torch_afm.datasets.planar --out planar.smi.xz`` writes the list.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from rdkit import Chem, rdBase

from torch_afm.data import covalent_bonds, from_smiles
from torch_afm.datasets.enumerate import attach_fragment, is_planar
from torch_afm.datasets.smi import embedded_smiles, write_smi
from torch_afm.progress import ProgressBar
from torch_afm.utils import InputError

#: Ring systems in SMILES, each of which is also a molecule of the list where it is large enough.
_CORES = (
    # Benzenoid and non-benzenoid hydrocarbons.
    "c1ccc2ccccc2c1 c1ccc2cc3ccccc3cc2c1 c1ccc2c(c1)ccc1ccccc12 c1ccc2cc3cc4ccccc4cc3cc2c1 "
    "c1ccc2c(c1)ccc1c2ccc2ccccc21 c1ccc2c(c1)c1ccccc1c1ccccc21 c1cc2ccc3cccc4ccc(c1)c2c34 "
    "c1cc2cccc3c4cccc5cccc(c(c1)c23)c45 c1ccc2c(c1)-c1cccc3cccc-2c13 c1ccc2cc3c(ccc4ccccc43)cc2c1 "
    "c1ccc2c(c1)cc1ccc3cccc4ccc2c1c34 c1ccc2c(c1)c1cccc3ccc4cccc2c4c31 "
    "c1cc2ccc3ccc4ccc5cccc6c(c1)c2c3c4c56 c1ccc2cccc-2cc1 C1=Cc2cccc3cccc1c23 c1ccc2c(c1)-c1ccccc1-2 "
    "c1ccc2c(c1)cc1ccc3cc4ccccc4c4ccc2c1c34 c1ccc2c(c1)-c1cccc3cc4ccccc4c-2c13 "
    "c1cc2cccc3c4cccc5c6cccc7cccc(c(c1)c23)c7c6cc45 c1cc2cccc3c4ccc5c6cccc7cccc(c8ccc(c(c1)c23)c4c58)c76 "
    "c1ccc2c(c1)c1cccc3c1c1c2cccc1c1ccccc31 c1ccc2cc3cc4cc5c(ccc6ccccc65)cc4cc3cc2c1 "
    "c1cc2c3c(cccc3c1)-c1cccc3cccc-2c13 c1ccc2c(c1)cc1c3ccccc3ccc1c2 c1ccc2c3ccccc3c3ccc4ccccc4c3c2c1 "
    "c1cc2ccc3cc4ccc5cccc6ccc7cc(c1)c2c3c7c4c56 c1ccc2c(c1)c1cc3ccccc3cc1c1ccccc12 "
    # Nitrogen, oxygen, sulfur in rings.
    "c1ccc2[nH]ccc2c1 c1ccc2c(c1)[nH]c1ccccc12 c1ccc2c(c1)oc1ccccc12 c1ccc2c(c1)sc1ccccc12 c1ccc2ncccc2c1 "
    "c1ccc2cnccc2c1 c1ccc2nc3ccccc3cc2c1 c1ccc2nc3ccccc3nc2c1 c1ccc2c(c1)cnc1ccccc12 "
    "c1cnc2c(c1)ccc1cccnc12 c1ccc2nccnc2c1 c1ccc2ncncc2c1 c1cnc2ncccc2c1 c1ccc2[nH]cnc2c1 c1ccc2ocnc2c1 "
    "c1ccc2scnc2c1 c1ccc2n[nH]cc2c1 c1ccc2nsnc2c1 c1ccc2nonc2c1 c1ccc2c(c1)Oc1ccccc1O2 "
    "c1ccc2c(c1)sc1ccc3ccccc3c12 c1ccc2c(c1)ccc1c2[nH]c2c1ccc1ccccc12 c1cc2sccc2s1 c1cc2sc3ccsc3c2s1 "
    "c1ccc2c(c1)sc1c3ccccc3sc21 c1cc2cc3sccc3cc2s1 c1ccc2c(c1)[nH]c1c3ccccc3[nH]c21 "
    "c1ccc2c(c1)[nH]c1cc3c(cc12)[nH]c1ccccc13 c1ccc2c(c1)[nH]c1ncccc12 c1ccc2c(c1)[nH]c1ccncc12 "
    "c1ncc2[nH]cnc2n1 c1cnc2nccnc2n1 c1ccc2nc3c(ccc4ccccc43)cc2c1 c1ccc2nc3c4ccccc4c4ccccc4c3nc2c1 "
    "c1cnc2c(n1)c1nccnc1c1nccnc21 c1ccc2c(c1)c1ccccc1c1nccnc21 c1ccc2nc3cc4nc5ccccc5nc4cc3nc2c1 "
    "c1ccc2nc3c4cccc5cccc(c54)c3nc2c1 c1ccc2nc3c(nc2c1)c1ccccc1c1nc2ccccc2nc31 "
    "c1ccc2cc3nc4cc5ccccc5cc4nc3cc2c1 c1ccc2nc3cc4ccccc4cc3nc2c1 c1ccc2c(c1)nc1c3cccnc3c3ncccc3c1n2 "
    "c1cnc2c(c1)c1cccnc1c1nccnc21 c1ccc2c(c1)[nH]c1cc3[nH]c4ccccc4c3cc12 "
    "c1cc2cc3ccc(cc4nc(cc5ccc(cc1n2)[nH]5)C=C4)[nH]3 C1=CC2=NC1=NC3=CC=C(N3)N=C4C=CC(=N4)N=C5C=CC(=N2)N5 "
    # Carbonyls: quinones, ketones, lactams, anhydrides, imides, indigoids.
    "O=C1C=CC(=O)C=C1 O=C1C=CC(=O)c2ccccc12 O=C1c2ccccc2C(=O)c2ccccc12 O=C1C=CC(=O)c2cc3ccccc3cc12 "
    "O=C1c2ccccc2C(=O)c2cc3ccccc3cc12 O=C1c2ccccc2-c2ccccc21 O=c1c2ccccc2[nH]c2ccccc12 "
    "O=c1c2ccccc2oc2ccccc12 O=c1ccc2ccccc2o1 O=c1cc[nH]c2ccccc12 O=C1C(=O)c2ccccc2-c2ccccc21 "
    "O=C1C(=O)c2cccc3cccc1c23 O=C1OC(=O)c2ccccc21 O=C1NC(=O)c2ccccc21 O=C1NC(=O)c2cccc3cccc1c23 "
    "O=C1OC(=O)c2cccc3cccc1c23 O=C1NC(=O)c2cc3c(cc21)C(=O)NC3=O O=C1OC(=O)c2cc3c(cc21)C(=O)OC3=O "
    "O=C1Nc2ccccc2C1=O O=c1[nH]c(=O)c2ccccc2[nH]1 O=c1[nH]c(=O)c2nc3ccccc3nc2[nH]1 "
    "O=c1[nH]c2ccccc2c2ccccc12 O=c1oc2ccccc2c2ccccc12 O=C1C=Cc2cccc3cccc1c23 "
    "O=C1NC(=O)c2ccc3c4c(ccc1c24)C(=O)NC3=O O=c1c2ccccc2[nH]c2cc3c(=O)c4ccccc4[nH]c3cc12 "
    "O=C1NC(=O)c2ccc3c4ccc5c6c(ccc(c7ccc1c2c37)c64)C(=O)NC5=O O=C1c2ccccc2C(=O)c2c1ccc1ccccc21 "
    "O=C1c2cccc3cccc(c23)-c2ccccc21 O=C1c2ccccc2-c2cccc3cccc1c23 O=C1c2ccccc2-c2cc3c(cc21)-c1ccccc1C3=O "
    "O=C1C(=O)c2cc3ccccc3cc2-c2cc3ccccc3cc21 O=C1C(=C2C(=O)Nc3ccccc32)c2ccccc2N1 "
    "O=C1C(=C2Sc3ccccc3C2=O)Sc2ccccc21 O=C1c2ccccc2C(=O)c2cc3c(cc21)C(=O)c1ccccc1C3=O "
    "O=C1c2ccccc2C(=O)c2c1[nH]c1ccccc21 O=C1C(=O)c2cccc3ccc4cccc1c4c23 "
    "O=C1OC(=O)c2cc3ccccc3cc21 O=C1NC(=O)c2cc3ccccc3cc21 O=C1OC(=O)c2ccc3cccc4cccc1c2c34 "
    # Rings joined by single bonds, double bonds, triple bonds.
    "c1csc(-c2cccs2)c1 c1coc(-c2ccco2)c1 c1ccc(-c2ccccn2)nc1 c1csc(-c2ccc(-c3cccs3)s2)c1 "
    "c1csc(-c2ccc(-c3ccc(-c4cccs4)s3)s2)c1 C(=C/c1ccncc1)\\c1ccncc1 C(=C/c1cccs1)\\c1cccs1 "
    "c1ccc(/N=N/c2ccccc2)cc1 C(=C/c1ccccc1)\\c1ccccc1 C(#Cc1ccccc1)c1ccccc1 C(#Cc1ccncc1)c1ccncc1 "
    "C(#Cc1ccc(C#Cc2ccccc2)cc1)c1ccccc1 c1ccc2cc(C#Cc3ccc4ccccc4c3)ccc2c1 "
    "C(#Cc1cc(C#Cc2ccccc2)cc(C#Cc2ccccc2)c1)c1ccccc1 c1ccc(-c2nc3ccccc3[nH]2)nc1 "
    "c1ccc(-c2nc3ccccc3o2)cc1 c1ccc(-c2nc3ccccc3s2)cc1 c1ccc(-c2nnc(-c3ccccc3)o2)cc1 "
    "c1ccc(-c2nnc(-c3ccccc3)s2)cc1 c1ccc(-c2cccc(-c3ccccn3)n2)nc1 c1csc(C#Cc2cccs2)c1 "
    "c1ccc(-c2ncc(-c3ccccn3)nc2)nc1 c1csc(-c2ccc(-c3cccs3)c3nsnc23)c1 c1ccccc1"
)

#: One is drawn for a molecule and bonded to one to four of its carbons.
_SUBSTITUENTS = (
    "*F *Cl *Cl *Br *Br *I *I *C#N *C#N *C#C *C#C *C(=O)O *C(=O)O *C=O *O *N *C(N)=O *[N+](=O)[O-] "
    "*C#Cc1ccccc1"
)

#: Groups that would react, fall apart, or be another tautomer.
_REJECTED = (
    "[F,Cl,Br,I]~[#7,#8,#16]",
    "[OX2H]c:n",
    "[OX2H]c:[nH]",
    "[OX2H,NX3H2]c1ccc[o,s,nH]1",
    "n~n~n~n",
    "[NX3H2,OX2H][CX3]=[CX3]",
    "[$([N+](=O)[O-])].[$([N+](=O)[O-])].[$([N+](=O)[O-])]",
    "[$(C#C)].[$(C#C)].[$([N+](=O)[O-])]",
    "[CX3]([F,Cl,Br,I])=O",
    "O=[CX3]1[#6]=[#6;R1][#6](=O)[#6]=[#6]1[NX3H2]",
)

#: Molecules that scans and tables of tests show, by name: none of them may be in the list.
_HELD_OUT = {
    "naphthalene": "c1ccc2ccccc2c1",
    "pentacene": "c1ccc2cc3cc4cc5ccccc5cc4cc3cc2c1",
    "coronene": "c1cc2ccc3ccc4ccc5ccc6ccc1c1c2c3c4c5c61",
    "PTCDA": "O=C1OC(=O)c2ccc3c4ccc5c6c(ccc(c7ccc1c2c37)c64)C(=O)OC5=O",
    "NTCDA": "O=C1OC(=O)c2ccc3c4c(ccc1c24)C(=O)OC3=O",
    "1-bromo-3,5-dichlorobenzene": "Clc1cc(Cl)cc(Br)c1",
    "caffeine": "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "indigo": "O=C1C(=C2Nc3ccccc3C2=O)Nc2ccccc21",
    "4,4''-dibromo-p-terphenyl": "Brc1ccc(-c2ccc(-c3ccc(Br)cc3)cc2)cc1",
    "phthalocyanine": "c1ccc2c(c1)-c1nc-2nc2[nH]c(nc3nc(nc4[nH]c(n1)c1ccccc41)-c1ccccc1-3)c1ccccc21",
    "olympicene": "C1c2cccc3ccc4ccc5cccc1c5c4c32",
    "cephalandole A": "O=c1oc2ccccc2nc1-c1c[nH]c2ccccc12",
    "breitfussin A": "COc1cc(Br)cc2[nH]cc(-c3ncc(-c4ccc[nH]4)o3)c12",
}

#: Ring systems that, with no more than these groups, are held out whatever their places: bromo- and
#: iodopyrenes, dicyanoanthracenes.
_HELD_OUT_FAMILIES = (
    ("c1cc2ccc3cccc4ccc(c1)c2c34", "[Br,I]"),
    ("c1ccc2cc3ccccc3cc2c1", "C#N"),
)

#: Atoms of a molecule, hydrogens included; and how many molecules of the list have less than 18.
SIZES = 12, 60
_SMALL, _MAX_SMALL = 18, 130

#: Draws for one molecule before giving up.
_TRIES = 50


def planar_molecules(number: int = 680, seed: int = 0, progress: bool = False) -> list[str]:
    """Canonical SMILES, without stereochemistry, of distinct planar molecules of H, C, N, O, F, S, Cl, Br and
    I: the ring systems, then ring systems with up to two CH replaced by N and up to four equal substituents.

    Molecules have 12 to 60 atoms, hydrogens included, all within 0.3 Å of a plane in RDKit's geometry, whose
    distances tell their bonds. None is in the list of :mod:`~torch_afm.datasets.enumerate`, or held out for
    tests. The same arguments give the same list, and a longer list begins with the shorter one.

    Args:
        number: molecules wanted.
        seed: of every draw.
        progress: show a progress bar.

    Raises:
        InputError: for less than one molecule, and more than the recipe yields.
    """
    if number < 1:
        raise InputError(f"number: expected at least 1 molecule, got {number}")
    with rdBase.BlockLogs():
        seen = {canonical(Chem.MolFromSmiles(s)) for s in (*embedded_smiles(), *_HELD_OUT.values())}
        chosen: list[str] = []
        small = 0
        candidates = islice(_candidates(np.random.default_rng(seed)), len(_CORES.split()) + _TRIES * number)
        bar = ProgressBar(total=number, unit="mol", disable=not progress)
        while len(chosen) < number:
            mol = next(candidates, None)
            if mol is None:
                raise InputError(
                    f"number: expected no more than this recipe yields, {len(chosen)}, got {number}"
                )
            smiles, size = canonical(mol), Chem.AddHs(mol).GetNumAtoms()
            if smiles in seen or not SIZES[0] <= size <= SIZES[1] or (size < _SMALL and small == _MAX_SMALL):
                continue
            seen.add(smiles)
            if _is_accepted(mol) and _is_flat(smiles):
                small += size < _SMALL
                chosen.append(smiles)
                bar.update()
        bar.close()
    return chosen


def canonical(mol: Chem.Mol) -> str:
    """Canonical SMILES without stereochemistry."""
    return Chem.MolToSmiles(mol, isomericSmiles=False)


def is_held_out(mol: Chem.Mol) -> bool:
    """Whether a molecule is one of those held out for tests, or of their families."""
    if canonical(mol) in {canonical(Chem.MolFromSmiles(s)) for s in _HELD_OUT.values()}:
        return True
    for core, group in _HELD_OUT_FAMILIES:
        skeleton = Chem.MolFromSmiles(core)
        groups = mol.GetSubstructMatches(Chem.MolFromSmarts(group))
        atoms = {i for match in groups for i in match}
        if (
            groups
            and mol.HasSubstructMatch(skeleton)
            and mol.GetNumAtoms() == skeleton.GetNumAtoms() + len(atoms)
        ):
            return True
    return False


def _candidates(rng: np.random.Generator) -> Iterator[Chem.Mol]:
    """The ring systems, then endless variations."""
    cores = [Chem.MolFromSmiles(s) for s in _CORES.split()]
    groups = [Chem.MolFromSmiles(s) for s in _SUBSTITUENTS.split()]
    yield from cores
    weights = np.array([core.GetNumHeavyAtoms() for core in cores], dtype=float)
    while True:
        core = cores[rng.choice(len(cores), p=weights / weights.sum())]
        mol: Chem.Mol | None = _with_nitrogen(rng, core, int(rng.choice(3, p=[0.65, 0.2, 0.15])))
        group = groups[rng.integers(len(groups))]
        for _ in range(int(rng.choice(5, p=[0.1, 0.35, 0.35, 0.08, 0.12]))):
            mol = mol and attach_fragment(rng, mol, group, rings=True)
        if mol is not None:
            yield mol


def _with_nitrogen(rng: np.random.Generator, mol: Chem.Mol, number: int) -> Chem.Mol:
    """``mol`` with so many aromatic CH, no neighbors of other heteroatoms, replaced by N."""
    result = Chem.RWMol(mol)
    for _ in range(number):
        sites = [
            a.GetIdx()
            for a in result.GetAtoms()
            if a.GetIsAromatic()
            and a.GetSymbol() == "C"
            and a.GetTotalNumHs() == 1
            and all(n.GetSymbol() == "C" for n in a.GetNeighbors())
        ]
        if sites:
            result.GetAtomWithIdx(sites[rng.integers(len(sites))]).SetAtomicNum(7)
            Chem.SanitizeMol(result)
    return result.GetMol()


def _is_accepted(mol: Chem.Mol) -> bool:
    """Whether it is a stable molecule of this form, and none held out."""
    return not is_held_out(mol) and not any(mol.HasSubstructMatch(p) for p in _rejected())


@cache
def _rejected() -> list[Chem.Mol]:
    return [Chem.MolFromSmarts(s) for s in _REJECTED]


def _is_flat(smiles: str) -> bool:
    try:
        data = from_smiles(smiles)
    except InputError:
        return False
    return is_planar(data) and torch.equal(covalent_bonds(data.z, data.pos), data.edge_index)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the list of planar molecules; ``--help`` tells how."""
    parser = argparse.ArgumentParser(prog="python -m torch_afm.datasets.planar", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the .smi or .smi.xz file to write")
    parser.add_argument("--number", type=int, default=680, help="molecules (default 680)")
    parser.add_argument("--seed", type=int, default=0, help="of every draw (default 0)")
    options = parser.parse_args(arguments)
    try:
        write_smi(options.out, planar_molecules(options.number, options.seed, progress=True))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
