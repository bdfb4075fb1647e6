"""Every distance of every feature between predictions and a reference, with intervals and floors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from torch_afm.metrics.distributions.distances import AXIS_BINS, BINS, PROJECTIONS
from torch_afm.metrics.distributions.registry import DISTANCES
from torch_afm.metrics.distributions.samples import Sample
from torch_afm.metrics.structure import FEATURES
from torch_afm.progress import ProgressBar
from torch_afm.utils import InputError

Features = Sequence[Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Comparison:
    """Distances of predictions from a reference.

    Args:
        features: feature -> ``"prediction"`` and ``"reference"``, the number of values, and ``"distances"``:
            distance -> ``"raw"`` and ``"normalized"`` -> ``"value"``, ``"interval"`` (low, high) and
            ``"floor"``. ``None`` where a side has no values, and for the raw ``"sinkhorn"``. A feature on a
            line has no distance that is taken in more dimensions only.
        settings: what they were computed with.
    """

    features: dict[str, dict[str, Any]]
    settings: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {"settings": self.settings, "features": self.features}

    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each feature, distance and scale, for CSV; the settings are not among them."""
        rows = []
        for name, found in self.features.items():
            for distance, scales in found["distances"].items():
                for scale, numbers in scales.items():
                    low, high = numbers["interval"] or (None, None)
                    rows.append(
                        {
                            "feature": name,
                            "distance": distance,
                            "scale": scale,
                            "value": numbers["value"],
                            "low": low,
                            "high": high,
                            "floor": numbers["floor"],
                            "prediction_values": found["prediction"],
                            "reference_values": found["reference"],
                        }
                    )
        return rows


def compare(
    prediction: Features,
    reference: Features,
    distances: Sequence[str] | None = None,
    n: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    max_values: int | None = None,
    units: Sequence[Hashable] | None = None,
    progress: bool = False,
) -> Comparison:
    r"""Distances between the distributions of each feature in predictions and in a reference (J. Huang et
    al., arXiv:2509.02240): as measured, and normalized to the fixed range of the feature
    (:data:`torch_afm.metrics.structure.FEATURES`).

    - *Intervals* are percentile bootstrap intervals over structures (Efron, Ann. Stat. 7, 1 (1979)), those of
      both sides drawn anew; bins, bandwidths and directions stay those of the full samples, and the exact
      Wasserstein distance in two dimensions follows the weights to first order
      (:func:`torch_afm.metrics.distributions.distances.wasserstein_draws`). A resample lies farther away
      than the sample that it is drawn from, so a small value may lie below its interval.
    - *Floors* are the same distance between two random halves of the reference: what agreement as good as
      that of the reference with itself looks like, at half its size.

    Args:
        prediction: values of every feature, one mapping a structure, as
            :func:`torch_afm.metrics.structure.structure_features` returns them.
        reference: the same for the reference; the same features.
        distances: names out of :data:`DISTANCES`; by default those registered so, all of ours but
            ``"sinkhorn"``, the published divergence
            (:func:`torch_afm.metrics.distributions.sinkhorn_divergence`), which has no interval.
        n: resamples; 0 for no intervals.
        level: share of the resamples inside the interval.
        seed: of resampling, halves, subsamples and directions.
        max_values: values of a feature taken at most on each side, drawn at random; ``None`` takes all.
        units: what each prediction belongs to (say, the image that four rotations were made of): those of one
            unit are resampled together. Default: each is its own.
        progress: show a bar.

    Raises:
        InputError: for no structures, structures with different features, values that are not finite, or
            settings out of range.
    """
    if distances is None:
        distances = [known.name for known in DISTANCES.values() if known.default]
    _check(prediction, reference, distances, n, level, max_values, units)
    names = list(reference[0])
    owners = np.unique(np.arange(len(prediction)) if units is None else _numbers(units), return_inverse=True)[
        1
    ]
    rng = np.random.default_rng(seed)
    counts = _counts(rng, int(owners.max()) + 1, n), _counts(rng, len(reference), n)
    halves = np.array_split(rng.permutation(len(reference)), 2)
    found = {}
    for name in ProgressBar(names, desc="distances", disable=not progress, leave=False):
        x = Sample.from_parts(f"prediction, {name}", [part[name] for part in prediction])
        x = Sample(x.values, owners[x.structure], int(owners.max()) + 1)
        y = Sample.from_parts(f"reference, {name}", [part[name] for part in reference])
        x, y = (_limited(side, max_values, seed) for side in (x, y))
        parts = [y.part(half) for half in halves]
        once = [np.ones((1, part.n_structures)) for part in parts]
        entry: dict[str, Any] = {"prediction": len(x), "reference": len(y), "distances": {}}
        for distance in distances:
            if len(FEATURES[name].ranges) == 1 and not DISTANCES[distance].on_line:
                continue
            values = _scales(name, distance, (x, y), counts, seed)
            floors = _scales(name, distance, (parts[0], parts[1]), (once[0], once[1]), seed)
            entry["distances"][distance] = {
                scale: _summary(values[scale], floors[scale], level) for scale in ("raw", "normalized")
            }
        found[name] = entry
    settings = {
        "n": n,
        "level": level,
        "seed": seed,
        "max_values": max_values,
        "units": len(counts[0][0]),
        "structures": {"prediction": len(prediction), "reference": len(reference)},
        "kl_bins": [BINS, AXIS_BINS],
        "sliced_projections": PROJECTIONS,
        "ranges": {name: [list(r) for r in FEATURES[name].ranges] for name in names},
    }
    return Comparison(found, settings)


