"""Atoms at the peaks of maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.models.base import MIN_DISTANCE
from torch_afm.nn import MapGrid, ScanPrediction, SpatialPrediction, class_planes


def find_atoms(
    out: SpatialPrediction | ScanPrediction, grid: MapGrid, classes: AtomClasses, min_confidence: float
) -> AFMData:
    r"""The atoms of one prediction that stand out, most confident first.

    A pixel whose heatmap is the highest of its plane in the 3 x 3 around it is a candidate (the non-maximum
    suppression of Zhou et al., arXiv:1904.07850). If the atom of the other plane at this pixel would be
    closer than 0.5 Å to it, both are the same atom: their probabilities add up to its ``confidence`` (1 at
    most). What each class has of that is its ``class_probabilities``. Candidates closer
    than that to a more confident one are dropped.

    Args:
        out: a prediction of one graph.
        grid: the pixels of its maps.
        classes: its classes.
        min_confidence: confidence of the least certain ones.

    Returns:
        graph with ``z``, ``pos`` [Å], ``charge`` (0 e), no bonds, ``class_probabilities``
        ``[N, K]``, ``confidence`` ``[N]``, ``sigma`` ``[N, 3]``: standard deviations of x, y, z in Å.
    """
    heatmap, log_var = out.heatmap[0].sigmoid(), out.log_var[0].permute(0, 2, 3, 1)
    x, y = grid.axes(heatmap)
    place = out.position[0].permute(0, 2, 3, 1) + F.pad(
        torch.stack(torch.meshgrid(x, y, indexing="xy"), -1), (0, 1)
    )
    peak = (heatmap == F.max_pool2d(heatmap, 3, stride=1, padding=1)) & (
        heatmap >= min_confidence / len(heatmap)
    )
    plane, row, column = peak.nonzero(as_tuple=True)
    pos, sigma = place[plane, row, column], (log_var[plane, row, column] / 2).exp()
    same = (place[:, row, column] - pos).norm(dim=-1) < MIN_DISTANCE
    share = (heatmap[:, row, column] * same).T
    total = share.sum(dim=1)
    best = heatmap[plane, row, column] >= share.amax(dim=1)
    order = [
        i
        for i in total.argsort(descending=True, stable=True).tolist()
        if best[i] and total[i] >= min_confidence
    ]
    kept: list[int] = []
    for i in order:
        if not kept or float((pos[kept] - pos[i]).norm(dim=1).min()) >= MIN_DISTANCE:
            kept.append(i)
    shares = share[:, class_planes(classes)] * out.class_logits[0, :, row, column].T.exp() / total[:, None]
    return AFMData(
        z=classes.representative(shares[kept].argmax(dim=1) + 1),
        pos=pos[kept],
        charge=pos.new_zeros(len(kept)),
        class_probabilities=shares[kept],
        confidence=total[kept].clamp(max=1),
        sigma=sigma[kept],
    )
