"""``torch-afm predict``: the molecule graph of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse.typing import NonNegativeInt

from torch_afm.cli.jobs import describe, predict, write_prediction
from torch_afm.cli.parser import Parser
from torch_afm.generation import MAX_ATOMS, load_calibration
from torch_afm.io import read_stack
from torch_afm.models import load_generator
from torch_afm.viz import plot_generation


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(list(argv))
    stack = read_stack(Path(args.stack))
    model = load_generator(args.weights)
    generation = predict(stack, model, args.backend, args.max_atoms, args.z_top)
    folder = Path(args.out)
    settings = {"stack": args.stack, "weights": args.weights}
    result = write_prediction(folder, generation, stack, settings, load_calibration(args.weights))
    plot_generation(generation, stack).savefig(folder / "prediction.png", dpi=120)
    print(describe(result))
    print(f"wrote      prediction.xyz, .sdf, .json and .png to {folder}")
    return 0


def _parser() -> Parser:
    parser = Parser(
        "predict",
        "Generate the molecule graph of an AFM stack, atom by atom, with the simulator in the loop. The "
        "stack must lie on the model's grid; scan and tip are read from the stack file where it has them.",
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
    parser.add_backend()
    return parser
