"""A scanner whose lengths are off, and the simulator behind it."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel, StackJacobian
from torch_afm.utils import InputError


@dataclass(frozen=True)
class Scanner:
    r"""How places :math:`\mathbf{u}` that a scanner tells lie in the sample,

    .. math::
        \mathbf{p} = \mathbf{c} + \mathbf{M} (\mathbf{u} - \mathbf{c}), \qquad
        \mathbf{M} = \begin{pmatrix} s_x & h \\ 0 & s_y \end{pmatrix},

    with the middle :math:`\mathbf{c}` of the scan, as :class:`torch_afm.datasets.Nuisances` draw it.

    Args:
        scale: :math:`s_x` and :math:`s_y`, Å of the sample for one Å of the scan.
        shear: :math:`h`.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0

    def __post_init__(self) -> None:
        if min(self.scale) <= 0:
            raise InputError(f"scale: expected positive numbers, got {self.scale}")

    @property
    def matrix(self) -> Tensor:
        """:math:`\\mathbf{M}`, float64."""
        return torch.tensor([[self.scale[0], self.shear], [0.0, self.scale[1]]], dtype=torch.float64)

    def to_sample(self, points: Tensor, center: tuple[float, float]) -> Tensor:
        """Where places ``[N, 2 or 3]`` of the scan lie in the sample, in Å."""
        middle = points.new_tensor(center)
        flat = (points[:, :2] - middle) @ self.matrix.T.to(points) + middle
        return torch.cat([flat, points[:, 2:]], dim=1)


class ScannedModel:
    """A simulator of what a :class:`Scanner` shows: all positions, of atoms and pixels, are those that the
    scanner tells.

    Args:
        renderer: simulator of the sample; its scan is that of the measurement.
        scanner: the scanner.
    """

    def __init__(self, renderer: ProbeParticleModel, scanner: Scanner) -> None:
        self.scan, self.tip, self.scanner = renderer.scan, renderer.tip, scanner
        self._renderer = renderer
        if scanner != Scanner():
            places = scanner.to_sample(_places(self.scan), self.scan.center)
            (x0, y0), (x1, y1) = places.amin(0).tolist(), places.amax(0).tolist()
            self._renderer = copy.copy(renderer)
            self._renderer.scan = dataclasses.replace(self.scan, window=((x0, x1), (y0, y1)))

    def __call__(self, data: AFMData | Batch, pixels: Tensor | None = None, **settings: Any) -> Tensor:
        """Stacks, as :meth:`torch_afm.ppm.ProbeParticleModel.forward` has them, with its arguments."""
        if self.scanner == Scanner():
            return self._renderer(data, pixels=pixels, **settings)
        stack = self._renderer(self._moved(data), pixels=self._sampled(pixels), **settings)
        return stack if pixels is not None else stack.unflatten(-1, self.scan.shape[1:])

    def jacobian(self, data: AFMData, tip: Any, z_top: Tensor, pixels: Tensor) -> StackJacobian:
        """As :meth:`torch_afm.ppm.ProbeParticleModel.jacobian`, by the positions that the scanner tells."""
        if self.scanner == Scanner():
            return self._renderer.jacobian(data, tip, z_top, pixels)
        found = self._renderer.jacobian(self._moved(data), tip, z_top, self._sampled(pixels))
        matrix = self.scanner.matrix.to(found.pos)
        pos = torch.cat([found.pos[..., :2] @ matrix, found.pos[..., 2:]], dim=-1)
        return found._replace(pos=pos)

    def _moved(self, data: AFMData | Batch) -> AFMData | Batch:
        moved = copy.copy(data)
        moved.pos = self.scanner.to_sample(data.pos, self.scan.center)
        return moved

    def _sampled(self, pixels: Tensor | None) -> Tensor:
        places = _places(self.scan)
        if pixels is not None:
            places = places.unflatten(0, self.scan.shape[1:])[pixels[:, 1], pixels[:, 0]]
        return self.scanner.to_sample(places, self.scan.center)


def _places(scan: Scan) -> Tensor:
    """Positions ``[Y * X, 2]`` of all pixels in Å, float64."""
    x, y = np.meshgrid(scan.x, scan.y)
    return torch.from_numpy(np.stack([x.ravel(), y.ravel()], axis=1))
