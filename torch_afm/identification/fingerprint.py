"""Which molecules are like a predicted structure, as far as images show it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable

import torch
from rdkit import Chem

from torch_afm.data import AFMData
from torch_afm.data.bond_orders import build_mol
from torch_afm.data.edit import remove_atoms
from torch_afm.elements import symbol
from torch_afm.identification.candidates import Candidate, orientations

#: Å below the top atom down to which images show atoms, as networks are taught.
_DEPTH = 0.7


def fingerprint(graph: AFMData) -> Counter[str]:
    """How many atoms of each element, bonds of each pair of elements, and rings of each size (of the smallest
    set of smallest rings) a graph has.

    Args:
        graph: ``z`` and ``edge_index``.
    """
    names = [symbol(z) for z in graph.z.tolist()]
    counts = Counter(names)
    for i, j in graph.edge_index.T.tolist():
        if i < j:
            counts["-".join(sorted((names[i], names[j])))] += 1
    n_edges = graph.edge_index.size(1)
    mol = build_mol(graph, torch.ones(n_edges), torch.zeros_like(graph.z))
    counts.update(f"ring of {len(ring)}" for ring in Chem.GetSSSR(mol))
    return counts


def tanimoto(a: Counter[str], b: Counter[str]) -> float:
    r"""Tanimoto's similarity of two sets of counts,

    .. math::
        \frac{\sum_k \min(a_k, b_k)}{\sum_k \max(a_k, b_k)} ;

    1 where neither counts anything.
    """
    either = (a | b).total()
    return (a & b).total() / either if either else 1.0


def similarity(candidate: Candidate, query: Counter[str]) -> float:
    """The largest :func:`tanimoto` of a structure and what a candidate shows of itself: its atoms down to
    0.7 Å below the top one, in any of its conformers and orientations.

    Args:
        candidate: the molecule.
        query: :func:`fingerprint` of the structure.
    """
    shown = (
        remove_atoms(molecule, molecule.pos[:, 2] < -_DEPTH)
        for conformer in candidate.conformers
        for molecule in orientations(conformer)
    )
    return max(tanimoto(fingerprint(part), query) for part in shown)


def nearest_candidates(candidates: Iterable[Candidate], graph: AFMData, n: int = 100) -> list[Candidate]:
    """The candidates that are most like a predicted structure by their :func:`similarity`, best first.

    Args:
        candidates: the molecules.
        graph: the structure, without what lies below the surface cut.
        n: how many.
    """
    query = fingerprint(graph)
    ranked = ((similarity(c, query), -i, c) for i, c in enumerate(candidates))
    return [candidate for _, _, candidate in heapq.nlargest(n, ranked)]
