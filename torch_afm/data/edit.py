"""Edits of graphs: atoms added and removed, in a new graph; everything with a position moved, in place."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from torch_afm.data.afm_data import AFMData
from torch_afm.data.checks import check_no_potential
from torch_afm.data.scalar_grid import ScalarGrid
from torch_afm.elements import atomic_number
from torch_afm.utils import InputError, check_finite, check_shape


def append_atom(
    data: AFMData,
    z: int,
    pos: Tensor | Sequence[float],
    bonded_to: Tensor | Sequence[int],
    charge: float = 0.0,
) -> AFMData:
    """A new graph with one more atom, numbered last.

    Args:
        data: the graph, which may be empty; charges it lacks count as zeros.
        z: atomic number of the new atom.
        pos: its position in Å.
        bonded_to: the atoms it is bonded to: indices, or a boolean mask over the atoms.
        charge: its partial charge in e.

    Shapes:
        pos ``[3]``, bonded_to ``[K]`` indices or ``[N]`` booleans. The new atom has no dipole. Keys other
        than z, pos, charge, edge_index and dipole are kept as they are (and shared).

    Raises:
        InputError: for an unknown element, a position that is not three finite numbers, a charge that is
            not finite, a wrong index, or a graph with a potential on a grid.
    """
    old_z, old_pos, old_charge, edge_index = _graph(data)
    n = old_z.numel()
    new_pos = torch.as_tensor(pos, dtype=old_pos.dtype, device=old_pos.device)
    check_shape("pos", new_pos, (3,))
    check_finite("pos", new_pos)
    check_finite("charge", charge)
    partners = _indices("bonded_to", bonded_to, n, edge_index.device)
    new = torch.stack([partners, torch.full_like(partners, n)])
    result = copy.copy(data)
    result.z = torch.cat([old_z, old_z.new_tensor([atomic_number(z)])])
    result.pos = torch.cat([old_pos, new_pos[None]])
    result.charge = torch.cat([old_charge, old_charge.new_tensor([charge])])
    if "dipole" in data:
        result.dipole = torch.cat([data.dipole, data.dipole.new_zeros(1, 3)])
    result.edge_index = torch.cat([edge_index, new, new.flip(0)], dim=1)
    return result


def remove_atoms(data: AFMData, mask_or_index: Tensor | Sequence[int]) -> AFMData:
    """A new graph without some of its atoms; bonds to them go, the other bonds are renumbered.

    Args:
        data: the graph.
        mask_or_index: the atoms to remove: indices, or a boolean mask over the atoms.

    Shapes:
        mask_or_index ``[K]`` indices or ``[N]`` booleans. z, pos, charge, dipole and edge_index change, and
        row 1 of missing_edge_index, which counts the same atoms; other keys are kept as they are (and
        shared).

    Raises:
        InputError: for a mask of the wrong length, an index out of range, or a graph with a potential on a
            grid.
    """
    z, pos, charge, edge_index = _graph(data)
    keep = torch.ones(z.numel(), dtype=torch.bool, device=z.device)
    keep[_indices("mask_or_index", mask_or_index, z.numel(), z.device)] = False
    number = torch.cumsum(keep, 0) - 1
    result = copy.copy(data)
    result.z, result.pos = z[keep], pos[keep]
    if "charge" in data:
        result.charge = charge[keep]
    if "dipole" in data:
        result.dipole = data.dipole[keep]
    result.edge_index = number[edge_index[:, keep[edge_index].all(dim=0)]]
    if "missing_edge_index" in data:
        missing, present = data.missing_edge_index[:, keep[data.missing_edge_index[1]]]
        result.missing_edge_index = torch.stack([missing, number[present]])
    return result


def _graph(data: AFMData) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """z, pos, charge, edge_index, with empty defaults for what ``data`` lacks."""
    check_no_potential("data", data)
    z = data.z if "z" in data else torch.empty(0, dtype=torch.long)
    pos = data.pos if "pos" in data else torch.empty(0, 3, device=z.device)
    charge = data.charge if "charge" in data else pos.new_zeros(len(pos))
    edge_index = data.edge_index if "edge_index" in data else z.new_empty(2, 0)
    check_shape("pos", pos, (z.numel(), 3))
    check_shape("charge", charge, (z.numel(),))
    if "dipole" in data:
        check_shape("dipole", data.dipole, (z.numel(), 3))
    return z, pos, charge, edge_index


def _indices(name: str, mask_or_index: Tensor | Sequence[int], n: int, device: torch.device) -> Tensor:
    """Sorted distinct indices from a mask or a list of indices."""
    index = torch.as_tensor(mask_or_index, device=device)
    if index.dtype == torch.bool:
        check_shape(name, index, (n,))
        return index.nonzero().flatten()
    if index.ndim != 1 or (index.numel() and index.is_floating_point()):
        raise InputError(f"{name}: expected a list of integers or a boolean mask, got {mask_or_index!r}")
    index = index.long().unique()
    if index.numel() and (int(index[0]) < 0 or int(index[-1]) >= n):
        raise InputError(f"{name}: expected indices of {n} atom(s), 0 to n - 1, got {index.tolist()}")
    return index


def move_graph(data: AFMData, move: Callable[[Tensor], Tensor]) -> None:
    """Apply ``move``, a rotation or reflection and a shift of points ``[K, 3]``, to all that has a place: the
    atoms there and those missing, the lattice, and what is on a grid; dipoles turn with it."""
    for key in ("pos", "missing_pos", "true_pos"):
        if key in data:
            data[key] = move(data[key])
    if data.get("dipole") is not None:
        data.dipole = _turn_vectors(data.dipole, move)
    if data.get("cell") is not None:
        data.cell = _turn_vectors(data.cell.reshape(3, 3), move).reshape(data.cell.shape)
    for key in ("potential", "density"):
        grid = data.get(key)
        if grid is not None:
            if not isinstance(grid, ScalarGrid):
                raise InputError(f"{key}: expected values on a grid, got {type(grid).__name__}")
            origin, cell = torch.from_numpy(grid.origin), torch.from_numpy(grid.cell)
            data[key] = dataclasses.replace(
                grid, origin=move(origin[None])[0].numpy(), cell=_turn_vectors(cell, move).numpy()
            )


def _turn_vectors(vectors: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
    """``vectors`` ``[K, 3]`` as directions: without the shift of ``move``."""
    return (move(vectors.double()) - move(torch.zeros_like(vectors, dtype=torch.float64))).to(vectors)
