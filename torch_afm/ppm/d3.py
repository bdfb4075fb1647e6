"""Dispersion by DFT-D3 with Becke-Johnson damping between a probe and the atoms of a sample."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from ase.units import Bohr
from safetensors.numpy import load
from torch import Tensor

from torch_afm.elements import symbol
from torch_afm.utils import InputError

#: a1, s8 and a2 [Bohr] of the damping, by density functional; s6 is 1 (Grimme et al., J. Comput. Chem. 32,
#: 1456 (2011)).
FUNCTIONALS = {
    "PBE": (0.4289, 0.7875, 4.4407),
    "B3LYP": (0.3981, 1.9889, 4.4211),
    "revPBE": (0.5238, 2.3550, 3.5016),
}
#: Å: neighbors farther away count nothing.
_NEIGHBORS = 8.0
#: Steepness of the coordination number and width of the weights of reference compounds.
_K1, _K3 = 16.0, 4.0
#: Points and atoms handled at once.
_PAIRS = 1 << 20


class Dispersion(NamedTuple):
    """Coefficients of every atom under one probe.

    Shapes:
        all ``[N]``: c6 eV Å⁶, c8 eV Å⁸, radius R0 Å.
    """

    c6: np.ndarray
    c8: np.ndarray
    radius: np.ndarray


def dispersion(
    z: np.ndarray, pos: np.ndarray, probe: int, functional: str = "PBE", cell: np.ndarray | None = None
) -> Dispersion:
    r"""Coefficients of D3(BJ) (Grimme, Ehrlich and Goerigk, J. Comput. Chem. 32, 1456 (2011)) of the atoms of
    a sample under a probe that counts as uncoordinated.

    .. math::
        C_6 = \frac{\sum_{kl} C_6^{kl} L_k L_l}{\sum_{kl} L_k L_l}, \quad L_k = e^{-4(CN - CN_k)^2}, \quad
        CN_i = \sum_j \frac{1}{1 + e^{-16(R_{ij}/r_{ij} - 1)}},

    over reference compounds k of the atom and l of the probe (CN = 0), :math:`C_8 = 3 C_6 Q_i Q_p`,
    :math:`R_0 = a_1 \sqrt{3 Q_i Q_p} + a_2`.

    Args:
        z: atomic numbers.
        pos: positions, Å.
        probe: atomic number of the probe.
        functional: one of :data:`FUNCTIONALS`.
        cell: lateral lattice vectors of a periodic sample in rows, zero where it does not repeat, Å.

    Shapes:
        z ``[N]``, pos ``[N, 3]``, cell ``[3, 3]``.

    Raises:
        InputError: for an element without reference compounds, or another functional.
    """
    if functional not in FUNCTIONALS:
        raise InputError(f"d3: expected one of {', '.join(FUNCTIONALS)}, or None, got {functional!r}")
    tables = _tables()
    known = len(tables["radius"])
    for number in {probe, *z.tolist()}:
        if not 0 < number < known:
            raise InputError(f"d3: no D3 reference for {symbol(number)}; give d3=None")
    repeats = np.zeros(3, bool) if cell is None else np.asarray(cell).any(axis=1)
    atoms = Atoms(z, pos, cell=np.zeros((3, 3)) if cell is None else cell, pbc=repeats)
    i, j, r = neighbor_list("ijd", atoms, _NEIGHBORS)
    reach = tables["radius"][z[i]] + tables["radius"][z[j]]
    counts = 1 / (1 + np.exp(np.minimum(-_K1 * (reach / r - 1), 700)))
    coordination = np.bincount(i, counts, minlength=len(z))
    references = tables["coordination"][z]
    exponents = np.where(references >= 0, -_K3 * (coordination[:, None] - references) ** 2, -np.inf)
    # Relative to the nearest compound, so that an odd coordination divides no zero by zero.
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    c6 = (tables["c6"][z, probe] * weights).sum(1) / weights.sum(1)
    product = 3 * tables["r4r2"][z] * tables["r4r2"][probe]
    a1, s8, a2 = FUNCTIONALS[functional]
    return Dispersion(c6, s8 * c6 * product, a1 * np.sqrt(product) + a2 * Bohr)


def dispersion_energy(points: Tensor, pos: Tensor, terms: Dispersion) -> Tensor:
    r"""Energy of a probe at ``points``, :math:`-\sum_i [C_6/(r^6 + R_0^6) + s_8 C_8/(r^8 + R_0^8)]`,
    differentiable in the positions ``pos`` of the atoms.

    Shapes:
        points ``[P, 3]`` and pos ``[N, 3]`` Å, returns ``[P]`` eV.
    """
    c6, c8, radius = (points.new_tensor(v) for v in terms)
    r6, r8 = radius**6, radius**8
    found = []
    for part in points.split(max(1, _PAIRS // max(1, len(pos)))):
        d2 = (part[:, None] - pos).square().sum(2)
        d4 = d2 * d2
        found.append(-(c6 / (d4 * d2 + r6) + c8 / (d4 * d4 + r8)).sum(1))
    return torch.cat(found)


@cache
def _tables() -> dict[str, np.ndarray]:
    """c6 of atom, probe and compound of the atom ``[95, 95, 7]`` eV Å⁶; coordination of the compounds
    ``[95, 7]`` (-1: none); r4r2 and radius ``[95]`` Å."""
    found = load((files("torch_afm.ppm") / "resources" / "d3.safetensors").read_bytes())
    return {name: values.astype(np.float64) for name, values in found.items()}
