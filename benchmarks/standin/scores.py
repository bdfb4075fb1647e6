"""Scores of predictions of the stand-in domain."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.real.run import level
from benchmarks.standin.imaging import Measured
from torch_afm.data import AFMData, remove_atoms
from torch_afm.elements import ORGANIC_AND_IODINE, AtomClasses
from torch_afm.functional import pearson, remove_slope
from torch_afm.io.scans import ScanStack
from torch_afm.metrics import Calibration, match_atoms
from torch_afm.metrics.atoms import match_surface
from torch_afm.metrics.calibration import confidence_tables
from torch_afm.metrics.intervals import bootstrap
from torch_afm.metrics.molecules import CUTOFFS, MoleculeRecord, score_molecule, summary
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import ScanPrediction
from torch_afm.prediction.atoms import concat_graphs, no_atoms, select_atoms
from torch_afm.prediction.result import calibrate

#: Heights in Å below the top atom: of the surface cut, down to which the skeleton and water are scored, and
#: down to which atoms are an answer at all.
SURFACE, SKELETON, DEEPEST = -0.7, -1.0, -3.0

#: Å within which an atom is found, and draws of chance.
CUTOFF, DRAWS = 0.5, 20

#: Å: an error in z below it is that of rounding.
LEVELED = 1e-5

_HYDROGEN, _OXYGEN = 1, 8


def score_scene(
    measured: Measured,
    prediction: ScanPrediction | None,
    network: AtomClasses,
    calibration: Calibration,
    number: int,
) -> dict[str, Any]:
    """Scores of one prediction, as numbers that JSON takes.

    Atoms outside of the scanned window count neither as true nor as predicted. As nobody knows the height of
    the tip, all predicted heights are shifted by the median difference of the atoms that match laterally.

    Args:
        measured: the scene.
        prediction: what was made of it; ``None`` where the stack was refused, which predicts nothing.
        network: classes of the network.
        calibration: of the network.
        number: of the scene.

    Returns:
        ``surface``: the record of the answer, the atoms that the network takes to be above the surface cut;
        ``all``: of these and its context, down to :data:`DEEPEST`;
        ``[matched, predicted, true]`` of :func:`torch_afm.metrics.atoms.match_surface`: ``band``, all atoms
        above the surface cut; ``skeleton``, heavy atoms above :data:`SKELETON`, by x and y alone;
        ``oxygen``, ``hydrogen``, down to the same depth, but by all three;
        ``chance``: mean number of pairs of ``surface`` at 0.5 Å if its points were drawn uniformly in the box
        of the true atoms above the cut, as wide as all that count;
        ``pearson``, ``truth_pearson``: r of the image of the prediction, and of that of the truth by the
        nominal tip, with the stack.
    """
    classes = _with_iodine(network)
    truth = _true_atoms(measured, classes)
    graph, context = _predicted_atoms(measured, prediction, truth, network, classes, calibration)
    surface, deep = (remove_atoms(truth, below) for below in _below(truth, SURFACE))
    ended = "refused" if prediction is None else prediction.ended
    settings = {"classes": classes, "molecule": number, "ended": ended}
    whole = concat_graphs([graph, context])
    heavy, heavy_true = whole.pos[whole.z > 1], truth.pos[truth.z > 1]
    counts = {
        "band": match_surface(whole.pos, truth.pos, SURFACE),
        "skeleton": match_surface(heavy, heavy_true, SKELETON, xy_only=True),
    } | {
        name: match_surface(whole.pos[whole.z == z], truth.pos[truth.z == z], SKELETON)
        for name, z in (("oxygen", _OXYGEN), ("hydrogen", _HYDROGEN))
    }
    return {
        "surface": score_molecule(graph, surface, context=(context, deep), **settings).to_dict(),
        "all": score_molecule(whole, truth, **settings).to_dict(),
        **{name: list(dataclasses.astuple(found)) for name, found in counts.items()},
        "chance": _chance(len(graph.z), surface, truth, number),
        "pearson": None if prediction is None else prediction.verdict.pearson,
        "truth_pearson": None if prediction is None else truth_pearson(prediction, measured),
    }


def truth_pearson(prediction: ScanPrediction, measured: Measured) -> float:
    """Mean Pearson's r of the image of the true scene, by the nominal tip, with the slices that the network
    was shown. The lower turning point of the oscillation, where contrast is made, is as high as it was."""
    scan, reference = prediction.scan, prediction.reference
    nearest = measured.turning_point + scan.amplitude / 2 + reference.z[-1] - measured.stack.heights[-1]
    z_top = nearest + scan.dz * (scan.n_slices - 1 + (scan.n_oscillation - 1) / 2)
    image = ProbeParticleModel(scan).quiet()(measured.truth, z_top=float(z_top)).cpu()
    image = remove_slope(image) if reference.leveled else image
    return float(pearson(image, reference.tensor()).mean())


def _with_iodine(network: AtomClasses) -> AtomClasses:
    """The network's classes, and one more of the elements that it does not have."""
    known = {symbol for group in network.groups for symbol in group}
    others = tuple(symbol for symbol in ORGANIC_AND_IODINE if symbol not in known)
    return AtomClasses((*network.groups, others)) if others else network


def _true_atoms(measured: Measured, classes: AtomClasses) -> AFMData:
    """The true atoms that count."""
    truth = measured.truth
    counted = _in_window(truth, measured.stack) & classes.has(truth.z) & (truth.pos[:, 2] >= DEEPEST)
    return remove_atoms(truth, ~counted)


