"""``torch-afm refine``: a prediction made to fit its stack."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse.typing import PositiveInt

from torch_afm import __version__
from torch_afm.cli.jobs import setting
from torch_afm.cli.parser import Parser
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.elements import atomic_number
from torch_afm.generation import GeometryPrior, RefinementResult, RefinementSettings, refine
from torch_afm.io import AFMStack, read_molecule, read_stack, write_sdf, write_xyz
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError
from torch_afm.viz import plot_refinement


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(list(argv))
    stack = read_stack(Path(args.stack))
    graph, context = _prediction(Path(args.prediction))
    height = stack.meta.get("z_top") if args.z_top is None else args.z_top
    if not isinstance(height, int | float):
        raise InputError(
            "z_top: the stack does not tell its first anchor height; give --z-top, in Å above the top atom"
        )
    renderer = ProbeParticleModel(
        setting(stack, "scan", _scan(stack)),
        setting(stack, "tip", Tip()),
        backend=args.backend,
    )
    # One pixel, which refuses a height within or below the molecule.
    renderer.render(graph, z_top=float(height), pixels=torch.zeros(1, 2, dtype=torch.long))
    reference = torch.from_numpy(np.ascontiguousarray(stack.stack))[None]
    # The standard deviations of a prediction file are corrected already.
    settings = RefinementSettings.known() if args.known else RefinementSettings(sigma_scale=1.0)
    prior = {"none": None, "known": GeometryPrior(), "unknown": GeometryPrior.unknown_elements()}[args.prior]
    top = None if args.known else 0.0
    result = refine(
        graph,
        reference,
        renderer.quiet(),
        float(height),
        None,
        context,
        prior,
        settings,
        args.starts,
        args.seed,
        top,
    )
    folder = Path(args.out)
    _write(folder, result, stack, {"prediction": args.prediction, "stack": args.stack})
    moved = (result.data.pos - graph.pos).norm(dim=1).mean()
    print(f"{'refined' if result.helped else 'kept':<10} {len(graph.z)} atoms: {result.why}")
    print(
        f"{'':<10} moved {moved:.2f} Å in the mean, standard deviation now {result.sigma.mean():.2f} Å "
        "a coordinate"
    )
    if len(result.added.z):
        print(f"{'added':<10} {len(result.added.z)} atoms that the images ask for (added.xyz)")
    print(f"wrote      refined.xyz, .sdf, .json and .png to {folder}")
    return 0


def _prediction(path: Path) -> tuple[AFMData, AFMData | None]:
    """Graph and context of a ``prediction.json`` or the folder it lies in, or of an xyz or SDF file."""
    path = path / "prediction.json" if path.is_dir() else path
    if path.suffix != ".json":
        return read_molecule(path), None
    try:
        told = json.loads(path.read_text())
        graph, context = (_atoms(told.get(key, [])) for key in ("atoms", "context"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"prediction: {path} is no prediction of torch-afm predict: {error}") from error
    return graph, context if len(context.z) else None


def _atoms(listed: list[dict[str, Any]]) -> AFMData:
    z = torch.tensor([atomic_number(a["element"]) for a in listed], dtype=torch.long)
    pos = torch.tensor([a["pos"] for a in listed], dtype=torch.float32).reshape(-1, 3)
    charge = torch.tensor([a.get("charge", 0.0) for a in listed], dtype=torch.float32)
    atoms = AFMData(z=z, pos=pos, charge=charge, edge_index=covalent_bonds(z, pos))
    for key in ("sigma", "class_probabilities"):
        if listed and all(key in a for a in listed):
            atoms[key] = torch.tensor([a[key] for a in listed], dtype=torch.float32)
    return atoms


def _scan(stack: AFMStack) -> Scan:
    """The default scan on the grid of a stack that tells none."""
    _, nz, ny, nx = stack.stack.shape
    (x0, x1), (y0, y1) = ((float(axis[0]), float(axis[-1])) for axis in (stack.x, stack.y))
    return Scan(window=((x0, x1), (y0, y1)), pixels=(nx, ny), n_slices=nz)


def _write(folder: Path, result: RefinementResult, stack: AFMStack, settings: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_xyz(folder / "refined.xyz", result.data)
    write_sdf(folder / "refined.sdf", result.data)
    (folder / "added.xyz").unlink(missing_ok=True)  # of an earlier refinement
    if len(result.added.z):
        write_xyz(folder / "added.xyz", result.added)
    told = {"version": __version__, **settings, **result.to_dict()}
    (folder / "refined.json").write_text(json.dumps(told, indent=2) + "\n")
    plot_refinement(result, stack).savefig(folder / "refined.png", dpi=120)


def _parser() -> Parser:
    parser = Parser(
        "refine",
        "Move the atoms of a prediction until its simulated stack agrees with the reference, by gradient "
        "through the simulator; tell how sure each atom is, and return the start where it does not help. "
        "Atoms that the images ask for at open bonds are added beside it.",
    )
    parser.add_argument(
        "prediction", help="folder or prediction.json of torch-afm predict, or a molecule file (xyz or SDF)"
    )
    parser.add_argument("stack", help="stack file (.npz) that the prediction was made from")
    parser.add_argument("--out", metavar="FOLDER", required=True, help="folder to write the result to")
    parser.add_argument(
        "--z-top",
        type=float,
        metavar="Å",
        help="farthest anchor height of the scan above the top atom. Default: what the stack file says",
    )
    parser.add_argument(
        "--known",
        action="store_true",
        help="tip, charges, elements and all atoms are known: fit the positions alone",
    )
    parser.add_argument(
        "--prior",
        choices=["none", "known", "unknown"],
        default="none",
        help="hold distances between atoms: by their elements (known), or where C stands for any (unknown)",
    )
    parser.add_argument(
        "--starts", type=PositiveInt, default=1, help="starts tried where the probe is bistable"
    )
    parser.add_seed()
    parser.add_backend()
    return parser
