"""Bond orders and formal charges from atoms, bonds and positions."""

from __future__ import annotations

from collections.abc import Sequence

from rdkit import Chem
from rdkit.Chem import rdDetermineBonds, rdMolTransforms

#: Steps after which the search for bond orders of one molecule ends.
_MAX_ITERATIONS = 2000

#: A carbon of two neighbours in between them, and the least angle in degrees (the one in cyclooctyne is 158).
_SP_CARBON = Chem.MolFromSmarts("*~[#6;D2;^1]~*")
_MIN_SP_ANGLE = 145


def with_bond_orders(mol: Chem.RWMol, charges: Sequence[float]) -> Chem.Mol:
    """``mol`` with bond orders and formal charges perceived for each of its molecules (connected parts) by
    itself, for a net charge of the rounded sum of its partial charges. One that has no sensible Lewis
    structure keeps single bonds, and then the whole keeps an outdated property cache
    (``NeedsUpdatePropertyCache``).

    Args:
        mol: atoms, single bonds and a conformer.
        charges: partial charges in e, or none for neutral molecules.
    """
    atoms: list[tuple[int, ...]] = []
    parts = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
    known = charges if len(charges) else [0.0] * mol.GetNumAtoms()
    found = [_perceived(p, round(sum(known[i] for i in own))) for p, own in zip(parts, atoms, strict=True)]
    if all(f is None for f in found):
        return mol.GetMol()
    whole = Chem.Mol()
    for part, lewis in zip(parts, found, strict=True):
        whole = (
            Chem.CombineMols(whole, part if lewis is None else lewis)
            if whole.GetNumAtoms()
            else (lewis or part)
        )
    place = {i: n for n, i in enumerate(i for own in atoms for i in own)}
    whole = Chem.RenumberAtoms(whole, [place[i] for i in range(mol.GetNumAtoms())])
    if None not in found:
        Chem.SanitizeMol(whole)
    return whole


def _perceived(part: Chem.Mol, charge: int) -> Chem.Mol | None:
    """``part`` in its Kekulé form, or ``None`` where no bond orders make sense."""
    mol = Chem.RWMol(part)
    if mol.GetNumAtoms() == 1:
        mol.GetAtomWithIdx(0).SetFormalCharge(charge)
        return mol.GetMol()
    try:
        rdDetermineBonds.DetermineBondOrders(mol, charge, embedChiral=False, maxIterations=_MAX_ITERATIONS)
        Chem.SanitizeMol(mol)
    except (ValueError, RuntimeError):  # RDKit's errors derive from these
        return None
    # Carbons short of hydrogens get triple bonds to fill their valence; only a straight one is real.
    conformer = mol.GetConformer()
    for match in mol.GetSubstructMatches(_SP_CARBON, uniquify=False):
        if rdMolTransforms.GetAngleDeg(conformer, *match) < _MIN_SP_ANGLE:
            return None
    Chem.Kekulize(mol, clearAromaticFlags=True)
    return mol.GetMol()
