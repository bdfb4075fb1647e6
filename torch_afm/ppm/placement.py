"""The height that a scan starts from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm.tip import TipParameters
from torch_afm.utils import InputError, check_finite, check_shape

#: One tip for all graphs, ``tips[graph][channel]`` (those of a single graph serve all), or either as tensors.
Tips = Tip | Sequence[Sequence[Tip]] | TipParameters


def anchor_height(
    data: AFMData | Batch,
    scan: Scan,
    tip: Tips,
    z_top: Tensor | float | None = None,
    forcefield: ForceField | None = None,
) -> Tensor:
    """First (farthest) anchor height of each graph: ``z_top`` where given, else ``data.z_top``, else
    ``max(z_i + R_i) + scan.distance + R_probe``.

    Gradients flow through given heights; those by the rule are constants.

    Args:
        data: one molecule or a batch.
        scan: its ``distance`` counts.
        tip: as a renderer takes it.
        z_top: heights in Å, of all graphs, of each, or of each and its channels.
        forcefield: radii; the default one by default.

    Shapes:
        z_top ``[1]``, ``[B]``, ``[B, 1]`` or ``[B, C]``; returns ``[B]`` float64, Å, or ``[B, C]`` for more
        than one channel.

    Raises:
        InputError: for an empty graph without a height, and for heights of a wrong shape.
    """
    pos, z, ptr = check_atoms(data)
    n_graphs = len(ptr) - 1
    tips = expand_tips(tip, n_graphs)
    channels = tips.n_channels
    if z_top is None:
        z_top = data.get("z_top")
    if z_top is not None:
        tops = torch.as_tensor(z_top).cpu().double()
        tops = tops.reshape(-1, 1) if tops.dim() < 2 else tops
        if len(tops) not in (1, n_graphs) or tops.shape[1:] not in ((1,), (channels,)):
            got = len(tops) if tops.shape[1:] == (1,) else f"shape {tuple(tops.shape)}"
            raise InputError(f"z_top: expected one height or one per graph ({n_graphs}), got {got}")
        check_finite("z_top", tops)
        tops = tops.expand(n_graphs, channels)
    else:
        empty = np.flatnonzero(np.diff(ptr) == 0)
        if len(empty):
            raise InputError(
                f"z_top: expected a height for empty graph {empty[0]}, which has no atom to place it by"
            )
        probe_radius, _ = (forcefield or ForceField()).probe_parameters(tips.probe)
        radius, _ = (forcefield or ForceField()).lj_parameters(z.cpu())
        highest = np.maximum.reduceat(pos[:, 2].detach().cpu().double().numpy() + radius, ptr[:-1])
        tops = torch.from_numpy(highest[:, None] + scan.distance + probe_radius.reshape(n_graphs, channels))
    return tops if channels > 1 else tops[:, 0]


def nominal_height(scan: Scan, tip: Tips) -> float:
    """First anchor height in Å above an oxygen atom at z = 0: that of a scan of which nothing is known."""
    oxygen = AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3))
    return float(anchor_height(oxygen, scan, tip))


def expand_tips(tip: Tips, n_graphs: int) -> TipParameters:
    """The tip of each entry, channel by channel of graph by graph."""
    parameters = tip if isinstance(tip, TipParameters) else TipParameters.from_tips(tip)
    return parameters.expand(n_graphs)


def check_atoms(data: AFMData | Batch) -> tuple[Tensor, Tensor, np.ndarray]:
    """``pos``, ``z`` and ``ptr`` of ``data``; raises :class:`InputError` for wrong shapes, types or NaN."""
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
