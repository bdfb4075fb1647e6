"""``torch-afm predict``: the structure that a scan or a stack shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import Namespace

from torch_afm.cli.jobs import (
    describe,
    fits,
    predict,
    scan_of,
    write_prediction,
)
from torch_afm.cli.scans import OPTIONS, ScanResult, predict_files
from torch_afm.config import Scan, to_dict
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


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.predict.parse`."""
    if not Path(args.stack).exists():
        raise InputError(f"{args.stack}: no such file or folder")
    plain = _plain(args)
    model = load_generator(args.weights)
    folder, calibration = Path(args.out), load_calibration(args.weights)
    with working("predict", folder) as progress:
        if plain is not None and _as_it_is(plain, model.config.scan, args.z_top):
            return _of_stack(args, plain, model, folder, calibration)
        return _of_scan(args, predict_files(args, model, progress), folder, calibration)


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
    warnings = []
    if found.refinement is not None:
        settings["refinement"] = {"helped": found.refinement.helped, "why": found.refinement.why}
        if not found.refinement.helped:
            warnings.append(f"the refinement was not taken: {found.refinement.why}")
    scan = scan_of(stack, model.config.scan)
    result, verdict = write_prediction(folder, found, stack, scan, settings, fitted)
    plot_generation(generation, stack).savefig(folder / "prediction.png", dpi=120)
    told = _report(args, generation, stack, "Hz", verdict, fitted, warnings, [], stack.meta.get("molecule"))
    also = _finish(args, folder, generation, told, fitted, stack)
    if found.refinement is not None:
        print(f"{'refined' if found.refinement.helped else 'not moved':<10} {found.refinement.why}")
    print(describe(result))
    print(f"wrote      prediction.xyz, .sdf, .json and .png, report.html and .png{also} to {folder}")
    return 0


def _of_scan(args: Namespace, found: ScanResult, folder: Path, calibration: Calibration) -> int:
    generation, prepared = found.generation, found.prepared
    stack, unit = prepared.stack.afm_stack(), prepared.stack.unit
    # Standard deviations of refined atoms are the refinement's own, for all or none of the windows.
    fitted = found.prediction.calibration(calibration)
    settings = {"stack": args.stack, **_settings(args), "scan": found.story}
    result, verdict = write_prediction(
        folder, found.prediction, stack, prepared.scan, settings, fitted, unit, _measured(prepared)
    )
    picture = plot_preparation(prepared)
    picture.savefig(folder / "preparation.png", dpi=100)
    told = _report(args, generation, stack, unit, verdict, fitted, found.warnings, found.log, None, found)
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
    unit: str,
    verdict: Verdict,
    calibration: Calibration,
    warnings: list[str],
    log: list[tuple[str, str]],
    name: Any,
    found: ScanResult | None = None,
) -> PredictionReport:
    graph = with_confidence(generation, calibration)
    sure = int((graph.confidence >= 0.9).sum())
    summary = (
        f"{len(graph.z)} atoms, {sure} of them with a probability of at least 0.9 that there is an atom, of "
        f"whatever element. {verdict.meaning}"
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
        unit=unit,
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
    """Slices of a scan that those of the model were interpolated from."""
    heights, used = prepared.raw.heights, prepared.stack.heights
    step = float(np.abs(np.diff(heights)).max()) if len(heights) > 1 else 0.0
    return int(((heights > used[-1] - step) & (heights < used[0] + step)).sum())
