"""``torch-afm predict``: the structure that a scan or a stack shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import Namespace

from torch_afm.cli.jobs import (
    OUTPUTS,
    describe,
    fits,
    predict,
    scan_of,
    unit_of,
    write_prediction,
)
from torch_afm.cli.scans import OPTIONS, ScanResult, predict_files
from torch_afm.config import Scan, to_dict
from torch_afm.data import AFMData
from torch_afm.generation import (
    Generation,
    RefinementSettings,
    SpatialGeneration,
    Verdict,
    load_calibration,
    with_confidence,
)
from torch_afm.io import AFMStack, read_stack, write_stack
from torch_afm.io.crystals import write_cif
from torch_afm.io.scans import PreparedScan
from torch_afm.metrics import Calibration
from torch_afm.models import GraphGenerator, SpatialGenerator, load_generator
from torch_afm.progress import working
from torch_afm.utils import InputError
from torch_afm.viz import PredictionReport, plot_generation, plot_preparation, plot_report, write_report

#: Share by which an oscillation may differ from that of training.
_AMPLITUDE = 0.05

#: Å: atoms nearer to the edge of a scan have half of their image, or less, beyond it.
_EDGE = 1.5


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.predict.parse`."""
    if not Path(args.stack).exists():
        raise InputError(f"{args.stack}: no such file or folder")
    plain = _plain(args)
    _check_out(args)
    model = load_generator(args.weights)
    folder, calibration = Path(args.out), load_calibration(args.weights)
    with working("predict", folder) as progress:
        if plain is not None and _as_it_is(plain, model.config.scan, args.z_top):
            return _of_stack(args, plain, model, folder, calibration)
        found = predict_files(args, model, progress)
        return _of_scan(args, found, model.config.scan, folder, calibration)


def _check_out(args: Namespace) -> None:
    """Raise :class:`InputError` where the results would overwrite the scan, or be taken for a part of it."""
    stack, folder = Path(args.stack).resolve(), Path(args.out).resolve()
    if stack == folder or stack in [folder / name for name in OUTPUTS]:
        raise InputError(f"--out: expected another folder than that of the scan, got {args.out}")


def _plain(args: Namespace) -> AFMStack | None:
    """A stack file that nothing is to be done to, as it stands; ``None`` for everything else."""
    path = Path(args.stack)
    given = [name for name, default in OPTIONS.items() if getattr(args, name) != default]
    if not path.is_file() or path.suffix.lower() not in (".npz", ""):
        return None
    stack = read_stack(path)
    return None if given else stack


def _as_it_is(stack: AFMStack, scan: Scan, z_top: float | None) -> bool:
    """Whether a stack lies on the model's grid, at a height that is known."""
    return fits(stack, scan) and (z_top is not None or "z_top" in stack.meta)


def _of_stack(
    args: Namespace,
    stack: AFMStack,
    model: GraphGenerator | SpatialGenerator,
    folder: Path,
    calibration: Calibration,
) -> int:
    found = predict(
        stack,
        model,
        args.backend,
        args.max_atoms,
        args.z_top,
        search=args.search,
        physics=args.physics,
        refinement=RefinementSettings() if args.refine else None,
        views=args.views or 8,
        seed=args.seed,
    )
    generation, fitted = found.generation, found.calibration(calibration)
    settings: dict[str, Any] = {"stack": args.stack, **_settings(args)}
    scan = scan_of(stack, model.config.scan)
    warnings = _cautions(with_confidence(generation, fitted), stack, scan, model.config.scan)
    if found.refinement is not None:
        settings["refinement"] = {"accepted": found.refinement.accepted, "reason": found.refinement.reason}
        if not found.refinement.accepted:
            warnings.append(f"the refinement was not taken: {found.refinement.reason}")
    result, verdict = write_prediction(folder, found, stack, scan, settings, fitted)
    plot_generation(generation, stack).savefig(folder / "prediction.png", dpi=120)
    told = _report(args, generation, stack, verdict, fitted, warnings, [], stack.meta.get("molecule"))
    also = _finish(args, folder, generation, told, fitted, stack)
    if found.refinement is not None:
        print(f"{'refined' if found.refinement.accepted else 'not moved':<10} {found.refinement.reason}")
    print(describe(result))
    for warning in warnings:
        print(f"warning    {warning}")
    print(f"wrote      prediction.xyz, .sdf, .json and .png, report.html and .png{also} to {folder}")
    return 0


