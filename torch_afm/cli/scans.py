"""What ``predict`` does with the files of a microscope: read, prepare, predict, compare."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import torch

from torch_afm.cli.jobs import setting
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.generation import (
    Consistency,
    RefinementSettings,
    ScanPrediction,
    SpatialGeneration,
    choose_height,
    consistency,
    predict_scan,
    turned_back,
)
from torch_afm.generation.confidence import mean_pearson
from torch_afm.io import AFMStack
from torch_afm.io.scans import PreparedScan, ScanPreparation, ScanStack, prepare_scan, read_scan, turn
from torch_afm.models import GraphGenerator, SpatialGenerator
from torch_afm.ppm import place
from torch_afm.utils import InputError

#: Å around the height that the model was trained at, where nothing tells the height of the tip, and how far
#: the refinement may then move it.
_GUESSES, _FREE = (-0.3, 0.0, 0.3), 0.3

#: Options of ``predict`` that only make sense for scans; a stack file without any is taken as it is.
OPTIONS = {
    "channel": None,
    "direction": "forward",
    "heights": None,
    "step": None,
    "pixel_size": None,
    "scale": None,
    "reverse": "no",
    "window": None,
    "center": None,
    "flatten": "plane",
    "align": "auto",
    "top": None,
    "amplitude": None,
    "cover": "islands",
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


def predict_files(args: Namespace, model: GraphGenerator | SpatialGenerator) -> ScanResult:
    """Everything from the files to the structure."""
    if not isinstance(model, SpatialGenerator):
        raise InputError(
            f"--weights: expected those of a SpatialGenerator for a scan, got a {type(model).__name__}"
        )
    stack = read_scan(
        args.stack, args.channel, args.direction, args.heights, args.pixel_size, args.scale, args.step
    )
    how: dict[str, Any] = {
        "backend": args.backend,
        "max_atoms": args.max_atoms,
        "search": args.search,
        "physics": args.physics,
        "views": args.views or (1 if args.rotations > 1 else 8),
        "seed": args.seed,
        "cover": "grid" if args.center else args.cover,
    }
    log: list[tuple[str, str]] = []
    orders = {"no": [False], "yes": [True], "try": [False, True]}[args.reverse]
    tries: list[tuple[PreparedScan, bool, float, RefinementSettings | None, float | None]] = []
    for reversed_ in orders:
        prepared = _prepare(stack, model.config.scan, args, reversed_)
        z_tops, free = _heights(prepared, stack, args, reversed_)
        settings = _refinement(args, free)
        if len(z_tops) * len(orders) == 1:
            tries.append((prepared, reversed_, z_tops[0], settings, None))
            continue
        tip = setting(prepared.stack.afm_stack(), "tip", Tip())
        told = choose_height(model, prepared.stack.tensor(), prepared.scan, z_tops, tip=tip, **how)
        tries += [(prepared, reversed_, z, settings, r) for z, r in told]
    prepared, reversed_, z_top, settings, _ = max(tries, key=lambda t: -2.0 if t[4] is None else t[4])
    warnings = list(prepared.warnings)
    log += prepared.steps
    tried = [{"reverse": t[1], "z_top": t[2], "pearson": t[4]} for t in tries if t[4] is not None]
    if tried:
        log.append(("tried", _tried(tried, len(orders) > 1)))
    log.append(("tip", f"first anchor height {z_top:.2f} Å above the top atom" + ", a guess" * bool(tried)))
    return _predict(prepared, model, z_top, settings, args.rotations, how, log, warnings, tried)


def _prepare(stack: ScanStack, model: Scan, args: Namespace, reversed_: bool) -> PreparedScan:
    recorded = setting(_told(stack), "scan", model)
    amplitude = recorded.amplitude if args.amplitude is None else args.amplitude
    settings = ScanPreparation(
        reverse=reversed_,
        window=args.window,
        center=args.center,
        flatten=args.flatten,
        align=args.align,
        top=args.top,
        amplitude=amplitude,
    )
    return prepare_scan(stack, dataclasses.replace(model, f0=recorded.f0, k=recorded.k), settings)


def _told(stack: ScanStack) -> AFMStack:
    """The settings that a stack file brings, without its images."""
    n, ny, nx = stack.values.shape
    images = torch.zeros(1, n, ny, nx).numpy()
    return AFMStack(images, stack.x, stack.y, stack.heights, stack.meta)


def _heights(
    prepared: PreparedScan, stack: ScanStack, args: Namespace, reversed_: bool
) -> tuple[list[float], bool]:
    """First anchor heights to try, and whether they are guesses."""
    if args.z_top is not None:
        return [args.z_top], False
    known = stack.meta.get("z_top")
    if isinstance(known, int | float) and not reversed_:
        return [known - float(stack.heights[0] - prepared.stack.heights[0])], False
    oxygen = AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3), charge=torch.zeros(1))
    middle = float(place(oxygen, prepared.scan, Tip()))
    return [middle + shift for shift in _GUESSES], True


def _refinement(args: Namespace, free: bool) -> RefinementSettings | None:
    if not args.refine:
        return None
    return RefinementSettings(distance_sigma=_FREE) if free else RefinementSettings()


def _tried(tried: list[dict[str, Any]], both: bool) -> str:
    """What was tried, in words."""
    parts = []
    for entry in tried:
        order = (" reversed" if entry["reverse"] else " as given") if both else ""
        parts.append(f"{entry['z_top']:.2f} Å{order}: r {entry['pearson']:.2f}")
    return f"agreement of the strongest window by height of the tip: {', '.join(parts)}"


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
        one = predict_scan(
            model, turned.tensor(), scan, z_top, _turned(tip, turns), refinement=settings, **how
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
    done = [t for t in prediction.tiles if t.found is not None]
    text = f"{len(done)} looked at, {len(prediction.tiles) - len(done)} empty"
    if settings is not None:
        text += f"; the refinement was taken in {prediction.refined}"
        if prediction.fitted is not None:
            tilt = ", ".join(f"{v:+.2f}" for v in prediction.tip.tilt)
            text += f" (height of the tip {prediction.fitted:+.2f} Å, tilt {tilt} Å)"
        if prediction.refined < len(done):
            warnings.append(f"the refinement did not help in {len(done) - prediction.refined} windows")
    log.append(("windows", text))
    story |= {"log": [list(entry) for entry in log], "warnings": warnings, **prediction.to_dict()}
    return ScanResult(prepared, prediction, generation, log, warnings, story, several)


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
