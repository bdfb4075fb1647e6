"""Bring a molecule into the frame of a scan."""

from __future__ import annotations

import torch
from scipy.spatial.transform import Rotation
from torch_geometric.transforms import BaseTransform

from torch_afm.data import AFMData
from torch_afm.utils import InputError


class Orient(BaseTransform):
    """Rotate a molecule, put the middle of its extent in x and y at the window's centre and its top atom at
    z = 0.

    Args:
        rotation: rotation to apply first; none leaves the orientation as it is.

    Raises:
        InputError: for an empty molecule.
    """

    def __init__(self, rotation: Rotation | None = None) -> None:
        self.rotation = rotation

    def forward(self, data: AFMData) -> AFMData:
        pos = data.pos
        if pos is None or len(pos) == 0:
            raise InputError("data: expected a molecule with at least one atom, got an empty one")
        if self.rotation is not None:
            matrix = torch.as_tensor(self.rotation.as_matrix().reshape(3, 3), dtype=torch.float64)
            pos = (pos.double() @ matrix.T).to(pos.dtype)
        low, high = pos.amin(dim=0), pos.amax(dim=0)
        centre = (low + high) / 2
        centre[2] = high[2]
        data.pos = pos - centre
        return data
