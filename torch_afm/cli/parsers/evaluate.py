"""Options of ``torch-afm evaluate``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from torch_afm.cli.parser import Parser, Seed

SPLITS = ("train", "validation", "test")


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    return _parser().parse_args(list(argv))


def _parser() -> Parser:
    parser = Parser(
        "evaluate",
        "Score a generator on the test molecules of the split it was trained with: whole predictions of "
        "simulated stacks, imaged by tips that it does not know of, by number of visible atoms, beside "
        "baselines; their confidence; and, of a network that places one atom at a time, single steps, drawn "
        "and augmented as in training, beside the thesis' numbers in brackets. In parentheses: 95 % "
        "bootstrap intervals over molecules. Interrupted, the same command goes on where it stopped; with "
        "more --predictions or --samples it adds to what is there.",
    )
    parser.add_weights()
    parser.add_molecules()
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="test",
        help="molecules to score; of validation, the calibration of confidences is fitted too",
    )
    parser.add_argument(
        "--predictions", type=NonNegativeInt, default=200, metavar="N", help="whole predictions, at most"
    )
    parser.add_argument(
        "--orientation",
        choices=["best", "any"],
        default="best",
        help="the orientation that shows the most atoms, or any of the 30 best",
    )
    parser.add_argument(
        "--samples", type=NonNegativeInt, default=2000, metavar="N", help="single steps to score, at most"
    )
    parser.add_argument("--batch-size", type=PositiveInt, default=32, metavar="N", help="steps in one batch")
    parser.add_argument(
        "--seed",
        type=Seed,
        default=0,
        help="seed of the draws and, for --molecules, of the split (that of the training run)",
    )
    parser.add_argument(
        "--resamples", type=PositiveInt, default=1000, metavar="N", help="of the bootstrap of intervals"
    )
    parser.add_argument("--out", metavar="FOLDER", default="evaluation", help="folder to write to")
    parser.add_backend()
    return parser
