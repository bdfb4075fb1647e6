"""The Probe Particle Model as a module."""

from __future__ import annotations

import copy
import warnings
from functools import cache
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.data.checks import check_island
from torch_afm.ppm.checks import check_memory, check_on_unconverged, check_start, report_unconverged
from torch_afm.ppm.cuda import CUDADevice, CUDAUnavailable, check_cuda
from torch_afm.ppm.fdbm import FDBM
from torch_afm.ppm.inputs import RenderInput, prepare
from torch_afm.ppm.jacobian import StackJacobian, stack_jacobian
from torch_afm.ppm.opencl import OpenCLDevice, OpenCLUnavailable, get_queue
from torch_afm.ppm.placement import Tips
from torch_afm.ppm.solver import KernelSolver, RelaxedProbes, Solver, TorchSolver
from torch_afm.utils import InputError

_BACKENDS = ("opencl", "cuda", "torch")


class Relaxation(NamedTuple):
    """Where the probe comes to rest and what it feels there; C channels, H = ``scan.n_heights``, far to near.

    Shapes:
        force ``[B, C, H, Y, X]``: vertical force F_z of the surface on the probe, eV/Å; probe
        ``[B, C, H, Y, X, 3]``: its position in the graph's frame, Å; converged ``[B, C, H, Y, X]`` bool. On
        a subset of pixels, P in place of Y, X.
    """

    force: Tensor
    probe: Tensor
    converged: Tensor


