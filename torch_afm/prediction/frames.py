"""Parts of a prediction in the frame of a scan."""

from __future__ import annotations

import copy
import dataclasses

import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.models import Step


def move_graph(graph: AFMData, shift: Tensor) -> AFMData:
    """A graph with its atoms shifted, ``[3]`` Å."""
    moved = copy.copy(graph)
    moved.pos = graph.pos + shift
    return moved


def move_step(step: Step, shift: Tensor) -> Step:
    """A step with all its atoms shifted, ``[3]`` Å."""
    revised = step.proposal.revised
    if revised is not None:
        revised = dataclasses.replace(revised, pos=revised.pos + shift)
    proposal = dataclasses.replace(
        step.proposal, atoms=move_graph(step.proposal.atoms, shift), revised=revised
    )
    graph, added = (move_graph(part, shift) for part in (step.graph, step.added))
    return dataclasses.replace(step, graph=graph, added=added, proposal=proposal)


def inside_scan(pos: Tensor, scan: Scan) -> Tensor:
    """Which atoms, ``[N]`` booleans, lie within a scan and half a pixel around it."""
    inside = torch.ones(len(pos), dtype=torch.bool)
    for axis, ((low, high), size) in enumerate(zip(scan.window, scan.pixel_size, strict=True)):
        inside &= (pos[:, axis] >= low - size / 2) & (pos[:, axis] <= high + size / 2)
    return inside
