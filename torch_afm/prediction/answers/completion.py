"""Complete what a scan shows of a molecule by chemistry."""

from __future__ import annotations

import torch
from rdkit import Chem, rdBase

from torch_afm.data import AFMData, covalent_bonds, from_rdmol
from torch_afm.data.bond_orders import bond_orders, build_mol, kekulize
from torch_afm.prediction.atoms import concat_graphs
from torch_afm.utils import InputError


def complete(graph: AFMData, context: AFMData) -> AFMData:
    """A whole molecule around the atoms that a scan shows: with those below the surface cut, bonded by
    covalent radii to the others, and with the hydrogens that open valences call for, where RDKit puts them.
    Bond orders are those of :func:`torch_afm.data.bond_orders`. An atom whose bonds are more than its element
    takes gets none.

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
        try:
            found = from_rdmol(Chem.AddHs(mol, explicitOnly=True, addCoords=True), "gasteiger")
        except (InputError, ValueError, RuntimeError):  # hydrogens have no room
            found = atoms
    found.pos[:n], found.charge = (
        whole.pos,
        torch.cat([whole.charge, found.charge.new_zeros(len(found.z) - n)]),
    )
    found.completed = torch.arange(len(found.z)) >= n
    return found
