"""Molecules from and to SMILES, RDKit and ASE."""

from __future__ import annotations

import ase
import numpy as np
import torch
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdPartialCharges
from rdkit.Geometry import Point3D

from torch_afm.data.afm_data import AFMData
from torch_afm.data.bond_orders import bond_orders, build_mol, kekulize
from torch_afm.data.bonds import covalent_bonds
from torch_afm.data.checks import check_distances
from torch_afm.data.fragments import side_by_side
from torch_afm.elements import atomic_number
from torch_afm.utils import InputError, check_finite, check_shape

#: Steps after which a force-field optimization ends.
_MAX_ITERATIONS = 2000

#: Arrays of ASE atoms that partial charges are found in where they are not the initial ones.
_CHARGES = ("charges", "charge", "q")


def from_smiles(smiles: str, seed: int = 0, charges: str = "gasteiger") -> AFMData:
    """A molecule in three dimensions from its SMILES.

    Hydrogens are added, a conformer is embedded with ETKDGv3 (Wang et al., J. Chem. Inf. Model. 60, 2044
    (2020)) and optimized with MMFF94, or with UFF where MMFF94 has no parameters. Several molecules, as in
    ``O.O``, are made one by one and laid flat beside each other in van der Waals contact
    (:func:`torch_afm.data.fragments.side_by_side`). For the charges see :func:`from_rdmol`.

    Args:
        smiles: the molecule.
        seed: of the conformer, 0 to 2³¹ − 1.
        charges: ``"gasteiger"`` or ``"mmff94"``.

    Shapes:
        z ``[N]``, pos ``[N, 3]`` in Å, charge ``[N]`` in e, edge_index ``[2, E]``.

    Raises:
        InputError: for an invalid or empty SMILES, or one that no conformer is found for.
    """
    if not 0 <= seed < 2**31:
        raise InputError(f"seed: expected an integer from 0 to 2³¹ − 1, got {seed}")
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        if mol is None or mol.GetNumAtoms() == 0:
            raise InputError(f"smiles: expected a valid SMILES with at least one atom, got {smiles!r}")
        mol = Chem.AddHs(mol)
        atoms: list[tuple[int, ...]] = []
        parts = Chem.GetMolFrags(mol, asMols=True, fragsMolAtomMapping=atoms)
        if len(parts) == 1:
            _embed(mol, seed, smiles)
        else:
            for part in parts:
                _embed(part, seed, smiles)
            table = Chem.GetPeriodicTable()
            radii = [np.array([table.GetRvdw(a.GetAtomicNum()) for a in part.GetAtoms()]) for part in parts]
            placed = side_by_side([part.GetConformer().GetPositions() for part in parts], radii)
            conformer = Chem.Conformer(mol.GetNumAtoms())
            for i, xyz in zip(
                (i for members in atoms for i in members), np.concatenate(placed).tolist(), strict=True
            ):
                conformer.SetAtomPosition(i, Point3D(*xyz))
            mol.AddConformer(conformer)
        return from_rdmol(mol, charges)


def _embed(mol: Chem.Mol, seed: int, smiles: str) -> None:
    """Give one molecule a conformer."""
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed  # type: ignore[assignment]
    if rdDistGeom.EmbedMolecule(mol, parameters) < 0:
        parameters.useRandomCoords = True  # type: ignore[assignment]
        if rdDistGeom.EmbedMolecule(mol, parameters) < 0:
            raise InputError(f"smiles: found no 3-D conformer of {smiles!r}")
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=_MAX_ITERATIONS)
    elif rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.UFFOptimizeMolecule(mol, maxIters=_MAX_ITERATIONS)


def from_rdmol(mol: Chem.Mol, charges: str = "gasteiger") -> AFMData:
    """A graph from an RDKit molecule with a conformer; hydrogens are neither added nor removed.

    Charges are Gasteiger's (Gasteiger and Marsili, Tetrahedron 36, 3219 (1980)) or MMFF94's. Where the chosen
    model lacks parameters for an atom, the other model's are taken for the whole molecule, and where both
    do, the formal charges: no charge is ever NaN.

    Args:
        mol: the molecule; its first conformer is read.
        charges: ``"gasteiger"`` or ``"mmff94"``.

    Shapes:
        as :func:`from_smiles`; edge_index holds the molecule's bonds in both directions, sorted.

    Raises:
        InputError: for a molecule without conformer, with an unknown element or coordinate, or with two atoms
            nearer than 0.5 Å.
    """
    if charges not in ("gasteiger", "mmff94"):
        raise InputError(f"charges: expected 'gasteiger' or 'mmff94', got {charges!r}")
    if mol.GetNumConformers() == 0:
        raise InputError("mol: expected a molecule with a conformer, got none; embed it or use from_smiles")
    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    both = sorted(bonds + [(j, i) for i, j in bonds])
    pos = torch.tensor(mol.GetConformer().GetPositions(), dtype=torch.float32).reshape(-1, 3)
    check_distances("mol", pos)
    return AFMData(
        z=torch.tensor([atomic_number(a.GetAtomicNum()) for a in mol.GetAtoms()], dtype=torch.long),
        pos=pos,
        charge=torch.tensor(_partial_charges(mol, charges), dtype=torch.float32),
        edge_index=torch.tensor(both, dtype=torch.long).reshape(-1, 2).t().contiguous(),
    )


