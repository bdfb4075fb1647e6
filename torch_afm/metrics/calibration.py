"""Reliability of predicted probabilities and standard deviations, and their correction."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import norm

from torch_afm.io.files import write_json
from torch_afm.metrics.molecules.record import CUTOFFS, MoleculeRecord
from torch_afm.metrics.molecules.registry import CUTOFF
from torch_afm.utils import InputError, check_finite, check_shape

#: Bins of a reliability curve, of equal width over [0, 1], and steps of the shares of a coverage.
BINS = 10

#: Probabilities are kept so far from 0 and 1 before their logit is taken.
_EDGE = 1e-6

#: Edges that :meth:`Platt.fit` tries beyond that, and nats of likelihood that a larger one has to gain.
_EDGES, _GAIN = (1e-4, 1e-3, 1e-2, 0.03, 0.1), 2.0


@dataclass(frozen=True)
class Platt:
    r"""Platt's correction of a probability (Platt, Advances in Large Margin Classifiers, 61 (1999)),
    :math:`p' = \sigma(a\, \mathrm{logit}(p) + b)`, of probabilities kept within an edge of 0 and 1. The
    defaults leave it as it is.

    Args:
        a: slope.
        b: offset.
        edge: probabilities nearer than this to 0 or 1 count as if they were so near. Some are exactly 1, as
            that of hydrogen where a network proposes no heavy atom, and are wrong at times; their logits
            would decide the slope for all others.
    """

    a: float = 1.0
    b: float = 0.0
    edge: float = _EDGE

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Corrected probabilities, of any shape."""
        if self == Platt():
            return np.asarray(p)
        return expit(self.a * _logit(p, self.edge) + self.b)

    @classmethod
    def fit(cls, p: np.ndarray, hit: np.ndarray) -> Platt:
        """The correction of greatest likelihood on probabilities ``p`` of what was (1) or was not (0) so,
        with Platt's targets, :math:`(n_+ + 1)/(n_+ + 2)` and :math:`1/(n_- + 2)` in place of 1 and 0, which
        keep it finite, and a slope of 0 or more. The edge is the smallest one, unless a larger one makes all
        the cases more likely by 2 nats and more. Without any case, no correction.

        Shapes:
            both ``[N]``.

        Raises:
            InputError: for different shapes, or values outside [0, 1].
        """
        p, hit = _checked(p, hit)
        if not len(p):
            return cls()
        positive = hit.sum()
        target = np.where(hit, (positive + 1) / (positive + 2), 1 / (len(hit) - positive + 2))

        def loss(ab: np.ndarray, x: np.ndarray) -> tuple[float, np.ndarray]:
            score = ab[0] * x + ab[1]
            error = expit(score) - target
            return float(np.mean(np.logaddexp(0, score) - target * score)), np.array(
                [np.mean(error * x), np.mean(error)]
            )

        bounds = [(0, None), (None, None)]  # no correction says less of what is surer
        best, least = cls(), np.inf
        for edge in (_EDGE, *_EDGES):
            start, x = np.array([1.0, 0.0]), _logit(p, edge)
            found = minimize(loss, start, (x,), jac=True, method="L-BFGS-B", bounds=bounds)
            if len(p) * (least - found.fun) > _GAIN:
                best, least = cls(float(found.x[0]), float(found.x[1]), edge), float(found.fun)
        return best


