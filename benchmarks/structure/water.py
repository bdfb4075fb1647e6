"""Published structure metrics of bilayer water on Au(111) (arXiv:2509.02240), and what becomes of them under
other conventions. Needs the public data in the folder that TORCH_AFM_DATA names.

    TORCH_AFM_DATA=... python -m benchmarks.structure.water [--draws 1000]

Prints, for every folder of predictions there is,

- the published distances: in one dimension Wasserstein, in two the unconverged Sinkhorn divergence and the
  exact Wasserstein distance beside it; and how far all of these, energy distance and MMD are from an
  independent computation (plain loops for the features; SciPy, POT and full matrices for the distances);
- exact distances under each set of conventions, with 95 % bootstrap intervals (over theory structures and
  over experimental stacks, the four rotations of a stack drawn together) and the floor of theory;
- the order of the models, and whether each is nearer to theory than the one trained on pure simulation: the
  95 % interval of the difference, stacks and structures drawn alike for both.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
import ot
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from benchmarks.common import RESULTS, table, write
from benchmarks.structure.loops import published_features
from torch_afm.io import read_atoms
from torch_afm.metrics.distributions import (
    compare,
    energy_distance,
    mmd,
    sinkhorn_divergence,
    wasserstein,
)
from torch_afm.metrics.distributions.distances import wasserstein_draws
from torch_afm.metrics.distributions.samples import Sample
from torch_afm.metrics.structure import FEATURES, StructureSettings, structure_features
from torch_afm.metrics.structure.prepared import Prepared

NAMES = ("d_OO", "d_OH", "HOH", "theta_ZOH", "hbond", "order")
#: Check values of the model trained on pure simulation; of pairs, the Sinkhorn divergence and the exact one.
PUBLISHED = {"d_OO": 0.037, "d_OH": 0.040, "HOH": 0.055, "theta_ZOH": 0.112}
PUBLISHED_PAIRS = {"hbond": (0.115, 0.167), "order": (0.286, 0.333)}
#: 12 x 12 Au(111), 2.885 Å: the cell of the theory structures, which their files leave out.
CELL = 12 * 2.885 * np.array([[1, 0, 0], [0.5, math.sqrt(0.75), 0], [0, 0, 0]])
TOP = (4.85, math.inf)
CONVENTIONS = {
    "published": StructureSettings.huang2025(),
    "top layer": StructureSettings(layer=TOP),
    "visible": StructureSettings.visible(),
    "visible, shadow": StructureSettings.visible(shadow=1.52),
}
Features = Sequence[Mapping[str, np.ndarray]]


def pooled(features: Features, name: str) -> np.ndarray:
    """Values of all structures on the fixed range."""
    return FEATURES[name].normalize(np.concatenate([one[name] for one in features]))


def independent(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Distances by other means than the package's."""
    rows = [v.reshape(len(v), -1) for v in (x, y)]
    every = np.concatenate(rows)
    d = cdist(every, every)
    n, sigma = len(rows[0]), np.median(d)
    blocks = d[:n, n:], d[:n, :n], d[n:, n:]
    xy, xx, yy = (b.mean() for b in blocks)
    k_xy, k_xx, k_yy = (np.exp(-(b**2) / (2 * sigma**2)).mean() for b in blocks)
    masses = [np.full(len(r), 1 / len(r)) for r in rows]
    exact = wasserstein_distance(x, y) if x.ndim == 1 else ot.emd2(*masses, blocks[0], numItermax=10**8)
    return {
        "wasserstein": float(exact),
        "energy": float(2 * xy - xx - yy),
        "mmd": float(np.sqrt(k_xx + k_yy - 2 * k_xy)),
    }


def published_rows(
    theory: Sequence[ase.Atoms], models: Mapping[str, Sequence[ase.Atoms]]
) -> list[dict[str, Any]]:
    """Distances in the published conventions and their deviation from an independent computation."""
    settings = CONVENTIONS["published"]
    reference, by_loops = structure_features(theory, settings, NAMES), [published_features(a) for a in theory]
    rows = []
    for model, structures in models.items():
        found, looped = (
            structure_features(structures, settings, NAMES),
            [published_features(a) for a in structures],
        )
        for name in NAMES:
            x, y = pooled(found, name), pooled(reference, name)
            values = {"wasserstein": wasserstein(x, y), "energy": energy_distance(x, y), "mmd": mmd(x, y)}
            other = independent(pooled(looped, name), pooled(by_loops, name))
            rows.append(
                {
                    "model": model,
                    "feature": name,
                    "values": len(x),
                    "reference_values": len(y),
                    **values,
                    "sinkhorn": sinkhorn_divergence(x, y) if x.ndim == 2 else None,
                    "deviation": {key: abs(values[key] - other[key]) for key in values},
                }
            )
    return rows