def from_ase(atoms: ase.Atoms) -> AFMData:
    """A graph from ASE atoms: initial charges where set, else those of the calculator or of an array called
    ``charges``, ``charge`` or ``q``, else zeros; bonds by :func:`covalent_bonds`, without periodic images.
    Atoms that repeat along any direction keep ``cell`` and ``pbc``, which the renderers heed.

    Shapes:
        as :func:`from_smiles`; cell ``[1, 3, 3]`` in Å (vectors in rows), pbc ``[1, 3]``.

    Raises:
        InputError: for an unknown element, a non-finite position or charge, periodic directions without
            lattice vectors, or two atoms (or images of them along the surface) nearer than 0.5 Å.
    """
    z = torch.tensor([atomic_number(int(n)) for n in atoms.numbers], dtype=torch.long)
    pos = torch.tensor(atoms.positions, dtype=torch.float32).reshape(-1, 3)
    cell, pbc = np.array(atoms.cell), np.array(atoms.pbc)
    check_finite("cell", cell)
    if pbc.any() and np.linalg.matrix_rank(cell[pbc]) < pbc.sum():
        raise InputError(
            "cell: expected independent lattice vectors along periodic directions (or pbc False), "
            f"got {cell[pbc].tolist()}"
        )
    check_distances("pos", pos, cell, pbc)
    charge = torch.tensor(np.asarray(_charges(atoms)), dtype=torch.float32)
    check_shape("charges", charge, (z.numel(),))
    check_finite("charges", charge)
    data = AFMData(z=z, pos=pos, charge=charge, edge_index=covalent_bonds(z, pos))
    if pbc.any():
        data.cell = torch.tensor(cell, dtype=torch.float32)[None]
        data.pbc = torch.tensor(pbc)[None]
    return data


def _charges(atoms: ase.Atoms) -> np.ndarray:
    if not atoms.has("initial_charges"):
        results = {} if atoms.calc is None else atoms.calc.results
        for found in (results, atoms.arrays):
            for key in _CHARGES:
                if found.get(key) is not None:
                    return np.asarray(found[key])
    return np.asarray(atoms.get_initial_charges())


def to_rdmol(data: AFMData) -> Chem.Mol:
    """An RDKit molecule with the graph's atoms, positions and bonds; partial charges, where the graph has
    them, as the atom property ``PartialCharge``.

    Bond orders are those of ``data.bond_order``, and formal charges then those of ``data.formal_charge`` or
    none; a graph without has both perceived (:func:`bond_orders`). Aromatic bonds turn into single and double
    ones. What RDKit takes for a whole molecule comes sanitized. Anything else, such as a graph with open
    valences, comes as it is, with an outdated property cache (``NeedsUpdatePropertyCache``) and without
    radicals: any graph converts.

    Args:
        data: ``z``, ``pos`` and, where there are bonds, ``edge_index``.

    Shapes:
        bond_order ``[E]``: 1, 1.5, 2 or 3 for each entry of edge_index; formal_charge ``[N]``.

    Raises:
        InputError: for an unknown element, or another bond order.
    """
    if "bond_order" in data:
        order = data.bond_order
        charge = data.formal_charge if "formal_charge" in data else torch.zeros_like(data.z)
    else:
        order, charge = bond_orders(data)
    mol = build_mol(data, order, charge)
    with rdBase.BlockLogs():
        kekulize(mol)
        sound = Chem.RWMol(mol)
        failed = Chem.SanitizeMol(sound, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE
    if failed or any(atom.GetNumRadicalElectrons() for atom in sound.GetAtoms()):
        sound = mol
    for atom, q in zip(sound.GetAtoms(), data.charge.tolist() if "charge" in data else [], strict=False):
        atom.SetDoubleProp("PartialCharge", q)
    return sound.GetMol()


def to_ase(data: AFMData) -> ase.Atoms:
    """ASE atoms with the graph's elements, positions and, where it has them, initial charges, cell and
    periodic directions."""
    atoms = ase.Atoms(numbers=data.z.cpu().numpy(), positions=data.pos.detach().cpu().numpy())
    if "charge" in data:
        atoms.set_initial_charges(data.charge.detach().cpu().numpy())
    if "pbc" in data:
        atoms.set_cell(data.cell[0].cpu().numpy())
        atoms.set_pbc(data.pbc[0].cpu().numpy())
    return atoms


def _partial_charges(mol: Chem.Mol, model: str) -> list[float]:
    for name in (model, "mmff94" if model == "gasteiger" else "gasteiger"):
        values = _gasteiger(mol) if name == "gasteiger" else _mmff94(mol)
        if values is not None and np.isfinite(values).all():
            return values
    return [float(a.GetFormalCharge()) for a in mol.GetAtoms()]


def _gasteiger(mol: Chem.Mol) -> list[float] | None:
    try:
        rdPartialCharges.ComputeGasteigerCharges(mol)
    except (ValueError, RuntimeError):  # e.g. a molecule that was not sanitised
        return None
    return [a.GetDoubleProp("_GasteigerCharge") for a in mol.GetAtoms()]


def _mmff94(mol: Chem.Mol) -> list[float] | None:
    try:
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
    except (ValueError, RuntimeError):
        return None
    return properties and [properties.GetMMFFPartialCharge(i) for i in range(mol.GetNumAtoms())]
