"""Training steps from periodic surfaces, a window's worth at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ase
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, covalent_bonds, from_ase
from torch_afm.data.checks import check_no_potential
from torch_afm.datasets.packed import PackedMolecules
from torch_afm.datasets.steps import StepDataset
from torch_afm.elements import AtomClasses
from torch_afm.io import read_atoms
from torch_afm.ppm.periodic import cell_shifts
from torch_afm.transforms import Augment
from torch_afm.utils import InputError

#: Å beyond the window: atoms of graphs, and atoms that stacks image.
MARGIN, REACH = 0.5, 8.0


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
    slab: AFMData, centre: Sequence[float], angle: float, scan: Scan, reach: float = REACH
) -> AFMData:
    """What a window sees of a periodic surface: turned within the plane, repeated as far as needed, and cut
    ``reach`` beyond the window. Heights stay as they are.

    Args:
        slab: with ``cell`` and ``pbc``.
        centre: (x, y) in Å of the surface that comes to lie at the centre of the window.
        angle: by which the surface is then turned, in radians, counter-clockwise.
        scan: its window.
        reach: in Å. What lies beyond 8 Å changes normalised stacks of water on gold by 0.02 standard
            deviations at most (``python -m benchmarks.water.run --parts background``).

    Returns:
        ``z``, ``pos``, ``charge`` and ``edge_index`` (:func:`~torch_afm.data.covalent_bonds`); not periodic.

    Raises:
        InputError: for a slab without a periodic cell or with a potential on a grid, or no atoms within
            reach.
    """
    if slab.get("cell") is None or slab.get("pbc") is None:
        raise InputError("slab: expected a surface with cell and pbc, got one without")
    check_no_potential("slab", slab)
    turn = Rotation.from_euler("z", angle)
    pos = turn.apply(slab.pos.double().numpy() - np.array([*centre, 0.0]))
    shifts = cell_shifts(pos, turn.apply(slab.cell[0].double().numpy()), slab.pbc[0].numpy(), scan)
    middle = np.array([np.mean(axis) for axis in scan.window])
    half = np.array([np.ptp(axis) / 2 for axis in scan.window]) + reach
    images = (pos[None] + shifts[:, None]).reshape(-1, 3)
    near = np.flatnonzero((np.abs(images[:, :2]) <= half).all(axis=1))
    if not len(near):
        raise InputError(f"slab: expected atoms within {reach} Å of the window, got none")
    atom = torch.from_numpy(near % len(pos))
    # The renderers' window need not lie around the origin.
    moved = torch.from_numpy(images[near] + np.array([*middle, 0.0])).float()
    z = slab.z[atom]
    return AFMData(z=z, pos=moved, charge=slab.charge[atom], edge_index=covalent_bonds(z, moved))


class SlabDataset(StepDataset):
    r"""Single-atom training steps from windows of periodic surfaces, such as layers of water on a metal.

    Sample ``i`` is mutant ``i % mutants`` of window ``i // mutants % windows`` of surface
    ``i // mutants // windows``. Windows lie at random places, turned at random within the plane: a surface
    has a top. What a sample is: :class:`~torch_afm.datasets.StepDataset`, whose arguments and errors are
    those not named here.

    The reference stack images all atoms up to :data:`REACH` beyond the window. Graphs and targets leave out

    - atoms farther than ``margin`` outside of the window, and
    - the substrate: atoms of elements that ``classes`` do not have.

    Neither is in the simulated stack, for a prediction cannot know them: of an empty graph it is empty. Gold
    under water, 3 to 6 Å below the top, changes a normalised reference by 0.006 standard deviations at most
    (``python -m benchmarks.water.run --parts background``).

    Args:
        slabs: surfaces with ``z``, ``pos``, ``charge``, ``edge_index``, ``cell`` and ``pbc``.
        windows: windows of each.
        margin: in Å.
    """

    def __init__(
        self,
        slabs: Sequence[AFMData],
        scan: Scan,
        tip: Tip | None = None,
        backend: str = "auto",
        windows: int = 30,
        z_min: float = -0.7,
        classes: AtomClasses | None = None,
        augment: bool | Augment = True,
        mutants: int = 1,
        seed: int = 0,
        margin: float = MARGIN,
        transform: Callable[[AFMData], AFMData] | None = None,
    ) -> None:
        if windows < 1:
            raise InputError(f"windows: expected at least 1, got {windows}")
        self.windows = windows
        self.molecules = PackedMolecules(slabs, periodic=True)
        for i, slab in enumerate(slabs):
            if slab.get("cell") is None or slab.get("pbc") is None:
                raise InputError(f"slabs: expected 'cell' and 'pbc' in each, got none in surface {i}")
        self.cells = np.concatenate([slab.cell.numpy() for slab in slabs])
        self.pbc = np.concatenate([slab.pbc.numpy() for slab in slabs])
        super().__init__(
            scan, tip, backend, z_min, classes, False, False, augment, mutants, seed, margin, transform
        )

    @property
    def groups(self) -> int:
        return len(self.molecules) * self.windows

    def oriented(self, group: int) -> AFMData:
        number = group // self.windows
        slab = self.molecules[number]
        slab.cell, slab.pbc = (torch.from_numpy(a[number : number + 1]) for a in (self.cells, self.pbc))
        rng = np.random.default_rng((self.seed, group, 2))
        centre = rng.random(2) @ self.cells[number, :2, :2]
        data = cut_window(slab, centre, rng.uniform(0, 2 * np.pi), self.scan)
        data.pos = data.pos - data.pos.new_tensor([0, 0, data.pos[self.in_reach(data), 2].max()])
        return data

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.molecules)} surfaces x {self.windows} windows{self._chosen()})"
        )
