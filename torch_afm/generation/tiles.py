"""Tile a scan larger than the window of a network, and stitch the predictions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.elements import covalent_radius
from torch_afm.generation.atoms import concat_graphs, select_atoms
from torch_afm.generation.islands import find_islands, isolate, mask_box
from torch_afm.utils import InputError, check_shape

#: Å: atoms closer than this are one; and so are those closer than this share of the sum of their covalent
#: radii, which no two atoms ever are (0.6: 0.91 Å for C and C, 0.58 Å for O and H).
SAME, CLOSEST = 0.5, 0.6

#: Å up to which a tile may disagree with its neighbours about the side of the middle that an atom lies on.
_BLUR = 0.5

#: Å that an island reaches beyond the atoms in it, by and large.
_HALO = 3.0

#: Å beyond the edge of a scan over which that fades.
_FADE = 2.5

#: Share of a window that it shares with the next.
OVERLAP = 0.4


class Tile(NamedTuple):
    """A window of the model's size in a scan.

    Args:
        row: its first row of pixels in the scan; outside, and others too, where that is smaller.
        column: its first column.
        center: its middle in the frame of the scan, in Å.
        inner: sides ``((left, right), (bottom, top))`` in Å; infinite where no tile of the group comes next.
        group: tiles of one number cover one thing together.
    """

    row: int
    column: int
    center: tuple[float, float]
    inner: tuple[tuple[float, float], tuple[float, float]]
    group: int = 0

    def covers(self, scan: Scan, model: Scan) -> bool:
        """Whether its window is the whole scan."""
        return (self.row, self.column, scan.pixels) == (0, 0, model.pixels)

    def depth(self, pos: Tensor) -> Tensor:
        """How far within the window points ``[N, 3]`` lie from the nearest side behind which there is another
        tile, in Å: ``[N]``; negative outside."""
        sides = [
            end * (side - pos[:, k]) if math.isfinite(side) else pos.new_full((len(pos),), math.inf)
            for k, pair in enumerate(self.inner)
            for end, side in zip((-1, 1), pair, strict=True)
        ]
        return torch.stack(sides).amin(dim=0)


def scan_tiles(scan: Scan, model: Scan, overlap: float = OVERLAP) -> list[Tile]:
    """The windows that cover all of a scan: as few as possible, evenly spread on whole pixels, neighbours
    sharing at least ``overlap`` of their width.

    Args:
        scan: the whole scan, with the pixel size of the model's.
        model: the scan of one window.
        overlap: share of a window, 0 or more and less than 1.

    A scan smaller than a window lies in the middle of it.

    Raises:
        InputError: for a scan with other pixels than the model's, and for another overlap.
    """
    _check_pixels(scan, model)
    return _cover(scan, model, (0, scan.pixels[1] - 1), (0, scan.pixels[0] - 1), overlap, 0)


def island_tiles(
    stack: np.ndarray, scan: Scan, model: Scan, overlap: float = OVERLAP
) -> list[tuple[Tile, np.ndarray]]:
    """A window around each island of a scan (:func:`find_islands`), or several where it is larger, and the
    stack with that island alone (:func:`isolate`). No window reaches out of a scan that is long enough. Where
    the scan is no larger than one window, or no island is found, the windows are those of
    :func:`scan_tiles`, and the stack is left as it is.

    Networks are trained on molecules in the middle of their window, and find fewer atoms elsewhere.

    Shapes:
        stack ``[Z, Y, X]``, as all that are returned.

    Raises:
        InputError: as :func:`scan_tiles`.
    """
    check_shape("stack", stack, scan.shape)
    _check_pixels(scan, model)
    pitch = scan.pixel_size[0]
    single = all(n <= m for n, m in zip(scan.pixels, model.pixels, strict=True))
    islands = [] if single else find_islands(stack, pitch)
    if not islands:
        return [(tile, stack) for tile in scan_tiles(scan, model, overlap)]
    found = []
    for i, mask in enumerate(islands):
        image = isolate(stack, islands, i, pitch)
        rows, columns = (
            _narrowed(ends, n, round(_HALO / pitch))
            for ends, n in zip(mask_box(mask), model.pixels[::-1], strict=True)
        )
        found += [(tile, image) for tile in _cover(scan, model, rows, columns, overlap, i)]
    return found


def cut_windows(reference: Tensor, scan: Scan, model: Scan, cover: str) -> list[tuple[Tile, np.ndarray]]:
    """Tiles of a stack by ``cover``, ``"auto"`` (:func:`island_tiles`) or ``"grid"``
    (:func:`scan_tiles`), and the slices that each is cut from (:func:`window_image`).

    Shapes:
        reference ``[1, 1, Z, Y, X]``; slices ``[Z, Y, X]``.

    Raises:
        InputError: for another cover, and as these.
    """
    stack = reference[0, 0].cpu().double().numpy()
    if cover == "auto":
        return island_tiles(stack, scan, model)
    if cover == "grid":
        return [(tile, stack) for tile in scan_tiles(scan, model)]
    raise InputError(f"cover: expected 'auto' or 'grid', got {cover!r}")


def window_image(stack: np.ndarray, tile: Tile, model: Scan) -> Tensor:
    """The slices in a tile, as networks take them; beyond the scan its edge, which fades into the median of
    all of it over 2.5 Å.

    Shapes:
        stack ``[Z, Y, X]``; result ``[1, 1, Z, Y', X']``.
    """
    nx, ny = model.pixels
    pitch = model.pixel_size[0]
    places = [begin + np.arange(n) for begin, n in zip((tile.row, tile.column), (ny, nx), strict=True)]
    rows, columns = (np.clip(p, 0, n - 1) for p, n in zip(places, stack.shape[1:], strict=True))
    part = stack[:, rows[:, None], columns]
    away = np.hypot((places[0] - rows)[:, None], places[1] - columns) * pitch
    if not away.any():
        return _image(part)
    edge = np.ones(stack.shape[1:], bool)
    edge[1:-1, 1:-1] = False
    background = np.median(stack[:, edge], axis=1)[:, None, None]
    weight = (1 + np.cos(np.pi * np.clip(away / _FADE, 0, 1))) / 2
    return _image(background + weight * (part - background))


def _image(part: np.ndarray) -> Tensor:
    return torch.from_numpy(part).float()[None, None]


def _narrowed(ends: tuple[int, int], n: int, halo: int) -> tuple[int, int]:
    """What a window of ``n`` pixels has to be around: the middle of an island whose atoms fit into it, else
    all of the island."""
    first, last = ends
    middle = (first + last) // 2
    return (middle, middle) if last - first + 1 - 2 * halo <= n else ends


def move_tile(tile: Tile, scan: Scan, model: Scan, center: tuple[float, float], beyond: float = 0.0) -> Tile:
    """The tile with its middle at ``center``, or as near as it gets without reaching farther than ``beyond``
    out of the scan; all in Å."""
    column, row = (_begin(scan, model, axis, middle, beyond) for axis, middle in enumerate(center))
    sides = [_sides(scan, model, axis, begin) for axis, begin in enumerate((column, row))]
    x, y = (sum(side) / 2 for side in sides)
    return tile._replace(row=row, column=column, center=(x, y))


def _check_pixels(scan: Scan, model: Scan) -> None:
    for name, size, wanted in zip("xy", scan.pixel_size, model.pixel_size, strict=True):
        if abs(size - wanted) > 1e-3 * wanted:
            raise InputError(f"scan: expected pixels of {wanted:.4f} Å in {name}, got {size:.4f} Å")


def _cover(
    scan: Scan, model: Scan, rows: tuple[int, int], columns: tuple[int, int], overlap: float, group: int
) -> list[Tile]:
    """Windows that cover these rows and columns, first and last included."""
    if not 0 <= overlap < 1:
        raise InputError(f"overlap: expected 0 or more and less than 1, got {overlap}")
    along_x, along_y = (_along(scan, model, k, *ends, overlap) for k, ends in enumerate((columns, rows)))
    return [
        Tile(row, column, (x, y), (inner_x, inner_y), group)
        for (row, y, inner_y), (column, x, inner_x) in itertools.product(along_y, along_x)
    ]


def _along(
    scan: Scan, model: Scan, axis: int, first: int, last: int, overlap: float
) -> list[tuple[int, float, tuple[float, float]]]:
    """First pixel, middle and inner sides of each window along one axis."""
    n = model.pixels[axis]
    more = last - first + 1 - n
    count = 1 + math.ceil(max(more, 0) / max(1, math.floor(n * (1 - overlap))))
    begins = [first + round(i * more / (count - 1)) for i in range(count)] if count > 1 else []
    if not begins:
        places = (scan.x, scan.y)[axis]
        begins = [_begin(scan, model, axis, float(places[0] + (first + last) / 2 * (places[1] - places[0])))]
    found = []
    for i, begin in enumerate(begins):
        low, high = _sides(scan, model, axis, begin)
        inner = (low if i > 0 else -math.inf, high if i < count - 1 else math.inf)
        found.append((begin, (low + high) / 2, inner))
    return found


def _begin(scan: Scan, model: Scan, axis: int, middle: float, beyond: float = 0.0) -> int:
    """First pixel of the window whose middle lies nearest to ``middle`` without reaching farther than
    ``beyond`` out of the scan, in Å; a scan smaller than the window lies in its middle."""
    places, n = (scan.x, scan.y)[axis], model.pixels[axis]
    room = len(places) - n
    if room < 0:
        return -(-room // 2)
    pitch = places[1] - places[0]
    more = math.floor(beyond / pitch)
    return min(max(round((middle - places[0]) / pitch - (n - 1) / 2), -more), room + more)


def _sides(scan: Scan, model: Scan, axis: int, begin: int) -> tuple[float, float]:
    """Positions in Å of the first and the last pixel of a window along one axis."""
    places = (scan.x, scan.y)[axis]
    low, high = (places[0] + i * (places[1] - places[0]) for i in (begin, begin + model.pixels[axis] - 1))
    return float(low), float(high)


def stitch(tiles: Sequence[Tile], graphs: Sequence[AFMData]) -> AFMData:
    """One graph out of those of overlapping tiles, without doubled atoms.

    An atom is taken from the tile of its group within which it lies deepest (:meth:`Tile.depth`; half an Å
    less will do, for tiles may place it on different sides of the middle). Atoms of different tiles that are
    closer than two atoms can be are one: the most confident. Whether two atoms are bonded is said by the tile
    within which the middle between them lies deepest among those that have both; where none has, the distance
    decides (:func:`torch_afm.data.covalent_bonds`), and the confidences of both ends are the probability.

    Args:
        tiles: the tiles.
        graphs: what was found in each, in the frame of the scan, as the graphs of a
            :class:`torch_afm.generation.Prediction`.

    Returns:
        graph with the same keys, and ``tile`` ``[N]``: which tile each atom is from.
    """
    owner = torch.cat([torch.full((len(g.z),), i) for i, g in enumerate(graphs)])
    whole = concat_graphs(graphs)
    group = torch.tensor([tile.group for tile in tiles])
    depth = torch.stack([tile.depth(whole.pos) for tile in tiles])
    deepest = depth[owner, torch.arange(len(owner))]
    rivals = depth.masked_fill(group[:, None] != group[owner], -math.inf)
    near = deepest >= rivals.amax(dim=0) - 2 * _BLUR
    same = (torch.cdist(whole.pos, whole.pos) < _reach(whole.z)) & (owner[:, None] != owner)
    kept: list[int] = []
    for i in whole.confidence.argsort(descending=True, stable=True).tolist():
        if near[i] and not same[i, kept].any():
            kept.append(i)
    kept.sort()
    graph = select_atoms(whole, torch.tensor(kept, dtype=torch.long))
    graph.tile = owner[kept]
    _bond(graph, tiles, graphs)
    return graph


def _reach(z: Tensor) -> Tensor:
    """Distance of each pair below which two atoms are one, ``[N, N]`` Å."""
    radius = torch.tensor([covalent_radius(n) for n in z.tolist()]).reshape(-1)
    return (CLOSEST * (radius[:, None] + radius)).clamp(min=SAME)


def _bond(graph: AFMData, tiles: Sequence[Tile], graphs: Sequence[AFMData]) -> None:
    """Give the stitched graph its bonds."""
    n = len(graph.z)
    middle = (graph.pos[:, None] + graph.pos).reshape(-1, 3) / 2
    best = torch.full((n, n), -math.inf)
    probability = torch.zeros(n, n)
    for a, b in covalent_bonds(graph.z, graph.pos).T.tolist():
        probability[a, b] = graph.confidence[a] * graph.confidence[b]
    for tile, found in zip(tiles, graphs, strict=True):
        if not len(found.z) or not n:
            continue
        gap = torch.cdist(graph.pos, found.pos)
        reach = _reach(torch.cat([graph.z, found.z]))[:n, n:]
        distance, stand_in = torch.where(gap < reach, gap, math.inf).min(dim=1)
        here = distance.isfinite()
        bonds = torch.zeros(len(found.z), len(found.z))
        bonds[tuple(found.edge_index)] = found.bond_probability.to(bonds)
        both = here[:, None] & here & (stand_in[:, None] != stand_in)
        deeper = tile.depth(middle).reshape(n, n)
        better = both & (deeper > best)
        probability = torch.where(better, bonds[stand_in][:, stand_in], probability)
        best = torch.where(better, deeper, best)
    graph.edge_index = probability.fill_diagonal_(0).nonzero().T.contiguous()
    graph.bond_probability = probability[tuple(graph.edge_index)]
