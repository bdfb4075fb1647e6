"""Options of ``torch-afm predict``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveFloat

from torch_afm.cli.parser import Parser, Seed
from torch_afm.config.generators import MAX_ATOMS

Pair = tuple[float, float]


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    return _parser().parse_args(list(argv))


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
    add(
        "--pixel-size",
        type=PositiveFloat | tuple[PositiveFloat, PositiveFloat],
        metavar="Å|[Å,Å]",
        help="of a pixel, or along x and y. Default: what the headers say",
    )
    add(
        "--constant-height",
        action="store_true",
        help="the images are of constant height, whatever their headers say about the controller",
    )
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
        "changes with height seems to move, not all at once, and the image agrees better then",
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
        help="of the oscillation, peak to peak. Default: what the headers say, else the model's 1 Å",
    )
    add(
        "--cover",
        choices=["auto", "grid"],
        default="auto",
        help="windows of the model's size: around each thing there is to be seen, or all over the scan",
    )
