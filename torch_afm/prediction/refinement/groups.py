"""Groups of atoms of a scan that are refined one after the other."""

from __future__ import annotations

import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.utils import subgraph

from torch_afm.data import AFMData
from torch_afm.prediction.atoms import ATOM_KEYS
from torch_afm.prediction.refinement.settings import RefinementSettings

#: Å: atoms nearer than this belong together; atoms of a group see others up to so far away.
_TOGETHER, REACH = 3.2, 8.0

#: Atoms of a group at most: of more, the wider side is cut in two.
_MAX_ATOMS = 60


def split_groups(pos: Tensor) -> list[Tensor]:
    """Indices of the atoms of each group: all of 60 atoms or fewer; else those that are connected by gaps of
    less than 3.2 Å, cut at the median of their longer side where these are still more than 60, and so on. The
    largest group is the first.

    Shapes:
        pos ``[N, 3]``.
    """
    if len(pos) <= _MAX_ATOMS:
        return [torch.arange(len(pos))]
    near = (torch.cdist(pos, pos) < _TOGETHER).numpy()
    _, label = connected_components(csr_matrix(near), directed=False)
    groups = [torch.from_numpy((label == k).nonzero()[0]) for k in range(label.max() + 1)]
    small: list[Tensor] = []
    while groups:
        group = groups.pop()
        if len(group) <= _MAX_ATOMS:
            small.append(group)
            continue
        flat = pos[group, :2]
        axis = int((flat.amax(0) - flat.amin(0)).argmax())
        order = group[flat[:, axis].argsort(stable=True)]
        groups += [order[: len(order) // 2].sort().values, order[len(order) // 2 :].sort().values]
    return sorted(small, key=lambda group: (-len(group), int(group[0])))


def surroundings(pos: Tensor, group: Tensor) -> Tensor:
    """Which atoms, ``[N]`` booleans, are no farther than 8 Å along x and y from a group, and not in it."""
    flat = pos[group, :2]
    near = ((pos[:, :2] >= flat.amin(0) - REACH) & (pos[:, :2] <= flat.amax(0) + REACH)).all(dim=1)
    near[group] = False
    return near


def take_atoms(data: AFMData, index: Tensor) -> AFMData:
    """Atoms of a graph, by indices or booleans, in its order, with the bonds among them, if it has any."""
    taken = AFMData(**{key: data[key][index] for key in ATOM_KEYS if key in data})
    if "edge_index" in data:
        chosen = torch.zeros(len(data.z), dtype=torch.bool)
        chosen[index] = True
        taken.edge_index, _ = subgraph(chosen, data.edge_index, relabel_nodes=True, num_nodes=len(data.z))
    return taken


def cut_group(
    data: AFMData, context: AFMData, group: Tensor, deep: Tensor, settings: RefinementSettings
) -> tuple[AFMData, AFMData]:
    """A group, and what takes part in its fit: its own context, and atoms around it, held.

    Args:
        data: all atoms.
        context: all atoms of the context.
        group: indices of the group in ``data``.
        deep: indices of its own context.
        settings: tell the standard deviations of atoms that tell none.
    """
    both = torch.cat([data.pos, context.pos])
    own = torch.cat([group, len(data.z) + deep])
    others = surroundings(both, own)
    z, charge = (
        torch.cat([part[key] if key in part else torch.zeros(len(part.z)) for part in (data, context)])
        for key in ("z", "charge")
    )
    width = (
        context.sigma
        if "sigma" in context
        else torch.full((len(context.z), 3), settings.pos_sigma / settings.sigma_scale)
    )
    held = AFMData(
        z=z[others], pos=both[others], charge=charge[others], sigma=torch.zeros(int(others.sum()), 3)
    )
    below = AFMData(
        z=context.z[deep], pos=context.pos[deep], charge=charge[own[len(group) :]], sigma=width[deep]
    )
    around = AFMData(**{key: torch.cat([below[key], held[key]]) for key in ("z", "pos", "charge", "sigma")})
    return take_atoms(data, group), around
