"""The recipes of the published splits, in the shares of the graph-AFM thesis, Aalto University (see
CITATION.cff): ``python -m torch_afm.datasets.publish --list organic --out split.json`` writes one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem

from torch_afm.datasets.smi import EMBEDDED, checksum, embedded_smiles
from torch_afm.datasets.splits import split_by_molecule, split_by_scaffold

#: Molecules of the thesis; the rest is for training.
_VALIDATION, _TEST = 600, 1000

#: The embedded list once had so many molecules. The weights ``small`` were trained on its training molecules
#: and chosen by its validation molecules, so these are for training still.
_FIRST_LIST = 1500


def draw_split(name: str = "organic", seed: int = 0) -> dict[str, Any]:
    """Validation and test molecules of an embedded list.

    Of the organic molecules they are drawn from those that no packaged weights saw. The molecules that they
    saw come from an earlier recipe, with more carbon and less chlorine and sulfur in sight. So each part
    takes its molecules by composition (aromatic or not, with or without Cl, with or without S) in the
    proportions of the whole list. Planar molecules are split by their scaffolds
    (:func:`~torch_afm.datasets.split_by_scaffold`).

    Args:
        name: of the list, as in ``embedded_smiles``.
        seed: of the draw.

    Returns:
        ``seed``, ``molecules`` (their number), ``sha256`` of the list, ids for ``validation`` and ``test``.
    """
    smiles = embedded_smiles(name)
    if name == "organic":
        validation, test = _by_composition(smiles, seed)
    else:
        validation, test = (part.tolist() for part in split_by_scaffold(smiles, seed=seed)[1:])
    return {
        "seed": seed,
        "molecules": len(smiles),
        "sha256": checksum(smiles),
        "validation": validation,
        "test": test,
    }


def _by_composition(smiles: Sequence[str], seed: int) -> list[list[int]]:
    composition = np.array([_composition(s) for s in smiles])
    free = np.setdiff1d(np.arange(len(smiles)), np.concatenate(split_by_molecule(_FIRST_LIST)[:2]))
    rng = np.random.default_rng(seed)
    parts: list[list[int]] = [[], []]
    ends = np.cumsum(np.bincount(composition)) / len(smiles)
    for value, (low, high) in enumerate(pairwise([0.0, *ends])):
        drawn = rng.permutation(free[composition[free] == value]).tolist()
        for part, number in zip(parts, (_VALIDATION, _TEST), strict=True):
            count = round(high * number) - round(low * number)
            part += drawn[:count]
            drawn = drawn[count:]
    return [sorted(part) for part in parts]


def _composition(smiles: str) -> int:
    atoms = list(Chem.MolFromSmiles(smiles).GetAtoms())
    symbols = {a.GetSymbol() for a in atoms}
    return 4 * any(a.GetIsAromatic() for a in atoms) + 2 * ("Cl" in symbols) + ("S" in symbols)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the split of an embedded list; ``--help`` tells how."""
    parser = argparse.ArgumentParser(prog="python -m torch_afm.datasets.publish", description=main.__doc__)
    parser.add_argument("--list", choices=list(EMBEDDED), default="organic", help="(default organic)")
    parser.add_argument("--out", type=Path, required=True, help="the .json file to write")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default 0)")
    options = parser.parse_args(arguments)
    try:
        options.out.write_text(json.dumps(draw_split(options.list, options.seed)) + "\n", encoding="utf-8")
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
