"""Complete what a scan shows of a molecule by chemistry."""

from __future__ import annotations

import torch
from rdkit import Chem, rdBase

from torch_afm.data import AFMData, covalent_bonds
from torch_afm.data.bond_orders import bond_orders, build_mol, kekulize
from torch_afm.prediction.atoms import concat_graphs

#: Å that hydrogens keep from other atoms.
_ROOM = 0.7


def complete(graph: AFMData, context: AFMData) -> AFMData:
    """A whole molecule around the atoms that a scan shows: with those below the surface cut, bonded by
    covalent radii to the others, and with the hydrogens that open valences call for, where RDKit puts them.
    Bond orders are those of :func:`torch_afm.data.bond_orders`. An atom whose bonds are more than its element
    takes gets none, and hydrogens without room, within 0.7 Å of another atom, are left out.

    Args:
        graph: the visible atoms.
        context: atoms below them, likewise.

    Returns:
        the molecule, the given atoms first and where they were, with ``completed``: whether an atom was
        added.

    Shapes:
        completed ``[N]`` booleans.
    """
    whole = concat_graphs([graph, context])
    n = len(whole.z)
    near = covalent_bonds(whole.z, whole.pos)
    between = (near[0] < len(graph.z)) != (near[1] < len(graph.z))
    edges = torch.cat([whole.edge_index, near[:, between]], dim=1)
    atoms = AFMData(z=whole.z, pos=whole.pos, charge=whole.charge, edge_index=edges)
    order, formal = bond_orders(atoms)
    with rdBase.BlockLogs():
        mol = build_mol(atoms, order, formal)
        kekulize(mol)
        for atom in mol.GetAtoms():
            valence = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds())
            allowed = Chem.GetPeriodicTable().GetDefaultValence(atom.GetAtomicNum())
            missing = round(allowed + atom.GetFormalCharge() - valence)
            atom.SetNumExplicitHs(max(0, missing) if atom.GetAtomicNum() > 1 else 0)
        mol.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(mol)
        Chem.SetConjugation(mol)
        Chem.SetHybridization(mol)  # by which hydrogens are placed
        mol = Chem.AddHs(mol, explicitOnly=True, addCoords=True)
    pos = torch.tensor(mol.GetConformer().GetPositions(), dtype=torch.float32).reshape(-1, 3)
    pos[:n] = whole.pos
    kept = list(range(n))
    for i in range(n, len(pos)):
        if float((pos[kept] - pos[i]).norm(dim=1).min()) >= _ROOM:
            kept.append(i)
    place = {atom: i for i, atom in enumerate(kept)}
    bonds = [(place.get(b.GetBeginAtomIdx()), place.get(b.GetEndAtomIdx())) for b in mol.GetBonds()]
    both = sorted((i, j) for a, b in bonds for i, j in ((a, b), (b, a)) if i is not None and j is not None)
    return AFMData(
        z=torch.tensor([mol.GetAtomWithIdx(i).GetAtomicNum() for i in kept], dtype=torch.long),
        pos=pos[kept],
        charge=torch.cat([whole.charge, torch.zeros(len(kept) - n)]),
        edge_index=torch.tensor(both, dtype=torch.long).reshape(-1, 2).T.contiguous(),
        completed=torch.arange(len(kept)) >= n,
    )
