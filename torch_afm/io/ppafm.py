"""The settings of ppafm, ``atomtypes.ini`` and ``params.ini``, for people who come from there.

The formats are those of ppafm 0.4 (Oinonen et al., CPC 305, 109341 (2024)) and, for ``atomtypes.ini``, of the
releases before it.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.elements import atomic_number, symbol
from torch_afm.io.files import read_text, split_lines
from torch_afm.utils import InputError


class PpafmParams(NamedTuple):
    """What :func:`read_ppafm_params` reads.

    Attributes:
        scan: pixels, height steps and cantilever.
        tip: probe, charges and springs, for samples whose atoms have point charges.
        tip_on_grid: the same for samples with a potential on a grid, where ppafm's tip has other charges.
        z_top: the first anchor height in Å, for :meth:`torch_afm.ppm.ProbeParticleModel.forward`.
        cell: lattice of the sample in Å, rows ``[3, 3]``, along both lateral vectors of which it repeats;
            ``None`` where the file says nothing of it or turns periodicity off.
    """

    scan: Scan
    tip: Tip
    tip_on_grid: Tip
    z_top: float
    cell: np.ndarray | None


def read_atomtypes(path: str | Path) -> ForceField:
    """Lennard-Jones parameters from ppafm's ``atomtypes.ini``: a line an element with the columns R [Å],
    ε [eV], the exponent of a Morse potential (missing in older releases; not used), atomic number, symbol.
    What follows is a comment, so is everything after ``#``.

    Raises:
        InputError: for a missing or empty file, a line of another form, a symbol that contradicts the atomic
            number, or an element given twice, naming file and line.
    """
    entries: dict[int, tuple[str, float, float]] = {}
    for where, fields in _lines(path):
        column = 3 if len(fields) > 3 and fields[3].isdecimal() else 2
        if len(fields) <= column or not fields[column].isdecimal():
            raise InputError(f"{where}: expected 'R ε [exponent] Z symbol', got {' '.join(fields)!r}")
        try:
            z = atomic_number(int(fields[column]))
            name = fields[column + 1] if len(fields) > column + 1 else symbol(z)
            if _known(name) not in (None, z):
                raise InputError(f"expected the symbol {symbol(z)} of Z = {z}, got {name!r}")
            if z in entries:
                raise InputError(f"expected {symbol(z)} on one line, got a second one")
            entry = (symbol(z), _number(fields[0]), _number(fields[1]))
            ForceField((entry,))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        entries[z] = entry
    if not entries:
        raise InputError(f"{path}: expected a line for each element, got none")
    return ForceField(tuple(entries.values()))


def read_ppafm_params(path: str | Path) -> PpafmParams:
    """Scan and tip from ppafm's ``params.ini``: a key and its values a line, a comment after ``#``. The last
    of several lines with one key counts, and ppafm's defaults stand for keys that the file lacks.

    * ``scanMin``, ``scanMax``, ``scanStep`` [Å]: pixels with both ends included; the oscillations of the
      slices together fill the range of z exactly, with forces in the middle of each height step.
    * ``Amplitude`` [Å], peak to peak, a whole number of height steps; ``f0Cantilever`` [Hz], ``kCantilever``
      [N/m].
    * ``probeType``: symbol or atomic number; ``r0Probe`` [Å]: equilibrium offset x, y and bond length.
    * ``stiffness`` [N/m]: x, y and radial; where one of them is negative, as by default, ``klat``, ``klat``
      and ``krad``, as the command line has it.
    * ``tip``, ``charge`` q [e] and ``sigma`` σ [Å], a width, whatever the file calls it. ppafm has two tips.
      On point charges it is q (``s``); 10 q and −10 q at 0.1 and −0.1 Å (``pz``, 2 q e Å); 100 q, −200 q and
      100 q at 0.1, 0 and −0.1 Å (``dz2``, Θ = 2 q e Å²). On a potential it is a Gaussian of standard
      deviation σ times q, q z/σ, or q (2z² − x² − y²)/4σ². A Gaussian multipole acts on a potential as a
      point does, as long as the charges that make the potential are outside of it, and its moments are q, q σ
      [e Å] and Θ = ½ ∫ρ (3z² − r²) = 1.5 q σ² [e Å²]. With the usual dz2, q = −0.1 and σ = 0.71 Å, that is
      −0.0756 e Å² against −0.2 e Å² on point charges. ``tip_on_grid`` has charges at the same heights with
      these moments. Where the tails of the Gaussian reach atoms, ppafm's stacks differ: by 0.02 of their
      standard deviation for point charges 3 Å below the nearest probe, by 0.16 where nuclei are there, too
      (``python -m benchmarks.rendering.fields``).
    * ``gridA``, ``gridB``, ``gridC`` [Å]: the lattice, unless ``PBC`` is false or ``nPBC`` is 0 along the
      first two.

    Other settings of ppafm belong to its force grids and plots, or to physics that is off, and change nothing
    here; a key that ppafm does not have is listed in a warning.

    The stack is that of ppafm's command line but for its grids. Its GPU code takes forces half a step higher,
    and another quadrature: ``z_top + scan.dz / 2`` and ``dataclasses.replace(scan, quadrature="ppafm")``.

    Raises:
        InputError: for a missing file, a bad value, a scan too short for one oscillation, and physics that is
            not simulated here (another ``ffModel``, a tilted scan, a bias, a charged base of the tip, a
            shifted molecule), naming file and line.
    """
    found, unknown = _Settings(path), []
    for where, (key, *words) in _lines(path):
        if key in _KEYS:
            found.read(where, key, words)
        elif key not in _TECHNICAL:
            unknown.append(key)
    if unknown:
        warnings.warn(f"{path}: unknown key(s) left out: {', '.join(dict.fromkeys(unknown))}", stacklevel=2)
    for key, expected in _SIMULATED.items():
        found.check(key, found[key] == expected, f"only {_text(expected)} is simulated here")
    scan, z_top = _scan(found)
    tip, width = _tip(found), found["sigma"]
    found.check("sigma", width > 0, "expected a positive width")
    scale = {"s": 1.0, "pz": width / 2, "dz2": 0.75 * width**2}[found["tip"]]
    on_grid = dataclasses.replace(tip, charges=tuple(scale * q for q in tip.charges))
    return PpafmParams(scan, tip, on_grid, z_top, _cell(found))


def _scan(found: _Settings) -> tuple[Scan, float]:
    low, high, step = found["scanMin"], found["scanMax"], found["scanStep"]
    found.check("scanStep", min(step) > 0, "expected positive steps")
    ranges = [(b - a) / d for a, b, d in zip(low, high, step, strict=True)]
    found.check(
        "scanMax", min(ranges) > 0.5 and max(ranges) < 1e5, f"expected 1 to 1e5 scanSteps above {_text(low)}"
    )
    steps = [round(n) for n in ranges]
    dz, amplitude = step[2], found["Amplitude"]
    n = round(min(amplitude / dz, 1e6))
    found.check(
        "Amplitude",
        n >= 2 and abs(amplitude - n * dz) < 0.01 * dz,
        f"expected 2 or more whole steps of {dz} Å",
    )
    found.check(
        "scanMax", steps[2] >= n, f"expected room for an oscillation of {amplitude} Å above {low[2]} Å"
    )
    for key in ("f0Cantilever", "kCantilever"):
        found.check(key, found[key] > 0, "expected a positive number")
    # Rounded: 0.1 and the like are no binary numbers.
    (x1, y1) = (round(low[i] + steps[i] * step[i], 9) for i in range(2))
    scan = Scan(
        window=((low[0], x1), (low[1], y1)),
        pixels=(steps[0] + 1, steps[1] + 1),
        n_slices=steps[2] - n + 1,
        dz=dz,
        n_oscillation=n,
        f0=found["f0Cantilever"],
        k=found["kCantilever"],
    )
    return scan, round(high[2] - dz / 2, 9)


def _tip(found: _Settings) -> Tip:
    charges = {"s": (1.0,), "pz": (10.0, -10.0), "dz2": (100.0, -200.0, 100.0)}
    heights = {"s": (0.0,), "pz": (0.1, -0.1), "dz2": (0.1, 0.0, -0.1)}
    multipole, probe = found["tip"], found["probeType"]
    found.check("tip", multipole in charges, f"expected one of {', '.join(charges)}")
    found.check("probeType", _known(probe) is not None, "expected a chemical symbol or an atomic number")
    x, y, length = found["r0Probe"]
    found.check("r0Probe", math.hypot(x, y) < length, "expected an offset x, y shorter than the bond")
    springs, key = found["stiffness"], "stiffness"
    if min(springs) < 0:
        springs, key = (found["klat"], found["klat"], found["krad"]), "klat"
    found.check(key, min(springs[:2]) >= 0, "expected springs of 0 N/m or more")
    found.check("krad" if key == "klat" else key, springs[2] > 0, "expected a positive radial spring")
    return Tip(
        probe=symbol(_known(probe) or 0),
        charges=tuple(found["charge"] * c for c in charges[multipole]),
        charge_heights=heights[multipole],
        stiffness=(springs[0], springs[1], 0.0),
        radial_stiffness=springs[2],
        bond_length=length,
        tilt=(x, y),
    )


def _cell(found: _Settings) -> np.ndarray | None:
    edges = ("gridA", "gridB", "gridC")
    images = [n > 0 for n in found["nPBC"][:2]]
    found.check("nPBC", images[0] == images[1], "expected images along both lateral vectors or none")
    if not found["PBC"] or not images[0] or not all(key in found.values for key in edges):
        return None
    cell = np.array([found[key] for key in edges])
    spans = abs(np.linalg.det(cell)) > 1e-6 * np.prod(np.linalg.norm(cell, axis=1))
    found.check("gridC", bool(spans), "expected an edge that spans a volume with gridA and gridB")
    return cell


class _Settings:
    """Values by key, and the line that each comes from."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {}
        self.where: dict[str, str] = {}

    def read(self, where: str, key: str, words: list[str]) -> None:
        parse, count, _ = _KEYS[key]
        if len(words) < count:
            raise InputError(f"{where}: {key}: expected {count} value(s), got {len(words)}")
        try:
            values = tuple(parse(word) for word in words[:count])
        except InputError as error:
            raise InputError(f"{where}: {key}: {error}") from None
        self.values[key] = values if count > 1 else values[0]
        self.where[key] = where

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key, _KEYS[key][2])

    def check(self, key: str, right: bool, message: str) -> None:
        """Raise :class:`InputError` at the line of ``key`` unless ``right``."""
        if not right:
            where = self.where.get(key, f"{self.path}: ppafm's default")
            raise InputError(f"{where}: {key}: {message}, got {_text(self[key])}")


