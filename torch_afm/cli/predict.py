"""``torch-afm predict``: the structure that a scan or a stack shows."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jsonargparse.typing import NonNegativeInt, PositiveFloat

from torch_afm.cli.jobs import describe, fits, predict, write_prediction
from torch_afm.cli.parser import Parser, Seed
from torch_afm.cli.progress import working
from torch_afm.cli.scans import OPTIONS, ScanResult, predict_files
from torch_afm.config import Scan
from torch_afm.generation import (
    MAX_ATOMS,
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


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(list(argv))
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


Pair = tuple[float, float]


def _parser() -> Parser:
    parser = Parser(
        "predict",
        "Predict the structure that a scan of a microscope or an AFM stack shows, with the simulator in the "
        "loop: find its atoms, check their bonds, and move them until their own stack agrees. Scans are "
        "prepared first (tilt, drift, pixels, heights), and everything that was done is told in report.html.",
    )
    parser.add_argument(
        "stack",
        help="scan file (.sxm, .3ds, .dat, .gwy, .png, .tif, .h5), folder of constant-height images, or "
        "stack file (.npz)",
    )
    parser.add_argument("--out", metavar="FOLDER", required=True, help="folder to write the prediction to")
    parser.add_weights()
    parser.add_argument(
        "--z-top",
        type=float,
        metavar="Å",
        help="farthest anchor height of the scan above the top atom. Default: what the stack file says, else "
        "six guesses at most, of which the image decides",
    )
    parser.add_argument(
        "--max-atoms",
        type=NonNegativeInt,
        default=MAX_ATOMS,
        metavar="N",
        help="generation ends at this many atoms (in each window)",
    )
    parser.add_argument(
        "--search",
        choices=["greedy", "beam"],
        default="greedy",
        help="take all atoms that the network is sure of, or search several graphs by likelihood and image",
    )
    parser.add_argument(
        "--physics",
        type=bool,
        default=True,
        help="drop bonds that break a valence; keep a search from placing atoms where none can be",
    )
    parser.add_argument(
        "--refine",
        type=bool,
        default=True,
        help="move the atoms by gradient through the simulator until their stack agrees with the reference; "
        "tilt and height of the tip are fitted too",
    )
    parser.add_argument(
        "--views",
        type=Literal[1, 4, 8],
        metavar="{1,4,8}",
        help="mirror images and quarter turns that each look of the network is the mean of. Default: 8, or 1 "
        "with --rotations",
    )
    parser.add_argument(
        "--rotations",
        type=Literal[1, 2, 4],
        default=1,
        metavar="{1,2,4}",
        help="predict the scan turned by quarter or half turns too, and tell how far the structures agree",
    )
    parser.add_argument(
        "--cell",
        type=list[list[float]],
        metavar="[[AX,AY],[BX,BY]]",
        help="lattice vectors of the surface in Å: the structure is written as CIF, too",
    )
    _add_scan(parser)
    parser.add_argument("--seed", type=Seed, default=0, help="of whatever is drawn")
    parser.add_backend()
    return parser


def _add_scan(parser: Parser) -> None:
    """How to read a scan, and what to do to it."""
    group = parser.add_argument_group("Scan files")
    add = group.add_argument
    add("--channel", metavar="NAME", help="channel of the file. Default: the frequency shift")
    add("--direction", choices=["forward", "backward"], default="forward", help="of the fast axis")
    add(
        "--heights",
        type=list[float],
        metavar="[Å,...]",
        help="height of the tip at each image, in the order of the files' names, larger is farther. Default: "
        "what the headers say",
    )
    add(
        "--step",
        type=PositiveFloat,
        metavar="Å",
        help="in place of --heights: each image is so much nearer than the one before",
    )
    add("--pixel-size", type=PositiveFloat, metavar="Å", help="of a pixel. Default: what the headers say")
    add(
        "--scale",
        type=float,
        metavar="HZ",
        help="Hz in one unit of the file, negative where bright means low. Default: as the file has it; "
        "arbitrary units will do",
    )
    add(
        "--reverse",
        choices=["no", "yes", "try"],
        default="no",
        help="heights count the other way: the last slice is the farthest. try: both, and the image decides",
    )
    add(
        "--window",
        type=tuple[Pair, Pair],
        metavar="[[X0,X1],[Y0,Y1]]",
        help="part of the scan to use, in Å of the scan frame. Default: all",
    )
    add(
        "--center",
        type=Pair,
        metavar="[X,Y]",
        help="look only at one window of the model's size around this place, in Å of the scan frame",
    )
    add("--flatten", choices=["plane", "lines", "none"], default="plane", help="what is taken out of slices")
    add(
        "--align",
        choices=["auto", "always", "never"],
        default="auto",
        help="take out the drift between slices; auto: where it is more than the 2 Å by which contrast that "
        "changes with height seems to move",
    )
    add(
        "--top",
        type=float,
        metavar="Å",
        help="height of the farthest slice to use, as the file's heights. Default: the image decides; "
        "where the height of the tip is known, those nearest to the model's are used",
    )
    add(
        "--amplitude",
        type=PositiveFloat,
        metavar="Å",
        help="peak to peak. Default: what the header says, else the model's 1 Å",
    )
    add(
        "--cover",
        choices=["auto", "grid"],
        default="auto",
        help="windows of the model's size: around each thing there is to be seen, or all over the scan",
    )
