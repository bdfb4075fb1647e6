"""Places where the atoms of a structure may have neighbors that nobody has seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from torch_afm.data import covalent_bonds
from torch_afm.elements import covalent_radius, max_valence
from torch_afm.generation.chemistry.candidates import allowed
from torch_afm.utils import check_finite, check_shape

#: Atomic numbers tried at each place: hydrogen, and carbon for anything heavier.
_TRIED = (1, 6)
#: A chain that is straighter than this, and a pyramid with a sum of unit vectors below this, are complete.
_STRAIGHT, _PLANAR = math.radians(160), 0.35


def open_bonds(z: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
    r"""Places, a bond length from an atom, where one more neighbor would complete its coordination as the
    repulsion of electron pairs has it (Gillespie, J. Chem. Educ. 40, 295 (1963)): a planar or tetrahedral
    one, with angles of 120° or 109.5° to the neighbors it has. With unit vectors :math:`\mathbf{u}_j` to
    these, :math:`\mathbf{s}` the direction of their sum and :math:`\mathbf{n}` the normal of their plane,

    .. math::
        \mathbf{d} = \begin{cases}
        -\hat{\mathbf{z}} & \text{none} \\
        \text{at } 120° \text{ and } 109.5° \text{ to } \mathbf{u}_1, \text{ downwards} & \text{one} \\
        -\mathbf{s}, \quad -\mathbf{s} / \sqrt3 \pm \sqrt{2/3}\, \mathbf{n} & \text{two} \\
        -\mathbf{s} & \text{three, no plane.}
        \end{cases}

    Neighbors are those of :func:`torch_afm.data.covalent_bonds`, bond lengths the sums of covalent radii.
    Each place is offered to hydrogen and to carbon, which stands for all heavier elements. Places that are
    taken, or that would give an atom more neighbors than it can have, are left out (:func:`allowed`).

    Args:
        z: atomic numbers.
        pos: positions in Å; a surface image shows them from +z.

    Shapes:
        z ``[N]``, pos ``[N, 3]`` -> z ``[M]``, pos ``[M, 3]``.

    Raises:
        InputError: for wrong shapes or positions that are not finite.
    """
    check_shape("z", z, (None,))
    check_shape("pos", pos, (len(z), 3))
    check_finite("pos", pos)
    numbers, places = [], []
    rows, cols = covalent_bonds(z, pos)
    for atom, number in enumerate(z.tolist()):
        if max_valence(number) == 1:
            continue
        toward = torch.nn.functional.normalize(pos[cols[rows == atom]] - pos[atom], dim=1)
        for direction in _directions(toward):
            for tried in _TRIED:
                numbers.append(tried)
                places.append(pos[atom] + (covalent_radius(number) + covalent_radius(tried)) * direction)
    if not places:
        return z.new_empty(0), pos.new_empty(0, 3)
    found, where = z.new_tensor(numbers), torch.stack(places)
    fine = allowed(found, where, z, pos)
    return found[fine], where[fine]


def _directions(toward: Tensor) -> list[Tensor]:
    """Unit vectors to further neighbors, for unit vectors ``[k, 3]`` to those there are."""
    down = toward.new_tensor([0.0, 0.0, -1.0])
    if len(toward) == 0:
        return [down]
    if len(toward) == 1:
        return _around(toward[0], down)
    total = toward.sum(dim=0)
    size = float(total.norm())
    if len(toward) == 3:
        return [-total / size] if size > _PLANAR else []
    if len(toward) > 3 or size < 2 * math.cos(_STRAIGHT / 2):
        return []
    back = -total / size
    normal = torch.nn.functional.normalize(torch.linalg.cross(toward[0], toward[1]), dim=0)
    return [back, *(back / 3**0.5 + sign * (2 / 3) ** 0.5 * normal for sign in (1.0, -1.0))]


def _around(axis: Tensor, down: Tensor) -> list[Tensor]:
    """At 120° from ``axis``, as far down as can be, and at 109.5°, 60° to either side of that."""
    across = down - (down @ axis) * axis
    if float(across.norm()) < 1e-3:  # the neighbor is straight below or above: any side will do
        across = axis.new_tensor([1.0, 0.0, 0.0])
    across = torch.nn.functional.normalize(across, dim=0)
    aside = torch.linalg.cross(axis, across)
    planar = -0.5 * axis + 0.75**0.5 * across
    sides = [0.5 * across + sign * 0.75**0.5 * aside for sign in (1.0, -1.0)]
    return [planar, *(-axis / 3 + (8 / 9) ** 0.5 * side for side in sides)]
