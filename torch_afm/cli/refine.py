"""``torch-afm refine``: a prediction made to fit its stack."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from torch_afm import __version__
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, bond_orders, covalent_bonds
from torch_afm.functional import remove_slope
from torch_afm.io import AFMStack, read_stack, write_sdf, write_xyz
from torch_afm.io.files import write_json
from torch_afm.metrics import Calibration
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import (
    GeometryPrior,
    RefinementResult,
    RefinementSettings,
    StoredPrediction,
    Verdict,
    judge,
    load_calibration,
    read_prediction,
    refine,
)
from torch_afm.prediction.refinement import ScannedModel, Scanner
from torch_afm.prediction.result import bonds_to_dict
from torch_afm.utils import InputError
from torch_afm.viz import PredictionReport, plot_refinement, write_report

#: Share by which steps of height may differ.
_STEP = 0.01


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.refine.parse`."""
    start, folder = read_prediction(args.prediction), Path(args.out)
    if start.recorded and folder.resolve() == start.folder.resolve():
        raise InputError(
            f"--out: expected another folder than that of the prediction, whose report.html is there, got "
            f"{args.out}"
        )
    if not len(start.graph.z):
        raise InputError("prediction: expected atoms to be refined, got none")
    path = _stack(args.stack, start)
    stack = read_stack(path)
    renderer, z_top = _imaged(stack, start, args.z_top, args.known, args.backend)
    # The standard deviations of a prediction file are corrected already.
    priors = {"none": None, "known": GeometryPrior(), "unknown": GeometryPrior.unknown_elements()}
    scanner = Scanner() if start.imaging is None else start.imaging.scanner
    fitted = RefinementSettings() if scanner == Scanner() else RefinementSettings.measured()
    fitted = dataclasses.replace(fitted, sigma_scale=1.0, plane=stack.leveled)
    settings = RefinementSettings.known() if args.known else fitted
    result = refine(
        start.graph,
        stack.tensor(),
        renderer,
        z_top,
        context=start.context if len(start.context.z) else None,
        prior=priors[args.prior],
        settings=settings,
        starts=args.starts,
        seed=args.seed,
        top=None if args.known else 0.0,
        scanner=scanner,
    )
    files = {"prediction": args.prediction, "stack": str(path)}
    verdict = _write(folder, result, stack, start, renderer, files)
    moved = (result.data.pos - start.graph.pos).norm(dim=1).mean()
    left = result.residual.square().mean(dim=(1, 2)).sqrt()
    print(f"{'refined' if result.accepted else 'kept':<10} {len(start.graph.z)} atoms: {result.reason}")
    print(
        f"{'':<10} moved {moved:.2f} Å in the mean, standard deviation now {result.sigma.mean():.2f} Å "
        "a coordinate"
    )
    if len(result.added.z):
        print(f"{'added':<10} {len(result.added.z)} atoms that the images ask for (added.xyz)")
    print(f"{'left':<10} {left.mean():.2f} of the contrast, {left[-1]:.2f} of it in the nearest slice")
    print(verdict.describe())
    print(f"wrote      refined.xyz, .sdf, .json and .png, and report.html to {folder}")
    return 0


def _stack(given: str | None, start: StoredPrediction) -> Path:
    """The stack file: the one given or, of a scan, what ``predict`` made of it."""
    prepared = start.folder / "scan.npz"
    path = start.stack if given is None else Path(given)
    if path is None and start.recorded and prepared.exists():
        return prepared
    if path is None:
        raise InputError(
            "stack: expected a stack file, for the prediction does not state what it was made of"
        )
    if start.stack is not None and path.resolve() == start.stack.resolve() and prepared.exists():
        return prepared
    if path.is_dir() and (path / "scan.npz").exists():
        return path / "scan.npz"
    if path.is_dir() or path.suffix.lower() not in (".npz", ""):
        raise InputError(
            f"stack: expected a stack file (.npz), got {path}; of a scan, give the scan.npz that predict "
            "wrote of it"
        )
    return path


