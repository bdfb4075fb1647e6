"""``torch-afm refine``: a prediction made to fit its stack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from torch_afm import __version__
from torch_afm.cli.jobs import (
    describe_image,
    height_of,
    images_of,
    scan_of,
    setting,
    unit_of,
    verdict_on,
)
from torch_afm.config import Scan, Tip, from_dict
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.elements import atomic_number
from torch_afm.generation import (
    GeometryPrior,
    RefinementResult,
    RefinementSettings,
    load_calibration,
    refine,
)
from torch_afm.io import AFMStack, read_molecule, read_stack, write_sdf, write_xyz
from torch_afm.io.files import write_json
from torch_afm.metrics import Calibration
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError, check_shape
from torch_afm.viz import PredictionReport, plot_refinement, write_report


@dataclass(frozen=True)
class Start:
    """What is refined, and what its file tells of how it was found.

    Args:
        graph: the structure.
        context: its atoms below the surface cut.
        told: the file of ``predict``; empty for a molecule file.
        folder: where it lies.
    """

    graph: AFMData
    context: AFMData
    told: dict[str, Any]
    folder: Path


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.refine.parse`."""
    start = _prediction(Path(args.prediction))
    if start.told and Path(args.out).resolve() == start.folder.resolve():
        raise InputError(
            f"--out: expected another folder than that of the prediction, whose report.html is there, got "
            f"{args.out}"
        )
    if not len(start.graph.z):
        raise InputError("prediction: expected atoms to be refined, got none")
    path = _stack(args.stack, start)
    stack = read_stack(path)
    renderer, z_top = _imaged(stack, start, args)
    # The standard deviations of a prediction file are corrected already.
    settings = RefinementSettings.known() if args.known else RefinementSettings(sigma_scale=1.0)
    prior = {"none": None, "known": GeometryPrior(), "unknown": GeometryPrior.unknown_elements()}[args.prior]
    context = start.context if len(start.context.z) else None
    top = None if args.known else 0.0
    job = start.graph, images_of(stack), renderer, z_top, None, context, prior, settings
    result = refine(*job, args.starts, args.seed, top)
    folder = Path(args.out)
    names = {"prediction": args.prediction, "stack": str(path)}
    images = _write(folder, result, stack, start, renderer, names)
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
    print(describe_image(images))
    print(f"wrote      refined.xyz, .sdf, .json and .png, and report.html to {folder}")
    return 0


def _prediction(path: Path) -> Start:
    """Graph and context of a ``prediction.json`` or the folder it lies in, or of an xyz or SDF file."""
    path = path / "prediction.json" if path.is_dir() else path
    if path.suffix != ".json":
        return Start(read_molecule(path), AFMData.empty(), {}, path.parent)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        graph, context = (_atoms(told.get(key, [])) for key in ("atoms", "context"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"prediction: {path} is no prediction of torch-afm predict: {error}") from error
    return Start(graph, context, told, path.parent)


def _atoms(listed: list[dict[str, Any]]) -> AFMData:
    if not listed:
        return AFMData.empty()
    z = torch.tensor([atomic_number(a["element"]) for a in listed], dtype=torch.long)
    pos = torch.tensor([a["pos"] for a in listed], dtype=torch.float32)
    check_shape("pos", pos, (len(z), 3))
    charge = torch.tensor([float(a.get("charge", 0.0)) for a in listed])
    atoms = AFMData(z=z, pos=pos, charge=charge, edge_index=covalent_bonds(z, pos))
    for key, shape in (("sigma", (len(z), 3)), ("confidence", (len(z),))):
        if all(key in a for a in listed):
            atoms[key] = torch.tensor([a[key] for a in listed], dtype=torch.float32)
            check_shape(key, atoms[key], shape)
    if all("class_probabilities" in a for a in listed):
        shares = [list(a["class_probabilities"].values()) for a in listed]
        atoms.class_probabilities = torch.tensor(shares, dtype=torch.float32)
    return atoms


def _stack(given: str | None, start: Start) -> Path:
    """The stack file: the one given or, of a scan, what ``predict`` made of it."""
    recorded, prepared = start.told.get("stack"), start.folder / "scan.npz"
    recorded = Path(recorded) if isinstance(recorded, str) else None
    path = recorded if given is None else Path(given)
    if path is None:
        raise InputError("stack: expected a stack file, for the prediction does not tell what it was made of")
    if recorded is not None and path.resolve() == recorded.resolve() and prepared.exists():
        return prepared
    if path.is_dir() and (path / "scan.npz").exists():
        return path / "scan.npz"
    if path.is_dir() or path.suffix.lower() not in (".npz", ""):
        raise InputError(
            f"stack: expected a stack file (.npz), got {path}; of a scan, give the scan.npz that predict "
            "wrote of it"
        )
    return path


def _imaged(stack: AFMStack, start: Start, args: Namespace) -> tuple[ProbeParticleModel, float]:
    """The simulator of a stack and its first anchor height in Å: what is given, else what the prediction
    tells, else what the stack does."""
    imaging = start.told.get("imaging")
    # A stack that tells its tip knows better than a fit, where the tip is said to be known.
    if imaging and not (args.known and {"tip", "z_top"} <= stack.meta.keys()):
        try:
            told, tip = from_dict(Scan, imaging["scan"]), from_dict(Tip, imaging["tip"])
            z_top = float(imaging["z_top"]) if args.z_top is None else args.z_top
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"prediction: imaging: cannot read it: {error}") from error
        scan = scan_of(stack, told)
        if args.z_top is None and not _alike(scan, told):
            raise InputError(
                f"stack: expected the one that the prediction was made from ({_words(told)}), got "
                f"{_words(scan)}; of another one, give --z-top"
            )
    else:
        scan, tip = scan_of(stack, Scan()), setting(stack, "tip", Tip())
        z_top = height_of(stack, args.z_top)
    renderer = ProbeParticleModel(scan, tip, backend=args.backend)
    # One pixel, which refuses a height within or below the molecule.
    renderer(start.graph, z_top=z_top, pixels=torch.zeros(1, 2, dtype=torch.long))
    return renderer.quiet(), z_top


