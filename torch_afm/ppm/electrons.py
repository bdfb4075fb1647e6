"""Electrons of atoms: their numbers, and nuclei as smooth charges."""

from __future__ import annotations

import numpy as np

from torch_afm.utils import InputError

#: Å: width of the Gaussian that stands for a nucleus (and its core electrons).
CORE_WIDTH = 0.3
#: Electrons of noble gases, and of them with filled d or f shells beneath the valence.
_CORES = (0, 2, 10, 18, 28, 36, 46, 54, 68, 78, 86)
#: First atomic number outside of each of these cores.
_STARTS = (0, 3, 11, 19, 31, 37, 49, 55, 72, 81, 87)
#: Share of the electrons that a grid may miss.
_TOLERANCE = 0.02
#: Elements of which pseudopotentials agree on the valence electrons.
_PLAIN = {1, 2, *range(5, 11), *range(14, 19), *range(33, 37), *range(51, 55), *range(83, 87)}


def valence_electrons(z: np.ndarray) -> np.ndarray:
    """Electrons outside of the noble-gas core and, in the p block, of filled d and f shells, ``[N]``."""
    return z - np.array(_CORES)[np.searchsorted(_STARTS, z, side="right") - 1]


def effective_charges(name: str, z: np.ndarray, n_electrons: float, charge: float = 0.0) -> np.ndarray:
    """The charge of each atom's core that goes with a density of ``n_electrons``: all of the nucleus, or what
    valence electrons leave of it.

    Args:
        name: what messages call the density.
        z: atomic numbers.
        n_electrons: integral of the density.
        charge: of the whole, e.

    Shapes:
        z ``[N]``, returns ``[N]`` e.

    Raises:
        InputError: unless the density holds all electrons or the valence electrons, to 2 %; between the two
            where the atoms are metals, of which some pseudopotentials leave semicore electrons.
    """
    valence = valence_electrons(z)
    for numbers in (valence, z):
        if abs(numbers.sum() - charge - n_electrons) <= _TOLERANCE * numbers.sum():
            return numbers.astype(np.float64)
    semicore = np.array([v not in _PLAIN for v in z.tolist()])
    missing = n_electrons + charge - valence.sum()
    room = ((z - valence) * semicore).sum()
    if semicore.any() and 0 <= missing <= room:
        return np.asarray(valence + (z - valence) * semicore * missing / room)
    raise InputError(
        f"{name}: expected all ({z.sum() - charge:g}) or the valence ({valence.sum() - charge:g}) electrons "
        f"of its atoms within 2 %, got an integral of {n_electrons:.2f}; is it in e/Å³, and of these atoms?"
    )


def smooth_cores(points: np.ndarray, pos: np.ndarray, charges: np.ndarray) -> np.ndarray:
    r"""Charge density of cores as Gaussians, :math:`\sum_a N_a e^{-|r - r_a|^2/2σ^2}/(2πσ^2)^{3/2}`,
    σ = 0.3 Å.

    Shapes:
        points ``[..., 3]`` and pos ``[N, 3]`` Å, charges ``[N]`` e, returns ``[...]`` e/Å³.
    """
    total = np.zeros(points.shape[:-1])
    for center, charge in zip(pos, charges, strict=True):
        square = np.square(points - center).sum(-1)
        total += charge * np.exp(-square / (2 * CORE_WIDTH**2))
    return total / (2 * np.pi * CORE_WIDTH**2) ** 1.5
