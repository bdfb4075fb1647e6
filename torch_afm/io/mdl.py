"""Molecules with their bonds, in MDL (SDF, mol) and Tripos mol2 files, by RDKit."""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from ase.cell import Cell
from rdkit import Chem, rdBase

from torch_afm.data import AFMData, covalent_bonds, from_rdmol, to_rdmol
from torch_afm.data.checks import check_distances
from torch_afm.elements import atomic_number
from torch_afm.io.files import split_lines
from torch_afm.utils import InputError, check_finite

#: Where an SDF has its charges.
_LIST = "atom.dprop.PartialCharge"
#: Elements up to argon have no four neighbors in one plane.
_LAST_TETRAHEDRAL = 18


def parse_mdl(text: str, source: str, first: int = 1, charges: str = "gasteiger") -> AFMData:
    """One molecule in MDL format, with the bonds of the file. Hydrogens that these call for and the file
    lacks are added, with a warning; a 2-D drawing is refused.

    Args:
        text: a mol block or the record of an SDF.
        source: what messages call the file.
        first: line of the file that ``text`` begins at.
        charges: model of charges that the text does not give as the atom property ``PartialCharge``, see
            :func:`torch_afm.data.from_rdmol`, or ``"zero"``.

    Raises:
        InputError: for text that is no such molecule.
    """
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs():
        supplier.SetData(text, sanitize=False, removeHs=False)
        if len(supplier) != 1:
            raise InputError(f"{source}: expected one molecule, got {len(supplier)}")
        mol = supplier[0]
        if mol is None:
            raise InputError(f"{source}{_parse_error(split_lines(text), first)}")
        if not mol.GetNumBonds() and not any(atom.GetFormalCharge() for atom in mol.GetAtoms()):
            mol = _with_bonds(mol)
        if mol.HasProp(_LIST) and not any(atom.HasProp("PartialCharge") for atom in mol.GetAtoms()):
            raise InputError(f"{source}: {_LIST}: expected a charge for each of {mol.GetNumAtoms()} atoms")
        labeled = [*split_lines(text), "", ""][1][20:22] == "2D"
        return _graph(mol, source, charges, "PartialCharge", labeled)


def parse_mol2(text: str, source: str) -> AFMData:
    """One molecule in Tripos mol2 format, with bonds and, where it has them, charges and cell of the file.

    Raises:
        InputError: for text that is no such molecule, one whose carbons lack hydrogens, or a cell of which
            some atoms are left to symmetry.
    """
    count = text.count("@<TRIPOS>MOLECULE")
    if count != 1:
        raise InputError(f"{source}: expected one molecule, got {count}")
    with rdBase.BlockLogs():
        try:
            mol = Chem.MolFromMol2Block(text, sanitize=False, removeHs=False)
        except Exception as error:  # RDKit's invariants
            reason = " ".join(str(error).split())
            raise InputError(f"{source}: RDKit cannot read it as mol2 ({reason[:100]})") from None
        if mol is None:
            raise InputError(f"{source}: RDKit cannot read it as mol2")
        if not mol.GetNumBonds():
            mol = _with_bonds(mol)
        charged = "NO_CHARGES" not in text.partition("@<TRIPOS>ATOM")[0]
        # All hydrogens should be there. Open valences of other elements RDKit takes for charges.
        carbons = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 6]
        for atom in carbons:
            atom.SetNoImplicit(False)
        if not Chem.SanitizeMol(mol, catchErrors=True) and any(atom.GetTotalNumHs() for atom in carbons):
            raise InputError(f"{source}: expected all hydrogens, got carbons that lack some; add them first")
        data = _graph(mol, source, "gasteiger", "_TriposPartialCharge" if charged else "", False)
    _, found, crystal = text.partition("@<TRIPOS>CRYSIN")
    if found:
        _set_crystal(data, crystal.split(), source)
    return data


