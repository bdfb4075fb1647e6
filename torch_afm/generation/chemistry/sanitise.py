"""Graphs as RDKit molecules that are sound, cut bonds and all."""

from __future__ import annotations

import copy

import torch
from rdkit import Chem, rdBase
from rdkit.Geometry import Point3D
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.elements import atomic_number
from torch_afm.generation.chemistry.orders import bond_orders
from torch_afm.generation.chemistry.valence import trim_bonds
from torch_afm.utils import InputError

_TYPES = {
    1.0: Chem.BondType.SINGLE,
    1.5: Chem.BondType.AROMATIC,
    2.0: Chem.BondType.DOUBLE,
    3.0: Chem.BondType.TRIPLE,
}


def sanitise(graph: AFMData) -> AFMData:
    """The graph without the bonds that break a valence (:func:`trim_bonds`), with the order of the others,
    ``bond_order`` ``[E]`` (:func:`bond_orders`, with the graph's ``sigma`` where it has them). Atoms stay.

    Args:
        graph: ``z``, ``pos`` [Å], ``edge_index``, and ``bond_probability`` ``[E]`` where the network tells.
    """
    keep = trim_bonds(graph.z, graph.pos, graph.edge_index, graph.get("bond_probability"))
    kept = copy.copy(graph)
    kept.edge_index = graph.edge_index[:, keep]
    if "bond_probability" in graph:
        kept.bond_probability = graph.bond_probability[keep]
    kept.bond_order = bond_orders(kept, graph.get("sigma"))
    return kept


def to_part(graph: AFMData, open_valences: str = "hydrogens") -> Chem.Mol:
    """A sanitised RDKit molecule of a graph that may be a part of one: what the cut bonds leave open is
    filled by implicit hydrogens, or counts as radicals. Orders that make no sound molecule together, such as
    a piece of an aromatic ring, give way to single bonds.

    Args:
        graph: as :func:`sanitise` returns it; without ``bond_order`` all bonds are single.
        open_valences: ``"hydrogens"`` or ``"radicals"``.

    Raises:
        InputError: for an atom with more bonds than RDKit allows, or another word.
    """
    if open_valences not in ("hydrogens", "radicals"):
        raise InputError(f"open_valences: expected 'hydrogens' or 'radicals', got {open_valences!r}")
    orders = [graph.bond_order] if "bond_order" in graph else []
    for order in (*orders, torch.ones(graph.edge_index.size(1))):
        mol = _molecule(graph, order, open_valences == "radicals")
        with rdBase.BlockLogs():
            if Chem.SanitizeMol(mol, catchErrors=True) == Chem.SanitizeFlags.SANITIZE_NONE:
                return mol.GetMol()
    raise InputError("graph: expected valences that RDKit allows; sanitise it first")


def _molecule(graph: AFMData, order: Tensor, radicals: bool) -> Chem.RWMol:
    mol = Chem.RWMol()
    for n, charge in zip(graph.z.tolist(), _charges(graph, order), strict=True):
        atom = Chem.Atom(atomic_number(n))
        atom.SetNoImplicit(radicals)
        atom.SetFormalCharge(charge)
        mol.AddAtom(atom)
    for (i, j), o in zip(graph.edge_index.T.tolist(), order.tolist(), strict=True):
        if i < j:
            mol.AddBond(i, j, _TYPES[o])
            if o == 1.5:
                bond = mol.GetBondBetweenAtoms(i, j)
                bond.SetIsAromatic(True)
                bond.GetBeginAtom().SetIsAromatic(True)
                bond.GetEndAtom().SetIsAromatic(True)
    conformer = Chem.Conformer(mol.GetNumAtoms())
    for i, xyz in enumerate(graph.pos.tolist()):
        conformer.SetAtomPosition(i, Point3D(*xyz))
    mol.AddConformer(conformer)
    return mol


def _charges(graph: AFMData, order: Tensor) -> list[int]:
    """Formal charges: a nitrogen with four bonds that are not aromatic is positive (an ammonium, a nitro
    group, an N-oxide), an oxygen on it by a single bond and nothing else negative."""
    row, col = graph.edge_index
    n = graph.z.numel()
    total = torch.zeros(n).index_add_(0, row, order)
    aromatic = torch.zeros(n, dtype=torch.bool)
    aromatic[row[order == 1.5]] = True
    positive = (graph.z == 7) & (total == 4) & ~aromatic
    negative = torch.zeros(n, dtype=torch.bool)
    negative[row[positive[col]]] = True
    negative &= (graph.z == 8) & (total == 1)
    return (positive.int() - negative.int()).tolist()
