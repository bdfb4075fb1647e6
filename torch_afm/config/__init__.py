"""Frozen dataclasses for every setting, with a JSON round trip."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import ArrayLike

from torch_afm.elements import LJ_TABLE, AtomClasses, atomic_number, lj_parameters, symbol
from torch_afm.utils import InputError

__all__ = ["ForceField", "GraphGeneratorConfig", "Scan", "Tip", "from_dict", "to_dict"]

T = TypeVar("T")

#: Atoms at which a generation is cut off: twice the visible atoms of the largest molecules of the thesis.
MAX_ATOMS = 60
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
#: N/m: a bond of this stiffness changes an image by less than 3e-4 of its standard deviation from that of a
#: rigid one, and float32 resolves it.
MAX_RADIAL_STIFFNESS = 3000.0


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
        weights: ``"giessibl"``, the exact quadrature, or ``"ppafm"``, the weights of ppafm's GPU code.
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
    weights: str = "giessibl"
    substeps: int = 1

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
        if self.weights not in ("giessibl", "ppafm"):
            raise InputError(f"weights: expected 'giessibl' or 'ppafm', got {self.weights!r}")

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

    def heights(self, z_top: float) -> np.ndarray:
        """Anchor heights at which the probe is relaxed, in Å, far to near."""
        step = self.dz / self.substeps
        return z_top + (self.dz - step) / 2 - step * np.arange(self.n_heights)

    def slice_heights(self, z_top: float) -> np.ndarray:
        """Anchor height at the middle of the oscillation of each Δf slice, in Å."""
        return z_top - self.dz * (np.arange(self.n_slices) + (self.n_oscillation - 1) / 2)


@dataclass(frozen=True)
class Tip:
    """Probe particle and the springs that hold it below its anchor.

    Tip force with ``d`` = probe − anchor (Hapala et al., PRB 90, 085421 (2014)):
    ``F = −k∘(d − d0) − k_r (|d| − R0) d/|d|``, ``d0 = (x0, y0, −√(R0² − x0² − y0²))``.

    Args:
        probe: element whose Lennard-Jones parameters the probe has (O for a CO tip).
        charges: point charges in e on the vertical axis of the probe.
        charge_heights: their heights above the probe in Å.
        stiffness: lateral and vertical stiffness ``k`` in N/m.
        radial_stiffness: ``k_r`` in N/m, 3000 at most, which is as good as rigid.
        bond_length: ``R0``, anchor to probe, in Å.
        tilt: equilibrium offset ``(x0, y0)`` of the probe in Å.
        radius: Lennard-Jones radius R of the probe in Å; that of ``probe`` where ``None``.
        depth: Lennard-Jones depth ε of the probe in eV; that of ``probe`` where ``None``.
    """

    probe: str = "O"
    charges: tuple[float, ...] = (-10.0, 20.0, -10.0)
    charge_heights: tuple[float, ...] = (0.1, 0.0, -0.1)
    stiffness: tuple[float, float, float] = (0.25, 0.25, 0.0)
    radial_stiffness: float = 30.0
    bond_length: float = 4.0
    tilt: tuple[float, float] = (0.0, 0.0)
    radius: float | None = None
    depth: float | None = None

    def __post_init__(self) -> None:
        _check_symbol("probe", self.probe)
        numbers = (*self.charges, *self.charge_heights, *self.stiffness, self.radial_stiffness, *self.tilt)
        if not all(math.isfinite(v) for v in (*numbers, self.bond_length)):
            raise InputError("tip: expected finite numbers, got a NaN or an infinity")
        if len(self.charges) != len(self.charge_heights):
            raise InputError(
                f"charges, charge_heights: expected equal lengths, "
                f"got {len(self.charges)} and {len(self.charge_heights)}"
            )
        if min(self.stiffness) < 0 or self.bond_length <= 0:
            raise InputError("stiffness, bond_length: expected positive springs and length")
        if not 0 < self.radial_stiffness <= MAX_RADIAL_STIFFNESS:
            limit = f"more than 0 and at most {MAX_RADIAL_STIFFNESS:g} N/m, as good as rigid"
            raise InputError(f"radial_stiffness: expected {limit}, got {self.radial_stiffness}")
        if math.hypot(*self.tilt) >= self.bond_length:
            raise InputError(f"tilt: expected less than bond_length {self.bond_length} Å, got {self.tilt}")
        _check_lj("radius, depth", self.radius, self.depth)

    @classmethod
    def preset(cls, name: str) -> Tip:
        """A named tip.

        * ``CO``: an O probe with the axial quadrupole −10, 20, −10 e at 0.1, 0, −0.1 Å; the defaults.
        * ``Xe``: a Xe probe with the charge +0.3 e, as fitted to images of PTCDA on Ag(111) (Hapala et al.,
          Nat. Commun. 7, 11560 (2016)), 0.25 N/m.
        * ``Cl``: a Cl probe with the charge −0.3 e, 0.5 N/m.

        Elements, charges and stiffnesses (30 N/m radial) are those of ppafm's presets (Oinonen et al., CPC
        305, 109341 (2024); version 0.4); the length of the bond is everywhere that of the CO tip here, 4 Å
        against 3 Å there, so that one scan brings every probe equally near.
        """
        if name not in _TIPS:
            raise InputError(f"preset: expected one of {', '.join(_TIPS)}, got {name!r}")
        return cls(**_TIPS[name])

    @property
    def equilibrium(self) -> tuple[float, float, float]:
        """``d0`` in Å."""
        x0, y0 = self.tilt
        return x0, y0, -math.sqrt(self.bond_length**2 - x0**2 - y0**2)


_TIPS: dict[str, dict[str, Any]] = {
    "CO": {},
    "Xe": {"probe": "Xe", "charges": (0.3,), "charge_heights": (0.0,)},
    "Cl": {"probe": "Cl", "charges": (-0.3,), "charge_heights": (0.0,), "stiffness": (0.5, 0.5, 0.0)},
}


@dataclass(frozen=True)
class ForceField:
    """Lennard-Jones parameters: those of :data:`torch_afm.elements.LJ_TABLE`, and what replaces them.

    The pair energy is ``E = ε[(R/r)¹² − 2(R/r)⁶]`` with ``R = R_i + R_p`` and ``ε = √(ε_i ε_p)``.

    Args:
        lennard_jones: ``(element, R, ε)`` of the elements that differ from the table or that it lacks, R in Å
            and ε in eV; kept in the order of atomic numbers.
    """

    lennard_jones: tuple[tuple[str, float, float], ...] = ()

    def __post_init__(self) -> None:
        entries: dict[int, tuple[str, float, float]] = {}
        for entry in self.lennard_jones:
            try:
                element, radius, depth = entry[0], *map(float, entry[1:])
            except (TypeError, ValueError, IndexError):
                raise InputError(f"lennard_jones: expected (element, R, ε), got {entry!r}") from None
            _check_symbol("lennard_jones", element)
            _check_lj(f"lennard_jones: {element}", radius, depth)
            z = atomic_number(element)
            if z in entries:
                raise InputError(f"lennard_jones: expected each element once, got {element} twice")
            entries[z] = element, radius, depth
        object.__setattr__(self, "lennard_jones", tuple(entries[z] for z in sorted(entries)))

    @property
    def table(self) -> dict[str, tuple[float, float]]:
        """R [Å] and ε [eV] by element."""
        return LJ_TABLE | {element: (radius, depth) for element, radius, depth in self.lennard_jones}

    def lj_parameters(self, z: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """R [Å] and ε [eV] of each atom, as :func:`torch_afm.elements.lj_parameters`."""
        return lj_parameters(z, self.table)

    def probe_parameters(self, tips: Sequence[Tip]) -> tuple[np.ndarray, np.ndarray]:
        """R [Å] and ε [eV] of the probe of each tip: the tip's own where it has them, else its element's.

        Raises:
            InputError: for an element without parameters, unless the tip has both of its own.
        """
        values = np.array([(t.radius, t.depth) for t in tips], dtype=np.float64).reshape(-1, 2)
        lacking = np.flatnonzero(np.isnan(values).any(axis=1))
        table = self.table
        for element in (tips[i].probe for i in lacking.tolist()):
            if element not in table:
                raise InputError(
                    f"probe: no Lennard-Jones parameters for {element}; give the tip's radius and depth, or "
                    f"one of {', '.join(table)}"
                )
        of_element = self.lj_parameters([atomic_number(tips[i].probe) for i in lacking.tolist()])
        values[lacking] = np.where(np.isnan(values[lacking]), np.stack(of_element, axis=1), values[lacking])
        return values[:, 0], values[:, 1]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check_symbol(name: str, element: str) -> None:
    """Refuse what is no symbol, and ``CO``, which would be cobalt."""
    if symbol(atomic_number(element)) != element:
        raise InputError(f"{name}: expected a chemical symbol, got {element!r}")


def _check_lj(name: str, radius: float | None, depth: float | None) -> None:
    if not (radius is None or 0 < radius < math.inf) or not (depth is None or 0 <= depth < math.inf):
        raise InputError(f"{name}: expected R > 0 Å and ε ≥ 0 eV, got {radius} and {depth}")


@dataclass(frozen=True)
class GraphGeneratorConfig:
    """The network of :class:`torch_afm.models.GraphGenerator`; the defaults are the preset ``thesis``.

    Args:
        scan: the scan that both stacks come from.
        groups: elements of each atom class, as in :class:`torch_afm.elements.AtomClasses`.
        z_min: depth in Å of the surface cut below the top atom at z = 0; the scale of predicted heights.
        node_channels: size of the node states.
        propagations: message passing steps over the graph.
        message_channels: hidden sizes of the message MLP.
        graph_channels: size of the graph encoding.
        attention_channels: size of the query, and channels of the attention maps.
        attention_kernel: kernel size of the attention convolutions.
        attention_scale: factor on the attention scores of all pixels; see
            :class:`torch_afm.nn.QueryAttentionGate`.
        volume_channels: channels of the 3-D blocks, a level each; pixels halve from level to level.
        map_channels: channels of the 2-D blocks.
        image_channels: size of an image encoding.
        residual: residual blocks in place of single convolutions.
        shared_encoder: one image encoder for both stacks.
        coordinates: attention gates also say where they look; see :class:`torch_afm.nn.AFMEncoder`.
        stop_feature: node features have an entry for the class *stop* too (0 for atoms in the graph, its
            probability for the atom to come).
        class_channels: hidden sizes of the class head.
        position_channels: hidden sizes of the position head.
        bond_channels: hidden sizes of the bond head.
    """

    scan: Scan = Scan()
    groups: tuple[tuple[str, ...], ...] = AtomClasses().groups
    z_min: float = -0.7
    node_channels: int = 20
    propagations: int = 3
    message_channels: tuple[int, ...] = (64,)
    graph_channels: int = 128
    attention_channels: int = 64
    attention_kernel: int = 3
    attention_scale: float = 1.0
    volume_channels: tuple[int, ...] = (4, 8, 16, 32)
    map_channels: tuple[int, ...] = (32, 48, 64, 96)
    image_channels: int = 128
    residual: bool = True
    shared_encoder: bool = True
    coordinates: bool = False
    stop_feature: bool = False
    class_channels: tuple[int, ...] = (32,)
    position_channels: tuple[int, ...] = (64, 64)
    bond_channels: tuple[int, ...] = (32,)

    def __post_init__(self) -> None:
        if not self.z_min < 0:
            raise InputError(f"z_min: expected a negative depth in Å, got {self.z_min}")
        if not self.volume_channels or len(self.volume_channels) != len(self.map_channels):
            raise InputError(
                "volume_channels, map_channels: expected as many of each, and at least one, "
                f"got {len(self.volume_channels)} and {len(self.map_channels)}"
            )
        halvings = len(self.map_channels) - 1
        if min(self.scan.pixels) >> halvings == 0:
            raise InputError(f"scan: expected pixels that halve {halvings} times, got {self.scan.pixels}")
        if self.attention_kernel % 2 == 0:
            raise InputError(f"attention_kernel: expected an odd size, got {self.attention_kernel}")
        AtomClasses(self.groups)

    @classmethod
    def preset(cls, name: str) -> GraphGeneratorConfig:
        """A named configuration.

        * ``thesis``: 750,335 parameters, the number that the thesis gives, by one residual encoder for both
          stacks.
        * ``literal``: 750,335 parameters too, by the thesis' words taken literally: an encoder a stack,
          single convolutions.
        * ``small``: for CPUs: 64 x 64 pixels over the same window, narrow single convolutions, gates that
          give coordinates.

        The thesis does not say which of the first two it is.
        """
        if name not in _PRESETS:
            raise InputError(f"preset: expected one of {', '.join(_PRESETS)}, got {name!r}")
        return cls(**_PRESETS[name])


_PRESETS: dict[str, dict[str, Any]] = {
    "thesis": {},
    "literal": {
        "attention_channels": 16,
        "attention_kernel": 1,
        "residual": False,
        "shared_encoder": False,
        "stop_feature": True,
        "bond_channels": (32, 32),
    },
    "small": {
        "scan": Scan(pixels=(64, 64)),
        "volume_channels": (2, 4, 8, 16),
        "map_channels": (8, 16, 32, 64),
        "attention_channels": 8,
        "attention_scale": 20.0,
        "residual": False,
        "coordinates": True,
    },
}


def to_dict(config: Any) -> dict[str, Any]:
    """Nested plain dict of a config dataclass, ready for JSON."""
    return dataclasses.asdict(config)


def from_dict(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build the config dataclass ``cls`` from a plain dict as JSON gives it (lists become tuples, dicts the
    dataclasses of their fields).

    Raises:
        InputError: for a key that ``cls`` does not have.
    """
    known = {f.name for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(
            f"{cls.__name__}: unknown setting(s) {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    types = get_type_hints(cls)
    return cls(
        **{k: from_dict(types[k], v) if isinstance(v, Mapping) else _tuples(v) for k, v in values.items()}
    )


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
