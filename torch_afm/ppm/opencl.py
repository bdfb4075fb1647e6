"""OpenCL: the context of this process, made when first needed, never pickled, refused to forked children; and
the kernels on its device, any GPU with a driver, or, through PoCL, a CPU."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.ppm.kernel_cache import set_pocl_folder
from torch_afm.ppm.kernel_device import kernel_source
from torch_afm.utils import BackendUnavailable, InputError

#: Work-items a group, on a CPU and on a GPU. The backward pass has few and long ones.
_LOCAL_SIZE = {True: {"adjoint.cl": 1}, False: {}}
_USUAL_SIZE = {True: 4, False: 64}

_INSTALL = "on Linux install pocl-binary-distribution"
_ROOM = "PoCL needs a folder with room for programs; set POCL_CACHE_DIR to one"

#: Arguments of a kernel are set, and it is launched, by one thread at a time.
_launching = threading.Lock()

#: The process that used OpenCL first.
_owner: int | None = None


class OpenCLUnavailable(BackendUnavailable):
    """OpenCL cannot be used here; the message says why and what to do."""


def import_pyopencl() -> Any:
    """pyopencl, with caches that cannot stop it; to be used before anything else imports it."""
    # Its own cache saves nothing here, and stops a render where its database is locked or damaged.
    os.environ.setdefault("PYOPENCL_NO_CACHE", "1")
    set_pocl_folder()
    import pyopencl

    return pyopencl


@cache
def _create() -> tuple[Any, Any]:
    try:
        cl = import_pyopencl()
    except ImportError as error:
        raise OpenCLUnavailable(f"pyopencl cannot be imported ({error}); install pyopencl") from error
    folder = set_pocl_folder()
    try:
        devices = [d for p in cl.get_platforms() for d in p.get_devices()]
    except cl.Error as error:
        advice = _INSTALL if folder is not None else _ROOM
        raise OpenCLUnavailable(f"no OpenCL platform ({error}); {advice}") from error
    if not devices:
        raise OpenCLUnavailable(f"no OpenCL device; {_INSTALL}")
    devices.sort(key=lambda d: not d.type & cl.device_type.GPU)
    choice = os.environ.get("TORCH_AFM_OPENCL_DEVICE")
    if choice is not None:
        devices = [d for d in devices if choice.lower() in d.name.lower()]
        if not devices:
            raise InputError(f"TORCH_AFM_OPENCL_DEVICE: no OpenCL device has {choice!r} in its name")
    if "Portable Computing Language" in devices[0].platform.name:
        # Without either PoCL aborts the whole process when it links the first kernel.
        if shutil.which("ld") is None:
            raise OpenCLUnavailable("PoCL needs the linker `ld` on the PATH; install binutils or gcc")
        if folder is None:
            raise OpenCLUnavailable(_ROOM)
    context = cl.Context(devices[:1])
    return context, cl.CommandQueue(context)


def get_queue() -> Any:
    """The command queue of this process, on a GPU where there is one, else a CPU.

    ``TORCH_AFM_OPENCL_DEVICE`` (part of a device's name) chooses another; ``POCL_MAX_PTHREAD_COUNT`` limits
    the threads of PoCL and has to be set before the first use (1 is right for the workers of a data loader).

    Raises:
        OpenCLUnavailable: without a device, or in a child forked after its parent used OpenCL, where any
            OpenCL call would hang.
    """
    global _owner
    if _owner is not None and _owner != os.getpid():
        raise OpenCLUnavailable(
            "this process was forked after its parent used OpenCL, which would hang; start it with the "
            "'forkserver' or 'spawn' start method (DataLoader: multiprocessing_context='forkserver')"
        )
    queue = _create()[1]
    _owner = os.getpid()
    return queue


def is_cpu() -> bool:
    """Whether the OpenCL device is a CPU."""
    import pyopencl as cl

    return bool(get_queue().device.type & cl.device_type.CPU)


@cache
def _build(name: str, options: tuple[str, ...]) -> Any:
    import pyopencl as cl

    source = kernel_source("common.cl", name)
    try:
        return cl.Program(get_queue().context, source).build(options=list(options))
    except cl.Error as error:
        device = get_queue().device.name
        raise OpenCLUnavailable(f"{name} does not build on {device}; use backend='torch': {error}") from error


def get_program(name: str, options: tuple[str, ...]) -> Any:
    """The kernel file ``name`` built with ``options``; each combination is built once a process."""
    get_queue()  # the fork guard, before the cache answers
    return _build(name, options)


@cache
def _kernel(program: Any, name: str) -> Any:
    """A kernel, made once a process: pyopencl writes and compiles Python for each that is made."""
    import pyopencl as cl

    return cl.Kernel(program, name)


class OpenCLDevice:
    """See :class:`torch_afm.ppm.kernel_device.KernelDevice`; that of :func:`get_queue`."""

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
        """See :meth:`torch_afm.ppm.kernel_device.KernelDevice.launch`; the result is in the host's memory."""
        import pyopencl as cl

        queue, out = get_queue(), np.empty(shape, dtype=np.float32)
        result = cl.Buffer(queue.context, cl.mem_flags.WRITE_ONLY, max(out.nbytes, 4))
        run = _kernel(get_program(file, tuple(options)), kernel)
        local = _LOCAL_SIZE[is_cpu()].get(file, _USUAL_SIZE[is_cpu()])
        items, entries = size
        with _launching:
            run.set_args(*(np.int32(a) if isinstance(a, int) else a for a in arguments), result)
            cl.enqueue_nd_range_kernel(queue, run, (-(-items // local) * local, entries), (local, 1))
        cl.enqueue_copy(queue, out, result)
        return torch.from_numpy(out)
