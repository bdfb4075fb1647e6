"""Images of a fit: normalized slices, blurred or not, and images of what a graph may lack (atoms below it,
and other elements than its own)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.functional import plane_basis
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.refinement.job import Box, State
from torch_afm.prediction.refinement.scanner import ScannedModel

#: A standard deviation at or below this share of the largest value counts as no contrast: a share, for the
#: reference may be in any unit.
_FLAT = 1e-6
_CARBON = 6
#: What a heavy atom may be instead: between them the extremes of radius and depth of the organic elements.
_INSTEAD = (8, 16)


class SliceImages:
    r"""Part of a scan as it enters the comparison: every ``stride``-th pixel along x and y, the first
    ``slices`` slices (the farthest), blurred with a Gaussian, each slice with zero mean and unit variance,

    .. math::
        n(s) = \frac{B s - \langle B s \rangle}{\mathrm{std}(B s)} .

    A scan of unknown gain and offset, slice by slice, gives the same.

    Args:
        scan: the scan.
        stride: pixels for one.
        box: ``((x0, x1), (y0, y1))`` in Å, outside of which no pixel is compared; none by default.
        slices: number of slices, from the farthest on.
        blur: standard deviation of the Gaussian in Å; 0 for none.
        plane: compare slices without the plane that fits each best, as where one was taken out of the scan.

    Attributes:
        pixels: indices (ix, iy) of the pixels compared, ``[P, 2]``, row by row.
    """

    def __init__(
        self,
        scan: Scan,
        stride: int = 1,
        box: Box | None = None,
        slices: int | None = None,
        blur: float = 0.0,
        plane: bool = False,
    ) -> None:
        self.slices = scan.n_slices if slices is None else min(slices, scan.n_slices)
        columns, rows = (
            _indices(torch.from_numpy(axis), stride, side)
            for axis, side in zip((scan.x, scan.y), box or scan.window, strict=True)
        )
        self.shape = len(rows), len(columns)
        grid = torch.meshgrid(columns, rows, indexing="xy")
        self.pixels = torch.stack(grid, dim=-1).reshape(-1, 2)
        self._index = rows[:, None], columns
        self._slopes = plane_basis(*self.shape)[1:].flatten(1) if plane else None
        self._blur = tuple(
            _gaussian(torch.from_numpy(axis)[index], blur)
            for axis, index in ((scan.y, rows), (scan.x, columns))
        )

    def pick(self, stack: Tensor) -> Tensor:
        """The compared pixels of a whole stack: ``[Z, Y, X]`` to ``[Z, P]``."""
        return stack[:, *self._index].flatten(1)

    def normalize(self, stack: Tensor) -> Tensor:
        """n(s) of the compared pixels: ``[Z, P]`` to ``[S, P]``."""
        return self._normalize(stack)[0]

    def linearize(self, stack: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        r"""n(s) and its Jacobian
        :math:`\frac{dn}{dθ} = \frac{1}{\mathrm{std}} (s' - \langle s' \rangle - n \langle n s' \rangle)`
        with :math:`s' = B\, ds/dθ`.

        Shapes:
            stack ``[Z, P]``, jacobian ``[Z, P, K]`` -> ``[S, P]``, ``[S, P, K]``.
        """
        image, std = self._normalize(stack)
        slope = self._blurred(jacobian)
        slope = self._centered(slope)
        n = image.unsqueeze(2)
        return image, (slope - n * (n * slope).mean(1, keepdim=True)) / std.unsqueeze(2)

    def _normalize(self, stack: Tensor) -> tuple[Tensor, Tensor]:
        image = self._blurred(stack.unsqueeze(2)).squeeze(2)
        largest = image.abs().amax(1, keepdim=True)
        image = self._centered(image.unsqueeze(2)).squeeze(2)
        std = torch.linalg.vector_norm(image, dim=1, keepdim=True) / image.shape[1] ** 0.5
        std = std.masked_fill(std <= _FLAT * largest, torch.inf)
        return image / std, std

    def _centered(self, images: Tensor) -> Tensor:
        """Without their mean or plane, ``[S, P, K]``."""
        images = images - images.mean(1, keepdim=True)
        if self._slopes is None:
            return images
        slopes = self._slopes.to(images)
        return images - torch.einsum("bp,sbk->spk", slopes, torch.einsum("bp,spk->sbk", slopes, images))

    def _blurred(self, stack: Tensor) -> Tensor:
        rows, columns = (None if k is None else k.to(stack) for k in self._blur)
        image = stack[: self.slices].unflatten(1, self.shape)
        if columns is not None:
            image = columns @ image
        if rows is not None:
            image = (rows @ image.flatten(2)).unflatten(2, image.shape[2:])
        return image.flatten(1, 2)


def _indices(axis: Tensor, stride: int, side: tuple[float, float]) -> Tensor:
    """Every ``stride``-th index of the positions on this side of the box, of all where that leaves less than
    two."""
    every = torch.arange(0, len(axis), stride)
    inside = every[(axis[every] >= side[0]) & (axis[every] <= side[1])]
    return inside if len(inside) > 1 else every


def _gaussian(axis: Tensor, width: float) -> Tensor | None:
    """Matrix that blurs along ``axis``, its rows summing to 1."""
    if width <= 0:
        return None
    kernel = torch.exp(-0.5 * ((axis[:, None] - axis) / width) ** 2)
    return kernel / kernel.sum(1, keepdim=True)


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
    renderer: ProbeParticleModel | ScannedModel,
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


def _graph(z: Tensor, pos: Tensor, charge: Tensor) -> AFMData:
    return AFMData(z=z, pos=pos, charge=charge)
