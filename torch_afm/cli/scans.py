"""What ``predict`` does with the files of a microscope: read, prepare, predict, compare."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jsonargparse import Namespace

from torch_afm.cli.jobs import setting
from torch_afm.config import Scan, Tip, from_dict
from torch_afm.generation import (
    Consistency,
    Look,
    RefinementSettings,
    ScanPrediction,
    SpatialGeneration,
    choose_slices,
    consistency,
    known_slices,
    predict_scan,
    turned_back,
)
from torch_afm.generation.confidence import mean_pearson
from torch_afm.io.scans import PreparedScan, ScanPreparation, ScanStack, prepare_scan, read_scan, turn
from torch_afm.io.scans.prepare import MAX_GRID_VALUES
from torch_afm.models import GraphGenerator, SpatialGenerator
from torch_afm.utils import InputError

#: Å that the refinement may move a tip whose height is a guess.
_FREE = 0.3

#: Å of a scan, beside those that the model looks at, that its slices are searched in: the nearest.
_SEARCHED = 1.5

#: Options of ``predict`` that only make sense for scans; a stack file without any is taken as it is.
OPTIONS = {
    "channel": None,
    "direction": "forward",
    "heights": None,
    "step": None,
    "pixel_size": None,
    "constant_height": False,
    "scale": None,
    "reverse": "no",
    "window": None,
    "center": None,
    "flatten": "plane",
    "align": "auto",
    "top": None,
    "amplitude": None,
    "cover": "auto",
    "rotations": 1,
}


@dataclass(frozen=True)
class ScanResult:
    """What came of a scan.

    Args:
        prepared: the scan as the model saw it.
        prediction: the structure and its tip, in the frame of the scan.
        generation: that of ``prediction``.
        log: what was done and tried: name and text.
        warnings: what may be wrong.
        story: the same as plain numbers for JSON.
        consistency: agreement of the rotations, where there are several, and which of them was taken.
    """

    prepared: PreparedScan
    prediction: ScanPrediction
    generation: SpatialGeneration
    log: list[tuple[str, str]]
    warnings: list[str]
    story: dict[str, Any]
    consistency: tuple[Consistency, int] | None


def predict_files(
    args: Namespace, model: GraphGenerator | SpatialGenerator, progress: Callable[[str], None] | None = None
) -> ScanResult:
    """Everything from the files to the structure."""
    if not isinstance(model, SpatialGenerator):
        raise InputError(
            f"--weights: expected those of a SpatialGenerator for a scan, got a {type(model).__name__}"
        )
    stack = read_scan(
        args.stack,
        args.channel,
        args.direction,
        args.heights,
        args.pixel_size,
        args.scale,
        args.step,
        constant_height=args.constant_height,
    )
    shared: dict[str, Any] = {
        "backend": args.backend,
        "max_atoms": args.max_atoms,
        "cover": "grid" if args.center else args.cover,
        "progress": progress,
    }
    how: dict[str, Any] = {
        "search": args.search,
        "physics": args.physics,
        "views": args.views or (1 if args.rotations > 1 else 8),
        "seed": args.seed,
        **shared,
    }
    orders = {"no": [False], "yes": [True], "try": [False, True]}[args.reverse]
    tries: list[tuple[PreparedScan, bool, bool, Look]] = []
    n = model.config.scan.n_slices
    prepared_all = [(one, r) for r in orders for one in _prepare(stack, model.config.scan, args, r)]
    for prepared, reversed_ in prepared_all:
        height = _height(prepared, stack, args, reversed_)
        if height is not None and len(prepared_all) == 1:
            look = Look(*known_slices(prepared.scan, model.config.scan, height), 1.0)
            tries.append((prepared, reversed_, False, look))
            continue
        tip = setting(prepared.stack.afm_stack(), "tip", Tip())
        looks = choose_slices(model, prepared.stack.tensor(), prepared.scan, height, tip, **shared)
        tries += [(prepared, reversed_, height is None, look) for look in looks]
    every, reversed_, free, look = max(tries, key=lambda t: t[3].pearson)
    if not free and every.scan.pixels == model.config.scan.pixels:
        how["cover"] = "grid"  # as a stack on the model's grid is predicted: as it is
    tried = [{"reverse": r} | dataclasses.asdict(one) for _, r, _, one in tries] if len(tries) > 1 else []
    prepared = _slices(every, look.first, n, len({one.first for _, _, _, one in tries}) if tried else 0)
    log = list(prepared.steps)
    if tried:
        log.append(("tried", _tried(tries, len(orders) > 1)))
        told = [_moved(one) for one, _, _, _ in tries]
        if len(set(told)) > 1:
            text = "moved back" if _moved(every) else "left where it is"
            log.append(("drift", f"both was tried, and by the image it was {text}"))
    log.append(("tip", f"first anchor height {look.z_top:.2f} Å above the top atom" + ", a guess" * free))
    warnings = list(prepared.warnings)
    return _predict(
        prepared, model, look.z_top, _refinement(args, free), args.rotations, how, log, warnings, tried
    )


def _prepare(stack: ScanStack, model: Scan, args: Namespace, reversed_: bool) -> list[PreparedScan]:
    """The scan on the model's pixels, at all heights that the model's slices may be among; where it is not
    sure that what looks like drift is some, with it and without."""
    settings = ScanPreparation(
        reverse=reversed_,
        window=args.window,
        center=args.center,
        flatten=args.flatten,
        align=args.align,
        top=args.top,
        amplitude=args.amplitude,
    )
    span = float(stack.heights[0] - stack.heights[-1])
    pitch = model.pixel_size[0]
    area = math.prod((high - low) / pitch + 1 for low, high in args.window or stack.window)
    count = min(math.floor(span / model.dz + 1e-6) + 1, int(MAX_GRID_VALUES / area))
    if _known(stack, args, reversed_) is None:
        count = min(count, model.n_slices + round(_SEARCHED / model.dz))
    if "scan" in stack.meta:
        told = from_dict(Scan, stack.meta["scan"])
        model = dataclasses.replace(model, quadrature=told.quadrature, substeps=told.substeps)
    if args.top is None and count > model.n_slices:
        model = dataclasses.replace(model, n_slices=count)
    prepared = prepare_scan(stack, model, settings)
    if args.align != "auto" or not _moved(prepared):
        return [prepared]
    return [prepared, prepare_scan(stack, model, dataclasses.replace(settings, align="never"))]


def _moved(prepared: PreparedScan) -> bool:
    """Whether drift was taken out, by this preparation and not by one before it."""
    before, after = (s.meta.get("drift_pixels") for s in (prepared.raw, prepared.stack))
    return after != before


def _height(prepared: PreparedScan, stack: ScanStack, args: Namespace, reversed_: bool) -> float | None:
    """First anchor height of the prepared slices, where that of the scan is known."""
    known = _known(stack, args, reversed_)
    farthest = -stack.heights[-1] if reversed_ else stack.heights[0]
    return None if known is None else float(known - farthest + prepared.stack.heights[0])


def _known(stack: ScanStack, args: Namespace, reversed_: bool) -> float | None:
    """First anchor height of the scan: what is given, else what the file tells."""
    told = stack.meta.get("z_top") if args.z_top is None and not reversed_ else args.z_top
    return told if isinstance(told, int | float) else None


def _slices(prepared: PreparedScan, first: int, n: int, tried: int) -> PreparedScan:
    """The prepared scan with the ``n`` slices from ``first`` on alone, which so many looks led to."""
    stack = prepared.stack
    if len(stack.heights) == n:
        return prepared
    chosen = slice(first, first + n)
    heights = stack.heights[chosen]
    why = f"the best of {tried} tried" if tried else "nearest to the heights that the model was trained at"
    (begin, end), (farthest, nearest) = heights[[0, -1]], stack.heights[[0, -1]]
    text = f"{begin:.2f} to {end:.2f} Å of the scan's {farthest:.2f} to {nearest:.2f} Å, {why}"
    return dataclasses.replace(
        prepared,
        stack=stack.replace(values=stack.values[chosen], heights=heights),
        scan=dataclasses.replace(prepared.scan, n_slices=n),
        steps=(*prepared.steps, ("slices", text)),
    )


def _refinement(args: Namespace, free: bool) -> RefinementSettings | None:
    if not args.refine:
        return None
    return RefinementSettings(distance_sigma=_FREE) if free else RefinementSettings()


def _tried(tries: list[tuple[PreparedScan, bool, bool, Look]], both: bool) -> str:
    """What was tried, in words."""
    parts = []
    for every, reversed_, _, look in tries:
        order = (" reversed" if reversed_ else " as given") if both else ""
        order += " without drift" if _moved(every) else ""
        parts.append(
            f"{look.z_top:.2f} Å at {every.stack.heights[look.first]:.2f} Å{order}: r {look.pearson:.2f}"
        )
    return f"agreement of the strongest window by height of the tip at the first slice: {', '.join(parts)}"


def _predict(
    prepared: PreparedScan,
    model: SpatialGenerator,
    z_top: float,
    settings: RefinementSettings | None,
    rotations: int,
    how: dict[str, Any],
    log: list[tuple[str, str]],
    warnings: list[str],
    tried: list[dict[str, Any]],
) -> ScanResult:
    (x0, x1), (y0, y1) = prepared.scan.window
    center = ((x0 + x1) / 2, (y0 + y1) / 2)
    tip = setting(prepared.stack.afm_stack(), "tip", Tip())
    found = []
    for turns in range(0, 4, 4 // rotations):
        turned = turn(prepared.stack, turns)
        _, ny, nx = turned.values.shape
        scan = dataclasses.replace(prepared.scan, window=turned.window, pixels=(nx, ny))
        told = how | {"progress": _told(how["progress"], turns) if rotations > 1 else how["progress"]}
        one = predict_scan(
            model, turned.tensor(), scan, z_top, _turned(tip, turns), refinement=settings, **told
        )
        found.append((turns, one, _back(one.generation, turns, center)))
    reference = prepared.stack.tensor()
    agreement = [mean_pearson(generation.simulated, reference) for _, _, generation in found]
    best = max(range(len(found)), key=lambda i: agreement[i])
    turns, prediction, generation = found[best]
    prediction = dataclasses.replace(prediction, generation=generation, tip=_turned(prediction.tip, -turns))
    several = None
    story: dict[str, Any] = {"tried": tried, "cover": how["cover"], "views": how["views"]}
    if rotations > 1:
        several = consistency([g.graph for _, _, g in found]), best
        story["rotations"] = {
            "degrees": [90 * t for t, _, _ in found],
            "pearson": agreement,
            "taken": 90 * turns,
            "atoms": [len(g.graph.z) for _, _, g in found],
            "support": several[0].support[best].tolist(),
            **several[0].to_dict(),
        }
        log.append(("rotations", _rotations(found, agreement, several[0], turns)))
        if several[0].mean_f1 < 0.8:
            warnings.append(
                f"the {rotations} rotations of the scan give different structures (F1 "
                f"{several[0].mean_f1:.2f} between them): trust no atom without support"
            )
    if prediction.outside:
        warnings.append(f"{prediction.outside} atoms that would lie outside of the scan were left out")
    done = [t for t in prediction.tiles if t.found is not None]
    text = f"{len(done)} looked at, {len(prediction.tiles) - len(done)} empty"
    if settings is not None:
        text += f"; the refinement was taken in {prediction.refined}"
        if prediction.fitted is not None:
            tilt = ", ".join(f"{v:+.2f}" for v in prediction.tip.tilt)
            text += f" (height of the tip {prediction.fitted:+.2f} Å, tilt {tilt} Å)"
        if prediction.refined < len(done):
            warnings.append(
                f"the refinement did not help in {len(done) - prediction.refined} of {len(done)} windows"
            )
    log.append(("windows", text))
    story |= {"log": [list(entry) for entry in log], "warnings": warnings, **prediction.to_dict()}
    return ScanResult(prepared, prediction, generation, log, warnings, story, several)


def _told(progress: Callable[[str], None] | None, turns: int) -> Callable[[str], None] | None:
    """Progress that tells of the turn, too."""
    return None if progress is None else lambda step: progress(f"turned by {90 * turns}°, {step}")


def _rotations(
    found: list[tuple[int, ScanPrediction, SpatialGeneration]],
    agreement: list[float],
    several: Consistency,
    taken: int,
) -> str:
    parts = ", ".join(
        f"{90 * t}°: {len(g.graph.z)} atoms, r {r:.2f}" for (t, _, g), r in zip(found, agreement, strict=True)
    )
    return f"{parts}; F1 between them {several.mean_f1:.2f} at {several.cutoff} Å; taken: {90 * taken}°"


def _turned(tip: Tip, turns: int) -> Tip:
    x, y = tip.tilt
    for _ in range(turns % 4):
        x, y = -y, x
    return dataclasses.replace(tip, tilt=(x, y))


def _back(generation: SpatialGeneration, turns: int, center: tuple[float, float]) -> SpatialGeneration:
    """What was found in a turned scan, in the frame of the scan as it is."""
    step = generation.steps[-1]
    simulated = torch.rot90(step.simulated, -turns, dims=(-1, -2))
    graph, context, whole = (
        turned_back(g, turns, center) for g in (generation.graph, generation.context, step.graph)
    )
    step = dataclasses.replace(step, graph=whole, simulated=simulated.contiguous())
    return dataclasses.replace(generation, graph=graph, context=context, steps=[step])
