"""Electron and charge densities of a tip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from safetensors.numpy import load
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import gaussian_filter

from torch_afm.data import DensityGrid
from torch_afm.ppm.electrons import effective_charges, smooth_cores
from torch_afm.utils import InputError

#: e: net charge that a tip may have before it is spread evenly.
_NEUTRAL = 1e-2
#: Å: how far from the probe its density may be highest, and width over which it is smoothed for that: the
#: valence density of an atom is highest beside its nucleus.
_OFF_CENTER, _BLUR = 0.4, 0.25
#: Å: spacing of presets.
_SPACING = 0.1
#: Atoms of presets, z and height over the probe [Å].
_PRESETS = {"CO": ((8, 6), (0.0, 1.128))}


@dataclass(frozen=True, eq=False)
class TipDensity:
    """What a tip is made of for a :class:`torch_afm.ppm.FDBM`, its probe atom at (0, 0, 0), the rest above.

    A grid with the probe at its first point and the rest around it by periodic images, as codes for plane
    waves write it, is cut half a cell away from the probe instead.

    Args:
        density: of the electrons, e/Å³.
        charge: density of the net charge, that of nuclei positive, e/Å³, of which the integral is 0.

    Raises:
        InputError: for a net charge above 0.01 e, and where the density is highest more than 0.4 Å from the
            probe.
    """

    density: DensityGrid
    charge: DensityGrid

    def __post_init__(self) -> None:
        for name in ("density", "charge"):
            object.__setattr__(self, name, _unwrapped(getattr(self, name)))
        net = self.charge.integral
        if abs(net) > _NEUTRAL:
            raise InputError(f"charge: expected a neutral tip, within {_NEUTRAL} e, got {net:+.4f} e")
        values = self.charge.values - self.charge.values.mean()
        object.__setattr__(self, "charge", DensityGrid(values, self.charge.origin, self.charge.cell))
        widths = _BLUR / np.linalg.norm(self.density.steps, axis=1)
        smooth = gaussian_filter(self.density.values, widths, mode="nearest")
        top = np.array(np.unravel_index(smooth.argmax(), smooth.shape))
        place = self.density.origin + top @ self.density.steps
        if np.linalg.norm(place) > _OFF_CENTER:
            raise InputError(
                "density: expected the probe atom at (0, 0, 0) Å, and the rest of the tip above it, got the "
                f"highest density at {np.round(place, 2).tolist()} Å"
            )

    @classmethod
    def from_density(cls, density: DensityGrid, z: ArrayLike, pos: ArrayLike) -> Self:
        """A tip of the atoms ``z`` at ``pos`` ``[N, 3]`` Å, nuclei as smooth charges
        (:func:`torch_afm.ppm.electrons.smooth_cores`): all of the nucleus or what the valence electrons leave
        of it, as the integral of ``density`` has it.

        Raises:
            InputError: for a density of other atoms, and as the constructor does.
        """
        density = _unwrapped(density)
        numbers, places = np.asarray(z, dtype=np.int64), np.asarray(pos, dtype=np.float64)
        charges = effective_charges("density", numbers, density.integral)
        # Of periodic images, those around the probe.
        places = places - np.rint(places @ np.linalg.inv(density.cell)) @ density.cell
        cores = smooth_cores(density.points(), places, charges)
        # What the grid misses of electrons is missing at its rim, and is not to be a net charge.
        share = charges.sum() / density.integral
        volume = abs(np.linalg.det(density.steps))
        charge = cores * charges.sum() / (cores.sum() * volume) - density.values * share
        return cls(density, DensityGrid(charge, density.origin, density.cell))

    @classmethod
    def preset(cls, name: str) -> Self:
        """A tip by name: ``CO``, oxygen below (PySCF, PBE, GTH pseudopotentials, gth-tzvp, bond 1.128 Å).

        Raises:
            InputError: for another name.
        """
        if name not in _PRESETS:
            raise InputError(f"tip_density: expected one of {', '.join(_PRESETS)}, got {name!r}")
        density, numbers, heights = _preset(name)
        return cls.from_density(density, numbers, [(0.0, 0.0, h) for h in heights])


@cache
def _preset(name: str) -> tuple[DensityGrid, tuple[int, ...], tuple[float, ...]]:
    """Density, atoms and heights, from the profile ``[nz, nr]`` around the axis of the tip."""
    tables = load((files("torch_afm.ppm") / "resources" / f"{name.lower()}.safetensors").read_bytes())
    r, z, profile = (tables[key].astype(np.float64) for key in ("r", "z", "density"))
    mirrored = np.concatenate([-r[:0:-1], r]), np.concatenate([profile[:, :0:-1], profile], 1)
    surface = RectBivariateSpline(z, mirrored[0], mirrored[1])
    side = np.arange(-r[-1], r[-1] + 1e-6, _SPACING)
    up = np.arange(z[0], z[-1] + 1e-6, _SPACING)
    radius = np.hypot(*np.meshgrid(side, side, indexing="ij"))
    values = surface(up[:, None, None], radius[None], grid=False).transpose(1, 2, 0)
    values[radius > r[-1]] = 0.0
    cell = _SPACING * np.diag(values.shape)
    density = DensityGrid(values.clip(0), np.array([side[0], side[0], up[0]]), cell)
    numbers, heights = _PRESETS[name]
    return density, numbers, heights


def _unwrapped(grid: DensityGrid) -> DensityGrid:
    """``grid`` cut half a cell away from the probe, where that sits at its first point."""
    if np.abs(grid.origin).max() > 1e-3:
        return grid
    half = np.array(grid.values.shape) // 2
    return DensityGrid(np.roll(grid.values, half, (0, 1, 2)), grid.origin - half @ grid.steps, grid.cell)
