"""Electrostatic potentials on a grid."""

from __future__ import annotations

from torch_afm.data.scalar_grid import ScalarGrid


class PotentialGrid(ScalarGrid):
    """An electrostatic potential in eV/e, the energy of a positive unit charge, on a grid
    (:class:`torch_afm.data.scalar_grid.ScalarGrid`, whose arguments it has). As ``data.potential`` it takes
    the place of the point charges of the atoms in a renderer."""
