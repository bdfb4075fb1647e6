"""The kernels in OpenCL: on any GPU with a driver, or, through PoCL, on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.ppm.context import get_program, get_queue, is_cpu
from torch_afm.ppm.kernel_renderer import KernelRenderer

#: Work-items a group, on a CPU and on a GPU. The backward pass has few and long ones.
_LOCAL_SIZE = {True: {"adjoint.cl": 1}, False: {}}
_USUAL_SIZE = {True: 4, False: 64}


class OpenCLDevice:
    """See :class:`torch_afm.ppm.device.KernelDevice`; that of :func:`torch_afm.ppm.context.get_queue`."""

    @property
    def width(self) -> int:
        return 8 if is_cpu() else 1

    @property
    def block(self) -> int:
        return 64 if is_cpu() else 16

    def array(self, values: np.ndarray | Tensor) -> Any:
        """``values`` in a buffer. A kernel does not keep its buffers alive: name them."""
        import pyopencl as cl

        a = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        a = np.ascontiguousarray(a, dtype=np.int32 if a.dtype.kind == "i" else np.float32)
        a = a if a.size else np.zeros(4, dtype=a.dtype)  # OpenCL has no empty buffers
        return cl.Buffer(get_queue().context, cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR, hostbuf=a)

    def launch(
        self,
        file: str,
        kernel: str,
        options: Sequence[str],
        size: tuple[int, int],
        arguments: Sequence[Any],
        shape: tuple[int, ...],
    ) -> Tensor:
        """See :meth:`torch_afm.ppm.device.KernelDevice.launch`; the result is in the host's memory."""
        import pyopencl as cl

        queue, out = get_queue(), np.empty(shape, dtype=np.float32)
        result = cl.Buffer(queue.context, cl.mem_flags.WRITE_ONLY, max(out.nbytes, 4))
        run = cl.Kernel(get_program(file, tuple(options)), kernel)
        run.set_args(*(np.int32(a) if isinstance(a, int) else a for a in arguments), result)
        local = _LOCAL_SIZE[is_cpu()].get(file, _USUAL_SIZE[is_cpu()])
        items, entries = size
        cl.enqueue_nd_range_kernel(queue, run, (-(-items // local) * local, entries), (local, 1))
        cl.enqueue_copy(queue, out, result)
        return torch.from_numpy(out)


class OpenCLRenderer(KernelRenderer):
    __doc__ = KernelRenderer.__doc__

    kernel_device = OpenCLDevice()
