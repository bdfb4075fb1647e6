"""A differentiable prior of the distances between the atoms of a molecule."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from torch_afm.elements import COVALENT_RADII
from torch_afm.utils import InputError, check_finite, check_shape


@dataclass(frozen=True)
class GeometryPrior:
    r"""Bond lengths, distances across an angle, and clashes as a sum of squares,

    .. math::
        E = \tfrac12 \sum_k \rho_k^2, \qquad
        \rho_{ij} = \begin{cases}
        (d_{ij} - r_i - r_j - \mu_b) / \sigma_b & \text{bonded} \\
        (d_{ij} - r_i - r_j - \mu_a) / \sigma_a & \text{both bonded to a third atom} \\
        \max(0, r_i + r_j + c - d_{ij}) / \sigma_c & \text{otherwise,}
        \end{cases}

    with the covalent radii :math:`r` of Cordero et al. (Dalton Trans. 2832 (2008)), :math:`\mu, \sigma` by
    the number of atoms of the pair that are not hydrogen. E is the negative logarithm of a Gaussian density:
    one unit is what a likelihood can be weighed against. Mean and width of the differences :math:`d_{ij} -
    r_i - r_j`, and the gap :math:`c` that one pair in a hundred stays below, are those of molecules of the
    training split (``python -m benchmarks.prediction.refinement --case prior`` prints them). Widths of bonds
    and angles are held above 0.03 Å, for the bonds of a surface image come from guesses.

    The distance across an angle takes the place of the angle: with bond lengths held, 1.147 Å above the radii
    of two hydrogens is the tetrahedral angle. Straight chains (nitriles, alkynes) are rare and pay for it. A
    width of infinity, or ``None`` for the gap, switches a term off.

    Args:
        bond: mean :math:`\mu_b` in Å for pairs with 0, 1 and 2 atoms other than H.
        bond_width: :math:`\sigma_b` in Å, likewise.
        angle: mean :math:`\mu_a` in Å.
        angle_width: :math:`\sigma_a` in Å.
        gap: smallest distance :math:`c` above the radii in Å for pairs neither bonded nor across an angle.
        gap_width: :math:`\sigma_c` in Å.
    """

    bond: tuple[float, float, float] = (0.02, 0.02, -0.03)
    bond_width: tuple[float, float, float] = (0.05, 0.03, 0.08)
    angle: tuple[float, float, float] = (1.15, 1.09, 0.99)
    angle_width: tuple[float, float, float] = (0.03, 0.05, 0.12)
    gap: float | None = 1.2
    gap_width: float = 0.1

    def __post_init__(self) -> None:
        widths = (*self.bond_width, *self.angle_width, self.gap_width)
        if not all(w > 0 for w in widths):
            raise InputError(f"bond_width, angle_width, gap_width: expected positive widths, got {widths}")
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, tuple) and len(value) != 3:
                raise InputError(f"{f.name}: expected 3 numbers, got {len(value)}")

    @classmethod
    def unknown_elements(cls) -> GeometryPrior:
        """The prior where every atom other than hydrogen is drawn as carbon: the widths of the same molecules
        with the radius of carbon for all of them."""
        return cls(
            bond=(0.02, 0.02, 0.02),
            bond_width=(0.05, 0.05, 0.16),
            angle=(1.15, 1.11, 1.04),
            angle_width=(0.03, 0.09, 0.18),
            gap=1.15,
            gap_width=0.15,
        )

    def residuals(self, z: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
        r""":math:`\rho_k` of all pairs, differentiable in ``pos``.

        Args:
            z: atomic numbers.
            pos: positions in Å.
            edge_index: bonds, in one or both directions.
            batch: graph of each atom; pairs are those within a graph.

        Shapes:
            z ``[N]``, pos ``[N, 3]``, edge_index ``[2, E]``, batch ``[N]``; returns ``[K]``, one a pair, the
            first index running slower.

        Raises:
            InputError: for wrong shapes and positions that are not finite.
        """
        i, j, relation = self._pairs(z, pos, edge_index, batch)
        return self._residuals(z, torch.linalg.vector_norm(pos[i] - pos[j], dim=1), i, j, relation)

    def linearize(self, z: Tensor, pos: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        """:meth:`residuals` of one graph and their Jacobian, ``[K]`` and ``[K, N, 3]`` in 1/Å, of the pairs
        that have a residual."""
        i, j, relation = self._pairs(z, pos, edge_index, None)
        separation = pos[i] - pos[j]
        distance = torch.linalg.vector_norm(separation, dim=1).requires_grad_()
        with torch.enable_grad():
            residuals = self._residuals(z, distance, i, j, relation)
            (slope,) = torch.autograd.grad(residuals.sum(), distance)  # each knows its own distance only
        used = slope.nonzero().flatten()
        i, j, row = i[used], j[used], torch.arange(len(used))
        along = (slope / distance.detach().clamp(min=1e-9))[used].unsqueeze(1) * separation[used]
        jacobian = pos.new_zeros(len(used), len(z), 3)
        jacobian[row, i], jacobian[row, j] = along, -along
        return residuals.detach()[used], jacobian

    def _residuals(self, z: Tensor, distance: Tensor, i: Tensor, j: Tensor, relation: Tensor) -> Tensor:
        radius = torch.from_numpy(COVALENT_RADII).to(distance)[z]
        excess = distance - radius[i] - radius[j]
        heavy = (z[i] > 1).long() + (z[j] > 1).long()
        out = torch.zeros_like(excess)
        for value, (mean, width) in enumerate(
            ((self.bond, self.bond_width), (self.angle, self.angle_width)), 1
        ):
            deviation = (excess - excess.new_tensor(mean)[heavy]) / excess.new_tensor(width)[heavy]
            out = torch.where(relation == value, deviation, out)
        if self.gap is not None:
            out = torch.where(relation == 0, (self.gap - excess).clamp(min=0) / self.gap_width, out)
        return out

    def energy(self, z: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
        """E of each graph, ``[B]``; one graph without ``batch``. Arguments as in :meth:`residuals`."""
        squares = self.residuals(z, pos, edge_index, batch).square() / 2
        if batch is None:
            return squares.sum().reshape(1)
        i, _, _ = self._pairs(z, pos, edge_index, batch)
        count = int(batch.max()) + 1 if len(batch) else 0
        return squares.new_zeros(count).index_add(0, batch[i], squares)

    def _pairs(
        self, z: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs i < j and their relation: 1 bonded, 2 across an angle, 0 otherwise."""
        check_shape("z", z, (None,))
        check_shape("pos", pos, (len(z), 3))
        check_finite("pos", pos)
        check_shape("edge_index", edge_index, (2, None))
        n = len(z)
        bonded = torch.zeros(n, n, dtype=torch.bool, device=pos.device)
        bonded[edge_index[0], edge_index[1]] = True
        bonded |= bonded.T.clone()
        across = (bonded.float() @ bonded.float()) > 0
        same = torch.ones_like(bonded) if batch is None else batch[:, None] == batch
        i, j = torch.triu(same, diagonal=1).nonzero(as_tuple=True)
        relation = torch.where(bonded[i, j], 1, 2 * across[i, j].long())
        return i, j, relation