def _imaged(
    stack: AFMStack, start: StoredPrediction, z_top: float | None, known: bool, backend: str
) -> tuple[ProbeParticleModel, float]:
    """The simulator of a stack and its first anchor height in Å: what is given, else what the prediction
    records, else what the stack states."""
    imaging = start.imaging
    # A stack that states its tip knows better than a fit, where the tip is said to be known.
    if imaging is not None and not (known and {"tip", "z_top"} <= stack.meta.keys()):
        scan, tip = stack.scan(imaging.scan), imaging.tip
        same = stack.fits(imaging.scan) and abs(scan.dz - imaging.scan.dz) < _STEP * scan.dz
        if z_top is None and not same:
            raise InputError(
                f"stack: expected the one that the prediction was made from ({_describe(imaging.scan)}), got "
                f"{_describe(scan)}; of another one, give --z-top"
            )
        z_top = imaging.z_top if z_top is None else z_top
    else:
        scan, tip = stack.scan(Scan()), stack.tip or Tip()
        z_top = stack.z_top if z_top is None else z_top
    if z_top is None:
        raise InputError(
            "z_top: the stack does not state its first anchor height; give --z-top, in Å above the top atom"
        )
    renderer = ProbeParticleModel(scan, tip, backend=backend, forcefield=stack.forcefield)
    # One pixel, which refuses a height within or below the molecule.
    renderer(start.graph, z_top=z_top, pixels=torch.zeros(1, 2, dtype=torch.long))
    return renderer.quiet(), z_top


def _describe(scan: Scan) -> str:
    (x0, x1), (y0, y1) = scan.window
    nz, ny, nx = scan.shape
    return f"{nz} x {ny} x {nx} over x {x0:.2f} to {x1:.2f} Å, y {y0:.2f} to {y1:.2f} Å"


def _write(
    folder: Path,
    result: RefinementResult,
    stack: AFMStack,
    start: StoredPrediction,
    renderer: ProbeParticleModel,
    files: dict[str, Any],
) -> Verdict:
    """All files, and whether the image of the result explains the stack."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [part for part in (result.data, result.context, result.added) if len(part.z)]
    whole = AFMData(**{key: torch.cat([part[key] for part in parts]) for key in ("z", "pos", "charge")})
    simulated = ScannedModel(renderer, result.scanner)(whole, tip=result.tip, z_top=result.z_top).cpu()
    simulated = remove_slope(simulated) if stack.leveled else simulated
    n = len(result.data.z)
    below = AFMData(z=whole.z[n:], pos=whole.pos[n:], edge_index=covalent_bonds(whole.z[n:], whole.pos[n:]))
    calibration = Calibration() if start.weights is None else load_calibration(start.weights)
    graph = copy.copy(result.data)
    graph.bond_order, graph.formal_charge = bond_orders(graph, result.sigma.to(graph.pos))
    verdict = judge(graph, below, simulated, stack, calibration.min_pearson)
    write_xyz(folder / "refined.xyz", graph)
    write_sdf(folder / "refined.sdf", graph)
    (folder / "added.xyz").unlink(missing_ok=True)  # of an earlier refinement
    if len(result.added.z):
        write_xyz(folder / "added.xyz", result.added)
    record = {"version": __version__, **files, **result.to_dict(), **bonds_to_dict(graph)}
    record["agreement"] = verdict.to_dict()
    write_json(folder / "refined.json", record)
    plot_refinement(result, stack).savefig(folder / "refined.png", dpi=120)
    report = PredictionReport(
        title=f"Refined structure of {stack.meta.get('molecule') or Path(files['stack']).name}",
        graph=graph,
        context=below,
        reference=stack,
        simulated=simulated[0, 0].numpy(),
        status=verdict.status,
        headline=verdict.headline,
        doubtful=verdict.doubtful,
        doubtful_elements=verdict.doubtful_elements,
        reasons=verdict.reasons,
        summary=f"{'Accepted' if result.accepted else 'Not accepted'}: {result.reason}. {verdict.meaning}",
        unit=stack.unit,
        settings=files,
    )
    write_report(folder / "report.html", report)
    return verdict