def _of_scan(args: Namespace, found: ScanResult, model: Scan, folder: Path, calibration: Calibration) -> int:
    generation, prepared = found.generation, found.prepared
    stack = prepared.stack.afm_stack()
    # Standard deviations of refined atoms are the refinement's own, for all or none of the windows.
    fitted = found.prediction.calibration(calibration)
    found.warnings.extend(_cautions(with_confidence(generation, fitted), stack, prepared.scan, model))
    settings = {"stack": args.stack, **_settings(args), "scan": found.story}
    stack.meta["measured"] = _measured(prepared)
    result, verdict = write_prediction(folder, found.prediction, stack, prepared.scan, settings, fitted)
    picture = plot_preparation(prepared)
    picture.savefig(folder / "preparation.png", dpi=100)
    told = _report(args, generation, stack, verdict, fitted, found.warnings, found.log, None, found)
    also = _finish(args, folder, generation, told, fitted, stack)
    known = {"scan": to_dict(prepared.scan), "tip": to_dict(found.prediction.tip)}
    stack.meta |= known | {"z_top": found.prediction.z_top}
    write_stack(folder / "scan.npz", stack)
    simulated = generation.simulated[0].numpy()
    write_stack(folder / "simulated.npz", AFMStack(simulated, stack.x, stack.y, stack.z, {"unit": "Hz"}))
    for name, text in found.log:
        print(f"{name:<10} {text}")
    print(describe(result))
    for warning in found.warnings:
        print(f"warning    {warning}")
    print(
        f"wrote      prediction.xyz, .sdf and .json, report.html and .png, preparation.png, scan.npz and "
        f"simulated.npz{also} to {folder}"
    )
    return 0


def _settings(args: Namespace) -> dict[str, Any]:
    """What was asked for, beside the stack."""
    names = ("weights", "search", "physics")
    given = {name: getattr(args, name) for name, default in OPTIONS.items() if getattr(args, name) != default}
    return {name: getattr(args, name) for name in names} | given


def _report(
    args: Namespace,
    generation: Generation | SpatialGeneration,
    stack: AFMStack,
    verdict: Verdict,
    calibration: Calibration,
    warnings: list[str],
    log: list[tuple[str, str]],
    name: Any,
    found: ScanResult | None = None,
) -> PredictionReport:
    graph = with_confidence(generation, calibration)
    sure = int((graph.confidence >= 0.9).sum())
    deep = len(generation.context.z)
    below = f" Its image is that of {deep} atoms below the surface cut, too." if deep else ""
    summary = (
        f"{len(graph.z)} atoms, {sure} of them with a probability of at least 0.9 that there is an atom, of "
        f"whatever element.{below} {verdict.meaning}"
    )
    support = None
    if found is not None and found.consistency is not None:
        support = found.consistency[0].support[found.consistency[1]]
    return PredictionReport(
        title=f"Structure of {name or Path(args.stack).name}",
        graph=graph,
        context=generation.context,
        reference=stack,
        simulated=generation.simulated[0, 0].numpy(),
        agrees=verdict.agrees,
        headline=verdict.headline,
        reasons=verdict.reasons,
        summary=summary,
        unit=unit_of(stack),
        warnings=warnings,
        log=log,
        settings={k: v for k, v in vars(args).items() if v is not None and not k.startswith("_")},
        support=support,
        picture=None if found is None else plot_preparation(found.prepared),
    )


def _finish(
    args: Namespace,
    folder: Path,
    generation: Generation | SpatialGeneration,
    told: PredictionReport,
    calibration: Calibration,
    stack: AFMStack,
) -> str:
    """Write the reports and, where a cell is known, the CIF; what to say of that."""
    write_report(folder / "report.html", told)
    plot_report(told).savefig(folder / "report.png", dpi=110)
    cell = args.cell
    if cell is None and isinstance(stack.meta.get("cell"), list):
        cell = [row[:2] for row in stack.meta["cell"][:2]]
    if cell is None or not len(generation.graph.z):
        return ""
    write_cif(folder / "prediction.cif", with_confidence(generation, calibration), cell)
    return ", prediction.cif"


def _measured(prepared: PreparedScan) -> int:
    """Slices of a scan that those of the model were interpolated from; fewer where an earlier preparation
    had done that before."""
    heights, used = prepared.measured, prepared.stack.heights
    step = float(np.abs(np.diff(heights)).max()) if len(heights) > 1 else 0.0
    count = int(((heights > used[-1] - step) & (heights < used[0] + step)).sum())
    return int(min(count, prepared.raw.meta.get("measured", count)))


def _cautions(graph: AFMData, stack: AFMStack, scan: Scan, model: Scan) -> list[str]:
    """What makes a prediction less sure, beside what was done to the scan."""
    found = []
    if abs(scan.amplitude - model.amplitude) > _AMPLITUDE * model.amplitude:
        found.append(
            f"the network was trained with an oscillation of {model.amplitude:.2f} Å peak to peak, that of "
            f"the scan is {scan.amplitude:.2f} Å: it may find less"
        )
    low, high = (graph.pos.new_tensor([axis[end] for axis in (stack.x, stack.y)]) for end in (0, -1))
    flat = graph.pos[:, :2]
    near = int(((flat < low + _EDGE) | (flat > high - _EDGE)).any(dim=1).sum())
    if near:
        found.append(
            f"{near} of {len(flat)} atoms lie within {_EDGE} Å of the edge of the scan: their image is cut, "
            "or shaped by what lies beyond, and they are less sure; a wider scan would show them"
        )
    doubtful = int((graph.confidence < 0.5).sum()) if "confidence" in graph else 0
    if doubtful:
        found.append(f"{doubtful} of {len(flat)} atoms are less likely to be there than not")
    return found
