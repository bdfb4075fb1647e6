"""What variants score on the scenes of the stand-in domain, and how far they differ, scene by scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.standin.scores import CUTOFF
from benchmarks.standin.strata import STRATA, Scene
from torch_afm.metrics.intervals import bootstrap
from torch_afm.metrics.molecules import CUTOFFS, MoleculeRecord

#: Scores that are compared; of ``nll`` less is better.
SCORES = ("f1", "f1_band", "chance", "skeleton", "bonds", "elements", "nll")

#: Stratum that is all of them.
ALL = "all"


def choose_scenes(scenes: Sequence[Scene], number: int, seed: int = 0) -> list[Scene]:
    """About so many scenes, equally many of each stratum but for the remainder, drawn at random; fewer are
    the first of more."""
    rng, chosen = np.random.default_rng(seed), []
    names = list(dict.fromkeys(scene.stratum.name for scene in scenes))
    for place, name in enumerate(names):
        part = [scene for scene in scenes if scene.stratum.name == name]
        count = number // len(names) + (place < number % len(names))
        chosen += [part[i] for i in rng.permutation(len(part))[:count]]
    return chosen


def tables(records: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """For each score a table ``[scenes, 2]``: the score of some scenes is the sum of the first column divided
    by that of the second."""
    surface, whole = ([MoleculeRecord.from_dict(r[key]) for r in records] for key in ("surface", "all"))
    place = CUTOFFS.index(CUTOFF)
    atoms = np.array([sum(record.atoms) for record in surface], dtype=float)
    right = [record.calibration["label"][1] if "label" in record.calibration else [] for record in whole]
    nll = np.array([_number(record.scores.get("nll")) for record in whole])
    bonds = np.array([record.bonds for record in surface], dtype=float).reshape(-1, 3)
    found = {
        "f1": (2 * np.array([r.matched["blind"][place] for r in surface]), atoms),
        "chance": (2 * np.array([r["chance"] for r in records]), atoms),
        "bonds": (2 * bonds[:, 2], bonds[:, 0] + bonds[:, 1]),
        "elements": ([sum(hits) for hits in right], [len(hits) for hits in right]),
        "nll": (np.nan_to_num(nll), ~np.isnan(nll)),
    }
    for name, key in (("f1_band", "band"), ("skeleton", "skeleton")):
        matched, predicted, true = np.array([r[key] for r in records], dtype=float).reshape(-1, 3).T
        found[name] = (2 * matched, predicted + true)
    return {name: np.column_stack(found[name]).astype(float) for name in SCORES}


def compare(
    records: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]] | None
) -> list[dict[str, Any]]:
    """A row for each stratum and for all scenes: the scores, and how much more they are than those of the
    base, with 95 % intervals over scenes, which are the same of both.

    Args:
        records: of the variant, a scene each.
        base: of the base, in the same order; none of itself.
    """
    scores, others = tables(records), None if base is None else tables(base)
    names = np.array([record["stratum"] for record in records])
    rows = []
    for stratum in [*(s.name for s in STRATA if s.name in names), ALL]:
        index = np.flatnonzero((names == stratum) | (stratum == ALL))
        row: dict[str, Any] = {"stratum": stratum, "scenes": len(index)}
        row |= {name: _ratio(scores[name], index) for name in SCORES}
        for name in SCORES if others is not None else ():
            row[f"{name}_difference"] = _difference(scores[name], others[name], index)
            row[f"{name}_difference_interval"] = bootstrap(
                lambda i, index=index, name=name: _difference(scores[name], others[name], index[i]),
                np.arange(len(index)),
            )
        rows.append(row)
    return rows


def _difference(table: np.ndarray, other: np.ndarray, index: np.ndarray) -> float | None:
    one, two = _ratio(table, index), _ratio(other, index)
    return None if one is None or two is None else one - two


def _ratio(table: np.ndarray, index: np.ndarray) -> float | None:
    part, whole = table[index].sum(axis=0)
    return float(part / whole) if whole else None


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