def convention_rows(
    theory: Sequence[ase.Atoms], models: Mapping[str, Sequence[ase.Atoms]], draws: int
) -> list[dict[str, Any]]:
    """Exact distances by conventions, feature and model, and differences from the model "pure"."""
    rng = np.random.default_rng(0)
    units = {model: [unit(a) for a in structures] for model, structures in models.items()}
    stacks = sorted({u for of in units.values() for u in of})
    counts = [rng.multinomial(n, np.full(n, 1 / n), size=draws) for n in (len(stacks), len(theory))]
    rows = []
    for conventions, settings in CONVENTIONS.items():
        reference = structure_features(theory, settings, NAMES)
        found = {
            model: structure_features(structures, settings, NAMES) for model, structures in models.items()
        }
        compared = {
            model: compare(f, reference, ("wasserstein",), n=draws, units=units[model]).features
            for model, f in found.items()
        }
        for name in NAMES:
            y = sample(name, reference, np.arange(len(reference)), len(reference))
            drawn = {}
            for model, f in found.items():
                x = sample(name, f, np.array([stacks.index(u) for u in units[model]]), len(stacks))
                drawn[model] = (
                    wasserstein_draws(x, y, *counts) if len(x) and len(y) else np.full(draws, np.nan)
                )
            for model in models:
                entry = compared[model][name]
                rows.append(
                    {
                        "conventions": conventions,
                        "feature": name,
                        "model": model,
                        "values": entry["prediction"],
                        "reference_values": entry["reference"],
                        **entry["distances"]["wasserstein"]["normalized"],
                        "less_than_pure": interval(drawn[model] - drawn["pure"])
                        if "pure" in drawn and model != "pure"
                        else None,
                    }
                )
    return rows


def unit(atoms: ase.Atoms) -> str:
    """The experimental stack that a prediction was made of; its name ends in the rotation, ``_d90_mol``."""
    return str(atoms.info["name"]).rsplit("_d", 1)[0]


def sample(name: str, features: Features, owner: np.ndarray, owners: int) -> Sample:
    """Normalized values of a feature and what each is drawn with."""
    values = Sample.from_parts(name, [FEATURES[name].normalize(one[name]) for one in features])
    return Sample(values.values, owner[values.structure], owners)


def interval(values: np.ndarray) -> list[float] | None:
    """The middle 95 % of those values that are defined."""
    values = values[~np.isnan(values)]
    return np.percentile(values, [2.5, 97.5]).tolist() if len(values) else None


def order(rows: Sequence[Mapping[str, Any]]) -> str:
    """Models from near to far; a star marks those whose difference from "pure" excludes 0."""
    known = sorted((r for r in rows if r["value"] is not None), key=lambda r: r["value"])
    return " < ".join(r["model"] + "*" * clear(r["less_than_pure"]) for r in known)


def clear(ends: Sequence[float] | None) -> bool:
    """Whether an interval excludes 0."""
    return ends is not None and (ends[0] > 0 or ends[1] < 0)


