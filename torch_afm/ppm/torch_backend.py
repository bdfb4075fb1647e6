"""The plain torch renderer: float64 oracle, any torch device, gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm.autograd import parts, with_gradient
from torch_afm.ppm.base import RenderInput, prepare
from torch_afm.ppm.forcefield import Atoms, surface_force
from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.ppm.relaxation import Springs, relax
from torch_afm.utils import InputError


class TorchRenderer:
    """Δf stacks in plain torch (see :class:`torch_afm.ppm.Renderer`), with the tip's exact point charges.

    Differentiable with respect to ``pos`` and ``charge`` by the implicit function theorem, see
    :func:`torch_afm.ppm.autograd.with_gradient`. Heights (``z_top``) are constants. Where the probe is
    bistable, the gradient is that of the branch it took.

    Args:
        scan: window, pixels, heights.
        tip: default tip.
        dtype: ``torch.float32``, where the ±10 e of a CO tip cost two digits (1e-4 of std(Δf)), or
            ``torch.float64``, relaxed to 1e-10 eV/Å.
        device: torch device to compute on; stacks return on the device of ``data.pos``.
    """

    def __init__(
        self,
        scan: Scan | None = None,
        tip: Tip | None = None,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        if dtype not in (torch.float32, torch.float64):
            raise InputError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
        self.scan = scan or Scan()
        self.tip = tip or Tip()
        self.dtype = dtype
        self.device = torch.device(device)

    def render(
        self,
        data: AFMData | Batch,
        tip: Tip | Sequence[Tip] | None = None,
        z_top: Tensor | float | None = None,
    ) -> Tensor:
        """See :meth:`torch_afm.ppm.Renderer.render`; the stack has the dtype of this renderer."""
        batch = prepare(data, self.scan, self.tip if tip is None else tip, z_top)
        weights = self._tensor(frequency_shift_weights(self.scan))
        stacks = []
        for graph in range(batch.n_graphs):
            force = self._forces(batch, graph)  # [heights, Y X]
            df = force.unfold(0, self.scan.n_oscillation, 1) @ weights
            stacks.append(df.reshape(1, *self.scan.shape))
        return torch.stack(stacks).to(data.pos.device)

    def _forces(self, batch: RenderInput, graph: int) -> Tensor:
        """Surface force F_z on the relaxed probe of each pixel at each height, ``[heights, Y X]``."""
        own = slice(batch.ptr[graph], batch.ptr[graph + 1])
        stiffness, radial, _, free = self._tensor(batch.tips.springs[graph]).split([3, 1, 1, 3])
        # Seen from the free probe of the first height above x = y = 0.
        atoms = Atoms(
            (batch.pos[own].to(self.device, self.dtype) - free * free.new_tensor([1.0, 1.0, 0.0])),
            batch.charge[own].to(self.device, self.dtype),
            self._tensor(batch.radius[own]),
            self._tensor(batch.depth[own]),
            self._tensor(batch.tips.charges[graph]),
            self._tensor(batch.tips.charge_heights[graph]),
        )
        springs = Springs(stiffness, radial, free)
        scan = self.scan
        x, y = (self._tensor(a - np.mean(w)) for a, w in zip((scan.x, scan.y), scan.window, strict=True))
        grid = torch.cartesian_prod(y, x, y.new_zeros(1))[:, [1, 0, 2]]
        heights = self._tensor(scan.heights(0.0))
        free = grid + heights[:, None, None] * y.new_tensor([0.0, 0.0, 1.0])
        u, force = torch.empty_like(free), torch.empty_like(free[..., 0])
        with torch.no_grad():
            for part in parts(len(grid), len(atoms.pos)):
                u[:, part], _ = relax(grid[part], heights, atoms, springs)
                for j in range(len(heights)):
                    force[j, part] = surface_force(free[j, part] + u[j, part], atoms)[:, 2]
        return with_gradient(force, u, free, atoms, springs)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=self.dtype, device=self.device)
