"""Lateral repetition of periodic samples."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.ppm.far_charges import far_charges
from torch_afm.utils import InputError, check_finite, check_shape

#: Å: a cell is repeated where any of its atoms comes this near to the scan window.
PERIODIC_CUTOFF = 25.0
#: Atoms that a sample may come to with its images.
MAX_IMAGES = 1 << 22
#: e: net charge above which a cell counts as charged.
_NEUTRAL = 1e-2


def cell_shifts(pos: np.ndarray, cell: np.ndarray, pbc: np.ndarray, scan: Scan) -> np.ndarray:
    r"""Lattice vectors by which a periodic sample is repeated along x and y, itself (0) included.

    Those whose cell has an atom within 25 Å of the window, measured along the surface. A Lennard-Jones layer
    of σ atoms per area at depth h under the probe that goes on beyond :math:`ρ_c` would add at most

    .. math::
        \int_{ρ_c}^\infty 12 ε R^6 \frac{h}{(ρ^2 + h^2)^4} \, 2πσρ \, dρ = \frac{4πσεR^6h}{(ρ_c^2 + h^2)^3},

    1e-7 eV/Å for Au(111) under a CO tip (h = 3 Å), of which Δf sees the change over the oscillation: 6e-6 Hz.

    Args:
        pos: atoms, relative to the center of the window, Å.
        cell: lattice vectors in rows, Å.
        pbc: along which of them the sample repeats. The third is ignored: z is never periodic.
        scan: its window says how far to go.

    Shapes:
        pos ``[N, 3]``, cell ``[3, 3]``, pbc ``[3]`` bool, returns ``[S, 3]``.

    Raises:
        InputError: for lateral lattice vectors that are parallel, zero, or not horizontal, and for more than
            4 million atoms.
    """
    vectors = cell[:2][pbc[:2]]
    if not len(vectors) or not len(pos):
        return np.zeros((1, 3))
    scale = np.linalg.norm(vectors[:, :2], axis=1).prod()
    if np.abs(vectors[:, 2]).max() > 1e-3 or not scale or _area(vectors) < 1e-3 * scale:
        raise InputError(
            "cell: expected periodic vectors in the plane of x and y, not parallel, "
            f"got {np.round(vectors, 3).tolist()}"
        )
    reach = np.array(scan.extent) / 2 + PERIODIC_CUTOFF
    # Cells that may touch the rectangle, from its corners and those of the atoms; then those that do.
    signs = np.array(list(itertools.product((-1, 1), repeat=2)))
    low, high = pos[:, :2].min(0), pos[:, :2].max(0)
    corners = (signs * reach)[:, None] - np.where(signs > 0, high, low)[None]
    fractions = corners.reshape(-1, 2) @ np.linalg.pinv(vectors[:, :2])
    first, last = np.floor(fractions.min(0)).astype(int), np.ceil(fractions.max(0)).astype(int)
    n_images = float(np.prod(last - first + 1.0)) * len(pos)
    if n_images > MAX_IMAGES:
        raise InputError(
            f"cell: expected at most {MAX_IMAGES} atoms with the images around the window, got "
            f"{n_images:.1g}; scan a smaller window"
        )
    counts = np.array(list(itertools.product(*(range(a, b + 1) for a, b in zip(first, last, strict=True)))))
    shifts = counts @ vectors
    inside = (np.abs(pos[None, :, :2] + shifts[:, None, :2]) <= reach).all(axis=2).any(axis=1)
    return shifts[inside | ~counts.any(axis=1)]


class Images(NamedTuple):
    """What every entry (channel by channel of graph by graph) feels: the atoms with their images, and charges
    that stand for what is farther.

    Shapes:
        atom: indices ``[M]`` into the atoms of the batch followed by the charges; shift ``[M, 3]`` Å, ptr
        ``[E + 1]``; pos ``[K, 3]`` Å and charge ``[K]`` e of the charges.
    """

    atom: np.ndarray
    shift: np.ndarray
    ptr: np.ndarray
    pos: Tensor
    charge: Tensor


def repeat_atoms(
    pos: Tensor,
    charge: Tensor,
    dipole: Tensor | None,
    ptr: np.ndarray,
    lattice: tuple[object, object],
    scan: Scan,
    box: np.ndarray,
    tip_charge: np.ndarray,
) -> Images:
    """The atoms there, their images as far as :func:`cell_shifts` goes, and
    :func:`torch_afm.ppm.far_charges.far_charges` in place of all charges and dipoles
    beyond.

    Args:
        pos: of the atoms of all graphs, Å.
        charge: e.
        dipole: e Å, or none.
        ptr: first atom of each graph.
        lattice: ``cell``, of each graph in rows, Å, and ``pbc``, along which of them it repeats, or none.
        scan: its window says how far to go.
        box: two corners of where the charges of each entry's tip may come to, Å.
        tip_charge: net charge of each entry's tip, e.

    Shapes:
        pos and dipole ``[N, 3]``, charge ``[N]``, ptr ``[B + 1]``, cell ``[B, 3, 3]``, pbc ``[B, 3]``, box
        ``[E, 2, 3]``, tip_charge ``[E]``.

    Raises:
        InputError: for a cell without pbc or the other way round, wrong shapes, a bad lattice, too many
            images, and a cell with a net charge under a charged tip.
    """
    graphs = [np.arange(a, b) for a, b in itertools.pairwise(ptr)]
    images = [np.zeros((1, 3)) for _ in graphs]
    vectors = [np.empty((0, 3)) for _ in graphs]
    if any(part is not None for part in lattice):
        cells, periodic = check_cell(*lattice, len(graphs))
        center = np.array([*scan.center, 0.0])
        there = pos.detach().cpu().numpy() - center
        for i, own in enumerate(graphs):
            images[i] = cell_shifts(there[own], cells[i], periodic[i], scan)
            vectors[i] = cells[i, :2][periodic[i, :2]]
    atoms, shifts, places, charges = [], [], [pos.new_empty(0, 3)], [charge.new_empty(0)]
    known = len(pos)
    for entry, corners in enumerate(box):
        i = entry * len(graphs) // len(box)
        own, at = graphs[i], images[i]
        atoms.append(np.tile(own, len(at)))
        shifts.append(np.repeat(at, len(own), axis=0))
        part = slice(ptr[i], ptr[i + 1])
        charges_there, dipoles_there = charge[part], None if dipole is None else dipole[part]
        sources = [charges_there] if dipoles_there is None else [charges_there, dipoles_there]
        if len(vectors[i]) and any(bool(v.any()) or v.requires_grad for v in sources):
            _check_neutral(float(charges_there.detach().sum()), float(tip_charge[entry]))
            found = far_charges(pos[part], charges_there, dipoles_there, vectors[i], at, *corners)
            atoms.append(known + np.arange(len(found[0])))
            shifts.append(np.zeros((len(found[0]), 3)))
            known += len(found[0])
            places.append(found[0])
            charges.append(found[1])
            atoms[-2:], shifts[-2:] = [np.concatenate(atoms[-2:])], [np.concatenate(shifts[-2:])]
    pointers = np.concatenate([[0], np.cumsum([len(a) for a in atoms])])
    return Images(
        np.concatenate(atoms), np.concatenate(shifts), pointers, torch.cat(places), torch.cat(charges)
    )


def check_cell(cell: object, pbc: object, n_graphs: int) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 and bool arrays; raises :class:`InputError` unless ``cell`` is ``[B, 3, 3]``, finite,
    and ``pbc`` ``[B, 3]``."""
    for name, value, shape in (("pbc", pbc, (n_graphs, 3)), ("cell", cell, (n_graphs, 3, 3))):
        if value is None:
            raise InputError(f"{name}: expected a tensor of shape {shape} beside the other of cell and pbc")
        check_shape(name, value, shape)
    check_finite("cell", cell)
    return torch.as_tensor(cell).detach().cpu().double().numpy(), torch.as_tensor(pbc).cpu().numpy() != 0


def _check_neutral(charge: float, tip_charge: float) -> None:
    """Raise :class:`InputError` for a cell with a net ``charge`` [e] under a tip with one: the force between
    them grows with every image. Under a neutral tip the images' sum converges."""
    if abs(charge) > _NEUTRAL and abs(tip_charge) > 1e-6:
        raise InputError(
            f"charge: expected a neutral cell under a charged tip ({tip_charge:+.3g} e), got {charge:+.3g} e"
        )


def _area(vectors: np.ndarray) -> float:
    """Length of one lateral vector or area between two."""
    (x, y), *rest = vectors[:, :2]
    return float(abs(x * rest[0][1] - y * rest[0][0])) if rest else float(np.hypot(x, y))
