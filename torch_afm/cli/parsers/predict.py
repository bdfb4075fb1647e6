"""Options of ``torch-afm predict``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace

from torch_afm.cli.parser import Parser
from torch_afm.config.formats import SCAN_SUFFIXES
from torch_afm.config.prediction import PredictOptions


def parse(argv: Sequence[str]) -> Namespace:
    """``scan``, ``out`` and ``weights`` in ``argv``, and its ``options``, the
    :class:`~torch_afm.config.prediction.PredictOptions`."""
    parser = _parser()
    found = parser.parse_args(list(argv))
    options = parser.build(PredictOptions, found)
    return Namespace(scan=found.scan, out=found.out, weights=found.weights, options=options)


def _parser() -> Parser:
    parser = Parser(
        "predict",
        "Predict the structure that a scan of a microscope or an AFM stack shows, with the simulator in the "
        "loop: find its atoms, check their bonds, and move them until their own stack agrees. Scans are "
        "prepared first (tilt, drift, pixels, heights), and report.html tells everything that was done.",
    )
    parser.add_argument(
        "scan",
        nargs="+",
        help=f"scan file ({', '.join(SCAN_SUFFIXES)}), folder of constant-height images, or several files "
        "and patterns ('day/*.sxm') of one series",
    )
    parser.add_argument("--out", metavar="FOLDER", required=True, help="folder to write the prediction to")
    parser.add_weights("auto", "; auto: spatial for simulated stacks, which have no noise, else scan")
    parser.add_options(PredictOptions)
    return parser
