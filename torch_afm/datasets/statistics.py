"""Statistics of training data: elements above the surface cut and sizes of molecules, beside those of the
graph-AFM thesis, Aalto University (see CITATION.cff)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from torch_afm.data import AFMData
from torch_afm.elements import ORGANIC, atomic_number, symbol
from torch_afm.utils import InputError

#: Share in % of the thesis' rotations that show an element above the cut (table 2.1; Si: less than 0.1).
THESIS_ELEMENTS = {
    "H": 94.2,
    "C": 31.1,
    "N": 10.3,
    "O": 25.3,
    "F": 2.1,
    "Si": 0.1,
    "P": 0.2,
    "S": 8.5,
    "Cl": 20.0,
    "Br": 3.3,
}

#: Atoms of most of the thesis' molecules, and the number that few exceed (section 2.3.1 and figure 2.4, which
#: gives no numbers).
THESIS_SIZES = (15, 30)
THESIS_FEW_ABOVE = 40


def data_statistics(
    molecules: Sequence[AFMData], quaternions: ArrayLike, z_min: float = -0.7
) -> dict[str, Any]:
    """Table 2.1 and figure 2.4 of the thesis for other molecules, in plain numbers that fit into JSON.

    Args:
        molecules: molecules with ``z`` and ``pos``.
        quaternions: the rotations of each.
        z_min: depth of the surface cut below the top atom, in Å.

    Shapes:
        quaternions ``[M, R, 4]`` (x, y, z, w).

    Returns:
        ``molecules`` and ``rotations``: their numbers; ``elements``: the share in % of rotations that show an
        element above the cut, by symbol; ``sizes``: molecules by their number of atoms; ``visible``:
        rotations by their number of atoms above the cut.

    Raises:
        InputError: for no molecules, or rotations of another number of them.
    """
    turns = np.asarray(quaternions, dtype=np.float64)
    if len(molecules) == 0:
        raise InputError("molecules: expected at least one, got none")
    if turns.ndim != 3 or turns.shape[::2] != (len(molecules), 4):
        raise InputError(f"quaternions: expected shape ({len(molecules)}, any, 4), got {turns.shape}")
    shown = {atomic_number(element): 0 for element in ORGANIC}
    sizes: list[int] = []
    visible: list[int] = []
    for molecule, turn in zip(molecules, turns, strict=True):
        # Only the third row of a rotation matrix decides the heights.
        heights = Rotation.from_quat(turn).as_matrix()[:, 2] @ molecule.pos.numpy().astype(np.float64).T
        above = heights >= heights.max(axis=1, keepdims=True) + z_min
        z = molecule.z.numpy()
        for number in np.unique(z).tolist():
            shown[number] = shown.get(number, 0) + int(above[:, z == number].any(axis=1).sum())
        sizes.append(len(z))
        visible += above.sum(axis=1).tolist()
    return {
        "molecules": len(molecules),
        "rotations": len(visible),
        "z_min": z_min,
        "elements": {symbol(z): 100 * count / len(visible) for z, count in shown.items()},
        "sizes": _counts(sizes),
        "visible": _counts(visible),
    }


def format_statistics(statistics: Mapping[str, Any]) -> str:
    """What :func:`data_statistics` found beside the thesis' numbers, as text."""
    sizes = _expand(statistics["sizes"])
    visible = _expand(statistics["visible"])
    low, high = THESIS_SIZES
    lines = [
        f"{statistics['rotations']:,} rotations of {statistics['molecules']:,} molecules",
        "",
        f"share of rotations that show an element less than {-statistics['z_min']:g} Å below the top (%)",
        "element    here  thesis",
    ]
    for element, share in statistics["elements"].items():
        thesis = f"{THESIS_ELEMENTS[element]:.1f}" if element in THESIS_ELEMENTS else "-"
        lines.append(f"{element:<7}{share:8.1f}{'< ' * (element == 'Si') + thesis:>8}")
    lines += [
        "",
        f"atoms in a molecule    {_spread(sizes)}",
        f"  {low} to {high}             {np.mean((sizes >= low) & (sizes <= high)):.0%} (thesis: most)",
        f"  more than {THESIS_FEW_ABOVE}         {np.mean(sizes > THESIS_FEW_ABOVE):.1%} (thesis: few)",
        f"visible atoms          {_spread(visible)}",
    ]
    return "\n".join(lines)


def _counts(numbers: Sequence[int]) -> dict[str, int]:
    values, counts = np.unique(numbers, return_counts=True)
    return {str(v): int(c) for v, c in zip(values, counts, strict=True)}


def _expand(counts: Mapping[str, int]) -> np.ndarray:
    return np.repeat([int(v) for v in counts], list(counts.values()))


def _spread(numbers: np.ndarray) -> str:
    return f"{numbers.min()} to {numbers.max()}, mean {numbers.mean():.1f}, median {np.median(numbers):g}"
