"""``torch-afm evaluate``: single-step scores on the test molecules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jsonargparse.typing import PositiveInt

from torch_afm import __version__
from torch_afm.cli.parser import Parser, Seed
from torch_afm.data import AFMData
from torch_afm.datasets import AFMDataset, MoleculeDataset
from torch_afm.metrics import evaluate_steps, format_tables
from torch_afm.models import GraphGenerator
from torch_afm.utils import InputError


def main(argv: Sequence[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(list(argv))
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)  # now rather than after the work
    model = GraphGenerator.from_pretrained(args.weights)
    test = _test_molecules(args.molecules, args.seed)
    dataset = AFMDataset(
        test,
        model.config.scan,
        backend=args.backend,
        z_min=model.config.z_min,
        classes=model.classes,
        seed=args.seed,
    )
    order = np.random.default_rng(args.seed).permutation(len(dataset))[: args.samples].tolist()
    metrics = evaluate_steps({"model": model.eval()}, dataset, order, args.batch_size)["model"]

    table = metrics.compute()
    intervals = metrics.intervals(seed=args.seed)
    print(format_tables(table, intervals))
    result = {
        "version": __version__,
        "weights": args.weights,
        "test_molecules": len(test),
        "seed": args.seed,
        **table,
        "intervals": intervals,
    }
    out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\n{len(order)} steps of {table['molecules']} of {len(test)} test molecules; wrote {out}")
    return 0


def _test_molecules(file: str | None, seed: int) -> list[AFMData]:
    source = MoleculeDataset(file)
    _, _, test = source.split(seed)
    if len(test) == 0:
        raise InputError(f"--molecules: expected enough molecules for a test split, got {len(source)}")
    return [source[int(i)] for i in test]


def _parser() -> Parser:
    parser = Parser(
        "evaluate",
        "Score single-atom steps of a generator on the test molecules of the split it was trained with, and "
        "print the tables of the thesis, with 95 % bootstrap intervals over molecules in parentheses and the "
        "thesis' numbers in brackets. Steps are drawn and augmented as in "
        "training, tips included.",
    )
    parser.add_weights("small")
    parser.add_argument(
        "--molecules", metavar="FILE.smi", help="SMILES, one a line. Default: the list in the package"
    )
    parser.add_argument(
        "--samples", type=PositiveInt, default=2000, metavar="N", help="steps to score, at most"
    )
    parser.add_argument("--batch-size", type=PositiveInt, default=32, metavar="N", help="steps in one batch")
    parser.add_argument(
        "--seed",
        type=Seed,
        default=0,
        help="seed of the draws and, for --molecules, of the split (that of the training run)",
    )
    parser.add_argument("--out", metavar="FILE.json", default="evaluate.json", help="file to write")
    parser.add_backend()
    return parser
