"""The recipe of the embedded molecule list: scaffolds, substituents and linkers joined at random, then chosen
to the element and size shares of the thesis' molecules (section 2.3).

``python -m torch_afm.datasets.enumerate --out molecules.smi --number 1500 --seed 0`` writes the list.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase
from tqdm import tqdm

from torch_afm.utils import InputError

#: Fragments in SMILES; one that stands twice is drawn twice as often.
_RINGS = (
    "c1ccccc1 c1ccncc1 c1cncnc1 c1cnccn1 c1ccnnc1 c1ccoc1 c1ccsc1 c1cc[nH]c1 c1cnc[nH]1 c1cn[nH]c1 c1cscn1 "
    "c1cocn1 c1ccon1 c1ccc2ccccc2c1 c1ccc2ncccc2c1 c1ccc2[nH]ccc2c1 c1ccc2occc2c1 c1ccc2sccc2c1 "
    "c1ccc2ncccc2c1 c1ccc2nccnc2c1 c1ccc2cc3ccccc3cc2c1 c1ccc2c(c1)ccc1ccccc12 c1ccc2c(c1)Cc1ccccc12 "
    "c1ccc2c(c1)oc1ccccc12 c1ccc2c(c1)sc1ccccc12 c1ccc2c(c1)[nH]c1ccccc12 c1ccc2c(c1)OCO2 c1ccc2c(c1)CCC2 "
    "c1ccc2c(c1)CCCC2 O=C1C=CC(=O)C=C1 O=C1C=CC(=O)c2ccccc12 O=c1ccc2ccccc2o1 O=C1OC(=O)c2ccccc12 "
    "O=C1NC(=O)c2ccccc12 O=c1cc[nH]c(=O)[nH]1 Cn1cnc2c1c(=O)n(C)c(=O)n2C C1CCCCC1 C1CCCC1 C1CCC1 C1CC1 "
    "C1=CCCCC1 C1CCOCC1 C1CCOC1 C1CCNCC1 C1COCCN1 C1CSCCS1 C1CCSC1 C1COCCO1 O=C1CCCCC1 O=C1CCCC1 O=C1CCCO1 "
    "O=C1CCCN1 O=C1CCC(=O)N1 O=S1(=O)CCCC1 C1CC2CCC1C2 C1CC2CCC1CC2 CC1(C)C2CCC1(C)C(=O)C2 "
    "CC1(C)C2CCC1(C)CC2 C1C2CC3CC1CC(C2)C3 C1CCC2CCCCC2C1 C1CN2CCC1CC2 CC1(C)C2CC=C(C)C1C2 "
    "CC(C)C1CCC(C)CC1 CC1=CCC(CC1)C(C)=C"
)
_CHAINS = (
    "CC CCC CCCC CCCCC CCCCCC CCCCCCC CC(C)C CC(C)(C)C CCC(C)C CC(C)CC(C)C C=CC C=CC=C CC=CC C#CC CC#CC "
    "CC=O CCC=O CC(C)=O CCC(C)=O CC(=O)CC(C)=O COC CCOC CCOCC COCCOC CSC CCSCC CS(C)=O CS(C)(=O)=O "
    "CCS(=O)(=O)CC CC(=O)OC CCOC(C)=O CCC(=O)OCC COC(=O)OC COC(=O)CC(=O)OC COC(=O)C=CC(=O)OC CC(N)=O "
    "CC(=O)NC CN(C)C=O CCN(CC)C(C)=O CNC(=O)NC COC(=O)NC CC#N CCC#N CCCC#N N#CCC#N CN CCN CN(C)C CCNCC "
    "CC(=O)O CCC(=O)O OC(=O)CCC(=O)O CCO CC(C)O OCCO OCC(O)CO CCCS CC(N)C(=O)O C[N+](=O)[O-] CS(N)(=O)=O "
    "COP(=O)(OC)OC CP(=O)(OC)OC CP(C)(C)=O CP(C)C CCP(=O)(OC)OC C[Si](C)(C)C CC[Si](C)(C)C C[SiH](C)C "
    "CO[Si](C)(C)C CO[Si](C)(OC)OC C[Si](C)(C)O[Si](C)(C)C C[Si](C)(C)C#C"
)
#: Each bonds to the scaffold in the place of ``*``.
_SUBSTITUENTS = (
    "*F *Cl *Cl *Cl *Br *O *O *OC *OC *N *N(C)C *[N+](=O)[O-] *C#N *C *C *CC *C(C)C *C(C)(C)C *C(F)(F)F "
    "*C(=O)O *C(=O)OC *C=O *C(C)=O *C(N)=O *C(=O)NC *NC(C)=O *OC(C)=O *S *SC *S(C)(=O)=O *S(N)(=O)=O *C=C "
    "*C#C *CO *CCl *CBr *CN *COC *OC(F)(F)F *OCC *[Si](C)(C)C *P(C)(C)=O *P(=O)(OC)OC *OP(=O)(OC)OC"
)
#: Each bonds to a scaffold at both ends; ``**`` is a plain bond.
_LINKERS = "** *O* *S* *N* *C* *CC* *C=C* *C#C* *C(=O)* *C(=O)O* *C(=O)N* *S(=O)(=O)* *COC* *[Si](C)(C)*"

#: Groups that would react, tautomerise or fall apart.
_REJECTED = (
    "[CX4;!$(C(F)(F)F)]([#7,#8,#16,F,Cl,Br])[#7,#8,#16,Cl,Br]",
    "[CX3]=[CX3][OX2H,NX3;!$(N[#6]=O),SX2H]",
    "[CX3](=O)[F,Cl,Br,SX2H]",
    "[CX2]#[CX2][F,Cl,Br,OX2H,NX3H2,SX2H]",
    "[CX2]=[CX2]",
    "[CX3;!R](=O)[CX3;!R](=O)[CX3;!R]=O",
)

#: Share of molecules that hold an element, and of molecules with up to so many atoms (the rest have more).
_ELEMENT_SHARES = {
    "N": 0.35,
    "O": 0.55,
    "F": 0.06,
    "Si": 0.012,
    "P": 0.012,
    "S": 0.12,
    "Cl": 0.22,
    "Br": 0.05,
}
_SIZE_SHARES = {9: 0.03, 14: 0.12, 19: 0.25, 24: 0.27, 30: 0.22, 45: 0.11}
_MIN_ATOMS, _MAX_ATOMS = 5, 45

#: Candidates that one choice is made from.
_CANDIDATES = 8


def enumerate_molecules(number: int = 1500, seed: int = 0, progress: bool = False) -> list[str]:
    r"""Canonical SMILES of distinct small organic molecules of H, C, N, O, F, Si, P, S, Cl and Br.

    Molecules have 5 to 45 atoms, hydrogens included, most of them 15 to 30. Of every few candidates the one
    is taken that brings the shares :math:`s` of the list nearest to the target shares :math:`t`, in
    :math:`\sum_k (s_k - t_k)^2 / t_k` over elements and sizes.

    Args:
        number: molecules wanted.
        seed: of every draw.
        progress: show a progress bar.

    Raises:
        InputError: for a number below 1.
    """
    if number < 1:
        raise InputError(f"number: expected at least 1 molecule, got {number}")
    rng = np.random.default_rng(seed)
    target = np.array([*_ELEMENT_SHARES.values(), *_SIZE_SHARES.values()])
    count = np.zeros(len(target))
    chosen: dict[str, None] = {}
    with rdBase.BlockLogs(), tqdm(total=number, unit="mol", disable=None if progress else True) as bar:
        while len(chosen) < number:
            candidates: dict[str, np.ndarray] = {}
            while len(candidates) < _CANDIDATES:
                mol = _draw(rng)
                smiles = None if mol is None else Chem.MolToSmiles(mol)
                if mol is not None and smiles is not None and smiles not in chosen:
                    candidates[smiles] = _features(mol)
            shares = {s: (count + f) / (len(chosen) + 1) for s, f in candidates.items()}
            best = min(shares, key=lambda s: float(((shares[s] - target) ** 2 / target).sum()))
            count += candidates[best]
            chosen[best] = None
            bar.update()
    return list(chosen)


def _draw(rng: np.random.Generator) -> Chem.Mol | None:
    """A random molecule, or ``None`` if what was drawn is no stable molecule of the right size."""
    kind = rng.choice(["ring", "chain", "pair"], p=[0.6, 0.2, 0.2])
    mol: Chem.Mol | None = _pick(rng, _CHAINS if kind == "chain" else _RINGS)
    if kind == "pair":
        tail = _attach(rng, _pick(rng, _RINGS), _pick(rng, _LINKERS))
        mol = mol and tail and _attach(rng, mol, tail)
    for _ in range(int(rng.choice(5, p=[0.08, 0.3, 0.34, 0.2, 0.08]))):
        mol = mol and _attach(rng, mol, _pick(rng, _SUBSTITUENTS))
    if mol is None or not _MIN_ATOMS <= _size(mol) <= _MAX_ATOMS:
        return None
    return None if any(mol.HasSubstructMatch(p) for p in _rejected()) else mol


def _pick(rng: np.random.Generator, fragments: str) -> Chem.Mol:
    parsed = _parse(fragments)
    return parsed[rng.integers(len(parsed))]


@cache
def _parse(fragments: str) -> list[Chem.Mol]:
    return [Chem.MolFromSmiles(s) for s in fragments.split()]


def _size(mol: Chem.Mol) -> int:
    """Atoms, hydrogens included."""
    return mol.GetNumAtoms() + sum(a.GetTotalNumHs() for a in mol.GetAtoms())


def _attach(rng: np.random.Generator, mol: Chem.Mol, fragment: Chem.Mol) -> Chem.Mol | None:
    """``mol`` with ``fragment``, bonded at its first ``*``, in the place of a hydrogen of a random carbon."""
    sites = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() == 6 and a.GetTotalNumHs() > 0]
    if not sites:
        return None
    dummy = next(a for a in fragment.GetAtoms() if a.GetAtomicNum() == 0)
    n = mol.GetNumAtoms()
    joined = Chem.RWMol(Chem.CombineMols(mol, fragment))
    end = dummy.GetNeighbors()[0].GetIdx()
    joined.AddBond(sites[rng.integers(len(sites))], n + end, Chem.BondType.SINGLE)
    joined.RemoveAtom(n + dummy.GetIdx())
    failed = Chem.SanitizeMol(joined, catchErrors=True)
    return None if failed else joined.GetMol()


@cache
def _rejected() -> list[Chem.Mol]:
    return [Chem.MolFromSmarts(s) for s in _REJECTED]


def _features(mol: Chem.Mol) -> np.ndarray:
    """Which elements the molecule holds, and which size class it belongs to."""
    symbols = {a.GetSymbol() for a in mol.GetAtoms()}
    size = next(n for n in _SIZE_SHARES if _size(mol) <= n)
    return np.array(
        [*(e in symbols for e in _ELEMENT_SHARES), *(n == size for n in _SIZE_SHARES)], dtype=float
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a molecule list; ``--help`` tells how."""
    parser = argparse.ArgumentParser(prog="python -m torch_afm.datasets.enumerate", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the .smi file to write")
    parser.add_argument("--number", type=int, default=1500, help="molecules (default 1500)")
    parser.add_argument("--seed", type=int, default=0, help="of every draw (default 0)")
    options = parser.parse_args(arguments)
    try:
        smiles = enumerate_molecules(options.number, options.seed, progress=True)
        options.out.write_text("".join(s + "\n" for s in smiles), encoding="utf-8")
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
