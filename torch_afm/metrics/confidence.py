"""Whether predictions know how good they are: the calibration of many scored predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torch_afm.metrics.calibration import (
    Calibration,
    Platt,
    coverage,
    reliability,
    sigma_factors,
)
from torch_afm.metrics.molecules.record import CUTOFFS, MoleculeRecord
from torch_afm.metrics.molecules.registry import CUTOFF

#: F1 at 0.5 Å from which a prediction is good.
GOOD = 0.8


def fit_calibration(
    records: Sequence[MoleculeRecord], min_pearson: float = Calibration.min_pearson
) -> Calibration:
    """The calibration of predictions that :func:`torch_afm.metrics.molecules.score_molecule` scored, of validation
    molecules: :meth:`Platt.fit` of atoms (found within 0.5 Å), bonds (right) and classes (of atoms found),
    and :func:`sigma_factors` of their positions. What the predictions do not tell stays as it is.

    Args:
        records: of the predictions.
        min_pearson: of the calibration; it is chosen on refined predictions, which these need not be.
    """
    fits = {name: Platt.fit(*_gathered(records, name)) for name in ("atom", "bond", "label")}
    return Calibration(**fits, sigma=sigma_factors(*_positions(records)), min_pearson=min_pearson)


def confidence_tables(
    records: Sequence[MoleculeRecord], calibration: Calibration | None = None
) -> dict[str, Any]:
    """What the confidence of predictions is worth.

    Args:
        records: as :func:`torch_afm.metrics.molecules.score_molecule` gives them, their confidence not yet corrected.
        calibration: corrects it first; nothing is corrected without.

    Returns:
        ``atom``, ``bond``, ``label``: :func:`reliability`; ``position``: :func:`coverage`; ``image``: of the
        predictions whose image has a Pearson's r of at least ``min_pearson`` (``agree``) or less
        (``disagree``) their ``count``, mean ``f1`` at 0.5 Å and share of ``good`` ones (F1 of 0.8 and more).
        Of predictions that are not refined that is no verdict: few reach what is asked of refined ones.
    """
    used = calibration or Calibration()
    table: dict[str, Any] = {}
    for name, platt in (("atom", used.atom), ("bond", used.bond), ("label", used.label)):
        p, hit = _gathered(records, name)
        table[name] = reliability(platt(p), hit)
    error, sigma = _positions(records)
    table["position"] = coverage(error, sigma * np.array(used.sigma))
    pearson, f1 = _agreement(records)
    agree = pearson >= used.min_pearson
    table["image"] = {
        "min_pearson": used.min_pearson,
        **{
            name: {
                "count": int(part.sum()),
                "f1": float(f1[part].mean()) if part.any() else None,
                "good": float((f1[part] >= GOOD).mean()) if part.any() else None,
            }
            for name, part in (("agree", agree), ("disagree", ~agree))
        },
    }
    return table


def _gathered(records: Sequence[MoleculeRecord], name: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [r.calibration[name] for r in records if name in r.calibration]
    p, hit = ([v for pair in pairs for v in pair[i]] for i in (0, 1))
    return np.array(p, dtype=float), np.array(hit, dtype=float)


def _positions(records: Sequence[MoleculeRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Errors and standard deviations of the atoms that were found."""
    known = [r for r in records if "sigma" in r.calibration]
    error = [e for r in known for e in r.errors]
    sigma = [s for r in known for s in r.calibration["sigma"]]
    return np.array(error, dtype=float).reshape(-1, 3), np.array(sigma, dtype=float).reshape(-1, 3)


def _agreement(records: Sequence[MoleculeRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r and F1 of each prediction that has an image."""
    known = [r for r in records if r.pearson is not None]
    f1 = [r.f1[CUTOFFS.index(CUTOFF)] for r in known]
    return np.array([r.pearson for r in known], dtype=float), np.array(f1, dtype=float)