def _alike(scan: Scan, other: Scan) -> bool:
    off = torch.tensor(scan.window) - torch.tensor(other.window)
    same = abs(scan.dz - other.dz) < 0.01 * other.dz
    return scan.shape == other.shape and same and float(off.abs().max()) < scan.pixel_size[0] / 2


def _words(scan: Scan) -> str:
    (x0, x1), (y0, y1) = scan.window
    nz, ny, nx = scan.shape
    return f"{nz} x {ny} x {nx} over x {x0:.2f} to {x1:.2f} Å, y {y0:.2f} to {y1:.2f} Å"


def _write(
    folder: Path,
    result: RefinementResult,
    stack: AFMStack,
    start: Start,
    renderer: ProbeParticleModel,
    names: dict[str, Any],
) -> dict[str, Any]:
    """All files, and the agreement of the image with what is left."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [part for part in (result.data, result.context, result.added) if len(part.z)]
    whole = AFMData(**{key: torch.cat([part[key] for part in parts]) for key in ("z", "pos", "charge")})
    simulated = renderer(whole, tip=result.tip, z_top=result.z_top).cpu()
    n = len(result.data.z)
    below = AFMData(z=whole.z[n:], pos=whole.pos[n:], edge_index=covalent_bonds(whole.z[n:], whole.pos[n:]))
    weights = start.told.get("weights")
    calibration = load_calibration(weights) if isinstance(weights, str) else Calibration()
    images, verdict = verdict_on(result.data, below, simulated, stack, calibration)
    write_xyz(folder / "refined.xyz", result.data)
    write_sdf(folder / "refined.sdf", result.data)
    (folder / "added.xyz").unlink(missing_ok=True)  # of an earlier refinement
    if len(result.added.z):
        write_xyz(folder / "added.xyz", result.added)
    told = {"version": __version__, **names, **result.to_dict(), "agreement": images}
    write_json(folder / "refined.json", told)
    plot_refinement(result, stack).savefig(folder / "refined.png", dpi=120)
    report = PredictionReport(
        title=f"Refined structure of {stack.meta.get('molecule') or Path(names['stack']).name}",
        graph=result.data,
        context=below,
        reference=stack,
        simulated=simulated[0, 0].numpy(),
        agrees=verdict.agrees,
        headline=verdict.headline,
        reasons=verdict.reasons,
        summary=f"{'Taken' if result.accepted else 'Not taken'}: {result.reason}. {verdict.meaning}",
        unit=unit_of(stack),
        settings=names,
    )
    write_report(folder / "report.html", report)
    return images
