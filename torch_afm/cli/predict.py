"""``torch-afm predict``: the molecule graph of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse.typing import NonNegativeInt

from torch_afm.cli.jobs import describe, predict, write_prediction
from torch_afm.cli.parser import Parser, Seed
from torch_afm.generation import MAX_ATOMS, RefinementSettings, load_calibration
from torch_afm.io import read_stack
from torch_afm.models import load_generator
from torch_afm.viz import plot_generation


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(list(argv))
    stack = read_stack(Path(args.stack))
    model = load_generator(args.weights)
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)  # now rather than after the work
    found = predict(
        stack,
        model,
        args.backend,
        args.max_atoms,
        args.z_top,
        search=args.search,
        physics=args.physics,
        refinement=RefinementSettings() if args.refine else None,
        seed=args.seed,
    )
    generation = found.generation
    settings = {"stack": args.stack, "weights": args.weights, "search": args.search, "physics": args.physics}
    if found.refinement is not None:
        settings["refinement"] = {"helped": found.refinement.helped, "why": found.refinement.why}
    result = write_prediction(
        folder, generation, stack, settings, found.calibration(load_calibration(args.weights))
    )
    plot_generation(generation, stack).savefig(folder / "prediction.png", dpi=120)
    print(describe(result))
    if found.refinement is not None:
        print(f"{'refined' if found.refinement.helped else 'not moved':<10} {found.refinement.why}")
    print(f"wrote      prediction.xyz, .sdf, .json and .png to {folder}")
    return 0


def _parser() -> Parser:
    parser = Parser(
        "predict",
        "Predict the molecule graph of an AFM stack with the simulator in the loop: find its atoms, check "
        "their bonds, and move them until their own stack agrees. The stack must lie on the model's grid; "
        "scan and tip are read from the stack file where it has them.",
    )
    parser.add_argument("stack", help="stack file (.npz), as torch-afm simulate writes it")
    parser.add_argument("--out", metavar="FOLDER", required=True, help="folder to write the prediction to")
    parser.add_weights()
    parser.add_argument(
        "--z-top",
        type=float,
        metavar="Å",
        help="farthest anchor height of the scan above the top atom. Default: what the stack file says",
    )
    parser.add_argument(
        "--max-atoms",
        type=NonNegativeInt,
        default=MAX_ATOMS,
        metavar="N",
        help="generation ends at this many atoms",
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
        help="move the atoms by gradient through the simulator until their stack agrees with the reference",
    )
    parser.add_argument("--seed", type=Seed, default=0, help="of whatever is drawn")
    parser.add_backend()
    return parser
