"""Options of ``torch-afm dataset``."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt

from torch_afm.cli.parser import Parser
from torch_afm.config import Scan, Tip
from torch_afm.config.cache import CacheConfig
from torch_afm.config.nuisances import NuisanceConfig

PARTS = ("train", "val", "test")


def parse(argv: Sequence[str]) -> Namespace:
    """The options in ``argv``."""
    parser = _parser()
    return parser.instantiate(parser.parse_args(list(argv)))


def _parser() -> Parser:
    parser = Parser(
        "dataset",
        "Render the reference stacks of training steps, of molecules or scenes of them, to HDF5 files, for "
        "torch-afm train --cache and StoredReferences. Run again after "
        "an interruption, the same command checks what is there and goes on. Jobs that share a folder take a "
        "--shard each. With --stats nothing is rendered to files: it prints and draws what they are like.",
    )
    parser.add_argument("--out", metavar="FOLDER", default="training_data", help="folder to write to")
    parser.add_molecules()
    parser.add_argument(
        "--structures",
        metavar="FILE",
        help="periodic surfaces in place of molecules: a file or folder of extended xyz, or water for "
        "generated layers of it (see WaterSurfaces)",
    )
    parser.add_argument(
        "--part",
        choices=["all", *PARTS],
        default="train",
        help="part of the split by molecules; the package's list has a split of its own, others are split by "
        "--seed",
    )
    parser.add_argument(
        "--stats",
        action="store_true",
        help="print which elements the rotations show and how large the molecules are, beside the thesis' "
        "data; write that, a training sample and contact sheets of augmentations and of reference stacks as "
        "pictures",
    )
    parser.add_argument(
        "--measured",
        nargs="+",
        metavar="FILE",
        help="with --stats: scans to show beside the reference stacks, in formats that torch-afm predict "
        "reads. Default: two stacks of the public data that TORCH_AFM_DATA names, where it is set",
    )
    parser.add_argument("--shard", metavar="i/n", default="1/1", help="render this share of the files only")
    parser.add_argument(
        "--workers",
        type=NonNegativeInt,
        default=0,
        metavar="N",
        help="processes that render on a core each; 0 renders in the main process",
    )
    parser.add_backend()
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_settings(CacheConfig, "data", skip=("scan", "tip"))
    parser.add_settings(Scan, "scan", name="scan")
    parser.add_settings(Tip, "tip", name="tip")
    parser.add_settings(NuisanceConfig, "nuisances of the reference stacks that --stats shows", "nuisances")
    return parser
