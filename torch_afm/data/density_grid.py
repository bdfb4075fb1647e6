"""Electron densities on a grid."""

from __future__ import annotations

from torch_afm.data.scalar_grid import ScalarGrid


class DensityGrid(ScalarGrid):
    """A density in e/Å³ on a grid (:class:`torch_afm.data.scalar_grid.ScalarGrid`, whose arguments it has),
    that of electrons positive. As ``data.density`` beside ``data.potential`` it is what a renderer with a
    :class:`torch_afm.ppm.FDBM` takes the Pauli repulsion from."""