def _lines(path: str | Path) -> list[tuple[str, list[str]]]:
    """The fields of each line that has any, without comment, and where it stands."""
    path = Path(path)
    text = read_text(path)
    rows = [(number, line.split("#")[0].split()) for number, line in enumerate(split_lines(text), start=1)]
    return [(f"{path}, line {number}", fields) for number, fields in rows if fields]


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"expected a finite number, got {word!r}")
    return value


def _flag(word: str) -> bool:
    if word.lower() not in ("true", "t", "false", "f"):
        raise InputError(f"expected True or False, got {word!r}")
    return word.lower() in ("true", "t")


def _word(word: str) -> str:
    return word.strip("'\"")


def _known(element: str) -> int | None:
    """Atomic number of a number or a symbol, written as it should be: ``CO`` is no cobalt. ``None`` if there
    is no such element."""
    try:
        z = atomic_number(int(element) if element.isdecimal() else element)
    except InputError:
        return None
    return z if element.isdecimal() or symbol(z) == element else None


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


#: Keys with a meaning here: reader of one value, number of values, ppafm's default.
_KEYS: dict[str, tuple[Callable[[str], Any], int, Any]] = {
    "probeType": (_word, 1, "O"),
    "tip": (_word, 1, "s"),
    "charge": (_number, 1, 0.0),
    "r0Probe": (_number, 3, (0.0, 0.0, 4.0)),
    "stiffness": (_number, 3, (-1.0, -1.0, -1.0)),
    "klat": (_number, 1, 0.5),
    "krad": (_number, 1, 20.0),
    "scanMin": (_number, 3, (0.0, 0.0, 5.0)),
    "scanMax": (_number, 3, (20.0, 20.0, 8.0)),
    "scanStep": (_number, 3, (0.1, 0.1, 0.1)),
    "Amplitude": (_number, 1, 1.0),
    "f0Cantilever": (_number, 1, 30300.0),
    "kCantilever": (_number, 1, 1800.0),
    "sigma": (_number, 1, 0.7),
    "PBC": (_flag, 1, True),
    "nPBC": (_number, 3, (1.0, 1.0, 1.0)),
    "gridA": (_number, 3, (20.0, 0.0, 0.0)),
    "gridB": (_number, 3, (0.0, 20.0, 0.0)),
    "gridC": (_number, 3, (0.0, 0.0, 20.0)),
    "ffModel": (_word, 1, "LJ"),
    "tiltedScan": (_flag, 1, False),
    "Vbias": (_number, 1, 0.0),
    "tip_base": (_word, 1, "None"),
    "moleculeShift": (_number, 3, (0.0, 0.0, 0.0)),
}

#: Settings with one value that is simulated here.
_SIMULATED = {
    "ffModel": "LJ",
    "tiltedScan": False,
    "Vbias": 0.0,
    "tip_base": "None",
    "moleculeShift": (0.0, 0.0, 0.0),
}

#: Settings of ppafm's force grids, plots and of physics that is off: they change nothing here.
_TECHNICAL = (
    *("gridN", "gridO", "FFgrid0", "FFgridA", "FFgridB", "FFgridC", "Rcore", "Apauli", "Bpauli", "aMorse"),
    *("vdWDampKind", "scanTilt", "Rtip", "permit", "ddisp", "plotSliceFrom", "plotSliceTo", "plotSliceBy"),
    *("imageInterpolation", "colorscale", "colorscale_kpfm"),
)
