"""How a reference stack is measured: what real scans have that nominal simulated ones have not."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.config.nuisances import NuisanceConfig
from torch_afm.config.tip import TIP_PRESETS
from torch_afm.transforms import Background, DetectorNoise, DoubleTip, Motion, TipAsymmetry
from torch_afm.transforms.base import StackAugmentation, Steps
from torch_afm.utils import InputError

Pair = tuple[float, float]

#: Å of a window that lie beyond the atom that it has at least, and largest displacement in Å by a change of
#: the tip.
_EDGE, _JUMP = 1.0, 1.0


@dataclass(frozen=True)
class Measurement:
    r"""How one reference stack is measured. Nominal by default.

    The scanner errs: what it calls :math:`\mathbf u`, the frame of the stack and of the graphs, is the place
    :math:`\mathbf p = \mathbf c + M (\mathbf u - \mathbf c)` of the sample, with the center :math:`\mathbf c`
    of the window.

    Args:
        heights: of the slices above the nearest one in Å, decreasing to 0.
        amplitude: of the oscillation, peak to peak, in Å.
        window: what was measured, ``((x0, x1), (y0, y1))`` in Å.
        matrix: M.
        probe: name of the tip's preset; ``None`` for the nominal tip.
        depth: Lennard-Jones depth of the probe in eV, its element's where ``None``.
        stiffness: lateral stiffness of the probe in N/m, the preset's where ``None``.
        quadrupole: factor on the charges of the tip.
        tilt: offset (x, y) of the free probe from the base of the tip in Å; the scanner's places are the
            probe's.
        charge: factor on charges and dipoles of the sample.
        height: change in Å of the lower turning point of the nearest slice.
        amplitude_known: whether the file states the amplitude.
        inverted: whether the images have the opposite sign.
    """

    heights: tuple[float, ...]
    amplitude: float
    window: tuple[Pair, Pair]
    matrix: tuple[Pair, Pair] = ((1.0, 0.0), (0.0, 1.0))
    probe: str | None = None
    depth: float | None = None
    stiffness: float | None = None
    quadrupole: float = 1.0
    tilt: Pair = (0.0, 0.0)
    charge: float = 1.0
    height: float = 0.0
    amplitude_known: bool = True
    inverted: bool = False

    @classmethod
    def nominal(cls, scan: Scan) -> Self:
        """The one that has the slices, the amplitude and the window of ``scan``."""
        heights = scan.dz * np.arange(scan.n_slices - 1, -1, -1)
        return cls(tuple(heights.tolist()), scan.amplitude, scan.window)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What :attr:`record` was, from JSON.

        Raises:
            InputError: for other fields.
        """
        try:
            found = cls(**{key: _tuples(value) for key, value in values.items()})
        except TypeError:
            raise InputError(f"measurement: expected the fields of one, got {sorted(values)}") from None
        return found

    @cached_property
    def record(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return dataclasses.asdict(self)

    @cached_property
    def key(self) -> str:
        """Another text for each measurement."""
        return json.dumps(self.record)

    def tip(self, nominal: Tip) -> Tip:
        """The tip, out of the nominal one."""
        tip = nominal if self.probe is None else Tip.preset(self.probe)
        if self.stiffness is not None:
            tip = dataclasses.replace(tip, stiffness=(self.stiffness, self.stiffness, tip.stiffness[2]))
        return dataclasses.replace(
            tip,
            depth=tip.depth if self.depth is None else self.depth,
            charges=tuple(self.quadrupole * q for q in tip.charges),
            tilt=(tip.tilt[0] + self.tilt[0], tip.tilt[1] + self.tilt[1]),
        )

    def to_sample(self, points: Tensor, scan: Scan) -> Tensor:
        """Places ``[N, 2 or 3]`` of the sample that the scanner calls ``points``, float64."""
        return _moved(points, np.array(self.matrix), scan)

    def to_scan(self, points: Tensor, scan: Scan) -> Tensor:
        """What the scanner calls places ``[N, 2 or 3]`` of the sample, float64."""
        return _moved(points, np.linalg.inv(self.matrix), scan)

    def inside(self, pos: Tensor, margin: float) -> Tensor:
        """Which points ``[N, 3]`` in the frame of the stack are within what was measured, or no farther
        outside of it than ``margin`` Å, ``[N]``."""
        low, high = pos.new_tensor(self.window).T
        return ((pos[:, :2] >= low - margin) & (pos[:, :2] <= high + margin)).all(dim=1)


class Nuisances:
    """Draws how reference stacks are measured: scanner, tip, sample, heights, window and contrast.

    Args:
        config: the ranges.
        share: share of the stacks that are drawn from them; the others are nominal, with the least noise.

    Raises:
        InputError: for what is no share.
    """

    def __init__(self, config: NuisanceConfig | None = None, share: float = 1.0) -> None:
        if not 0 <= share <= 1:
            raise InputError(f"share: expected a share from 0 to 1, got {share}")
        self.config = config or NuisanceConfig()
        self.share = share

    def draw(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Measurement:
        """A measurement of a sample with visible atoms at ``pos`` ``[N, 3]`` Å, of which it shows one at
        least.

        Raises:
            InputError: for a window that can be smaller than two pixels of ``scan``.
        """
        if self.config.window[0] < 2 * max(scan.pixel_size):
            raise InputError(
                f"window: expected at least two pixels of {max(scan.pixel_size):.3g} Å, got "
                f"{self.config.window}"
            )
        if rng.random() >= self.share:
            return Measurement.nominal(scan)
        c = self.config
        scale, shear = 1 + rng.uniform(-c.scale, c.scale, 2), rng.uniform(-c.shear, c.shear)
        matrix = np.linalg.inv(np.diag(scale) @ [[1.0, shear], [0.0, 1.0]])
        probe = str(rng.choice(list(TIP_PRESETS), p=np.divide(c.probes, sum(c.probes))))
        radius, angle = c.tilt * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
        depth, stiffness = rng.uniform(*c.depth), _log_uniform(c.stiffness, rng)
        quadrupole, charge = rng.uniform(*c.quadrupole), rng.uniform(*c.charge)
        neutral, known, inverted = rng.random(3) < (c.neutral, c.amplitude_known, c.inverted)
        amplitude = max(2, round(_log_uniform(c.amplitude, rng) / scan.dz)) * scan.dz
        drawn = Measurement(
            heights=self._draw_heights(rng),
            amplitude=amplitude,
            window=scan.window,
            matrix=_tuples(matrix.tolist()),
            probe=probe,
            depth=depth if probe == "CO" else None,
            stiffness=stiffness,
            quadrupole=quadrupole,
            tilt=(radius * math.cos(angle), radius * math.sin(angle)),
            charge=0.0 if neutral else charge,
            height=rng.uniform(*c.height),
            amplitude_known=bool(known),
            inverted=bool(inverted),
        )
        seen = drawn.to_scan(torch.from_numpy(pos), scan).numpy()
        return dataclasses.replace(drawn, window=self._draw_window(scan, seen, rng))

    def draw_steps(self, measurement: Measurement, scan: Scan, rng: np.random.Generator) -> Steps:
        """The changes of the raw stack of a measurement: tip, motion, background and noise."""
        c, edge = self.config, max(scan.extent)
        shape = len(measurement.heights), *scan.shape[1:]
        changes: list[StackAugmentation] = []
        if measurement.probe is None:
            changes.append(DetectorNoise((c.noise[0], c.noise[0]), 0.0))
        else:
            if rng.random() < c.double_tip:
                changes.append(DoubleTip())
            if rng.random() < c.asymmetric_tip:
                changes.append(TipAsymmetry())
            changes.append(
                Motion(c.drift / edge, c.creep / edge, c.jitter / edge, c.tip_change, _JUMP / edge)
            )
            changes += [Background(c.background), DetectorNoise(c.noise, c.rows)]
        return [(type(one).__name__, one.draw(shape, rng)) for one in changes]

    def _draw_heights(self, rng: np.random.Generator) -> tuple[float, ...]:
        low, high = self.config.slices
        step = _log_uniform(self.config.step, rng)
        count = int(rng.integers(low, high + 1))
        steps = step * (1 + rng.uniform(-self.config.uneven, self.config.uneven, count - 1))
        above = np.concatenate([[0.0], np.cumsum(steps)])
        return tuple(above[above <= self.config.span][::-1].tolist())

    def _draw_window(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> tuple[Pair, Pair]:
        """A part of the window of ``scan`` that has one of the atoms at ``pos`` in it."""
        (x0, x1), (y0, y1) = scan.window
        within = pos[((pos[:, :2] >= (x0, y0)) & (pos[:, :2] <= (x1, y1))).all(axis=1)]
        at = within[rng.integers(len(within))] if len(within) else np.array(scan.center)
        found = []
        for k, (low, high) in enumerate(scan.window):
            size = min(_log_uniform(self.config.window, rng), high - low)
            first, last = max(low, at[k] - size + _EDGE), min(high - size, at[k] - _EDGE)
            start = rng.uniform(first, last) if first < last else min(max(low, at[k] - size / 2), high - size)
            found.append((float(start), float(start + size)))
        return found[0], found[1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(share={self.share}, config={self.config})"


def _moved(points: Tensor, matrix: np.ndarray, scan: Scan) -> Tensor:
    moved = points.double().clone()
    center = moved.new_tensor(scan.center)
    # One rounded operation after the other: the same bits whatever the number of points.
    x, y = (moved[:, :2] - center).unbind(1)
    for k, (along_x, along_y) in enumerate(matrix.tolist()):
        moved[:, k] = (along_x * x + along_y * y) + center[k]
    return moved


def _log_uniform(limits: Pair, rng: np.random.Generator) -> float:
    low, high = limits
    # The exponential of a logarithm may miss a limit by the last bit, and with it the edge of a window.
    return float(min(max(low, math.exp(rng.uniform(math.log(low), math.log(high)))), high))


def _tuples(value: Any) -> Any:
    """Lists, which JSON has for tuples, as tuples."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
