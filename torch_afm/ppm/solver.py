"""Solvers of checked input: the kernels in float32, or plain torch."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from torch_afm.ppm.forcefield import SurfaceTerms
from torch_afm.ppm.frequency_shift import frequency_shift
from torch_afm.ppm.inputs import RenderInput
from torch_afm.ppm.kernel_adjoint import force_with_gradient
from torch_afm.ppm.kernel_device import KernelDevice
from torch_afm.ppm.kernel_forward import KernelInput
from torch_afm.ppm.relaxation import relax
from torch_afm.ppm.scene import Scene, parts, with_gradient
from torch_afm.utils import InputError


class RelaxedProbes(NamedTuple):
    """Relaxed probes of E entries at P pixels and H = ``scan.n_heights``, far to near.

    Shapes:
        force ``[E, H, P]``: vertical force F_z of the surface on the probe, eV/Å, differentiable;
        displacement ``[E, H, P, 3]`` from the free probe, Å; converged ``[E, H, P]`` bool.
    """

    force: Tensor
    displacement: Tensor
    converged: Tensor


class Solver(Protocol):
    """A backend of :class:`torch_afm.ppm.ProbeParticleModel`."""

    @property
    def keeps_probes(self) -> bool:
        """Whether a stack takes the memory of all relaxed probes even without a gradient."""
        ...

    def frequency_shift(self, batch: RenderInput) -> tuple[Tensor, Tensor]:
        """Δf ``[E, Z, P]`` Hz, and how many of the E H P probes did not come to rest outside of the atoms."""
        ...

    def relax(self, batch: RenderInput) -> RelaxedProbes:
        """The relaxed probes."""
        ...


class KernelSolver:
    """The kernels: Newton's method for each pixel, a whole batch in one launch, in float32.

    Tip charges within 0.15 Å of the probe act as axial multipoles up to order 4, others as point charges.
    Past the break-even far atoms act through a polynomial on tiles of pixels (see
    :class:`torch_afm.ppm.tiles.Neighbors`). Where an input requires a gradient, the relaxed probes are kept
    and the backward pass is made there, by the kernels too.

    Args:
        device: where the kernels run.
    """

    keeps_probes = False

    def __init__(self, device: KernelDevice) -> None:
        self.device = device

    def frequency_shift(self, batch: RenderInput) -> tuple[Tensor, Tensor]:
        """See :meth:`Solver.frequency_shift`."""
        if batch.requires_grad:
            return _from_probes(self.relax(batch), batch)
        shift, unconverged, _ = KernelInput(self.device, batch).frequency_shift()
        return shift, unconverged.sum()

    def relax(self, batch: RenderInput) -> RelaxedProbes:
        """See :meth:`Solver.relax`."""
        kernel = KernelInput(self.device, batch)
        rows = kernel.relax()
        force, u = rows[:, :, 0], rows[:, :, 1:4].movedim(2, 3)
        if any(field.requires_grad for field in batch.fields):
            # The kernels sum over atoms; what goes into a field is summed over its knots, in torch.
            scenes = (Scene.from_input(batch, entry, rows) for entry in range(batch.n_entries))
            force = torch.stack([with_gradient(*v) for v in zip(force, u, scenes, strict=True)])
        elif batch.requires_grad:
            force = force_with_gradient(rows, kernel)
        return RelaxedProbes(force, u, rows[:, :, 4] > 0)

    def evaluations(self, batch: RenderInput) -> float:
        """Mean number of evaluations of force and Hessian a pixel and height: what a stack costs."""
        *_, count = KernelInput(self.device, batch).frequency_shift()
        return float(count.mean()) / batch.scan.n_heights


class TorchSolver:
    """Plain torch, with the tip's exact point charges; the reference for the kernels in float64.

    Args:
        dtype: ``torch.float32``, where the ±10 e of a CO tip cost two digits (1e-4 of std(Δf)), or
            ``torch.float64``, relaxed to 1e-10 eV/Å.
        device: where it computes.

    Raises:
        InputError: for another dtype.
    """

    keeps_probes = True

    def __init__(self, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu") -> None:
        if dtype not in (torch.float32, torch.float64):
            raise InputError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
        self.dtype, self.device = dtype, torch.device(device)

    def frequency_shift(self, batch: RenderInput) -> tuple[Tensor, Tensor]:
        """See :meth:`Solver.frequency_shift`."""
        return _from_probes(self.relax(batch), batch)

    def relax(self, batch: RenderInput) -> RelaxedProbes:
        """See :meth:`Solver.relax`."""
        like = torch.empty(0, dtype=self.dtype, device=self.device)
        forces, displacements, rests = [], [], []
        for entry in range(batch.n_entries):
            scene = Scene.from_input(batch, entry, like)
            force, u, rest = _relax(scene)
            forces.append(with_gradient(force, u, scene))
            displacements.append(u)
            rests.append(rest)
        return RelaxedProbes(torch.stack(forces), torch.stack(displacements), torch.stack(rests))


def _from_probes(probes: RelaxedProbes, batch: RenderInput) -> tuple[Tensor, Tensor]:
    return frequency_shift(probes.force[:, None], batch.scan)[:, 0], (~probes.converged).sum()


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
