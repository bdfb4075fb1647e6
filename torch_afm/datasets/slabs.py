"""Windows of periodic surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ase
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from torch_afm.config import Scan
from torch_afm.data import AFMData, covalent_bonds, from_ase
from torch_afm.data.checks import check_no_potential
from torch_afm.datasets.sources import CLEARANCE, MoleculeSource, PackedMolecules, check_margin, within_margin
from torch_afm.io import read_atoms
from torch_afm.ppm.periodic import cell_shifts
from torch_afm.utils import InputError

#: Å beyond the window: atoms of graphs, and atoms that stacks image.
MARGIN, REACH = 0.5, 8.0


def is_surface(data: AFMData) -> bool:
    """Whether a graph is a periodic surface rather than a molecule."""
    return "cell" in data


def slab_from_ase(atoms: ase.Atoms) -> AFMData:
    """A periodic surface from ASE atoms: :func:`torch_afm.data.from_ase`, and no molecule.

    Shapes:
        cell ``[1, 3, 3]`` Å, pbc ``[1, 3]``.

    Raises:
        InputError: as :func:`~torch_afm.data.from_ase`, and for atoms that repeat in no lateral direction.
    """
    if not atoms.pbc[:2].any() or not atoms.cell.rank:
        raise InputError("atoms: expected a cell and periodic directions along the surface, got none")
    return from_ase(atoms)


def read_slabs(path: str | Path) -> list[AFMData]:
    """The periodic surfaces of a file or folder, as :func:`torch_afm.io.read_atoms` reads it.

    Raises:
        InputError: as there, and for structures without cell or atoms.
    """
    slabs = []
    for atoms in read_atoms(path):
        try:
            slabs.append(slab_from_ase(atoms))
        except InputError as error:
            raise InputError(f"{path}, {atoms.info['name']}: {error}") from None
    return slabs


def cut_window(
    slab: AFMData, center: Sequence[float], angle: float, scan: Scan, reach: float = REACH
) -> AFMData:
    """What a window sees of a periodic surface: turned within the plane, repeated as far as needed, and cut
    ``reach`` beyond the window. Heights stay as they are.

    Args:
        slab: with ``cell`` and ``pbc``.
        center: (x, y) in Å of the surface that comes to lie at the center of the window.
        angle: by which the surface is then turned, in radians, counter-clockwise.
        scan: its window.
        reach: in Å. What lies beyond 8 Å changes normalized stacks of water on gold by 0.02 standard
            deviations at most (``python -m benchmarks.water.run --parts background``).

    Returns:
        ``z``, ``pos``, ``charge``, ``edge_index`` (:func:`~torch_afm.data.covalent_bonds`) and, where the
        slab has it, ``dipole``; not periodic.

    Raises:
        InputError: for a slab without a periodic cell or with a potential on a grid, or no atoms within
            reach.
    """
    if slab.get("cell") is None or slab.get("pbc") is None:
        raise InputError("slab: expected a surface with cell and pbc, got one without")
    check_no_potential("slab", slab)
    turn = Rotation.from_euler("z", angle)
    pos = turn.apply(slab.pos.double().numpy() - np.array([*center, 0.0]))
    shifts = cell_shifts(pos, turn.apply(slab.cell[0].double().numpy()), slab.pbc[0].numpy(), scan)
    half = np.array(scan.extent) / 2 + reach
    images = (pos[None] + shifts[:, None]).reshape(-1, 3)
    near = np.flatnonzero((np.abs(images[:, :2]) <= half).all(axis=1))
    if not len(near):
        raise InputError(f"slab: expected atoms within {reach} Å of the window, got none")
    atom = torch.from_numpy(near % len(pos))
    # The renderers' window need not lie around the origin.
    moved = torch.from_numpy(images[near] + np.array([*scan.center, 0.0])).float()
    z = slab.z[atom]
    window = AFMData(z=z, pos=moved, charge=slab.charge[atom], edge_index=covalent_bonds(z, moved))
    if "dipole" in slab:
        window.dipole = torch.from_numpy(turn.apply(slab.dipole.double().numpy())).to(slab.dipole)[atom]
    return window


class SurfaceWindows(MoleculeSource):
    """Windows of periodic surfaces, such as layers of water on a metal: entry ``i`` is window
    ``i % windows`` of surface ``i // windows``. Windows lie at random places, turned at random within the
    plane: a surface has a top.

    References image all atoms up to :data:`REACH` beyond the window. Graphs and targets leave out

    - atoms farther than ``margin`` outside of the window, and
    - the substrate: atoms of elements that the classes do not have.

    Neither is in the simulated stack, for a prediction cannot know them: of an empty graph it is empty. Gold
    under water, 3 to 6 Å below the top, changes a normalized reference by 0.006 standard deviations at most
    (``python -m benchmarks.water.run --parts background``).

    Args:
        slabs: surfaces with ``z``, ``pos``, ``charge``, ``edge_index``, ``cell``, ``pbc`` and, where any has
            dipoles, ``dipole``, zero for the others.
        scan: the scan of the windows.
        windows: windows of each.
        margin: in Å.
        seed: seed of their places and turns.

    Raises:
        InputError: for no surfaces, one that lacks a key or has a potential on a grid, fewer than one window,
            and a ``margin`` that is no length.
    """

    def __init__(
        self,
        slabs: Sequence[AFMData],
        scan: Scan | None = None,
        windows: int = 30,
        margin: float = MARGIN,
        seed: int = 0,
    ) -> None:
        if windows < 1:
            raise InputError(f"windows: expected at least 1, got {windows}")
        check_margin(margin)
        self.slabs = PackedMolecules(slabs, periodic=True)
        for i in range(len(slabs)):
            if slabs[i].get("cell") is None or slabs[i].get("pbc") is None:
                raise InputError(f"slabs: expected 'cell' and 'pbc' in each, got none in surface {i}")
        self.cells = np.concatenate([slabs[i].cell.numpy() for i in range(len(slabs))])
        self.pbc = np.concatenate([slabs[i].pbc.numpy() for i in range(len(slabs))])
        self.scan = scan or Scan()
        self.orientations = windows
        self.margin: float = margin
        self.seed = seed

    def __len__(self) -> int:
        return len(self.slabs) * self.orientations

    def oriented(self, index: int) -> AFMData:
        number = index // self.orientations
        slab = self.slabs[number]
        slab.cell, slab.pbc = (torch.from_numpy(a[number : number + 1]) for a in (self.cells, self.pbc))
        rng = np.random.default_rng((self.seed, index, 2))
        center = rng.random(2) @ self.cells[number, :2, :2]
        data = cut_window(slab, center, rng.uniform(0, 2 * np.pi), self.scan)
        near = within_margin(data.pos, self.scan, max(self.margin, CLEARANCE))
        data.pos = data.pos - data.pos.new_tensor([0, 0, data.pos[near, 2].max()])
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.slabs)} surfaces x {self.orientations} windows)"
