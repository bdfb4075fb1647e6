"""Densities of molecules superposed from those of free atoms: fast, for a cheap full-density model."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from safetensors.numpy import load
from scipy.interpolate import CubicSpline

from torch_afm.data import AFMData, DensityGrid
from torch_afm.data.checks import check_distances, check_island
from torch_afm.elements import symbol
from torch_afm.ppm.electrons import valence_electrons
from torch_afm.ppm.isolated import molecule_potential
from torch_afm.ppm.placement import check_atoms
from torch_afm.utils import InputError, check_finite, check_shape

#: Å: of the grids, and what they reach beyond the atoms.
_SPACING, _MARGIN = 0.2, 4.0
#: e/Å³: a density below this does not count, so that its logarithm can be interpolated.
_FLOOR = 1e-12


def with_atomic_densities(data: AFMData) -> AFMData:
    r"""A copy of a molecule with ``density`` and ``potential`` of superposed free atoms, what a
    :class:`torch_afm.ppm.FDBM` needs, without a calculation of its electrons.

    The density of an atom with N valence electrons, charge q and dipole **p** is that of the free atom (PBE,
    GTH pseudopotentials, spherical mean), with N - q electrons and moved so that the dipole comes out,

    .. math::
        ρ(r) = \sum_a \frac{N_a - q_a}{N_a} ρ_a(|r - r_a - s_a|), \qquad s_a = -\frac{p_a}{N_a - q_a} ,

    and the potential is that of it and of cores N as Gaussians, on a grid of 0.2 Å.

    Args:
        data: one molecule with ``z``, ``pos`` and, where known, ``charge`` and ``dipole``.

    Raises:
        InputError: for an empty or periodic molecule, an element without a table, and an atom with a charge
            that takes all its valence electrons.
    """
    check_island("data", data)
    at, z, _ = check_atoms(data)
    if not len(z):
        raise InputError("data: expected at least one atom, got none")
    check_distances("pos", at)
    pos, numbers = at.detach().double().cpu().numpy(), z.cpu().numpy()
    charge, dipole = np.zeros(len(pos)), np.zeros((len(pos), 3))
    for name, values in (("charge", charge), ("dipole", dipole)):
        given = data.get(name)
        if given is not None:
            check_shape(name, given, values.shape)
            check_finite(name, given)
            values[:] = given.detach().cpu().numpy()
    valence = valence_electrons(numbers).astype(float)
    electrons = valence - charge
    # Hydrogen may come near to losing its only electron, and has no dipole then.
    if electrons.min() <= 0:
        atom = int(electrons.argmin())
        raise InputError(
            f"charge: expected less than the {valence[atom]:g} valence electrons of atom {atom}, got "
            f"{charge[atom]:+.2f} e"
        )
    low, high = pos.min(0) - _MARGIN, pos.max(0) + _MARGIN
    shape = np.ceil((high - low) / _SPACING).astype(int)
    axes = [a + _SPACING * np.arange(n) for a, n in zip(low, shape, strict=True)]
    total = np.zeros(shape)
    for i, number in enumerate(numbers.tolist()):
        profile, reach = _profile(symbol(number))
        middle = pos[i] - dipole[i] / electrons[i]
        # The part of the grid around the atom.
        first = np.maximum(np.floor((middle - reach - low) / _SPACING).astype(int), 0)
        last = np.ceil((middle + reach - low) / _SPACING).astype(int)
        part = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        x, y, h = (np.square(axes[a][part[a]] - middle[a]) for a in range(3))
        r = np.sqrt(x[:, None, None] + y[:, None] + h)
        values = np.where(r < reach, np.exp(profile(np.minimum(r, reach))), 0.0)
        total[part] += electrons[i] / valence[i] * values
    density = DensityGrid(total, low, _SPACING * np.diag(shape))
    result = data.clone()
    result.density = density
    result.potential = molecule_potential(density, pos, valence, float(charge.sum()))
    return result


@cache
def _profile(element: str) -> tuple[CubicSpline, float]:
    """Logarithm of the density of a free atom over the distance, and how far it reaches [Å]."""
    tables = load((files("torch_afm.ppm") / "resources" / "atoms.safetensors").read_bytes())
    if element not in tables or element == "r":
        known = ", ".join(sorted(name for name in tables if name != "r"))
        raise InputError(f"z: expected elements with a free-atom density ({known}), got {element}")
    r = tables["r"].astype(np.float64)
    return CubicSpline(r, np.log(np.maximum(tables[element].astype(np.float64), _FLOOR))), float(r[-1])
