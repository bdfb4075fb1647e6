"""The plain torch renderer: float64 oracle, any torch device, gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm.base import RenderInput, prepare
from torch_afm.ppm.forcefield import Atoms, surface_force, surface_force_hessian
from torch_afm.ppm.frequency_shift import frequency_shift_weights
from torch_afm.ppm.relaxation import Springs, newton_step, relax, spring_force, spring_hessian
from torch_afm.utils import InputError

#: Probe-atom pairs handled at once: bounds memory to a few hundred bytes times this.
_PAIRS = 1 << 17


class TorchRenderer:
    r"""Δf stacks in plain torch (see :class:`torch_afm.ppm.Renderer`), with the tip's exact point charges.

    Differentiable with respect to ``pos`` and ``charge`` by the implicit function theorem: at a relaxed probe
    :math:`p^*`, where the total force :math:`F(p^*; θ)` vanishes with Hessian :math:`H`,
    :math:`dp^*/dθ = H^{-1} \partial F/\partial θ`. Only the relaxed positions are kept, no iteration is
    unrolled. Heights (``z_top``) are constants.

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
            force = self._forces(batch, graph)  # [Y X, heights]
            df = force.unfold(1, self.scan.n_oscillation, 1) @ weights  # [Y X, slices]
            stacks.append(df.T.reshape(1, *self.scan.shape))
        return torch.stack(stacks).to(data.pos.device)

    def _forces(self, batch: RenderInput, graph: int) -> Tensor:
        """Surface force F_z on the relaxed probe of each pixel at each height, ``[Y X, heights]``."""
        own = slice(batch.ptr[graph], batch.ptr[graph + 1])
        atoms = Atoms(
            batch.pos[own].to(self.device, self.dtype),
            batch.charge[own].to(self.device, self.dtype),
            self._tensor(batch.radius[own]),
            self._tensor(batch.depth[own]),
            self._tensor(batch.tips.charges[graph]),
            self._tensor(batch.tips.charge_heights[graph]),
        )
        springs = Springs(*self._tensor(batch.tips.springs[graph]).split([3, 1, 1, 3]))
        scan = self.scan
        x, y = (self._tensor(a - np.mean(w)) for a, w in zip((scan.x, scan.y), scan.window, strict=True))
        free = torch.cartesian_prod(y, x, y.new_zeros(1))[:, [1, 0, 2]]
        free[:, :2] += springs.free[:2]
        heights = self._tensor(scan.heights(0.0))
        evaluate = _implicit_force
        if not (torch.is_grad_enabled() and (atoms.pos.requires_grad or atoms.charge.requires_grad)):
            evaluate = _force
        parts = []
        for part in free.split(max(_PAIRS // max(len(atoms.pos), 1), 1)):
            u = relax(part, heights, Atoms(*(a.detach() for a in atoms)), springs)
            # Checkpoints keep the relaxed positions for the backward pass and no pair of probe and atom.
            forces = [
                checkpoint(evaluate, part, h, ui, atoms, springs, use_reentrant=False)
                for h, ui in zip(heights, u, strict=True)
            ]
            parts.append(torch.stack(forces, 1))
        return torch.cat(parts)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=self.dtype, device=self.device)


def _force(free: Tensor, height: Tensor, u: Tensor, atoms: Atoms, springs: Springs) -> Tensor:
    """F_z of the surface on the probe displaced by ``u``."""
    return surface_force(_raised(free + u, height), atoms)[:, 2]


def _implicit_force(free: Tensor, height: Tensor, u: Tensor, atoms: Atoms, springs: Springs) -> Tensor:
    """The same value, with the gradient that the relaxed position has: one Newton step from where the total
    force is zero changes nothing but carries dp*/dθ."""
    with torch.no_grad():
        hessian = surface_force_hessian(_raised(free + u, height), atoms)[1] + spring_hessian(u, springs)
    probe = _raised(free + u, height)
    force = surface_force(probe, atoms) + spring_force(u, springs)
    return surface_force(probe + newton_step(force, hessian), atoms)[:, 2]


def _raised(position: Tensor, height: Tensor) -> Tensor:
    return position + height * position.new_tensor([0.0, 0.0, 1.0])
