"""Bond orders and formal charges of molecules and of parts of them, and RDKit molecules with these."""

from __future__ import annotations

import torch
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds, rdMolTransforms
from rdkit.Geometry import Point3D
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.utils import to_scipy_sparse_matrix

from torch_afm.data.afm_data import AFMData
from torch_afm.data.bonds import valence_errors
from torch_afm.data.edit import remove_atoms
from torch_afm.elements import atomic_number, symbol
from torch_afm.utils import InputError, check_shape

#: Covalent radii in Å of single, double and triple bonds (Pyykkö and Atsumi, Chem. Eur. J. 15, 12770 (2009)).
RADII: dict[str, tuple[float, float, float]] = {
    "C": (0.75, 0.67, 0.60),
    "N": (0.71, 0.60, 0.54),
    "O": (0.63, 0.57, 0.53),
    "P": (1.11, 1.02, 0.94),
    "S": (1.03, 0.94, 0.95),
    "Si": (1.16, 1.07, 1.02),
}

#: A multiple bond perceived from valences may be this much longer than its length should be, in Å.
SLACK = 0.05

#: Lengths less certain than this, in Å, give no order: half of what a single bond loses to become aromatic.
MAX_SIGMA = 0.06

#: Steps after which the search for bond orders of one molecule ends.
_MAX_ITERATIONS = 2000

#: A carbon of two neighbors in between them, and its smallest angle in degrees (that in cyclooctyne is 158).
_SP_CARBON = Chem.MolFromSmarts("*~[#6;D2;^1]~*")
_MIN_SP_ANGLE = 145

_TYPES = {
    1.0: Chem.BondType.SINGLE,
    1.5: Chem.BondType.AROMATIC,
    2.0: Chem.BondType.DOUBLE,
    3.0: Chem.BondType.TRIPLE,
}


