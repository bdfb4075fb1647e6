"""The plain torch renderer: float64 oracle, any torch device, gradients."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm.autograd import Scene, parts, with_gradient
from torch_afm.ppm.base import Relaxation, Tips, prepare
from torch_afm.ppm.checks import check_memory, check_on_unconverged, check_start, report_unconverged
from torch_afm.ppm.forcefield import SurfaceTerms
from torch_afm.ppm.frequency_shift import frequency_shift
from torch_afm.ppm.relaxation import relax
from torch_afm.utils import InputError


class TorchRenderer:
    """Δf stacks in plain torch (see :class:`torch_afm.ppm.Renderer`), with the tip's exact point charges.

    Differentiable with respect to ``pos``, ``charge``, ``z_top`` and the fields of :class:`TipParameters` by
    the implicit function theorem, see :func:`torch_afm.ppm.autograd.with_gradient`. Heights placed by the
    rule of :func:`torch_afm.ppm.place` are constants. Where the probe is bistable, the gradient is that of
    the branch it took: it knows nothing of the jump to the other one.

    Args:
        scan: window, pixels, heights.
        tip: default tip.
        dtype: ``torch.float32``, where the ±10 e of a CO tip cost two digits (1e-4 of std(Δf)), or
            ``torch.float64``, relaxed to 1e-10 eV/Å.
        device: torch device to compute on; stacks return on the device of ``data.pos``.
        on_unconverged: ``"warn"``, ``"error"`` or ``"ignore"`` where the probe does not come to rest outside
            of the atoms; ``"ignore"`` also renders from heights within or below them.
        forcefield: Lennard-Jones parameters of atoms and probes.
    """

    def __init__(
        self,
        scan: Scan | None = None,
        tip: Tip | None = None,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        on_unconverged: str = "warn",
        forcefield: ForceField | None = None,
    ) -> None:
        if dtype not in (torch.float32, torch.float64):
            raise InputError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
        self.scan = scan or Scan()
        self.tip = tip or Tip()
        self.forcefield = forcefield or ForceField()
        self.dtype = dtype
        self.device = torch.device(device)
        self.on_unconverged = check_on_unconverged(on_unconverged)

    def render(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Tensor:
        """See :meth:`torch_afm.ppm.Renderer.render`; the stack has the dtype of this renderer."""
        return frequency_shift(self.relax(data, tip, z_top, pixels).force, self.scan)

    def relax(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Relaxation:
        """See :meth:`torch_afm.ppm.Renderer.relax`; differentiable are the forces alone."""
        batch = prepare(data, self.scan, self.tip if tip is None else tip, z_top, self.forcefield)
        check_start(batch, self.scan, self.on_unconverged)
        check_memory(self.scan, batch.n_entries, pixels, relaxed=True)
        like = torch.empty(0, dtype=self.dtype, device=self.device)
        forces, probes, rests = [], [], []
        for entry in range(batch.n_entries):
            scene = Scene.of(batch, entry, self.scan, pixels, like)
            force, u, rest = _relax(scene)
            forces.append(with_gradient(force, u, scene))
            probes.append((scene.free + u + batch.free(entry).to(like)).detach())
            rests.append(rest)
        image = self.scan.shape[1:] if pixels is None else (len(pixels),)
        shape = (batch.n_graphs, batch.n_channels, self.scan.n_heights, *image)
        converged = torch.stack(rests).reshape(shape)
        report_unconverged(int((~converged).sum()), converged.numel(), self.on_unconverged)
        device = data.pos.device
        return Relaxation(
            torch.stack(forces).reshape(shape).to(device),
            torch.stack(probes).reshape(*shape, 3).to(device),
            converged.to(device),
        )

    def quiet(self) -> Self:
        """See :meth:`torch_afm.ppm.Renderer.quiet`."""
        same = copy.copy(self)
        same.on_unconverged = "ignore"
        return same


@torch.no_grad()
def _relax(scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
    """Force ``[H, P]``, displacement ``[H, P, 3]`` and whether at rest outside of the atoms ``[H, P]``."""
    atoms, springs, free = scene
    u, force = torch.empty_like(free), torch.empty_like(free[..., 0])
    rest = torch.empty_like(force, dtype=torch.bool)
    for part in parts(free.shape[1], len(atoms.pos)):
        level = free[0, part] * free.new_tensor([1.0, 1.0, 0.0])
        u[:, part], rest[:, part] = relax(level, free[:, part.start, 2], atoms, springs)
        for j in range(len(free)):
            terms = SurfaceTerms.at(free[j, part] + u[j, part], atoms)
            force[j, part] = terms.force()[:, 2]
            rest[j, part] &= terms.outside()
    return force, u, rest
