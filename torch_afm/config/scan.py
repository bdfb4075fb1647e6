"""The scan: where, on which pixels and at which heights the probe images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from torch_afm.utils import InputError

#: Heights in one scan, for the kernels keep the forces of all; edges of a window, farther ones are not in Å.
_MAX_HEIGHTS, _MAX_EDGE = 4096, 5000.0
#: Least and greatest value of the numbers of a scan, and their unit.
_SCAN_LIMITS: dict[str, tuple[float, float, str]] = {
    "n_slices": (1, _MAX_HEIGHTS, "slices"),
    "n_oscillation": (2, _MAX_HEIGHTS, "steps"),
    "substeps": (1, _MAX_HEIGHTS, "samples"),
    "dz": (1e-3, 10.0, "Å"),
    "distance": (0.0, 100.0, "Å"),
    "f0": (1e-3, 1e12, "Hz"),
    "k": (1e-3, 1e12, "N/m"),
}


@dataclass(frozen=True)
class Scan:
    """A constant-height scan: where, on which pixels, at which heights, and how the cantilever oscillates.

    In Δf slice ``s`` the anchor swings by ``n_oscillation * dz`` peak to peak about
    ``z_top - dz (s + (n_oscillation - 1)/2)``. Forces are taken in the middle of ``n_oscillation * substeps``
    equal steps of that, with one substep at ``z_top - j dz``; more change neither slices nor amplitude.

    Args:
        window: ``((x0, x1), (y0, y1))`` scan window in Å; pixels include both ends.
        pixels: ``(nx, ny)``.
        n_slices: Δf slices, slice 0 the farthest.
        dz: height step from slice to slice in Å.
        n_oscillation: height steps in one oscillation.
        distance: gap in Å between the spheres of the probe at the first anchor height and of the highest
            atom: ``z_top = max(z_i + R_i) + distance + R_probe``.
        f0: resonance frequency in Hz.
        k: cantilever stiffness in N/m.
        quadrature: how forces are summed over an oscillation: ``"giessibl"``, exactly, or ``"ppafm"``, with
            the weights of ppafm's GPU code.
        substeps: force samples in one height step; the cost of a stack grows with it.
    """

    window: tuple[tuple[float, float], tuple[float, float]] = ((-8.0, 8.0), (-8.0, 8.0))
    pixels: tuple[int, int] = (128, 128)
    n_slices: int = 10
    dz: float = 0.1
    n_oscillation: int = 10
    distance: float = 5.3
    f0: float = 30300.0
    k: float = 1800.0
    quadrature: str = "giessibl"
    substeps: int = 1

    #: Fields that stored files (networks, training data, stacks) have under another name.
    RENAMED: ClassVar[dict[str, str]] = {"weights": "quadrature"}

    def __post_init__(self) -> None:
        if len(self.pixels) != 2 or not all(_is_whole(n) and n >= 2 for n in self.pixels):
            raise InputError(f"pixels: expected two whole numbers of at least 2, got {self.pixels}")
        edges = [len(axis) == 2 and -_MAX_EDGE <= axis[0] < axis[1] <= _MAX_EDGE for axis in self.window]
        if edges != [True, True]:
            expected = f"((x0, x1), (y0, y1)), x0 < x1 and y0 < y1, within {_MAX_EDGE:g} Å of 0"
            raise InputError(f"window: expected {expected}, got {self.window}")
        for name, (low, high, unit) in _SCAN_LIMITS.items():
            value, whole = getattr(self, name), isinstance(low, int)
            if not low <= value <= high or (whole and not _is_whole(value)):
                raise InputError(f"{name}: expected {low:g} to {high:g} {unit}, got {value}")
        if self.n_heights > _MAX_HEIGHTS:
            heights = f"at most {_MAX_HEIGHTS} heights of the probe, got {self.n_heights}"
            raise InputError(f"n_slices, n_oscillation, substeps: expected {heights}; take larger steps dz")
        if self.quadrature not in ("giessibl", "ppafm"):
            raise InputError(f"quadrature: expected 'giessibl' or 'ppafm', got {self.quadrature!r}")

    @property
    def n_heights(self) -> int:
        """Heights at which the probe is relaxed."""
        return (self.n_slices - 1) * self.substeps + self.n_samples

    @property
    def n_samples(self) -> int:
        """Force samples in one oscillation, slice ``s`` from height ``s * substeps`` on."""
        return self.n_oscillation * self.substeps

    @property
    def amplitude(self) -> float:
        """Peak-to-peak oscillation amplitude in Å."""
        return self.n_oscillation * self.dz

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(Z, Y, X)`` of one stack."""
        return self.n_slices, self.pixels[1], self.pixels[0]

    @property
    def x(self) -> np.ndarray:
        """Pixel positions along x in Å."""
        return np.linspace(*self.window[0], self.pixels[0])

    @property
    def y(self) -> np.ndarray:
        """Pixel positions along y in Å."""
        return np.linspace(*self.window[1], self.pixels[1])

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Distance of the pixels along x and y in Å."""
        x, y = ((high - low) / (n - 1) for (low, high), n in zip(self.window, self.pixels, strict=True))
        return x, y

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height of the window in Å."""
        (x0, x1), (y0, y1) = self.window
        return x1 - x0, y1 - y0

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the window in Å."""
        (x0, x1), (y0, y1) = self.window
        return (x0 + x1) / 2, (y0 + y1) / 2

    def heights(self, z_top: float) -> np.ndarray:
        """Anchor heights at which the probe is relaxed, in Å, far to near."""
        step = self.dz / self.substeps
        return z_top + (self.dz - step) / 2 - step * np.arange(self.n_heights)

    def slice_heights(self, z_top: float) -> np.ndarray:
        """Anchor height at the middle of the oscillation of each Δf slice, in Å."""
        return z_top - self.dz * (np.arange(self.n_slices) + (self.n_oscillation - 1) / 2)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
