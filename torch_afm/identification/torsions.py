"""Bonds about which parts of a molecule turn easily."""

from __future__ import annotations

from typing import NamedTuple

import torch
from rdkit import Chem
from torch import Tensor

from torch_afm.data import AFMData, to_rdmol

#: Bonds that turn easily: single, in no ring, between atoms with further neighbors, and not those of CF3 or
#: next to a triple bond.
_ROTATABLE = Chem.MolFromSmarts("[!$([D1]);!$(C(F)(F)F);!$(C#*)]-&!@[!$([D1]);!$(C(F)(F)F);!$(C#*)]")

#: Most that are fitted.
_MAX_TORSIONS = 6


class Torsion(NamedTuple):
    """A bond about which a part of a molecule turns.

    Args:
        begin, end: its atoms.
        moving: the atoms on the side of ``end``.
    """

    begin: int
    end: int
    moving: Tensor

    def turn(self, pos: Tensor, angle: Tensor) -> Tensor:
        """Positions with one side turned (Rodrigues' formula).

        Args:
            pos: of the atoms in Å, of several copies of the molecule.
            angle: of each copy in rad.

        Shapes:
            pos ``[B, N, 3]``, angle ``[B]`` -> ``[B, N, 3]``.
        """
        axis = pos[:, self.end] - pos[:, self.begin]
        axis = (axis / axis.norm(dim=1, keepdim=True))[:, None]
        part = pos[:, self.moving] - pos[:, self.end, None]
        cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
        along = (part * axis).sum(2, keepdim=True) * axis
        turned = part * cos + torch.linalg.cross(axis.expand_as(part), part) * sin + along * (1 - cos)
        moved = pos.clone()
        moved[:, self.moving] = turned + pos[:, self.end, None]
        return moved


def soft_torsions(molecule: AFMData) -> list[Torsion]:
    """Bonds about which a molecule turns easily, those that move the most atoms first: single ones outside of
    rings, between atoms that have further neighbors."""
    if molecule.edge_index.size(1) == 0:
        return []
    mol = to_rdmol(molecule)
    Chem.FastFindRings(mol)
    found = []
    for begin, end in mol.GetSubstructMatches(_ROTATABLE):
        moving = _side(molecule, begin, end)
        if 2 * len(moving) > len(molecule.z):
            begin, end = end, begin
            moving = _side(molecule, begin, end)
        found.append(Torsion(begin, end, moving))
    return sorted(found, key=lambda torsion: -len(torsion.moving))[:_MAX_TORSIONS]


def _side(molecule: AFMData, begin: int, end: int) -> Tensor:
    """The atoms on the side of ``end`` of a bond, without it."""
    neighbors: dict[int, list[int]] = {}
    for a, b in molecule.edge_index.T.tolist():
        neighbors.setdefault(a, []).append(b)
    seen, rest = {begin, end}, [end]
    while rest:
        for other in neighbors.get(rest.pop(), []):
            if other not in seen:
                seen.add(other)
                rest.append(other)
    return torch.tensor(sorted(seen - {begin, end}), dtype=torch.long)