def _scales(
    name: str,
    distance: str,
    sides: tuple[Sample, Sample],
    counts: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> dict[str, np.ndarray | None]:
    """Distance for each draw on both scales; ``None`` where a side has no values, and on a scale that it does
    not have."""
    x, y = sides
    if not len(x) or not len(y):
        return {"raw": None, "normalized": None}
    known, feature = DISTANCES[distance], FEATURES[name]
    draws = partial(known.draws, seed=seed) if known.seeded else known.draws
    raw = draws(x, y, *counts) if known.raw else None
    if x.dimension == 1 and raw is not None:  # there the scale is a factor
        low, high = feature.ranges[0]
        return {"raw": raw, "normalized": raw / (high - low) ** known.power}
    x, y = (side.replace(feature.normalize(side.values)) for side in sides)
    return {"raw": raw, "normalized": draws(x, y, *counts)}


def _summary(values: np.ndarray | None, floor: np.ndarray | None, level: float) -> dict[str, Any]:
    value, drawn = (None, np.empty(0)) if values is None else (float(values[0]), values[1:])
    drawn = drawn[~np.isnan(drawn)]  # resamples in which a side has no values
    interval = np.percentile(drawn, (50 * (1 - level), 50 * (1 + level))).tolist() if len(drawn) else None
    return {"value": value, "interval": interval, "floor": None if floor is None else float(floor[0])}


def _counts(rng: np.random.Generator, size: int, n: int) -> np.ndarray:
    """How often each resample draws each structure; in row 0, each once."""
    drawn = rng.multinomial(size, np.full(size, 1 / size), size=n)
    return np.concatenate([np.ones((1, size)), drawn])


def _limited(sample: Sample, max_values: int | None, seed: int) -> Sample:
    if max_values is None or len(sample) <= max_values:
        return sample
    return sample.take(np.sort(np.random.default_rng(seed).choice(len(sample), max_values, replace=False)))


def _numbers(units: Sequence[Hashable]) -> np.ndarray:
    number = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
    return np.array([number[unit] for unit in units])


def _check(
    prediction: Features,
    reference: Features,
    distances: Sequence[str],
    n: int,
    level: float,
    max_values: int | None,
    units: Sequence[Hashable] | None,
) -> None:
    if len(prediction) == 0:
        raise InputError("prediction: expected at least one structure, got none")
    if len(reference) < 2:
        raise InputError(f"reference: expected two structures or more, to halve, got {len(reference)}")
    names = set(reference[0])
    for name, side in (("prediction", prediction), ("reference", reference)):
        for part in side:
            if set(part) != names:
                odd = ", ".join(sorted(names ^ set(part)))
                raise InputError(f"{name}: expected the features of every structure, got no {odd} of some")
    for distance in distances:
        if distance not in DISTANCES:
            raise InputError(f"distances: expected some of {', '.join(DISTANCES)}, got {distance!r}")
    if n < 0 or not 0 < level < 1:
        raise InputError(f"n, level: expected 0 or more and a share inside (0, 1), got {n} and {level}")
    if max_values is not None and max_values < 1:
        raise InputError(f"max_values: expected 1 or more, got {max_values}")
    if units is not None and len(units) != len(prediction):
        raise InputError(f"units: expected {len(prediction)}, one a prediction, got {len(units)}")


def format_comparisons(comparisons: Mapping[str, Comparison]) -> str:
    """Tables of normalized distances: for each distance, features in rows, predictions in columns, intervals
    in parentheses, and the floor of the reference last; the numbers of values come first.

    Args:
        comparisons: name of the predictions -> their comparison, all with the same features and reference.
    """
    first = next(iter(comparisons.values()))
    features = list(first.features)
    counts = [
        [
            name,
            *(f"{c.features[name]['prediction']:,}" for c in comparisons.values()),
            f"{first.features[name]['reference']:,}",
        ]
        for name in features
    ]
    tables = [_table("values", [*comparisons, "reference"], counts)]
    for distance in DISTANCES:
        rows = []
        for name in features:
            found = [c.features[name]["distances"].get(distance) for c in comparisons.values()]
            if found[0] is not None:
                cells = [_cell(f["normalized"]) for f in found]
                rows.append([name, *cells, _number(found[0]["normalized"]["floor"])])
        if rows:
            tables.append(_table(f"{distance}, normalized", [*comparisons, "floor"], rows))
    return "\n\n".join(tables)


def _cell(numbers: dict[str, Any]) -> str:
    value = _number(numbers["value"])
    return (
        value if numbers["interval"] is None else f"{value} ({'-'.join(map(_number, numbers['interval']))})"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value >= 0.01 else f"{value:.5f}"


def _table(title: str, columns: list[str], rows: list[list[str]]) -> str:
    cells = [[title, *columns], *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
