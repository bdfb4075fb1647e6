"""Options of ``torch-afm metrics``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from torch_afm.cli.parser import Parser, Seed
from torch_afm.config.structure import StructureSettings
from torch_afm.metrics.structure import FEATURES
from torch_afm.utils import InputError

#: Those of the published analysis.
_NAMES = ["d_OO", "d_OH", "HOH", "theta_ZOH", "hbond", "order"]

_CONVENTIONS: dict[str, Callable[[], StructureSettings]] = {
    "ours": StructureSettings,
    "visible": StructureSettings.visible,
    "huang2025": StructureSettings.huang2025,
}


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``; ``--compat`` sets what the settings of the features default to."""
    args = _parser("ours").parse_args(list(argv))
    if args.compat != "ours":
        args = _parser(args.compat).parse_args(list(argv))
    if not args.features:
        raise InputError("--features: expected at least one, got none")
    for name in args.features:
        FEATURES[name]  # raises for a name that is none
    try:
        re.compile(args.same or "")
    except re.error as error:
        raise InputError(f"--same: expected a regular expression, got {args.same!r} ({error})") from None
    return args


def _parser(compat: str) -> Parser:
    parser = Parser(
        "metrics",
        "Compare predicted structures with theory without labels: distributions of local structural features "
        "(distances, angles, hydrogen bonds, tetrahedral orders) and how far they are apart, with 95 % "
        "bootstrap intervals over structures, the floor (reference against itself in halves) and the numbers "
        "of values. Prints tables of distances normalized to fixed ranges; writes numbers and settings as "
        "JSON and CSV, and pictures.",
    )
    parser.add_argument(
        "predictions",
        nargs="+",
        metavar="PREDICTIONS",
        help="folders of .xyz, .extxyz or ASE databases (.db, .json), or single such files",
    )
    parser.add_argument(
        "--reference", required=True, metavar="THEORY", help="the structures to compare with, likewise"
    )
    parser.add_argument(
        "--cell",
        type=list[float] | None,
        metavar="[X,Y]",
        help="sides in Å of the rectangular cell of THEORY, for files that leave it out. Default: none",
    )
    parser.add_argument("--out", metavar="FOLDER", default="metrics", help="folder to write to")
    parser.add_argument(
        "--compat",
        choices=list(_CONVENTIONS),
        default="ours",
        help="conventions that the settings below default to; visible: both sides cut to what an image "
        "shows; huang2025: those of arXiv:2509.02240, and its Sinkhorn divergence besides",
    )
    parser.add_argument(
        "--features",
        type=list[str],
        default=_NAMES,
        metavar="[A,B,...]",
        help=f"out of {', '.join(FEATURES.names)}",
    )
    parser.add_argument("--seed", type=Seed, default=0, help="of resamples, halves and directions")
    parser.add_argument(
        "--bootstrap", type=NonNegativeInt, default=1000, metavar="N", help="resamples; 0 for no intervals"
    )
    parser.add_argument(
        "--max-values",
        type=PositiveInt | None,
        metavar="N",
        help="values of a feature taken at most on each side, drawn at random. Default: all",
    )
    parser.add_argument(
        "--same",
        metavar="REGEX",
        help="predictions whose file names are equal without this are resampled together, say '_d[0-9]+' for "
        "rotations of one image. Default: each by itself",
    )
    parser.add_settings(StructureSettings, "conventions of the features")
    parser.set_defaults(**dataclasses.asdict(_CONVENTIONS[compat]()))
    return parser
