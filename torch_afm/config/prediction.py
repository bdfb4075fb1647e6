"""Options of a prediction from a scan: how it is read, prepared and searched."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from torch_afm.config.generators import MAX_ATOMS
from torch_afm.utils import InputError

Pair = tuple[float, float]
Window = tuple[Pair, Pair]


@dataclass(frozen=True)
class ReadOptions:
    """How to read scan files.

    Args:
        channel: channel of the file. Default: the frequency shift.
        direction: of the fast axis.
        heights: height of the tip at each image in Å, in the order of the files' names, larger is farther.
            Default: what the headers say.
        step: in place of the heights: each image is so much nearer than the one before, in Å.
        pixel_size: of a pixel in Å; two numbers along x and y, [0.148,0.161]. Default: what the headers say.
        constant_height: the images are of constant height, whatever their headers say about the controller.
        scale: Hz in one unit of the file, negative where bright means low. Default: as the file has it;
            arbitrary units will do.
        strict: refuse files that cannot be read or do not fit the first one. Default: leave them out, and
            say why.
    """

    channel: str | None = None
    direction: Literal["forward", "backward"] = "forward"
    heights: tuple[float, ...] | None = None
    step: float | None = None
    pixel_size: float | Pair | None = None
    constant_height: bool = False
    scale: float | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        _check_choices(self)
        sizes = self.pixel_size if isinstance(self.pixel_size, tuple | list) else (self.pixel_size,)
        _check_positive(step=self.step, **{f"pixel_size[{i}]": size for i, size in enumerate(sizes)})


@dataclass(frozen=True)
class ScanPreparation:
    """What is done to a scan before a network sees it.

    Args:
        window: part of the scan to use, [[x0, x1], [y0, y1]] in Å of the scan frame. Default: all.
        center: use one window of the network's size around this place, [x, y] in Å of the scan frame.
        flatten: what is taken out of each slice: a plane, the offset of each line, or nothing; auto: a plane,
            or nothing where a stack lies on the network's grid at a known height.
        align: take out the drift between slices, one smooth motion in time; auto: where it is larger than
            three standard errors, and moves a slice by more than a pixel, and, unless images of one height
            tell it, the image agrees better then; never where flatten auto takes nothing out.
        repeats: of several images at one height, as of a series that goes down and up again: their mean,
            once drift is out, or the first or last that was measured.
        top: height of the farthest slice to use in Å, as the file's heights. Default: the image decides;
            where the height of the tip is known, those nearest to the network's are used.
        bottom: height of the nearest slice to use in Å. Default: the nearest that was measured.
        amplitude: of the oscillation, peak to peak in Å. Default: what the headers say, else the network's.
    """

    window: Window | None = None
    center: Pair | None = None
    flatten: Literal["auto", "plane", "lines", "none"] = "auto"
    align: Literal["auto", "always", "never"] = "auto"
    repeats: Literal["mean", "first", "last"] = "mean"
    top: float | None = None
    bottom: float | None = None
    amplitude: float | None = None

    def __post_init__(self) -> None:
        _check_choices(self)
        if self.window is not None and self.center is not None:
            raise InputError("window, center: expected one of them, got both")
        _check_positive(amplitude=self.amplitude)
        for name in ("top", "bottom"):
            height = getattr(self, name)
            if height is not None and not math.isfinite(height):
                raise InputError(f"{name}: expected a finite height in Å, got {height}")
        if self.top is not None and self.bottom is not None and not self.top >= self.bottom:
            raise InputError(f"bottom: expected at most top, {self.top:g} Å, got {self.bottom:g} Å")
        if self.window is not None:
            (x0, x1), (y0, y1) = self.window
            object.__setattr__(self, "window", ((x0, x1), (y0, y1)))
        if self.center is not None:
            object.__setattr__(self, "center", tuple(self.center))


@dataclass(frozen=True)
class SearchOptions:
    """How the structure in each window is found.

    Args:
        max_atoms: generation ends at this many atoms (in each window).
        search: take all atoms that the network is sure of, or search several graphs by likelihood and image.
        physics: drop bonds that break a valence; keep a search from placing atoms where none can be.
        refine: move the atoms by gradient through the simulator until their stack agrees with the reference;
            tilt and height of the tip are fitted too.
        views: mirror images and quarter turns that each prediction of the network is the mean of. Default: as
            many as the network knows, or 1 with rotations.
        seed: of whatever is drawn.
    """

    max_atoms: int = MAX_ATOMS
    search: Literal["greedy", "beam"] = "greedy"
    physics: bool = True
    refine: bool = True
    views: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choices(self)
        if self.max_atoms < 0:
            raise InputError(f"max_atoms: expected 0 or more, got {self.max_atoms}")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"seed: expected a whole number from 0 to 2^31 - 1, got {self.seed}")


@dataclass(frozen=True)
class PredictOptions:
    """Options of :func:`torch_afm.predict` and of ``torch-afm predict``.

    Args:
        reading: how to read scan files.
        preparation: what is done to the scan.
        search: how the structure in each window is found.
        z_top: farthest anchor height of the scan in Å above the top atom. Default: what the stack file says,
            else six guesses at most, of which the image decides.
        reverse: heights count the other way: the last slice is the farthest. try: the images of what is found
            in both orders decide, and which end is sharper.
        cover: windows of the network's size: around each thing there is to be seen, or all over the scan.
        rotations: predict the scan turned by quarter or half turns too, 1, 2 or 4 in all, and report how far
            the structures agree.
        answers: most structures to give, each with its weight, the most probable first. With more than one,
            edits are tried and others are drawn, judged by their images and refined, whatever refine says.
        cell: lattice vectors of the surface, [[ax, ay], [bx, by]] in Å: the structure is written as CIF, too.
        backend: renderer; auto: CUDA where there is a GPU for it, else OpenCL, else torch.
    """

    reading: ReadOptions = field(default_factory=ReadOptions)
    preparation: ScanPreparation = field(default_factory=ScanPreparation)
    search: SearchOptions = field(default_factory=SearchOptions)
    z_top: float | None = None
    reverse: Literal["no", "yes", "try"] = "no"
    cover: Literal["auto", "grid"] = "auto"
    rotations: Literal[1, 2, 4] = 1
    answers: int = 1
    cell: Window | None = None
    backend: Literal["auto", "opencl", "cuda", "torch"] = "auto"

    def __post_init__(self) -> None:
        _check_choices(self)
        if self.z_top is not None and not math.isfinite(self.z_top):
            raise InputError(f"z_top: expected a finite height in Å, got {self.z_top}")
        if self.answers < 1:
            raise InputError(f"answers: expected 1 or more, got {self.answers}")
        if self.answers > 1 and self.rotations > 1:
            raise InputError("answers, rotations: expected more than one of one of them alone, got both")


def _check_choices(options: Any) -> None:
    """Raise :class:`InputError` for a field that is none of its ``Literal`` choices."""
    for name, hint in get_type_hints(type(options)).items():
        choices, value = get_args(hint), getattr(options, name)
        if hint == Literal[choices] and value not in choices:
            raise InputError(f"{name}: expected {', '.join(map(str, choices))}, got {value!r}")


def _check_positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"{name.split('[')[0]}: expected a positive number of Å, got {value}")
