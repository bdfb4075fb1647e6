"""Checks for functions that take molecules on their own."""

from __future__ import annotations

from torch_afm.data.afm_data import AFMData
from torch_afm.utils import InputError


def check_no_potential(name: str, data: AFMData) -> None:
    """Raise :class:`InputError` for a graph with a potential on a grid, which belongs to all its atoms, where
    atoms are to be moved, added or taken."""
    if data.get("potential") is not None:
        raise InputError(
            f"{name}: expected point charges, got a potential on a grid, which would stay that of the atoms "
            "before; delete potential"
        )


def check_island(name: str, data: AFMData) -> None:
    """Raise :class:`InputError` for a graph that is periodic along the surface, or has a potential."""
    check_no_potential(name, data)
    pbc = data.get("pbc")
    if pbc is not None and data.get("cell") is not None and bool(pbc.reshape(-1, 3)[:, :2].any()):
        raise InputError(
            f"{name}: expected a molecule on its own, got one that repeats (pbc {pbc.reshape(-1).tolist()}); "
            "delete cell and pbc to take one cell as an island"
        )
