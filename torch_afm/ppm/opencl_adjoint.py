"""The backward pass of rendered stacks in OpenCL."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.ppm.autograd import pull_torch
from torch_afm.ppm.context import get_program, get_queue, is_cpu
from torch_afm.ppm.forcefield import Atoms
from torch_afm.ppm.relaxation import Springs
from torch_afm.ppm.tip import TipArrays

# On a CPU and on a GPU.
_BLOCK = {True: 64, False: 16}  # vectors of probes a work-item
_LOCAL_SIZE = {True: 1, False: 64}  # work-items a group


def pull_opencl(grad: Tensor, u: Tensor, free: Tensor, atoms: Atoms, springs: Springs) -> Sequence[Tensor]:
    """The backward pass of :func:`torch_afm.ppm.autograd.with_gradient` in OpenCL, in float32, with
    charges of the tip as the multipoles of :class:`torch_afm.ppm.OpenCLRenderer`; these charges and their
    heights are constants, with gradients of 0. See :class:`torch_afm.ppm.autograd.Pull`."""
    import pyopencl as cl

    n = len(atoms.pos)
    if not n or not len(u):
        return pull_torch(grad, u, free, atoms, springs)
    queue, width = get_queue(), 8 if is_cpu() else 1
    vectors = -(-len(u) // width)
    # Long enough that the sums of all work-items take about as much memory as the probes.
    block = max(_BLOCK[is_cpu()], n // 4)
    items = -(-vectors // block)
    # The gap in the last vector weighs nothing.
    probes = np.zeros((7, vectors * width), dtype=np.float32)
    for rows, values in ((slice(0, 3), free + u), (slice(3, 6), u), (slice(6, 7), grad.unsqueeze(1))):
        probes[rows, : len(u)] = _array(values).T
    tips = TipArrays(
        np.zeros((1, 8)), _array(atoms.tip_charges.double())[None], _array(atoms.tip_heights.double())[None]
    )
    moments, sites = tips.moments(), tips.sites()
    length = springs.free.norm().reshape(1)
    spring = torch.cat([springs.stiffness, springs.radial, length, springs.free])
    c6 = 12 * atoms.depth * atoms.radius**6
    options = [f"-DWIDTH={width}"]
    options += [f"-DM{order}" for order in np.flatnonzero(moments[0])]
    options += [f"-DSITES={sites.shape[1]}"] if sites.shape[1] else []

    flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
    # Named, since a kernel does not keep its buffers alive.
    buffers = [
        cl.Buffer(queue.context, flags, hostbuf=np.ascontiguousarray(a, dtype=np.float32))
        for a in (
            np.column_stack([_array(atoms.pos), _array(atoms.charge)]),
            _array(torch.stack([c6, c6 * atoms.radius**6], 1)),
            np.concatenate([_array(spring), moments[0], sites[0].reshape(-1)]),
            probes[:3],
            probes[3:6],
            probes[6],
        )
    ]
    out = np.empty((items, 4 * n + 7, width), dtype=np.float32)
    result = cl.Buffer(queue.context, cl.mem_flags.WRITE_ONLY, out.nbytes)
    kernel = cl.Kernel(get_program("adjoint.cl", tuple(options)), "adjoint")
    kernel.set_args(*buffers, np.int32(n), np.int32(vectors), np.int32(block), result)
    local = _LOCAL_SIZE[is_cpu()]
    cl.enqueue_nd_range_kernel(queue, kernel, (-(-items // local) * local,), (local,))
    cl.enqueue_copy(queue, out, result)
    sums = torch.from_numpy(out.sum(axis=(0, 2), dtype=np.float64)).to(u)
    by_atom, by_spring = sums[: 4 * n].reshape(n, 4), sums[4 * n :]
    nothing = torch.zeros_like(atoms.tip_charges)
    return by_atom[:, :3], by_atom[:, 3], nothing, nothing, *by_spring.split([3, 1, 3])


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
