"""The recipe of the embedded molecule list: scaffolds, substituents and linkers joined at random, then chosen
so that their best rotations show the elements as often as the molecules of the graph-AFM thesis, Aalto
University (see CITATION.cff), do (table 2.1).

``python -m torch_afm.datasets.enumerate --out molecules.smi.xz --keep 1500`` writes the list. Its first
1,500 molecules, chosen by the elements they hold, come from an earlier recipe; the weights ``small`` were
trained on some of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch
from rdkit import Chem, rdBase

from torch_afm.data import AFMData, covalent_bonds, from_smiles
from torch_afm.datasets.smi import embedded_smiles, write_smi
from torch_afm.datasets.statistics import THESIS_ELEMENTS
from torch_afm.elements import ORGANIC, atomic_number
from torch_afm.progress import ProgressBar
from torch_afm.transforms.rotations import best_rotation_ids, candidate_rotations
from torch_afm.utils import InputError

#: Fragments in SMILES; one that stands twice is drawn twice as often.
_RINGS = (
    "c1ccccc1 c1ccncc1 c1cncnc1 c1cnccn1 c1ccnnc1 c1ccoc1 c1ccsc1 c1cc[nH]c1 c1cnc[nH]1 c1cn[nH]c1 c1cscn1 "
    "c1cocn1 c1ccon1 c1ccc2ccccc2c1 c1ccc2ncccc2c1 c1ccc2[nH]ccc2c1 c1ccc2occc2c1 c1ccc2sccc2c1 "
    "c1ccc2nccnc2c1 c1ccc2cc3ccccc3cc2c1 c1ccc2c(c1)ccc1ccccc12 c1ccc2c(c1)Cc1ccccc12 "
    "c1ccc2c(c1)oc1ccccc12 c1ccc2c(c1)sc1ccccc12 c1ccc2c(c1)[nH]c1ccccc12 c1ccc2c(c1)OCO2 c1ccc2c(c1)CCC2 "
    "c1ccc2c(c1)CCCC2 O=C1C=CC(=O)C=C1 O=C1C=CC(=O)c2ccccc12 O=c1ccc2ccccc2o1 O=C1OC(=O)c2ccccc12 "
    "O=C1NC(=O)c2ccccc12 O=c1cc[nH]c(=O)[nH]1 Cn1cnc2c1c(=O)n(C)c(=O)n2C C1CCCCC1 C1CCCC1 C1CCC1 C1CC1 "
    "C1=CCCCC1 C1CCOCC1 C1CCOC1 C1CCNCC1 C1COCCN1 C1CSCCS1 C1CCSC1 C1COCCO1 O=C1CCCCC1 O=C1CCCC1 O=C1CCCO1 "
    "O=C1CCCN1 O=C1CCC(=O)N1 O=S1(=O)CCCC1 C1CC2CCC1C2 C1CC2CCC1CC2 CC1(C)C2CCC1(C)C(=O)C2 "
    "CC1(C)C2CCC1(C)CC2 C1C2CC3CC1CC(C2)C3 C1CCC2CCCCC2C1 C1CN2CCC1CC2 CC1(C)C2CC=C(C)C1C2 "
    "CC(C)C1CCC(C)CC1 CC1=CCC(CC1)C(C)=C"
)
#: Without flat rings: what shows hydrogen and substituents rather than carbon.
_SATURATED = (
    "C1CCCCC1 C1CCCC1 C1CCC1 C1CC1 C1CCOCC1 C1CCOC1 C1CCSCC1 C1CCSC1 C1CSCCS1 C1CSSC1 C1CCSSC1 C1CSCCSC1 "
    "C1CC2CCC1C2 C1CC2CCC1CC2 C1C2CC3CC1CC(C2)C3 C1CCC2CCCCC2C1 CC(C)C1CCC(C)CC1 CC(C)(C)C1CCCCC1 CC1CCCCC1 "
    "O=C1CCCC1 O=C1CCCO1 C CC CC CCC CCCC CCCCC CC(C)C CC(C)(C)C CC(C)C(C)C CC(C)(C)CC CCOCC CCSCC CSC CSSC "
    "CCSSCC CSSSC CS(C)(=O)=O CC(C)=O CC(=O)OC CC#N C=CC"
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
#: Those that one molecule takes several of.
_REPEATED = "*Cl *Cl *Cl *Cl *Cl *Cl *Br *CCl *CCl *C(Cl)(Cl)Cl *S *S *SC *O *C *F"
#: Each bonds to the scaffold in the place of ``*``.
_SUBSTITUENTS = (
    "*F *Cl *Cl *Cl *Br *O *O *OC *OC *N *N(C)C *[N+](=O)[O-] *C#N *C *C *CC *C(C)C *C(C)(C)C *C(F)(F)F "
    "*C(=O)O *C(=O)OC *C=O *C(C)=O *C(N)=O *C(=O)NC *NC(C)=O *OC(C)=O *S *SC *S(C)(=O)=O *S(N)(=O)=O *C=C "
    "*C#C *CO *CCl *CBr *CN *COC *OC(F)(F)F *OCC *[Si](C)(C)C *P(C)(C)=O *P(=O)(OC)OC *OP(=O)(OC)OC"
)
#: Each bonds to a scaffold at both ends; ``**`` is a plain bond.
_LINKERS = "** *O* *S* *SS* *N* *C* *CC* *C=C* *C#C* *C(=O)* *C(=O)O* *C(=O)N* *S(=O)(=O)* *COC* *[Si](C)(C)*"

#: Groups that would react, tautomerize, fall apart or find no room.
_REJECTED = (
    "[#6](C(Cl)(Cl)Cl)C(Cl)(Cl)Cl",
    "[CX4;!$(C(F)(F)F)]([#7,#8,#16,F,Cl,Br])[#7,#8,#16,Br]",
    "[CX3]=[CX3][OX2H,SX2H,$([NX3;!$(N[#6]=O)])]",
    "[CX3](=O)[F,Cl,Br,SX2H]",
    "[CX2]#[CX2][F,Cl,Br,OX2H,NX3H2,SX2H]",
    "[CX2]=[CX2]",
    "[CX3;!R](=O)[CX3;!R](=O)[CX3;!R]=O",
)

#: Depth of the surface cut in Å.
_Z_MIN = -0.7

#: Share of the best rotations that show an element above the surface cut; of silicon the thesis says < 0.1 %.
VISIBLE_SHARES = {e: round(percent / 100, 4) for e, percent in THESIS_ELEMENTS.items()} | {"Si": 0.0005}
#: Share of molecules with up to so many atoms, and more than the entry before.
SIZE_SHARES = {9: 0.03, 14: 0.12, 19: 0.25, 24: 0.27, 30: 0.22, 45: 0.11}
_MIN_ATOMS, _MAX_ATOMS = 5, 45

#: Share of planar molecules: more would show carbon too often.
PLANAR_SHARE = 0.08
#: Distance in Å to the plane of a planar molecule that none of its atoms exceeds.
_PLANAR = 0.3

#: Molecules chosen from one pool of candidates, and candidates in it for each of them.
_ROUND, _CANDIDATES = 50, 4


def enumerate_molecules(
    number: int, seed: int = 0, keep: Sequence[str] = (), progress: bool = False
) -> list[str]:
    r"""Canonical SMILES of distinct small organic molecules of H, C, N, O, F, Si, P, S, Cl and Br.

    Molecules have 5 to 45 atoms, hydrogens included, most of them 15 to 30, and RDKit finds a geometry of
    each whose distances tell its bonds. Of every 200 candidates 50 are taken, one after the other the one
    that brings the shares :math:`s` of the list nearest to the targets :math:`t`, in
    :math:`\sum_k (s_k - t_k)^2 / (t_k (1 - t_k))` over :data:`VISIBLE_SHARES`, :data:`SIZE_SHARES` and
    :data:`PLANAR_SHARE`. The same arguments give the same list, and a longer list begins with the shorter
    one.

    Args:
        number: molecules wanted, those of ``keep`` included.
        seed: of every draw.
        keep: molecules at the head of the list, whose ids stay as they are.
        progress: show a progress bar.

    Raises:
        InputError: for fewer molecules than there are to keep or than 1, or one to keep without geometry.
    """
    if number < max(1, len(keep)):
        raise InputError(f"number: expected at least {max(1, len(keep))} molecule(s), got {number}")
    target = np.array([*VISIBLE_SHARES.values(), *SIZE_SHARES.values(), PLANAR_SHARE])
    weight = 1 / (target * (1 - target))
    chosen = dict.fromkeys(keep)
    with (
        rdBase.BlockLogs(),
        ThreadPoolExecutor(os.cpu_count()) as pool,
        ProgressBar(total=number, unit="mol", disable=not progress) as bar,
    ):
        head = dict(zip(keep, pool.map(_embed, keep), strict=True))
        if failed := [s for s, data in head.items() if data is None]:
            raise InputError(f"keep: expected molecules with a geometry, got {failed[0]!r}")
        count = _features([data for data in head.values() if data is not None]).sum(axis=0)
        bar.update(len(chosen))
        while len(chosen) < number:
            drawn = _pool(np.random.default_rng((seed, len(chosen))), chosen)
            graphs = {s: g for s, g in zip(drawn, pool.map(_embed, drawn), strict=True) if g is not None}
            smiles, features = list(graphs), _features(list(graphs.values()))
            for _ in range(min(_ROUND, number - len(chosen))):
                shares = (count + features) / (len(chosen) + 1)
                best = int(((shares - target) ** 2 @ weight).argmin())
                chosen[smiles.pop(best)] = None
                count += features[best]
                features = np.delete(features, best, axis=0)
                bar.update()
    return list(chosen)


def visible_elements(molecules: Sequence[AFMData]) -> np.ndarray:
    """Share of each molecule's 30 best rotations that show an element above the surface cut.

    Args:
        molecules: molecules in three dimensions.

    Shapes:
        result ``[len(molecules), 10]``, elements in the order of :data:`torch_afm.elements.ORGANIC`.
    """
    ids = best_rotation_ids([m.pos for m in molecules])
    up = candidate_rotations().as_matrix()[:, 2]
    number = np.array([atomic_number(e) for e in ORGANIC])
    shares = np.empty((len(molecules), len(ORGANIC)))
    for i, molecule in enumerate(molecules):
        height = np.asarray(molecule.pos, dtype=np.float64) @ up[ids[i]].T
        visible = height >= height.max(axis=0) + _Z_MIN
        present = np.asarray(molecule.z) == number[:, None]
        shares[i] = (visible & present[:, :, None]).any(axis=1).mean(axis=1)
    return shares


def _features(molecules: Sequence[AFMData]) -> np.ndarray:
    """Rows of visible shares, size class and planarity."""
    limits = np.array(list(SIZE_SHARES))
    sizes = np.searchsorted(limits, [len(m.z) for m in molecules])
    planar = np.array([is_planar(m) for m in molecules], dtype=float).reshape(-1, 1)
    return np.concatenate([visible_elements(molecules), np.eye(len(limits))[sizes], planar], axis=1)


def is_planar(molecule: AFMData) -> bool:
    """Whether every atom lies within 0.3 Å of one plane (of least squares)."""
    pos = np.asarray(molecule.pos, dtype=np.float64)
    pos = pos - pos.mean(axis=0)
    normal = np.linalg.svd(pos, full_matrices=False)[2][-1]
    return bool(np.abs(pos @ normal).max() <= _PLANAR)


def _embed(smiles: str) -> AFMData | None:
    """The molecule, unless it has no geometry or is so crowded that distances do not tell its bonds."""
    try:
        data = from_smiles(smiles)
    except InputError:
        return None
    return data if torch.equal(covalent_bonds(data.z, data.pos), data.edge_index) else None


def _pool(rng: np.random.Generator, chosen: Container[str]) -> list[str]:
    """Distinct candidates that are not chosen yet."""
    pool: dict[str, None] = {}
    while len(pool) < _ROUND * _CANDIDATES:
        mol = _draw(rng)
        smiles = "" if mol is None else Chem.MolToSmiles(mol)
        if smiles and smiles not in chosen:
            pool[smiles] = None
    return list(pool)


def _draw(rng: np.random.Generator) -> Chem.Mol | None:
    """A random molecule, or ``None`` if what was drawn is no stable molecule of the right size."""
    kind = rng.choice(["ring", "chain", "pair", "rich"], p=[0.3, 0.1, 0.1, 0.5])
    fragments = {"chain": _CHAINS, "rich": _SATURATED if rng.random() < 0.8 else _RINGS}.get(kind, _RINGS)
    mol: Chem.Mol | None = _pick(rng, fragments)
    if kind == "pair":
        tail = attach_fragment(rng, _pick(rng, _RINGS), _pick(rng, _LINKERS))
        mol = mol and tail and attach_fragment(rng, mol, tail)
    if kind == "rich":
        substituent = _pick(rng, _REPEATED)
        for _ in range(int(rng.integers(1, 8))):
            mol = mol and attach_fragment(rng, mol, substituent)
    for _ in range(int(rng.choice(5, p=[0.08, 0.3, 0.34, 0.2, 0.08])) // (2 if kind == "rich" else 1)):
        mol = mol and attach_fragment(rng, mol, _pick(rng, _SUBSTITUENTS))
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


def attach_fragment(
    rng: np.random.Generator, mol: Chem.Mol, fragment: Chem.Mol, rings: bool = False
) -> Chem.Mol | None:
    """``mol`` with ``fragment``, bonded at its first ``*``, in the place of a hydrogen of a random carbon, of
    a ring where asked; ``None`` where there is none."""
    carbons = (a for a in mol.GetAtoms() if a.GetAtomicNum() == 6 and a.GetTotalNumHs() > 0)
    sites = [a.GetIdx() for a in carbons if not rings or a.IsInRing()]
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a molecule list; ``--help`` tells how."""
    parser = argparse.ArgumentParser(prog="python -m torch_afm.datasets.enumerate", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the .smi or .smi.xz file to write")
    parser.add_argument("--number", type=int, default=6328, help="molecules (default 6328)")
    parser.add_argument("--seed", type=int, default=0, help="of every draw (default 0)")
    parser.add_argument(
        "--keep",
        type=int,
        default=0,
        metavar="N",
        help="begin with the first N molecules of the embedded list (default 0)",
    )
    options = parser.parse_args(arguments)
    try:
        if not 0 <= options.keep <= len(embedded_smiles()):
            raise InputError(f"--keep: expected 0 to {len(embedded_smiles())}, got {options.keep}")
        keep = embedded_smiles()[: options.keep]
        write_smi(options.out, enumerate_molecules(options.number, options.seed, keep, progress=True))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