def report(published: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> str:
    """Everything as tables."""
    models = list(dict.fromkeys(r["model"] for r in published))

    def cell(model: str, name: str) -> str:
        row = next(r for r in published if r["model"] == model and r["feature"] == name)
        value = f"{row['wasserstein']:.3f}"
        return value if row["sinkhorn"] is None else f"{row['sinkhorn']:.3f} ({value})"

    first = [
        {"feature": name, "check": f"{PUBLISHED[name]:.3f}"}
        if name in PUBLISHED
        else {"feature": name, "check": "{:.3f} ({:.3f})".format(*PUBLISHED_PAIRS[name])}
        for name in NAMES
    ]
    columns: dict[str, Any] = {"feature": lambda r: r["feature"], "check value, pure": lambda r: r["check"]}
    columns |= {m: lambda r, m=m: cell(m, r["feature"]) for m in models}
    worst = {
        (key, size): max(
            r["deviation"][key]
            for r in published
            if (len(FEATURES[r["feature"]].ranges) == 1) == (size == "1-D")
        )
        for key in ("wasserstein", "energy", "mmd")
        for size in ("1-D", "2-D")
    }
    parts = [
        "Published conventions: Wasserstein distance, of pairs Sinkhorn divergence (exact)",
        table(first, columns),
        "Largest deviation from an independent computation: "
        + ", ".join(f"{key} {size} {value:.1e}" for (key, size), value in worst.items()),
    ]
    for conventions in CONVENTIONS:
        lines = []
        for name in NAMES:
            some = [r for r in rows if r["conventions"] == conventions and r["feature"] == name]
            line = {"feature": name, "floor": number(some[0]["floor"]), "theory": some[0]["reference_values"]}
            line |= {r["model"]: with_interval(r) for r in some}
            lines.append(line)
        keys = ["feature", *models, "floor", "theory"]
        parts += [
            f"Exact Wasserstein distance, {conventions} [95 % interval] (values); theory against itself; "
            "values of theory",
            table(lines, {key: lambda r, key=key: str(r[key]) for key in keys}),
        ]
    orders = [
        {"feature": name}
        | {c: order([r for r in rows if r["conventions"] == c and r["feature"] == name]) for c in CONVENTIONS}
        for name in NAMES
    ]
    parts += [
        "Models from near to theory to far (exact distances; * the difference from pure excludes 0 at 95 %)",
        table(orders, {key: lambda r, key=key: r[key] for key in ("feature", *CONVENTIONS)}),
    ]
    return "\n\n".join(parts)


def facts(theory: Sequence[ase.Atoms], models: Mapping[str, Sequence[ase.Atoms]]) -> dict[str, Any]:
    """What two choices rest on: the cell, by hydrogens of theory without exactly one O within 1.25 Å with and
    without it, and the depth of :meth:`StructureSettings.visible`, by the deepest atoms of predictions."""
    odd = {}
    for periodic in (False, True):
        odd[periodic] = 0
        for atoms in theory:
            structure = Prepared(atoms, StructureSettings(periodic=periodic))
            bonds = structure.pairs(structure.index_of("H"), structure.index_of("O"), 1.25)
            odd[periodic] += int((bonds.count != 1).sum())
    return {
        "hydrogens_without_one_oxygen": odd[False],
        "hydrogens_without_one_oxygen_periodic": odd[True],
        "deepest_predicted": {
            model: max(float(np.ptp(a.positions[:, 2])) for a in structures if len(a))
            for model, structures in models.items()
        },
    }


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def with_interval(row: Mapping[str, Any]) -> str:
    ends = "" if row["interval"] is None else " [{:.3f}, {:.3f}]".format(*row["interval"])
    return f"{number(row['value'])}{ends} ({row['values']})"


def load(root: Path) -> tuple[list[ase.Atoms], dict[str, list[ase.Atoms]]]:
    """Theory structures with their cell, and predictions by model, "pure" first."""
    theory = read_atoms(root / "theory_label_xyz")
    for atoms in theory:
        atoms.set_cell(CELL)
        atoms.pbc = (True, True, False)
    folders = sorted(f for f in (root / "predictions").iterdir() if f.is_dir())
    folders.sort(key=lambda f: f.name != "pure")
    return theory, {f.name: read_atoms(f) for f in folders}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap resamples")
    args = parser.parse_args()
    if "TORCH_AFM_DATA" not in os.environ:
        sys.exit("skipped: TORCH_AFM_DATA is not set (the folder that holds water_au111)")
    theory, models = load(Path(os.environ["TORCH_AFM_DATA"]) / "water_au111")
    published = published_rows(theory, models)
    rows = convention_rows(theory, models, args.draws)
    found = facts(theory, models)
    depths = ", ".join(f"{model} {depth:.2f}" for model, depth in found["deepest_predicted"].items())
    text = (
        f"{report(published, rows)}\n\nHydrogens of theory without exactly one O within 1.25 Å: "
        f"{found['hydrogens_without_one_oxygen']}, with the cell repeated "
        f"{found['hydrogens_without_one_oxygen_periodic']}\n\n"
        f"Deepest predicted atom below the topmost of its structure in Å: {depths}"
    )
    print(text)
    settings = {"draws": args.draws, "seed": 0, "structures": {m: len(s) for m, s in models.items()}}
    settings |= {"theory": len(theory), **found}
    write(
        "structure_water",
        "python -m benchmarks.structure.water",
        [{"part": "published", **r} for r in published] + [{"part": "conventions", **r} for r in rows],
        settings,
        ("numpy", "scipy", "ase", "POT"),
    )
    (RESULTS / "structure_water.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
