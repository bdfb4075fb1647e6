"""The renderer to use when it does not matter which."""

from __future__ import annotations

import copy
import warnings
from typing import Self

from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm.base import Relaxation, Renderer, Tips
from torch_afm.ppm.context import OpenCLUnavailable, get_queue
from torch_afm.ppm.cuda import CUDARenderer, CUDAUnavailable, check_cuda
from torch_afm.ppm.opencl import OpenCLRenderer
from torch_afm.ppm.torch_backend import TorchRenderer
from torch_afm.utils import InputError

_RENDERERS = {"opencl": OpenCLRenderer, "cuda": CUDARenderer, "torch": TorchRenderer}


def _choose() -> str:
    try:
        check_cuda()
        return "cuda"
    except CUDAUnavailable:
        pass
    try:
        get_queue()
        return "opencl"
    except OpenCLUnavailable as error:
        warnings.warn(f"rendering with torch, which is slower: {error}", stacklevel=3)
        return "torch"


class ProbeParticleModel:
    """Probe Particle Model with the best backend at hand (see :class:`torch_afm.ppm.Renderer`).

    Args:
        scan: window, pixels, heights.
        tip: default tip.
        backend: ``"opencl"``, ``"cuda"`` (the same kernels), ``"torch"``, or ``"auto"``: CUDA where there is
            a device and CuPy, else OpenCL, else torch with a warning.
        on_unconverged: "warn", "error" or "ignore", where the probe does not come to rest outside of atoms;
            "ignore" also renders from heights within or below the atoms.
        forcefield: Lennard-Jones parameters of atoms and probes.

    Raises:
        InputError: for another backend or setting, and for probes not at rest with ``"error"``.
        OpenCLUnavailable, CUDAUnavailable: if the backend asked for does not work here.
    """

    def __init__(
        self,
        scan: Scan | None = None,
        tip: Tip | None = None,
        backend: str = "auto",
        on_unconverged: str = "warn",
        forcefield: ForceField | None = None,
    ) -> None:
        if backend not in ("auto", *_RENDERERS):
            raise InputError(f"backend: expected 'auto', {str([*_RENDERERS])[1:-1]}, got {backend!r}")
        self.scan = scan or Scan()
        self.tip = tip or Tip()
        self.forcefield = forcefield or ForceField()
        self.backend = _choose() if backend == "auto" else backend
        if self.backend == "opencl":
            get_queue()
        self._renderer: Renderer = _RENDERERS[self.backend](
            self.scan, self.tip, on_unconverged=on_unconverged, forcefield=self.forcefield
        )

    def render(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Tensor:
        """See :meth:`torch_afm.ppm.Renderer.render`."""
        return self._renderer.render(data, tip, z_top, pixels)

    def relax(
        self,
        data: AFMData | Batch,
        tip: Tips | None = None,
        z_top: Tensor | float | None = None,
        pixels: Tensor | None = None,
    ) -> Relaxation:
        """See :meth:`torch_afm.ppm.Renderer.relax`."""
        return self._renderer.relax(data, tip, z_top, pixels)

    def quiet(self) -> Self:
        """See :meth:`torch_afm.ppm.Renderer.quiet`."""
        same = copy.copy(self)
        same._renderer = self._renderer.quiet()
        return same

    __call__ = render

    def __repr__(self) -> str:
        return f"{type(self).__name__}(backend={self.backend!r}, pixels={self.scan.pixels})"
