"""The kernels in CUDA: the same source as for OpenCL, compiled by NVRTC through CuPy."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.ppm.kernel_device import kernel_source
from torch_afm.utils import BackendUnavailable

#: Threads a block: a molecule's pixels in one block read the same atoms, through the cache.
_THREADS = 128


class CUDAUnavailable(BackendUnavailable):
    """CUDA cannot be used here; the message says why and what to do."""


def check_cuda() -> None:
    """Raise :class:`CUDAUnavailable` unless torch sees a CUDA device and CuPy can be imported."""
    if not torch.cuda.is_available():
        raise CUDAUnavailable("torch sees no CUDA device")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # CuPy warns of what it was not asked for
            import cupy  # noqa: F401
    except ImportError as error:
        raise CUDAUnavailable(
            f"CuPy cannot be imported ({error}); install cupy-cuda12x or cupy-cuda13x"
        ) from error


@cache
def _module(file: str, options: tuple[str, ...], index: int) -> Any:
    import cupy

    source = kernel_source("prelude.cu", "common.cl", file)
    with cupy.cuda.Device(index):
        return cupy.RawModule(code=source, options=("--std=c++17", *options))


class CUDADevice:
    """See :class:`torch_afm.ppm.kernel_device.KernelDevice`. Everything runs on torch's current stream, and
    nothing waits for it. Needs CuPy (``cupy-cuda12x`` or ``cupy-cuda13x``).

    Args:
        device: CUDA device, the current one by default.

    Raises:
        CUDAUnavailable: without a CUDA device or CuPy.
    """

    width = 1
    block = 16

    def __init__(self, device: str | torch.device | None = None) -> None:
        check_cuda()
        index = None if device is None else torch.device(device).index
        self.index = torch.cuda.current_device() if index is None else index

    def array(self, values: np.ndarray | Tensor) -> Tensor:
        """``values`` as a tensor on the device."""
        t = torch.as_tensor(np.ascontiguousarray(values) if isinstance(values, np.ndarray) else values)
        dtype = torch.float32 if t.is_floating_point() else torch.int32
        return t.detach().to(f"cuda:{self.index}", dtype).contiguous()

    def launch(
        self,
        file: str,
        kernel: str,
        options: Sequence[str],
        size: tuple[int, int],
        arguments: Sequence[Any],
        shape: tuple[int, ...],
    ) -> Tensor:
        """See :meth:`torch_afm.ppm.kernel_device.KernelDevice.launch`; the result stays on the device."""
        import cupy

        out = torch.empty(shape, device=f"cuda:{self.index}")
        run = _module(file, tuple(options), self.index).get_function(kernel)
        values = [a.data_ptr() if isinstance(a, Tensor) else np.int32(a) for a in (*arguments, out)]
        items, entries = size
        stream = torch.cuda.current_stream(self.index).cuda_stream
        with cupy.cuda.Device(self.index), cupy.cuda.ExternalStream(stream, self.index):
            run((entries, -(-items // _THREADS)), (_THREADS,), tuple(values))
        return out