def _predicted_atoms(
    measured: Measured,
    prediction: ScanPrediction | None,
    truth: AFMData,
    network: AtomClasses,
    classes: AtomClasses,
    calibration: Calibration,
) -> tuple[AFMData, AFMData]:
    """The answer and its context, at the height of the truth, with calibrated probabilities."""
    if prediction is None:
        return no_atoms(classes), no_atoms(classes)
    parts = prediction.graph, calibrate(prediction.context, calibration)
    leveled = level(torch.cat([part.pos for part in parts]), truth.pos).split([len(part.z) for part in parts])
    found = []
    for part, pos in zip(parts, leveled, strict=True):
        moved = select_atoms(part, _in_window(part, measured.stack))
        moved.pos = pos[_in_window(part, measured.stack)]
        p = moved.class_probabilities
        moved.class_probabilities = torch.cat([p, p.new_zeros(len(p), len(classes) - len(network))], dim=1)
        found.append(moved)
    return found[0], found[1]


def _in_window(atoms: AFMData, stack: ScanStack) -> torch.Tensor:
    low, high = atoms.pos.new_tensor(stack.window).T
    return ((atoms.pos[:, :2] >= low) & (atoms.pos[:, :2] <= high)).all(dim=1)


def _below(atoms: AFMData, height: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Which atoms lie below a height, and which do not."""
    below = atoms.pos[:, 2] < height
    return below, ~below


def _chance(n: int, surface: AFMData, truth: AFMData, number: int) -> float:
    """Mean number of random points that match true atoms."""
    if not n or not len(surface.z):
        return 0.0
    rng = np.random.default_rng((1, number))
    low, high = truth.pos.amin(0).numpy(), truth.pos.amax(0).numpy()
    low[2] = surface.pos[:, 2].amin()
    draws = (torch.from_numpy(rng.uniform(low, high, (n, 3))).float() for _ in range(DRAWS))
    return float(np.mean([len(match_atoms(points, surface.pos, CUTOFF).pred) for points in draws]))


def leave_out_leveled(record: MoleculeRecord) -> MoleculeRecord:
    """The record without the positions of the atom to whose height the prediction was shifted: its error in z
    is 0 whatever its standard deviation, and in small scenes that is a large part of all errors."""
    kept = [i for i, error in enumerate(record.errors) if abs(error[2]) > LEVELED]
    found = dict(record.calibration)
    if "sigma" in found:
        found["sigma"] = [found["sigma"][i] for i in kept]
    return dataclasses.replace(record, errors=[record.errors[i] for i in kept], calibration=found)


def summarize(records: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """All scores of some scenes as one row: counts of all scenes together, unless it says otherwise.

    Args:
        records: what :func:`score_scene` gave, with ``refused``, the reason, and ``cpu_s``.
        name: of the row.
    """
    surface, whole = (
        [MoleculeRecord.from_dict(record[key]) for record in records] for key in ("surface", "all")
    )
    place = np.arange(len(records))
    scores, deep = (summary.summarize(summary.Columns(part), place) for part in (surface, whole))
    confidence = confidence_tables([leave_out_leveled(record) for record in whole])
    atoms = np.array([record.atoms for record in surface], dtype=float)
    found = np.array([record.matched["blind"][CUTOFFS.index(CUTOFF)] for record in surface], dtype=float)
    band = np.array([record["band"] for record in records], dtype=float)
    seen = [record for record in records if record["pearson"] is not None]
    return {
        "stratum": name,
        "scenes": len(records),
        "refused": len(records) - len(seen),
        "f1": scores["f1"]["0.5"],
        "f1_interval": bootstrap(lambda i: _f1(found[i].sum(), atoms[i].sum()), place),
        "chance": _f1(sum(record["chance"] for record in records), atoms.sum()),
        "f1_band": _f1(band[:, 0].sum(), band[:, 1:].sum()),
        "f1_band_interval": bootstrap(lambda i: _f1(band[i, 0].sum(), band[i, 1:].sum()), place),
        "precision": scores["precision"]["0.5"],
        "recall": scores["recall"]["0.5"],
        "skeleton": _count_f1(records, "skeleton"),
        "oxygen": _count_f1(records, "oxygen"),
        "hydrogen": _count_f1(records, "hydrogen"),
        "elements": confidence["label"]["mean_observed"],
        "bonds": scores["bonds"]["f1"],
        "exact": scores["exact"],
        "error": scores["position_error"]["mean"]["r"],
        "error_xy": scores["position_error"]["mean"]["xy"],
        "nll": deep["nll"],
        "atom_log_loss": confidence["atom"]["log_loss"],
        "atom_ece": confidence["atom"]["ece"],
        "element_ece": confidence["label"]["ece"],
        "bond_ece": confidence["bond"]["ece"],
        "sigma_ece": _mean(confidence["position"][axis]["ece"] for axis in "xyz"),
        "pearson": _mean(record["pearson"] for record in seen),
        "truth_pearson": _mean(record["truth_pearson"] for record in seen),
        "cpu_s": _mean(record["cpu_s"] for record in records),
    }


def _count_f1(records: Sequence[Mapping[str, Any]], name: str) -> float | None:
    matched, predicted, true = np.sum([record[name] for record in records], axis=0).tolist()
    return _f1(matched, predicted + true)


def _f1(matched: float, atoms: float) -> float | None:
    return float(2 * matched / atoms) if atoms else None


def _mean(values: Any) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None
