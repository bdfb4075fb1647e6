"""Images of what a graph may lack: atoms below it, and other elements than those it says."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.generation.refinement.unknowns import State
from torch_afm.ppm import ProbeParticleModel

#: Å: sites of hidden atoms have no atom of the graph closer than this, and lie this far around the graph.
_APART, _AROUND = 1.2, 1.5
_CARBON = 6
#: What a heavy atom may be instead: between them the extremes of radius and depth of the organic elements.
_INSTEAD = (8, 16)


class Nuisance(NamedTuple):
    r"""Changes :math:`b_k` of a stack that are fitted with it, :math:`Δf + \sum_k (m_k + a_k) b_k`, with
    weights :math:`a_k \sim N(0, 1)`: to first order the stack of a molecule that has atoms or elements other
    than the graph says, each with a probability of its own.

    Shapes:
        images ``[Z, P, K]`` Hz, mean ``[K]``.
    """

    images: Tensor
    mean: Tensor

    def stack(self, weights: Tensor) -> Tensor:
        """The sum, ``[Z, P]``, for weights ``[K]``."""
        return self.images @ (self.mean + weights.to(self.images))


@torch.no_grad()
def nuisance_images(
    renderer: ProbeParticleModel,
    state: State,
    pixels: Tensor,
    sites: Tensor,
    hidden: tuple[float, float],
    elements: Tensor,
) -> Nuisance:
    """The stack with one more carbon atom at each of the sites, and with each heavy atom as O and as S, less
    the stack itself, each times its standard deviation.

    Args:
        renderer: simulator.
        state: molecule and tip.
        pixels: indices of the pixels.
        sites: places of hidden atoms.
        hidden: mean and standard deviation of the share of an atom that is at each site.
        elements: standard deviation of the share of each atom that is another element; 0 for none.

    Shapes:
        pixels ``[P, 2]``, sites ``[G, 3]``, elements ``[N]``.
    """
    data, tip, z_top = state
    graphs, widths, means = [_graph(data.z, data.pos, data.charge)], [], []
    for site in sites.to(data.pos):
        z = torch.cat([data.z, data.z.new_tensor([_CARBON])])
        charge = torch.cat([data.charge, data.charge.new_zeros(1)])
        graphs.append(_graph(z, torch.cat([data.pos, site[None]]), charge))
        widths.append(hidden[1])
        means.append(hidden[0] / hidden[1])
    for atom in ((data.z > 1) & (elements > 0)).nonzero().flatten().tolist():
        for instead in _INSTEAD:
            z = data.z.clone()
            z[atom] = instead
            graphs.append(_graph(z, data.pos, data.charge))
            widths.append(float(elements[atom]))
            means.append(0.0)
    batch = Batch.from_data_list(graphs)
    stacks = renderer(batch, tip=tip, z_top=z_top, pixels=pixels)[:, 0]
    images = (stacks[1:] - stacks[0]) * stacks.new_tensor(widths).reshape(-1, 1, 1)
    return Nuisance(images.permute(1, 2, 0).contiguous(), stacks.new_tensor(means))


def hidden_sites(pos: Tensor, depths: tuple[float, ...], spacing: float) -> Tensor:
    """Places below a graph where atoms may hide: square grids at these heights, around the graph, without
    the places that the graph's own atoms take.

    Shapes:
        pos ``[N, 3]`` Å -> ``[G, 3]`` Å, float64.
    """
    points = pos.detach().double()
    low, high = points[:, :2].amin(0) - _AROUND, points[:, :2].amax(0) + _AROUND
    x, y = (
        torch.linspace(float(a), float(b), max(2, 1 + round(float(b - a) / spacing)), dtype=torch.float64)
        for a, b in zip(low, high, strict=True)
    )
    grid = torch.cartesian_prod(x, y, torch.tensor(depths, dtype=torch.float64))
    return grid[torch.cdist(grid, points).amin(1) >= _APART]


def _graph(z: Tensor, pos: Tensor, charge: Tensor) -> AFMData:
    return AFMData(z=z, pos=pos, charge=charge)
