"""Bring a molecule into the frame of a scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from torch_afm.data import AFMData, move_graph
from torch_afm.utils import InputError, check_finite, check_shape

#: Å that a lattice vector may rise over its length, as :func:`torch_afm.ppm.periodic.cell_shifts` has it.
_LEVEL = 1e-3


class Orient(BaseTransform):
    """Rotate a molecule, put the middle of its extent in x and y at ``center`` and its top atom at z = 0. The
    lattice, a potential on a grid and, unless the vertical is turned, ``z_top`` go along.

    Args:
        rotation: rotation to apply first; none leaves the orientation as it is.
        center: (x, y) in Å, such as the middle of the scan window.

    Shapes:
        data: one molecule with ``pos`` ``[N, 3]`` Å.

    Raises:
        InputError: for an empty molecule, a ``center`` that is not two finite numbers, and a rotation that
            turns a periodic sample out of the plane of x and y, or the vertical of ``z_top``.
    """

    def __init__(self, rotation: Rotation | None = None, center: Sequence[float] = (0.0, 0.0)) -> None:
        self.rotation = rotation
        check_shape("center", np.asarray(center), (2,))
        check_finite("center", np.asarray(center, dtype=np.float64))
        self.center = float(center[0]), float(center[1])

    def forward(self, data: AFMData) -> AFMData:
        pos = data.pos
        if pos is None or len(pos) == 0:
            raise InputError("data: expected a molecule with at least one atom, got an empty one")
        matrix = np.eye(3) if self.rotation is None else self.rotation.as_matrix().reshape(3, 3)
        self._check(data, matrix)
        turned = _turn(pos, matrix)
        low, high = turned.amin(dim=0), turned.amax(dim=0)
        shift = -(low + high) / 2
        shift[2] = -high[2]
        shift[:2] += shift.new_tensor(self.center)
        move_graph(data, lambda points: _turn(points, matrix) + shift.to(points))
        if data.get("z_top") is not None:
            data.z_top = data.z_top + shift[2].to(data.z_top)
        return data

    def _check(self, data: AFMData, matrix: np.ndarray) -> None:
        if self.rotation is None:
            return
        turn = f"the rotation by {np.round(self.rotation.as_rotvec(degrees=True), 2).tolist()} degrees"
        cell, pbc = data.get("cell"), data.get("pbc")
        if cell is not None and pbc is not None:
            lateral = cell.reshape(3, 3)[:2][pbc.reshape(3)[:2].bool()]
            if len(lateral) and np.abs(lateral.cpu().double().numpy() @ matrix[2]).max() > _LEVEL:
                raise InputError(
                    f"rotation: expected a periodic sample to stay in the plane of x and y, got {turn}; turn "
                    "it about z, or delete cell and pbc to turn the atoms of one cell as an island"
                )
        if data.get("z_top") is not None and matrix[2, 2] < 1 - 1e-6:
            raise InputError(
                f"rotation: expected z_top to stay a height, got {turn}; turn about z, or delete z_top"
            )


def _turn(points: Tensor, matrix: np.ndarray) -> Tensor:
    return (points.double() @ torch.from_numpy(matrix.T).to(points.device)).to(points.dtype)