def _set_crystal(data: AFMData, fields: list[str], source: str) -> None:
    """Give a graph the cell of a mol2: lengths, angles, space group and setting."""
    try:
        cell = Cell.fromcellpar([float(field) for field in fields[:6]])
        group = int(fields[6])
        check_finite("CRYSIN", np.array(cell))
        if abs(cell.volume) < 1e-3:
            raise ValueError
    except (ValueError, IndexError, AssertionError):
        raise InputError(f"{source}: CRYSIN: expected a, b, c, three angles and a space group") from None
    if group != 1:
        raise InputError(
            f"{source}: CRYSIN: expected a cell with all its atoms (space group 1), got {group}; write the "
            "atoms out or leave CRYSIN out"
        )
    check_distances(source, data.pos, np.array(cell), np.ones(3, bool))
    data.cell = torch.tensor(np.array(cell), dtype=torch.float32)[None]
    data.pbc = torch.ones(1, 3, dtype=torch.bool)


def _graph(mol: Chem.Mol, source: str, charges: str, charge_property: str, drawing: bool) -> AFMData:
    """A graph of what RDKit read: in 3-D, with all its hydrogens. Charges are those of the atom property
    ``charge_property`` where all atoms have it."""
    # Odd valences, as in an unfinished graph, are no reason to refuse a file.
    if Chem.SanitizeMol(mol, catchErrors=True):
        mol.UpdatePropertyCache(strict=False)
    missing = sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    if mol.GetNumConformers() and not mol.GetConformer().Is3D():
        crossed = any(a.GetDegree() > 3 and a.GetAtomicNum() <= _LAST_TETRAHEDRAL for a in mol.GetAtoms())
        if drawing or crossed or (missing and mol.GetNumAtoms() > 1):
            raise InputError(
                f"{source}: expected positions in 3-D, got a 2-D drawing; use its SMILES instead: "
                f"{Chem.MolToSmiles(Chem.RemoveHs(mol, sanitize=False))}"
            )
    if missing:
        warnings.warn(f"{source}: added the hydrogens that its bonds call for", stacklevel=2)
        mol = Chem.AddHs(mol, addCoords=True)
    data = from_rdmol(mol, "gasteiger" if charges == "zero" else charges)
    if charge_property and any(atom.HasProp(charge_property) for atom in mol.GetAtoms()):
        if not all(atom.HasProp(charge_property) for atom in mol.GetAtoms()):
            raise InputError(f"{source}: expected charges of all atoms or of none, got them of some")
        try:
            data.charge = torch.tensor(
                [float(a.GetPropsAsDict(True)[charge_property]) for a in mol.GetAtoms()]
            )
        except ValueError:
            raise InputError(f"{source}: expected numbers as charges, got others") from None
        check_finite("charges", data.charge)
    elif charges == "zero":
        data.charge = torch.zeros_like(data.charge)
    return data


def _with_bonds(mol: Chem.Mol) -> Chem.Mol:
    """A molecule whose file has positions and no bonds, with those that the distances tell."""
    if mol.GetNumAtoms() < 2 or not mol.GetNumConformers() or not mol.GetConformer().Is3D():
        return mol
    z = torch.tensor([atomic_number(atom.GetAtomicNum()) for atom in mol.GetAtoms()])
    pos = torch.tensor(mol.GetConformer().GetPositions(), dtype=torch.float32)
    bonded = to_rdmol(AFMData(z=z, pos=pos, edge_index=covalent_bonds(z, pos)))
    for atom, old in zip(bonded.GetAtoms(), mol.GetAtoms(), strict=True):
        for key, value in old.GetPropsAsDict(True).items():
            atom.SetProp(key, str(value))
    return bonded


def _parse_error(lines: list[str], first: int) -> str:
    """Where RDKit is likely to have stumbled: at the counts (line 4), an atom, or further on."""
    count = lines[3][:3] if len(lines) > 3 else ""
    if not (count.isascii() and count.strip().isdecimal()):
        return f", line {first + 3}: expected the number of atoms in columns 1-3 of an MDL file"
    atoms = [*lines[4:], *[""] * int(count)][: int(count)]
    for number, line in enumerate(atoms, start=first + 4):
        try:
            finite = all(math.isfinite(float(line[i : i + 10])) for i in (0, 10, 20))
        except ValueError:
            finite = False
        if not finite:
            return f", line {number}: expected three finite coordinates of ten columns each, got {line!r}"
    return f": RDKit cannot read it as an MDL file; line {first + 3} says {count.strip()} atom(s)"
