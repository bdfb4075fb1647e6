"""What a renderer is, and the checked input that both backends compute from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import atomic_number, lj_parameters
from torch_afm.ppm.tip import TipArrays, tip_arrays
from torch_afm.utils import InputError, check_finite, check_shape


class Renderer(Protocol):
    """Renders Δf stacks of molecules with the Probe Particle Model (Hapala et al., PRB 90, 085421 (2014))."""

    scan: Scan
    tip: Tip

    def render(
        self,
        data: AFMData | Batch,
        tip: Tip | Sequence[Tip] | None = None,
        z_top: Tensor | float | None = None,
    ) -> Tensor:
        """Δf stack of each graph.

        Args:
            data: ``z``, ``pos`` [Å] and ``charge`` [e] (zero where missing) of one molecule or a batch.
            tip: one for all graphs or one per graph; ``self.tip`` by default.
            z_top: first (farthest) anchor height [Å] of each graph; ``data.z_top`` by default, else
                :func:`place`.

        Shapes:
            returns ``[B, 1, Z, Y, X]`` float32 in Hz, Z from far to near; B = 1 for a single graph. An empty
            graph gives zeros.

        Raises:
            InputError: for NaN, wrong shapes, an element without Lennard-Jones parameters, a tip count other
                than one or B, and an empty graph without ``z_top``.
        """
        ...


@dataclass(frozen=True)
class RenderInput:
    """A checked batch: atoms of all graphs in a row, graph ``b`` at ``ptr[b]:ptr[b + 1]``.

    Shapes:
        pos ``[N, 3]`` Å, in each graph's render frame (:attr:`Scan.window` centre at x = y = 0, the free
        probe of the first height at z = 0); charge ``[N]`` e; radius ``[N]`` = R_i + R_p in Å and
        depth ``[N]`` = √(ε_i ε_p) in eV; ptr ``[B + 1]``; both tensors differentiable, float64.
    """

    pos: Tensor
    charge: Tensor
    radius: np.ndarray
    depth: np.ndarray
    ptr: np.ndarray
    tips: TipArrays

    @property
    def n_graphs(self) -> int:
        return len(self.ptr) - 1


def prepare(
    data: AFMData | Batch, scan: Scan, tip: Tip | Sequence[Tip], z_top: Tensor | float | None = None
) -> RenderInput:
    """Check ``data``, ``tip`` and ``z_top`` and lay them out for a backend (errors as in
    :meth:`Renderer.render`)."""
    pos, _, ptr = _atoms(data)
    charge = data.charge if data.get("charge") is not None else pos.new_zeros(len(pos))
    check_shape("charge", charge, (len(pos),))
    check_finite("charge", charge)
    tips = _tips(tip, len(ptr) - 1)
    tops = place(data, scan, tips, z_top)

    radius, depth = lj_parameters(data.z.cpu())
    probe_radius, probe_depth = lj_parameters([atomic_number(t.probe) for t in tips])
    graph = np.repeat(np.arange(len(tips)), np.diff(ptr))
    arrays = tip_arrays(tips)
    origin = np.empty((len(tips), 3))
    origin[:, :2] = [np.mean(axis) for axis in scan.window]
    origin[:, 2] = tops.numpy() + arrays.springs[:, 7]
    return RenderInput(
        pos=pos.double() - torch.from_numpy(origin[graph]).to(pos.device),
        charge=charge.double(),
        radius=radius + probe_radius[graph],
        depth=np.sqrt(depth * probe_depth[graph]),
        ptr=ptr,
        tips=arrays,
    )


def place(
    data: AFMData | Batch, scan: Scan, tip: Tip | Sequence[Tip], z_top: Tensor | float | None = None
) -> Tensor:
    """First anchor height of each graph: ``z_top`` where given, else ``data.z_top``, else
    ``max(z_i + R_i) + scan.distance + R_probe``.

    Heights are constants: no gradient flows through them.

    Shapes:
        returns ``[B]`` float64, Å.

    Raises:
        InputError: for an empty graph that nothing places, and for heights of a wrong shape.
    """
    pos, z, ptr = _atoms(data)
    n_graphs = len(ptr) - 1
    if z_top is None:
        z_top = data.get("z_top")
    if z_top is not None:
        tops = torch.as_tensor(z_top).detach().cpu().double().reshape(-1)
        if len(tops) not in (1, n_graphs):
            raise InputError(f"z_top: expected one height or one per graph ({n_graphs}), got {len(tops)}")
        check_finite("z_top", tops)
        return tops.expand(n_graphs)
    empty = np.flatnonzero(np.diff(ptr) == 0)
    if len(empty):
        raise InputError(
            f"z_top: expected a height for empty graph {empty[0]}, which has no atom to place it by"
        )
    probe_radius, _ = lj_parameters([atomic_number(t.probe) for t in _tips(tip, n_graphs)])
    radius, _ = lj_parameters(z.cpu())
    highest = np.maximum.reduceat(pos[:, 2].detach().cpu().double().numpy() + radius, ptr[:-1])
    return torch.from_numpy(highest + scan.distance + probe_radius)


def _atoms(data: AFMData | Batch) -> tuple[Tensor, Tensor, np.ndarray]:
    """``pos``, ``z`` and ``ptr`` of ``data``, checked."""
    for key in ("z", "pos"):
        if not isinstance(data.get(key), Tensor):
            raise InputError(f"data: expected a tensor {key!r}, got keys {sorted(data.keys())}")
    check_shape("z", data.z, (None,))
    check_shape("pos", data.pos, (len(data.z), 3))
    if data.z.is_floating_point():
        raise InputError(f"z: expected integer atomic numbers, got {data.z.dtype}")
    check_finite("pos", data.pos)
    ptr = data.ptr.cpu().numpy() if isinstance(data, Batch) else np.array([0, len(data.z)])
    return data.pos, data.z, ptr


def _tips(tip: Tip | Sequence[Tip], n_graphs: int) -> list[Tip]:
    tips = [tip] * n_graphs if isinstance(tip, Tip) else list(tip)
    if len(tips) != n_graphs:
        raise InputError(f"tip: expected one tip or one per graph ({n_graphs}), got {len(tips)}")
    return tips