@dataclass(frozen=True)
class Calibration:
    """What makes the numbers that a network gives with its atoms mean what they say; fitted on validation
    molecules, kept as JSON beside the weights. The defaults change nothing.

    Args:
        atom: of the probability that there is an atom.
        bond: of the probability of a bond.
        label: of the probability of the class.
        sigma: factors on the standard deviations of x, y and z.
        min_pearson: mean Pearson's r, of the slices simulated from a prediction, refined, with a reference
            without noise, from which its image is near enough (:func:`torch_afm.prediction.judge`); chosen by
            ``python -m benchmarks.prediction.verdict``.
    """

    atom: Platt = Platt()
    bond: Platt = Platt()
    label: Platt = Platt()
    sigma: tuple[float, float, float] = (1.0, 1.0, 1.0)
    min_pearson: float = 0.97

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        write_json(Path(path), dataclasses.asdict(self))

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: for a file that is missing or none of these.
        """
        try:
            given = json.loads(Path(path).read_text(encoding="utf-8"))
            parts = {name: Platt(**given[name]) for name in ("atom", "bond", "label")}
            numbers = [float(s) for s in given["sigma"]]
            made = cls(**parts, sigma=(numbers[0], numbers[1], numbers[2]), min_pearson=given["min_pearson"])
            values = [
                *numbers,
                made.min_pearson,
                *(v for p in parts.values() for v in dataclasses.astuple(p)),
            ]
            check_finite("calibration", np.array(values, dtype=float))
            if not all(0 < p.edge < 0.5 for p in parts.values()):
                raise ValueError("an edge that is not between 0 and 0.5")
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"calibration: expected a calibration in {path}, got: {error}") from None
        return made


def reliability(p: np.ndarray, hit: np.ndarray) -> dict[str, Any]:
    r"""How often what was given the probability ``p`` was so, bin by bin, and the expected calibration error
    (Naeini et al., AAAI 2901 (2015)), :math:`\mathrm{ECE} = \sum_b \frac{n_b}{N}
    |\overline{\mathrm{hit}}_b - \bar p_b|`, the Brier score, the mean of :math:`(p - \mathrm{hit})^2`, and
    the logarithmic loss, the mean of :math:`-\ln p` where it was so, and of :math:`-\ln(1 - p)` where not.

    Args:
        p: predicted probabilities.
        hit: whether it was so, 0 or 1.

    Returns:
        ``edges``, ``count``, mean ``predicted`` and ``observed`` share of each bin (``None`` in empty ones),
        ``ece``, ``brier``, ``log_loss`` in nats (of probabilities no nearer to 0 and 1 than 1e-6),
        ``mean_predicted``, ``mean_observed`` (``None`` without any).

    Shapes:
        p, hit ``[N]``.

    Raises:
        InputError: for different shapes, or values outside [0, 1].
    """
    p, hit = _checked(p, hit)
    index = np.minimum((p * BINS).astype(int), BINS - 1)
    count = np.bincount(index, minlength=BINS)
    sums = np.bincount(index, p, minlength=BINS), np.bincount(index, hit, minlength=BINS)
    means = [[float(s / n) if n else None for s, n in zip(row, count, strict=True)] for row in sums]
    loss = -hit * np.log(p.clip(_EDGE)) - (1 - hit) * np.log((1 - p).clip(_EDGE))
    known = len(p) > 0
    return {
        "edges": np.linspace(0, 1, BINS + 1).tolist(),
        "count": count.tolist(),
        "predicted": means[0],
        "observed": means[1],
        "ece": float(np.abs(sums[0] - sums[1]).sum() / len(p)) if known else None,
        "brier": float(((p - hit) ** 2).mean()) if known else None,
        "log_loss": float(loss.mean()) if known else None,
        "mean_predicted": float(p.mean()) if known else None,
        "mean_observed": float(hit.mean()) if known else None,
    }


def coverage(error: np.ndarray, sigma: np.ndarray) -> dict[str, Any]:
    r"""Whether standard deviations cover the errors that happen: the share of :math:`|e|/\sigma` below the
    quantile that a normal distribution puts the share ``expected`` below, for each axis, and the calibration
    error, the mean difference of ``observed`` from ``expected`` (Kuleshov et al., ICML 2796 (2018)).

    Args:
        error: predicted less true positions in Å.
        sigma: predicted standard deviations in Å.

    Returns:
        ``expected``, shares; for ``x``, ``y``, ``z``: ``observed`` shares, ``within_1`` and ``within_2``
        standard deviations (68.3 % and 95.4 % of a normal distribution), ``rms`` of :math:`e/\sigma`, ``ece``
        (``None`` without any).

    Shapes:
        both ``[N, 3]``.

    Raises:
        InputError: for other shapes, or deviations that are not positive.
    """
    score = _scores(error, sigma)
    expected = np.arange(1, BINS) / BINS
    limits = norm.ppf((1 + expected) / 2)
    table: dict[str, Any] = {"expected": expected.tolist()}
    for axis, z in zip("xyz", np.abs(score).T, strict=True):
        known = len(z) > 0
        observed = (z[:, None] <= limits).mean(axis=0) if known else None
        table[axis] = {
            "observed": [None] * len(limits) if observed is None else observed.tolist(),
            "within_1": float((z <= 1).mean()) if known else None,
            "within_2": float((z <= 2).mean()) if known else None,
            "rms": float(np.sqrt((z**2).mean())) if known else None,
            "ece": None if observed is None else float(np.abs(observed - expected).mean()),
        }
    return table


def sigma_factors(error: np.ndarray, sigma: np.ndarray) -> tuple[float, float, float]:
    r"""Factors on the standard deviations of x, y and z that put 68.3 % of the errors within one: the
    quantile of :math:`|e|/\sigma`, which a few far errors do not move. 1 without any error.

    Shapes:
        both ``[N, 3]``.

    Raises:
        InputError: as :func:`coverage`.
    """
    score = np.abs(_scores(error, sigma))
    if not len(score):
        return 1.0, 1.0, 1.0
    x, y, z = np.quantile(score, math.erf(1 / math.sqrt(2)), axis=0).tolist()
    return x, y, z


def _logit(p: np.ndarray, edge: float) -> np.ndarray:
    return logit(np.clip(np.asarray(p, dtype=np.float64), edge, 1 - edge))


def _checked(p: np.ndarray, hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, hit = np.asarray(p, dtype=np.float64), np.asarray(hit, dtype=np.float64)
    check_shape("p", p, (None,))
    check_shape("hit", hit, p.shape)
    for name, values in (("p", p), ("hit", hit)):
        if not ((values >= 0) & (values <= 1)).all():
            raise InputError(f"{name}: expected values from 0 to 1, got others")
    return p, hit


def _scores(error: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    error, sigma = np.asarray(error, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    check_shape("error", error, (None, 3))
    check_shape("sigma", sigma, error.shape)
    check_finite("error", error)
    if not (sigma > 0).all():
        raise InputError("sigma: expected positive standard deviations, got others")
    return error / sigma


#: F1 at 0.5 Å from which a prediction is good.
GOOD = 0.8


def fit_calibration(
    records: Sequence[MoleculeRecord], min_pearson: float = Calibration.min_pearson
) -> Calibration:
    """The calibration of predictions that :func:`torch_afm.metrics.molecules.score_molecule` scored, of
    validation molecules: :meth:`Platt.fit` of atoms (found within 0.5 Å), bonds (right) and classes (of atoms
    found), and :func:`sigma_factors` of their positions. What the predictions do not tell stays as it is.

    Args:
        records: of the predictions.
        min_pearson: of the calibration; it is chosen on refined predictions, which these need not be.
    """
    fits = {name: Platt.fit(*_gathered(records, name)) for name in ("atom", "bond", "label")}
    return Calibration(**fits, sigma=sigma_factors(*_positions(records)), min_pearson=min_pearson)


def calibrate_record(record: MoleculeRecord, calibration: Calibration) -> MoleculeRecord:
    """The record that the calibrated prediction would have had.

    Args:
        record: as :func:`torch_afm.metrics.molecules.score_molecule` gives it, its confidence not yet
            calibrated.
        calibration: of the network.
    """
    found = dict(record.calibration)
    for name in found.keys() & {"atom", "bond", "label"}:
        p, hit = found[name]
        found[name] = [getattr(calibration, name)(np.array(p, dtype=float)).tolist(), hit]
    if "sigma" in found:
        sigma = np.array(found["sigma"], dtype=float).reshape(-1, 3)
        found["sigma"] = (sigma * np.array(calibration.sigma)).tolist()
    return dataclasses.replace(record, calibration=found)


def confidence_tables(
    records: Sequence[MoleculeRecord], calibration: Calibration | None = None
) -> dict[str, Any]:
    """What the confidence of predictions is worth.

    Args:
        records: as :func:`torch_afm.metrics.molecules.score_molecule` gives them, their confidence not yet
            corrected.
        calibration: corrects it first; nothing is corrected without.

    Returns:
        ``atom``, ``bond``, ``label``: :func:`reliability`; ``position``: :func:`coverage`; ``image``: of the
        predictions whose image has a Pearson's r of at least ``min_pearson`` (``agree``) or less
        (``disagree``) their ``count``, mean ``f1`` at 0.5 Å and share of ``good`` ones (F1 of 0.8 and more).
        Of predictions that are not refined that is no verdict: few reach what is asked of refined ones.
    """
    used = calibration or Calibration()
    records = [calibrate_record(record, used) for record in records]
    table: dict[str, Any] = {
        name: reliability(*_gathered(records, name)) for name in ("atom", "bond", "label")
    }
    table["position"] = coverage(*_positions(records))
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
