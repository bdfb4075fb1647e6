"""Bond orders of parts of molecules."""

from __future__ import annotations

import math

import torch
from rdkit import Chem
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.utils import to_scipy_sparse_matrix

from torch_afm.data import AFMData, remove_atoms, to_rdmol, valence_errors
from torch_afm.elements import symbol
from torch_afm.utils import check_shape

#: Covalent radii in Å of single, double and triple bonds (Pyykkö and Atsumi, Chem. Eur. J. 15, 12770 (2009)).
RADII: dict[str, tuple[float, float, float]] = {
    "C": (0.75, 0.67, 0.60),
    "N": (0.71, 0.60, 0.54),
    "O": (0.63, 0.57, 0.53),
    "P": (1.11, 1.02, 0.94),
    "S": (1.03, 0.94, 0.95),
    "Si": (1.16, 1.07, 1.02),
}

#: A multiple bond that valences tell may be so much longer than its length should be, in Å.
SLACK = 0.05

#: Lengths less sure than this, in Å, tell nothing of an order: half of what a single bond loses to become an
#: aromatic one.
MAX_SIGMA = 0.06


def length_order(z: tuple[int, int], length: float) -> float:
    """The order that the length of a bond tells: 1, 1.5, 2 or 3, whichever is nearest on the broken line
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


def bond_orders(graph: AFMData, sigma: Tensor | None = None) -> Tensor:
    r"""Order of each bond: 1, 1.5, 2 or 3. Each piece of the graph is looked at alone.

    A piece that is a whole molecule has the orders that RDKit perceives from valences
    (:func:`torch_afm.data.to_rdmol`; aromatic bonds 1.5). Any other has open valences where the rest of the
    molecule is, so valences say nothing, and each bond is what its length says (:func:`length_order`); a
    piece whose valences are full by multiple bonds as long as single ones is none of a whole. Orders that
    break the valence of an atom are lowered, the bond longest for its order first.

    Args:
        graph: ``z``, ``pos`` [Å] and ``edge_index``.
        sigma: standard deviations of the positions in Å; a bond whose length is less sure than
            :data:`MAX_SIGMA`, :math:`\sigma_d^2 = \sum_k \hat d_k^2 (\sigma_{ik}^2 + \sigma_{jk}^2)`, is
            single.

    Shapes:
        sigma ``[N, 3]`` -> ``[E]``, one an entry of ``edge_index``.

    Raises:
        InputError: for other shapes or unknown elements.
    """
    if sigma is not None:
        check_shape("sigma", sigma, (graph.z.numel(), 3))
    order = torch.ones(graph.edge_index.size(1))
    adjacency = to_scipy_sparse_matrix(graph.edge_index, num_nodes=graph.z.numel())
    count, piece = connected_components(adjacency, directed=False)
    member = torch.from_numpy(piece)
    for number in range(count):
        inside = member == number
        edges = inside[graph.edge_index[0]]
        part = remove_atoms(AFMData(z=graph.z, pos=graph.pos, edge_index=graph.edge_index), ~inside)
        known = _perceived(part)
        if known is None:
            known = _from_lengths(part, None if sigma is None else sigma[inside])
        order[edges] = known
    return order


def _perceived(part: AFMData) -> Tensor | None:
    """Orders by valences of a whole molecule; ``None`` for a piece of one."""
    mol = to_rdmol(part)
    if any(a.GetNumRadicalElectrons() for a in mol.GetAtoms()):
        return None
    order = torch.tensor(
        [mol.GetBondBetweenAtoms(i, j).GetBondTypeAsDouble() for i, j in part.edge_index.T.tolist()]
    )
    total = torch.zeros(part.z.numel()).index_add_(0, part.edge_index[0], order)
    charge = torch.tensor([a.GetFormalCharge() for a in mol.GetAtoms()])
    whole = all(
        math.isclose(sum_, valence + charged) or sum_ > valence
        for sum_, valence, charged in zip(
            total.tolist(), _least_valences(part.z), charge.tolist(), strict=True
        )
    )
    # Of a piece, valences may be filled by multiple bonds that are as long as single ones.
    row, col = part.edge_index
    length = torch.linalg.vector_norm(part.pos[row] - part.pos[col], dim=1).tolist()
    ends = zip(part.z[row].tolist(), part.z[col].tolist(), length, order.tolist(), strict=True)
    if not whole or any(o > 1 and length_order((a, b), d - SLACK) == 1 for a, b, d, o in ends):
        return None
    return order


def _least_valences(z: Tensor) -> list[int]:
    table = Chem.GetPeriodicTable()
    return [table.GetDefaultValence(n) for n in z.tolist()]


def _from_lengths(part: AFMData, sigma: Tensor | None) -> Tensor:
    row, col = part.edge_index
    apart = part.pos[row] - part.pos[col]
    length = torch.linalg.vector_norm(apart, dim=1)
    ends = zip(part.z[row].tolist(), part.z[col].tolist(), length.tolist(), strict=True)
    order = torch.tensor([length_order((a, b), d) for a, b, d in ends])
    if sigma is not None:
        direction = apart / length[:, None].clamp(min=1e-6)
        variance = (direction.square() * (sigma[row].square() + sigma[col].square())).sum(dim=1)
        order[variance.sqrt() > MAX_SIGMA] = 1.0
    lower = {3.0: 2.0, 2.0: 1.5, 1.5: 1.0}
    while True:
        wrong = valence_errors(part.z, part.edge_index, order)
        high = (wrong[row] | wrong[col]) & (order > 1)
        if not high.any():
            return order
        # The bond that is longest for its order: both of its entries, which have the same length.
        worst = int(torch.where(high, length * order, -torch.inf).argmax())
        same = ((row == row[worst]) & (col == col[worst])) | ((row == col[worst]) & (col == row[worst]))
        order[same] = lower[float(order[worst])]