class ProbeParticleModel(nn.Module):
    r"""Renders Δf stacks of molecules with the Probe Particle Model (Hapala et al., PRB 90, 085421 (2014)).

    Differentiable with respect to ``pos``, ``charge``, ``dipole``, ``z_top`` and the fields of
    :class:`torch_afm.ppm.TipParameters` by the implicit function theorem, see
    :func:`torch_afm.ppm.scene.with_gradient`. Heights by the rule of :func:`torch_afm.ppm.anchor_height` are
    constants. Where the probe is bistable, the gradient is that of the branch it took: it knows nothing of
    the jump to the other one.

    A graph with ``cell`` and ``pbc`` is repeated along x and y as far as the window needs (see
    :func:`torch_afm.ppm.periodic.cell_shifts`); z is never periodic. A graph with ``potential``
    (:class:`torch_afm.data.PotentialGrid`) has its electrostatics from that, not from charges and dipoles.
    With an :class:`FDBM` in place of the force field all forces come from densities and the potential.

    The module has no parameters, and :meth:`to` does not move it: stacks return on the device of
    ``data.pos``.

    Args:
        scan: window, pixels, heights.
        tip: default tip.
        backend: ``"opencl"``, ``"cuda"`` (the same kernels, see :class:`torch_afm.ppm.solver.KernelSolver`),
            ``"torch"`` (:class:`torch_afm.ppm.solver.TorchSolver`), or ``"auto"``: CUDA where there is a
            device and CuPy, else OpenCL, else torch with a warning.
        on_unconverged: "warn", "error" or "ignore", where a pixel and height used up its iterations, came to
            NaN, or led the probe through an atom (surface energy with a Laplacian above 1000 eV/Å², 1.3 to
            1.6 Å from the nucleus). "ignore" also renders from heights within or below the atoms.
        forcefield: Lennard-Jones parameters of atoms and probes, or the full-density-based model.
        dipoles: whether the tip feels ``data.dipole`` where there is one, or charges alone.
        dtype: that torch computes in and returns; the kernels have float32 alone.
        device: that torch, by default on the CPU, or CUDA, by default on the current device, computes on.

    Raises:
        InputError: for another backend, setting or dtype, and for probes not at rest with ``"error"``.
        OpenCLUnavailable, CUDAUnavailable: if the backend asked for does not work here.
    """

    def __init__(
        self,
        scan: Scan | None = None,
        tip: Tip | None = None,
        backend: str = "auto",
        on_unconverged: str = "warn",
        forcefield: ForceField | FDBM | None = None,
        dipoles: bool = True,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__()
        if backend not in ("auto", *_BACKENDS):
            raise InputError(f"backend: expected 'auto', {str([*_BACKENDS])[1:-1]}, got {backend!r}")
        self.scan = scan or Scan()
        self.tip = tip or Tip()
        self.fdbm = forcefield if isinstance(forcefield, FDBM) else None
        self.forcefield = forcefield if isinstance(forcefield, ForceField) else ForceField()
        self.dipoles = dipoles
        self.on_unconverged = check_on_unconverged(on_unconverged)
        self.backend = _choose_backend() if backend == "auto" else backend
        self.solver = _make_solver(self.backend, dtype, device)

    def forward(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Tensor:
        """Δf stack of each graph.

        Args:
            data: ``z``, ``pos`` [Å], ``charge`` [e] and ``dipole`` [e Å] (both zero where missing) of one
                molecule or a batch.
            tip: one for all graphs, or ``tips[graph][channel]``, where those of a single graph serve all;
                ``self.tip`` by default.
            z_top: first (farthest) anchor height [Å], ``[B]`` or, per channel, ``[B, C]``; ``data.z_top`` by
                default, else the rule of :func:`torch_afm.ppm.anchor_height`.
            pixels: indices (ix, iy) of the pixels to render, or, as floating-point numbers, any places (x, y)
                in Å within the window; all pixels by default.

        Shapes:
            pixels ``[P, 2]``; returns ``[B, C, Z, Y, X]`` in Hz, Z from far to near, or ``[B, C, Z, P]``;
            B = 1 for a single graph and C = 1 for a single tip. An empty graph gives zeros.

        Raises:
            InputError: for NaN, wrong shapes, an element without Lennard-Jones parameters, tips of neither
                one graph nor all, an empty graph without ``z_top``, a stack larger than the memory, and,
                unless ``on_unconverged`` is "ignore", a probe that starts within or below the atoms of the
                window.
        """
        batch = self._prepare(data, tip, z_top, pixels)
        check_memory(batch, relaxed=self.solver.keeps_probes or batch.requires_grad)
        shift, unconverged = self.solver.frequency_shift(batch)
        self._report(unconverged, batch)
        return _as_images(shift, batch).to(data.pos.device)

    def force(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Tensor:
        """Vertical force in eV/Å of the surface on the relaxed probe at every pixel and height, as
        :meth:`relax` gives it; arguments and errors as in :meth:`forward`.

        Shapes:
            ``[B, C, H, Y, X]``, or ``[B, C, H, P]`` on a subset of pixels, H = ``scan.n_heights``.
        """
        batch = self._prepare(data, tip, z_top, pixels)
        return _as_images(self._relaxed(batch).force, batch).to(data.pos.device)

    def relax(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Relaxation:
        """The relaxed probe at every pixel and height; arguments and errors as in :meth:`forward`.
        Differentiable are the forces alone."""
        batch = self._prepare(data, tip, z_top, pixels)
        probes = self._relaxed(batch)
        force = probes.force
        grid = torch.from_numpy(batch.positions).to(force.device)
        heights = torch.from_numpy(self.scan.heights(0.0)).to(force.device)
        free = batch.free().detach().to(force.device)
        probe = free[:, None, None].expand(-1, len(heights), len(grid), 3).clone()
        probe[..., :2] += grid
        probe[..., 2] += heights[:, None]
        probe = (probe + probes.displacement.detach()).to(force.dtype)
        images = (_as_images(v, batch).to(data.pos.device) for v in (force, probe, probes.converged))
        return Relaxation(*images)

    @torch.no_grad()
    def jacobian(
        self,
        data: AFMData,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> StackJacobian:
        """Stack of one molecule and its derivatives in every position, charge, dipole (where there are any),
        tilt and height, pixel by pixel (:func:`torch_afm.ppm.jacobian.stack_jacobian`); arguments and errors
        as in :meth:`forward`. Computed in the precision of ``data.pos``.

        Raises:
            InputError: for a molecule with a cell along which it repeats, or a potential, and for more than
                one graph or tip.
        """
        check_island("data", data)
        batch = self._prepare(data, tip, z_top, pixels)
        if batch.n_entries != 1:
            raise InputError(f"data, tip: expected one graph and one tip, got {batch.n_entries} of them")
        return stack_jacobian(batch, self._relaxed(batch), data.pos.new_empty(0))

    def quiet(self) -> Self:
        """The same renderer with ``on_unconverged="ignore"``, for graphs that nobody vouches for: a network
        may put an atom where no probe can be."""
        same = copy.copy(self)
        same.on_unconverged = "ignore"
        return same

    def _prepare(
        self, data: AFMData | Batch, tip: Tips | None, z_top: Tensor | float | None, pixels: Tensor | None
    ) -> RenderInput:
        tip = self.tip if tip is None else tip
        batch = prepare(data, self.scan, tip, z_top, pixels, self.forcefield, self.dipoles, self.fdbm)
        check_start(batch, self.on_unconverged)
        return batch

    def _relaxed(self, batch: RenderInput) -> RelaxedProbes:
        check_memory(batch, relaxed=True)
        probes = self.solver.relax(batch)
        self._report((~probes.converged).sum(), batch)
        return probes

    def _report(self, unconverged: Tensor, batch: RenderInput) -> None:
        total = batch.n_entries * batch.n_pixels * self.scan.n_heights
        report_unconverged(int(unconverged), total, self.on_unconverged)

    def extra_repr(self) -> str:
        """Backend and pixels."""
        return f"backend={self.backend!r}, pixels={self.scan.pixels}"


def _as_images(rows: Tensor, batch: RenderInput) -> Tensor:
    """``[E, Z, P, ...]`` as ``[B, C, Z, Y, X, ...]``, or ``[B, C, Z, P, ...]`` on a subset of pixels."""
    image = batch.scan.shape[1:] if batch.pixels is None else (batch.n_pixels,)
    return rows.reshape(batch.n_graphs, batch.n_channels, rows.shape[1], *image, *rows.shape[3:])


def _make_solver(backend: str, dtype: torch.dtype, device: str | torch.device | None) -> Solver:
    if backend == "torch":
        return TorchSolver(dtype, device or "cpu")
    if dtype != torch.float32:
        raise InputError(f"dtype: expected torch.float32, or backend='torch' for another, got {dtype}")
    if backend == "cuda":
        return KernelSolver(CUDADevice(device))
    if device is not None:
        raise InputError(f"device: expected none with the backend 'opencl', got {device!r}")
    get_queue()
    return KernelSolver(OpenCLDevice())


def _choose_backend() -> str:
    try:
        check_cuda()
        return "cuda"
    except CUDAUnavailable:
        pass
    try:
        get_queue()
        error_text = _opencl_error()
    except OpenCLUnavailable as error:
        error_text = str(error)
    if error_text is None:
        return "opencl"
    warnings.warn(f"rendering with torch, which is slower: {error_text}", stacklevel=3)
    return "torch"


@cache
def _opencl_error() -> str | None:
    """Why OpenCL cannot render here; ``None`` where it can: one pixel is tried, once a process."""
    atom = AFMData(z=torch.tensor([6]), pos=torch.zeros(1, 3), charge=torch.ones(1))
    try:
        stack = ProbeParticleModel(Scan(), backend="opencl")(atom, pixels=torch.tensor([[0, 0]]))
    except Exception as error:  # a broken driver raises anything
        return f"OpenCL renders nothing ({type(error).__name__}: {' '.join(str(error).split())})"
    return None if bool(stack.isfinite().all()) else "OpenCL renders NaN"
