"""Atoms that an image shows and a graph lacks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.generation.chemistry import open_bonds
from torch_afm.generation.refinement.objective import RefinementObjective

#: Å: atoms that are added at once are farther apart, for each is judged as if it were alone.
_DISTANCE = 1.6
#: Atoms added at once, at most, and the gain in the objective that each must promise.
_MAX_ATOMS, _MIN_GAIN = 3, 4.0


@torch.no_grad()
def further_atoms(objective: RefinementObjective, x: Tensor) -> AFMData:
    r"""Atoms at the open bonds of a molecule (:func:`~torch_afm.generation.chemistry.open_bonds`) that
    explain its stack better than all that is fitted can without them.

    A candidate k changes the residual of the images from r to :math:`r_k`, by one rendering; what the
    unknowns make of that follows from the quadratic model at ``x``, with the Jacobian J of the normalized
    images and the curvature C of the objective,

    .. math::
        ΔE_k = E(r_k + J δ_k) + \tfrac12 |x + δ_k|^2 - E_0, \qquad δ_k = -C^{-1} (J^T W r_k + x) ,

    where :math:`E_0` is the same without a candidate.

    Args:
        objective: of a fit.
        x: where it ended.

    Returns:
        the best of them with :math:`-ΔE_k` of at least 4, without charge, with the ``gain`` of each; no more
        than 3, none close to another.

    Shapes:
        x ``[K]``.
    """
    data = objective.unknowns.state(x).data
    z, pos = open_bonds(data.z, data.pos)
    change = _changes(objective, x, z, pos) if len(z) else torch.empty(0)
    chosen: list[int] = []
    for k in change.argsort(stable=True).tolist():
        if change[k] > -_MIN_GAIN or len(chosen) == _MAX_ATOMS:
            break
        if not chosen or float((pos[chosen] - pos[k]).norm(dim=1).min()) > _DISTANCE:
            chosen.append(k)
    found = AFMData(z=z[chosen], pos=pos[chosen], charge=pos.new_zeros(len(chosen)))
    found.gain = -change[chosen]
    return found


def _changes(objective: RefinementObjective, x: Tensor, z: Tensor, pos: Tensor) -> Tensor:
    """ΔE of each candidate, ``[M]``."""
    model = objective.quadratic(x)
    data, tip, z_top = objective.unknowns.state(x)
    graphs = [
        AFMData(
            z=torch.cat([data.z, z[k : k + 1]]),
            pos=torch.cat([data.pos, pos[k : k + 1]]),
            charge=torch.cat([data.charge, data.charge.new_zeros(1)]),
        )
        for k in range(len(z))
    ]
    batch = Batch.from_data_list(graphs)
    stacks = objective.renderer(batch, tip=tip, z_top=z_top, pixels=objective.images.pixels)
    without = model.minimum(model.stack)
    return torch.tensor([model.minimum(stack) - without for stack in stacks[:, 0]])
