"""``torch-afm predict``: the structure that a scan or a stack shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import Namespace

from torch_afm.cli.jobs import describe, fits, predict, write_prediction
from torch_afm.cli.scans import OPTIONS, ScanResult, predict_files
from torch_afm.config import Scan
from torch_afm.generation import (
    Generation,
    RefinementSettings,
    SpatialGeneration,
    load_calibration,
    with_confidence,
)
from torch_afm.io import AFMStack, read_stack, write_stack
from torch_afm.io.crystals import write_cif
from torch_afm.metrics import Calibration
from torch_afm.models import GraphGenerator, SpatialGenerator, load_generator
from torch_afm.utils import InputError
from torch_afm.viz import PredictionReport, plot_generation, plot_preparation, plot_report, write_report


def main(args: Namespace) -> int:
    """Run the sub-command as :func:`torch_afm.cli.parsers.predict.parse` understood it."""
    if not Path(args.stack).exists():
        raise InputError(f"{args.stack}: no such file or folder")
    plain = _plain(args)
    model = load_generator(args.weights)
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)  # now rather than after the work
    calibration = load_calibration(args.weights)
    if plain is not None and _as_it_is(plain, model.config.scan, args.z_top):
        return _of_stack(args, plain, model, folder, calibration)
    return _of_scan(args, predict_files(args, model), folder, calibration)


def _plain(args: Namespace) -> AFMStack | None:
    """A stack file that nothing is to be done to, as it stands; ``None`` for everything else."""
    path = Path(args.stack)
    given = [name for name, default in OPTIONS.items() if getattr(args, name) != default]
    with_magic = path.is_file() and path.suffix.lower() in (".npz", "")
    return read_stack(path) if with_magic and not given else None


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
    result = write_prediction(folder, generation, stack, settings, fitted)
    plot_generation(generation, stack).savefig(folder / "prediction.png", dpi=120)
    told = _report(args, generation, stack, "Hz", result, fitted, warnings, [], stack.meta.get("molecule"))
    also = _finish(args, folder, generation, told, fitted, stack)
    print(describe(result))
    if found.refinement is not None:
        print(f"{'refined' if found.refinement.helped else 'not moved':<10} {found.refinement.why}")
    print(f"wrote      prediction.xyz, .sdf, .json and .png, report.html and .png{also} to {folder}")
    return 0


def _of_scan(args: Namespace, found: ScanResult, folder: Path, calibration: Calibration) -> int:
    generation, prepared = found.generation, found.prepared
    stack, unit = prepared.stack.afm_stack(), prepared.stack.unit
    # Standard deviations of refined atoms are the refinement's own, for all or none of the windows.
    fitted = found.prediction.calibration(calibration)
    settings = {"stack": args.stack, **_settings(args), "scan": found.story}
    result = write_prediction(folder, generation, stack, settings, fitted, unit)
    picture = plot_preparation(prepared)
    picture.savefig(folder / "preparation.png", dpi=100)
    told = _report(args, generation, stack, unit, result, fitted, found.warnings, found.log, None, found)
    also = _finish(args, folder, generation, told, fitted, stack)
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
    result: dict[str, Any],
    calibration: Calibration,
    warnings: list[str],
    log: list[tuple[str, str]],
    name: Any,
    found: ScanResult | None = None,
) -> PredictionReport:
    images = result["agreement"]
    r = float(np.mean(images["pearson"]))
    headline = (
        f"The image of this structure agrees with the scan (Pearson r {r:.2f})."
        if images["agrees"]
        else f"Do not trust this structure: its image does not agree with the scan (Pearson r {r:.2f}, below "
        f"{images['min_pearson']:.2f})."
    )
    sure = sum(a["confidence"] >= 0.9 for a in result["atoms"] if "confidence" in a)
    summary = (
        f"{len(result['atoms'])} atoms, {sure} of them with a probability of at least 0.9. An image that "
        "agrees says that nothing large is missing, not that every atom and element is right."
    )
    support = None
    if found is not None and found.consistency is not None:
        support = found.consistency[0].support[found.consistency[1]]
    return PredictionReport(
        title=f"Structure of {name or Path(args.stack).name}",
        graph=with_confidence(generation, calibration),
        context=generation.context,
        reference=stack,
        simulated=generation.simulated[0, 0].numpy(),
        agrees=images["agrees"],
        headline=headline,
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
    (folder / "prediction.cif").unlink(missing_ok=True)  # of an earlier prediction
    cell = args.cell
    if cell is None and isinstance(stack.meta.get("cell"), list):
        cell = [row[:2] for row in stack.meta["cell"][:2]]
    if cell is None or not len(generation.graph.z):
        return ""
    write_cif(folder / "prediction.cif", with_confidence(generation, calibration), cell)
    return ", prediction.cif"