def bond_orders(data: AFMData, sigma: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Order of each bond, 1, 1.5 (aromatic), 2 or 3, and formal charge of each atom, for each connected
    piece of the graph by itself.

    A piece that is a whole molecule has the orders that follow from valences (Kim and Kim, Bull. Korean Chem.
    Soc. 36, 1769 (2015)), for a net charge of the rounded sum of its partial charges; sulfoxides come out as
    S⁺-O⁻. A part of a molecule has open valences where the rest of it is, so valences give nothing, and the
    order of each bond is that of its length (:func:`length_order`). Whole is a piece whose valences are all
    filled, and not by multiple bonds as long as single ones (those of straight chains aside). Orders by
    length that break the valence of an atom are lowered, the bond longest for its order first.

    Args:
        data: ``z``, ``pos`` [Å], ``edge_index`` and, for net charges, ``charge`` [e].
        sigma: standard deviations of the positions in Å. A bond whose length is less certain than
            :data:`MAX_SIGMA`, :math:`\sigma_d^2 = \sum_k \hat d_k^2 (\sigma_{ik}^2 + \sigma_{jk}^2)`, is
            single where its length decides.

    Shapes:
        sigma ``[N, 3]`` -> order ``[E]``, one for each entry of ``edge_index``, and formal charge ``[N]``.

    Raises:
        InputError: for other shapes or unknown elements.
    """
    if sigma is not None:
        check_shape("sigma", sigma, (data.z.numel(), 3))
    edges = data.edge_index.cpu() if "edge_index" in data else torch.empty(2, 0, dtype=torch.long)
    whole = AFMData(z=data.z.cpu(), pos=data.pos.detach().cpu(), edge_index=edges)
    charge = data.charge.cpu() if "charge" in data else torch.zeros(len(data.z))
    order, formal = torch.ones(edges.size(1)), torch.zeros(len(data.z), dtype=torch.long)
    count, piece = connected_components(to_scipy_sparse_matrix(edges, num_nodes=len(data.z)), directed=False)
    member = torch.from_numpy(piece)
    for number in range(count):
        inside = member == number
        part = remove_atoms(whole, ~inside)
        net = round(float(charge[inside].sum()))
        found = _from_valences(part, net)
        if found is None:
            found = _from_lengths(part, None if sigma is None else sigma[inside])
        order[inside[edges[0]]], formal[inside] = found
    return order, formal


def length_order(z: tuple[int, int], length: float) -> float:
    """The order that a bond of this length has: 1, 1.5, 2 or 3, whichever is nearest on the broken line
    through the sums of the radii :data:`RADII` of single, double and triple bonds; 1 for elements with single
    bonds only.

    Args:
        z: atomic numbers of its ends.
        length: in Å.
    """
    a, b = (RADII.get(symbol(n)) for n in z)
    if a is None or b is None:
        return 1.0
    single, double, triple = (x + y for x, y in zip(a, b, strict=True))
    if length >= double or triple >= double:
        order = 1 + (single - length) / (single - double)
    else:
        order = 2 + (double - length) / (double - triple)
    return min((1.0, 1.5, 2.0, 3.0), key=lambda known: abs(known - order))


def formal_charges(z: Tensor, edge_index: Tensor, order: Tensor) -> Tensor:
    """Formal charges that bond orders imply whatever is missing around them: a nitrogen with four bonds that
    are not aromatic is positive (ammonium, nitro group, N-oxide), an oxygen bonded to it by a single bond and
    to nothing else is negative.

    Shapes:
        z ``[N]``, edge_index ``[2, E]`` (each bond in both directions), order ``[E]`` -> ``[N]``.
    """
    row, col = edge_index
    total = torch.zeros(len(z)).index_add_(0, row, order)
    aromatic = torch.zeros(len(z), dtype=torch.bool)
    aromatic[row[order == 1.5]] = True
    positive = (z == 7) & (total == 4) & ~aromatic
    negative = torch.zeros(len(z), dtype=torch.bool)
    negative[row[positive[col]]] = True
    negative &= (z == 8) & (total == 1)
    return positive.long() - negative.long()


def build_mol(data: AFMData, order: Tensor, formal_charge: Tensor) -> Chem.RWMol:
    """An RDKit molecule with the atoms, positions and bonds of a graph and no further hydrogens, not
    sanitized; a bond is there once, however often ``edge_index`` has it, and none leads to its own atom.

    Shapes:
        order ``[E]``, formal_charge ``[N]``.

    Raises:
        InputError: for an unknown element, another number of orders or charges, or another order.
    """
    edges = data.edge_index.T.tolist() if "edge_index" in data else []
    check_shape("bond_order", order, (len(edges),))
    check_shape("formal_charge", formal_charge, (len(data.z),))
    if unknown := {*order.tolist()} - {*_TYPES}:
        raise InputError(f"bond_order: expected 1, 1.5, 2 or 3, got {min(unknown)}")
    mol = Chem.RWMol()
    for n, charge in zip(data.z.tolist(), formal_charge.tolist(), strict=True):
        atom = Chem.Atom(atomic_number(n))
        atom.SetNoImplicit(True)
        atom.SetFormalCharge(charge)
        mol.AddAtom(atom)
    orders = {(min(e), max(e)): o for e, o in zip(edges, order.tolist(), strict=True)}
    for (i, j), o in sorted(orders.items()):
        if i != j:
            mol.AddBond(i, j, _TYPES[o])
            if o == 1.5:
                bond = mol.GetBondBetweenAtoms(i, j)
                for part in (bond, bond.GetBeginAtom(), bond.GetEndAtom()):
                    part.SetIsAromatic(True)
    conformer = Chem.Conformer(mol.GetNumAtoms())
    for i, xyz in enumerate(data.pos.tolist()):
        conformer.SetAtomPosition(i, Point3D(*xyz))
    mol.AddConformer(conformer)
    return mol


def kekulize(mol: Chem.RWMol) -> None:
    """Turn the aromatic bonds of a molecule into single and double ones, in place. The part of a ring that is
    cut has no Kekulé form; it takes double bonds where there is room, from its ends inwards."""
    atoms: list[tuple[int, ...]] = []
    pieces = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
    for piece, members in zip(pieces, atoms, strict=True):
        aromatic = [b.GetIdx() for b in piece.GetBonds() if b.GetIsAromatic()]
        try:
            Chem.Kekulize(piece, clearAromaticFlags=True)
            doubles = {i for i in aromatic if piece.GetBondWithIdx(i).GetBondType() == Chem.BondType.DOUBLE}
        except ValueError:  # RDKit's KekulizeException derives from it
            doubles = _fill_doubles(piece, aromatic)
        for i in aromatic:
            ends = (members[n] for n in _ends(piece.GetBondWithIdx(i)))
            mol.GetBondBetweenAtoms(*ends).SetBondType(
                Chem.BondType.DOUBLE if i in doubles else Chem.BondType.SINGLE
            )
    for bond in mol.GetBonds():
        bond.SetIsAromatic(False)
    for atom in mol.GetAtoms():
        atom.SetIsAromatic(False)


def _ends(bond: Chem.Bond) -> tuple[int, int]:
    return bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()


def _fill_doubles(piece: Chem.Mol, aromatic: list[int]) -> set[int]:
    """Which aromatic bonds become double: one at most at an atom, and none at one whose valence is full; the
    atom with the fewest choices chooses first."""
    table = Chem.GetPeriodicTable()
    free = {
        atom.GetIdx(): table.GetDefaultValence(atom.GetAtomicNum())
        + atom.GetFormalCharge()
        - sum(1 if b.GetIsAromatic() else b.GetBondTypeAsDouble() for b in atom.GetBonds())
        for atom in piece.GetAtoms()
    }
    doubles: set[int] = set()
    while True:
        choices: dict[int, list[int]] = {}
        for i in aromatic:
            ends = _ends(piece.GetBondWithIdx(i))
            if all(free[n] >= 1 for n in ends):
                for n in ends:
                    choices.setdefault(n, []).append(i)
        if not choices:
            return doubles
        atom = min(choices, key=lambda n: len(choices[n]))
        other = {i: sum(_ends(piece.GetBondWithIdx(i))) - atom for i in choices[atom]}
        best = min(other, key=lambda i: len(choices[other[i]]))
        doubles.add(best)
        free[atom] = free[other[best]] = 0


def _from_valences(part: AFMData, net: int) -> tuple[Tensor, Tensor] | None:
    """Orders and formal charges of a whole molecule of net charge ``net``; ``None`` for a part of one."""
    if len(part.z) == 1:
        return torch.ones(part.num_edges), torch.tensor([net])
    mol = build_mol(part, torch.ones(part.num_edges), torch.zeros_like(part.z))
    try:
        with rdBase.BlockLogs():
            rdDetermineBonds.DetermineBondOrders(mol, net, embedChiral=False, maxIterations=_MAX_ITERATIONS)
            Chem.SanitizeMol(mol)
    except (ValueError, RuntimeError):  # RDKit's errors derive from these
        return None
    if any(a.GetNumRadicalElectrons() for a in mol.GetAtoms()):
        return None
    # Carbons short of hydrogens get triple bonds to fill their valence; only a straight one is real.
    conformer, straight = mol.GetConformer(), set()
    for match in mol.GetSubstructMatches(_SP_CARBON, uniquify=False):
        if rdMolTransforms.GetAngleDeg(conformer, *match) < _MIN_SP_ANGLE:
            return None
        straight.add(match[1])
    edges = part.edge_index.T.tolist()
    order = torch.tensor([mol.GetBondBetweenAtoms(i, j).GetBondTypeAsDouble() for i, j in edges])
    Chem.Kekulize(mol, clearAromaticFlags=True)
    table = Chem.GetPeriodicTable()
    for atom in mol.GetAtoms():
        bonds = sum(b.GetBondTypeAsDouble() for b in atom.GetBonds())
        valence, charge = table.GetDefaultValence(atom.GetAtomicNum()), atom.GetFormalCharge()
        # One bond less is a carbocation, in ions; elsewhere an atom is missing.
        if bonds <= valence and bonds != valence + charge and not (net and bonds == valence - charge):
            return None
    # The valences of a part may be filled by multiple bonds that are as long as single ones.
    for bond in mol.GetBonds():
        i, j = _ends(bond)
        if bond.GetBondType() == Chem.BondType.SINGLE or i in straight or j in straight:
            continue
        length = float(torch.linalg.vector_norm(part.pos[i] - part.pos[j]))
        if length_order((int(part.z[i]), int(part.z[j])), length - SLACK) == 1:
            return None
    return order, torch.tensor([atom.GetFormalCharge() for atom in mol.GetAtoms()])


def _from_lengths(part: AFMData, sigma: Tensor | None) -> tuple[Tensor, Tensor]:
    row, col = part.edge_index
    separation = part.pos[row] - part.pos[col]
    length = torch.linalg.vector_norm(separation, dim=1)
    ends = zip(part.z[row].tolist(), part.z[col].tolist(), length.tolist(), strict=True)
    order = torch.tensor([length_order((a, b), d) for a, b, d in ends])
    if sigma is not None:
        direction = separation / length[:, None].clamp(min=1e-6)
        variance = (direction.square() * (sigma[row].square() + sigma[col].square())).sum(dim=1)
        order[variance.sqrt() > MAX_SIGMA] = 1.0
    lower = {3.0: 2.0, 2.0: 1.5, 1.5: 1.0}
    while True:
        wrong = valence_errors(part.z, part.edge_index, order)
        high = (wrong[row] | wrong[col]) & (order > 1)
        if not high.any():
            return order, formal_charges(part.z, part.edge_index, order)
        # The bond that is longest for its order: both of its entries, which have the same length.
        worst = int(torch.where(high, length * order, -torch.inf).argmax())
        same = ((row == row[worst]) & (col == col[worst])) | ((row == col[worst]) & (col == row[worst]))
        order[same] = lower[float(order[worst])]
