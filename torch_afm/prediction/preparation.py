"""Choose the preparation of a scan, and the slices of it that a network is shown."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from torch_afm.config import Scan, Tip
from torch_afm.config.prediction import PredictOptions, ScanPreparation
from torch_afm.functional import remove_slope
from torch_afm.io.oscillation import choose_oscillation
from torch_afm.io.scans import PreparedScan, ScanStack, prepare_scan
from torch_afm.io.scans.prepare import MAX_GRID_VALUES
from torch_afm.models import Generator
from torch_afm.prediction.result import mean_pearson
from torch_afm.prediction.slices import HeightGuess, choose_slices, locate_slices, trained_height
from torch_afm.prediction.whole import predict_whole_scan

#: Å of a scan, beside those that the network is shown, that its slices are searched in: the nearest.
_SEARCHED = 1.5


@dataclass(frozen=True)
class Candidate:
    """A scan at all heights that the network's slices may be among, prepared in one of several ways.

    Args:
        prepared: the scan on the network's pixels and height steps.
        z_top: first anchor height of its first slice in Å above the top atom; ``None`` where nobody knows.
        reverse: whether its heights were counted the other way.
    """

    prepared: PreparedScan
    z_top: float | None
    reverse: bool

    @property
    def aligned(self) -> bool:
        """Whether drift was taken out, by this preparation and not by one before it."""
        before, after = (s.meta.get("drift_pixels") for s in (self.prepared.raw, self.prepared.stack))
        return bool(after != before)


@dataclass(frozen=True)
class Attempt:
    """A guess of the slices and of the height of the tip in one candidate, and what came of it."""

    candidate: Candidate
    guess: HeightGuess

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        variant = {"reverse": self.candidate.reverse, "aligned": self.candidate.aligned}
        return variant | dataclasses.asdict(self.guess)


@dataclass(frozen=True)
class ChosenScan:
    """What a network is shown.

    Args:
        prepared: the scan, at as many heights as the network was made for.
        z_top: first anchor height of its first slice in Å above the top atom.
        guessed: whether that is a guess.
        cover: how windows cover it, see :func:`predict_scan`; ``"whole"`` for a network of whole scans.
        attempts: what was tried; empty where there was nothing to choose.
    """

    prepared: PreparedScan
    z_top: float
    guessed: bool
    cover: str
    attempts: tuple[Attempt, ...]

    @property
    def tip(self) -> Tip:
        """The tip of the scan as far as it is known."""
        return self.prepared.stack.tip or Tip()


def choose_preparation(
    model: Generator,
    stack: ScanStack,
    options: PredictOptions,
    progress: Callable[[str], None] | None = None,
    reverse: bool = False,
) -> ChosenScan:
    """Prepare a scan, in several ways where it is not clear which is right (drift, the height of the tip),
    and take the one whose structure, predicted in one pass without refinement
    (:func:`choose_slices`), has the image that agrees best with the scan.

    A stack on the network's grid, at a known height, needs no preparation and is taken as it is, unless
    ``options`` ask for more.

    Args:
        model: the network.
        stack: the scan as it was read.
        options: how it is prepared.
        progress: called with each step before it begins.
        reverse: whether its heights count the other way.

    Raises:
        InputError: as :func:`torch_afm.io.scans.prepare_scan`.
    """
    if model.whole_scan:
        return _choose_whole(model, stack, options, progress, reverse)
    wanted = model.config.scan
    candidates = prepare_candidates(stack, wanted, options, reverse)
    cover = "grid" if options.preparation.center else options.cover
    if len(candidates) == 1 and candidates[0].z_top is not None:
        first, z_top = locate_slices(candidates[0].prepared.scan, wanted, candidates[0].z_top)
        attempts, best = [], Attempt(candidates[0], HeightGuess(first, z_top, 1.0))
    else:
        attempts = [
            Attempt(candidate, guess)
            for candidate in candidates
            for guess in choose_slices(
                model,
                candidate.prepared.stack.tensor(),
                candidate.prepared.scan,
                candidate.z_top,
                candidate.prepared.stack.tip,
                backend=options.backend,
                cover=cover,
                max_atoms=options.search.max_atoms,
                progress=progress,
            )
        ]
        best = max(attempts, key=lambda attempt: attempt.guess.pearson)
    guessed = best.candidate.z_top is None
    if not guessed and best.candidate.prepared.scan.pixels == wanted.pixels:
        cover = "grid"  # one window of known height: nothing to look for
    attempts = attempts if len(attempts) > 1 else []
    prepared = _with_slices(best, wanted.n_slices, attempts)
    return ChosenScan(prepared, best.guess.z_top, guessed, cover, tuple(attempts))


def _choose_whole(
    model: Generator,
    stack: ScanStack,
    options: PredictOptions,
    progress: Callable[[str], None] | None,
    reverse: bool,
) -> ChosenScan:
    """As :func:`choose_preparation`, for a network of whole scans: no slices or height of the tip have to be
    found; where drift is not clear, all of the scan is predicted in each way."""
    wanted = model.config.scan
    candidates = _prepare_whole(stack, wanted, options, reverse)
    attempts: list[Attempt] = []
    for candidate in candidates:
        prepared = candidate.prepared
        z_top, r = candidate.z_top, 1.0
        if z_top is None:
            lower = (wanted.n_slices - prepared.scan.n_slices) * wanted.dz
            z_top = trained_height(prepared.scan, wanted) - lower
        if len(candidates) > 1:
            if progress is not None:
                progress(f"comparing {len(candidates)} ways to read the scan, {len(attempts) + 1}")
            reference = prepared.stack.tensor()
            found = predict_whole_scan(
                model,
                reference,
                prepared.scan,
                z_top,
                prepared.stack.tip,
                backend=options.backend,
                max_atoms=options.search.max_atoms,
                views=1,
                amplitude=prepared.amplitude,
            )
            simulated = remove_slope(found.simulated) if prepared.stack.leveled else found.simulated
            r = mean_pearson(simulated, reference)
        attempts.append(Attempt(candidate, HeightGuess(0, z_top, r)))
    best = max(attempts, key=lambda attempt: attempt.guess.pearson)
    guessed = best.candidate.z_top is None
    attempts = attempts if len(attempts) > 1 else []
    prepared = _with_slices(best, best.candidate.prepared.scan.n_slices, attempts)
    return ChosenScan(prepared, best.guess.z_top, guessed, "whole", tuple(attempts))


def _prepare_whole(stack: ScanStack, model: Scan, options: PredictOptions, reverse: bool) -> list[Candidate]:
    """The scan at the network's pixels and steps of height; where it is not clear that what looks like drift
    is some, with it and without."""
    known = options.z_top if options.z_top is not None or reverse else stack.z_top
    stack = stack.reversed() if reverse else stack
    settings, recorded = options.preparation, stack.recorded_scan
    if recorded is not None:
        model = dataclasses.replace(model, quadrature=recorded.quadrature, substeps=recorded.substeps)
    if known is not None:
        if _fits(stack, model):
            settings = dataclasses.replace(
                settings,
                flatten="none" if settings.flatten == "auto" else settings.flatten,
                align="never" if settings.align == "auto" else settings.align,
            )
        if settings.top is None:
            scan, *_ = choose_oscillation(stack.meta, model, model.dz, settings.amplitude)
            top = trained_height(scan, model) - known + stack.heights[0]
            settings = dataclasses.replace(
                settings, top=float(np.clip(top, stack.heights[-1], stack.heights[0]))
            )
    variants = [prepare_scan(stack, model, settings, whole=True)]
    if settings.align == "auto" and _doubtful(Candidate(variants[0], None, reverse)):
        variants.append(prepare_scan(stack, model, dataclasses.replace(settings, align="never"), whole=True))
    return [
        Candidate(v, None if known is None else float(known - stack.heights[0] + v.stack.heights[0]), reverse)
        for v in variants
    ]


def prepare_candidates(
    stack: ScanStack, model: Scan, options: PredictOptions, reverse: bool
) -> list[Candidate]:
    """The scan on the network's pixels, at all heights that the network's slices may be among; where it is
    not clear that what looks like drift is some, with it and without."""
    known = options.z_top
    if known is None and not reverse:
        known = stack.z_top
    if reverse:
        stack = stack.reversed()
    settings = options.preparation
    if known is not None and _fits(stack, model):
        settings = dataclasses.replace(
            settings,
            flatten="none" if settings.flatten == "auto" else settings.flatten,
            align="never" if settings.align == "auto" else settings.align,
        )
        if settings == ScanPreparation(flatten="none", align="never"):
            return [Candidate(_as_it_is(stack, model), known, reverse)]
    model = _with_heights(stack, model, settings, known)
    variants = [prepare_scan(stack, model, settings)]
    if settings.align == "auto" and _doubtful(Candidate(variants[0], None, reverse)):
        variants.append(prepare_scan(stack, model, dataclasses.replace(settings, align="never")))
    return [
        Candidate(
            variant,
            None if known is None else float(known - stack.heights[0] + variant.stack.heights[0]),
            reverse,
        )
        for variant in variants
    ]


def _doubtful(candidate: Candidate) -> bool:
    """Whether drift was taken out that may be contrast that changes with height."""
    return candidate.aligned and not candidate.prepared.stack.meta["drift"]["same_height"]


def _fits(stack: ScanStack, model: Scan) -> bool:
    return bool(np.isfinite(stack.values).all()) and stack.afm_stack().fits(model)


def _as_it_is(stack: ScanStack, model: Scan) -> PreparedScan:
    n, ny, nx = stack.values.shape
    text = f"{n} slices of {nx} x {ny} pixels on the network's grid, at a known height: nothing to prepare"
    warnings = tuple(str(w) for w in stack.meta.get("warnings", []))
    scan = stack.afm_stack().scan(model)
    return PreparedScan(stack, stack.heights, stack, scan, (("read", text),), warnings)


def _with_heights(stack: ScanStack, model: Scan, settings: ScanPreparation, known: float | None) -> Scan:
    """The network's scan with as many heights as are worth a search, and with the quadrature that a
    simulated stack states."""
    span = float(stack.heights[0] - stack.heights[-1])
    pitch = model.pixel_size[0]
    area = math.prod((high - low) / pitch + 1 for low, high in settings.window or stack.window)
    count = min(math.floor(span / model.dz + 1e-6) + 1, int(MAX_GRID_VALUES / area))
    if known is None:
        count = min(count, model.n_slices + round(_SEARCHED / model.dz))
    recorded = stack.recorded_scan
    if recorded is not None:
        model = dataclasses.replace(model, quadrature=recorded.quadrature, substeps=recorded.substeps)
    if settings.top is None and count > model.n_slices:
        model = dataclasses.replace(model, n_slices=count)
    return model


def _with_slices(best: Attempt, n: int, attempts: Sequence[Attempt]) -> PreparedScan:
    """The prepared scan with the ``n`` slices of a guess alone, and with all that was chosen in its log."""
    prepared, first = best.candidate.prepared, best.guess.first
    stack, steps = prepared.stack, list(prepared.steps)
    if best.candidate.reverse:
        steps.insert(1, ("order", "heights counted the other way: the slices are in reverse order"))
    if len(stack.heights) > n:
        heights = stack.heights[first : first + n]
        tried = len({attempt.guess.first for attempt in attempts})
        reason = (
            f"the best of {tried} tried"
            if tried
            else "nearest to the heights that the network was trained at"
        )
        steps.append(
            (
                "slices",
                f"{heights[0]:.2f} to {heights[-1]:.2f} Å of the scan's {stack.heights[0]:.2f} to "
                f"{stack.heights[-1]:.2f} Å, {reason}",
            )
        )
        stack = stack.replace(values=stack.values[first : first + n], heights=heights)
    if attempts:
        steps.append(("tried", _describe(attempts)))
        if len({attempt.candidate.aligned for attempt in attempts}) > 1:
            text = "moved back" if best.candidate.aligned else "left where it is"
            steps.append(("drift", f"both was tried, and by the image it was {text}"))
    guess = ", a guess" if best.candidate.z_top is None else ""
    steps.append(("tip", f"first anchor height {best.guess.z_top:.2f} Å above the top atom{guess}"))
    scan = dataclasses.replace(prepared.scan, n_slices=len(stack.heights))
    return dataclasses.replace(prepared, stack=stack, scan=scan, steps=tuple(steps))


def _describe(attempts: Sequence[Attempt]) -> str:
    """What was tried, in words."""
    parts = []
    for attempt in attempts:
        candidate, guess = attempt.candidate, attempt.guess
        drift = " without drift" if candidate.aligned else ""
        height = candidate.prepared.stack.heights[guess.first]
        parts.append(f"{guess.z_top:.2f} Å at {height:.2f} Å{drift}: r {guess.pearson:.2f}")
    return f"agreement of the strongest window by height of the tip at the first slice: {', '.join(parts)}"


def count_measured_slices(prepared: PreparedScan) -> int:
    """Slices of a scan that those of the network were interpolated from; fewer where an earlier preparation
    had done that before."""
    heights, used = prepared.measured, prepared.stack.heights
    step = float(np.abs(np.diff(heights)).max()) if len(heights) > 1 else np.inf
    count = int(((heights > used[-1] - step) & (heights < used[0] + step)).sum())
    return int(min(count, prepared.raw.meta.get("measured", count)))
