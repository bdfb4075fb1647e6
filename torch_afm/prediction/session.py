"""From a scan to its structure, with everything in between."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from torch_afm.config import ForceField, Scan
from torch_afm.config.prediction import PredictOptions
from torch_afm.data import AFMData, bond_orders
from torch_afm.io import AFMStack
from torch_afm.io.scans import ScanStack, read_scan
from torch_afm.models import load_generator
from torch_afm.prediction.answers import Answer, evidence_margin, find_answers
from torch_afm.prediction.order import choose_order
from torch_afm.prediction.outcome import ScanPrediction
from torch_afm.prediction.preparation import count_measured_slices
from torch_afm.prediction.refinement import Scanner
from torch_afm.prediction.result import Prediction, load_calibration
from torch_afm.prediction.rotations import Rotations, choose_refinement, predict_rotations
from torch_afm.prediction.verdict import judge
from torch_afm.prediction.weights import choose_weights

#: Share by which an oscillation may differ from that of training.
_AMPLITUDE = 0.05

#: Å: atoms nearer to the edge of a scan have half of their image, or less, beyond it.
_EDGE = 1.5

#: Mean F1 between rotations below which they disagree.
_CONSISTENT = 0.8


def predict(
    scan: str | Path | AFMStack | ScanStack | Sequence[str | Path],
    weights: str | Path = "auto",
    options: PredictOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> ScanPrediction:
    """Predict the structure that a scan shows: read it, bring it onto the pixels and heights of the network,
    find the slices and the height of the tip where they are not known, predict window by window with the
    simulator in the loop, check the chemistry, refine by gradient, and judge whether the image of the
    structure explains the scan.

    Args:
        scan: file of a microscope or of a stack, folder of constant-height images, several files and patterns
            of one series, or a stack in memory. A stack on the network's grid that states its height is taken
            as it is. Options of reading do not change a :class:`~torch_afm.io.scans.ScanStack`, which was
            read already.
        weights: weights in the package, or a folder with them; ``"auto"``: those that suit the scan
            (:func:`choose_weights`).
        options: everything that can be chosen; the defaults are those of ``torch-afm predict``.
        progress: called with each step, in words, before it begins.

    Returns:
        the structure with calibrated probabilities, how it came about, and what speaks against it;
        :meth:`ScanPrediction.write` writes what ``torch-afm predict`` does.

    Raises:
        InputError: for anything wrong with the scan, the weights or the options.
    """
    options = options or PredictOptions()
    stack = scan if isinstance(scan, ScanStack) else read_scan(scan, **vars(options.reading))
    chosen_weights = []
    if weights == "auto":
        weights, reason = choose_weights(stack)
        chosen_weights = [("weights", f"{weights}, {reason}")]
    model, calibration = load_generator(weights), load_calibration(weights)
    chosen = choose_order(model, stack, options, progress)
    rotations = predict_rotations(model, chosen, options, progress)
    prediction = rotations.predictions[rotations.best]
    reference = chosen.prepared.stack.afm_stack()
    reference = dataclasses.replace(
        reference, meta=reference.meta | {"measured": count_measured_slices(chosen.prepared)}
    )
    answers: tuple[Answer, ...] = ()
    if options.answers > 1:
        prediction, answers = find_answers(
            prediction,
            reference,
            options.answers,
            choose_refinement(model, chosen),
            calibration,
            float(model.config.z_min),
            seed=options.search.seed,
            backend=options.backend,
            progress=progress,
        )
    graph = answers[0].graph if answers else prediction.calibrated(calibration)
    if "bond_order" not in graph:  # without chemistry: once, for all files alike
        graph.bond_order, graph.formal_charge = bond_orders(graph, graph.get("sigma"))
    verdict = judge(
        graph,
        prediction.context,
        prediction.simulated,
        reference,
        calibration.min_pearson,
        evidence_margin(answers),
    )
    parts = {field.name: getattr(prediction, field.name) for field in dataclasses.fields(prediction)}
    return ScanPrediction(
        **parts | {"graph": graph},
        sources=_sources(scan),
        weights=str(weights),
        options=options,
        chosen=chosen,
        reference=reference,
        rotations=rotations,
        verdict=verdict,
        answers=answers,
        log=(
            *chosen_weights,
            *chosen.prepared.steps,
            *_log(prediction, rotations, options, chosen.z_top),
            *_answers_log(answers),
        ),
        warnings=(
            *chosen.prepared.warnings,
            *_warnings(prediction, rotations, options),
            *list_cautions(
                graph, reference, chosen.prepared.scan, None if model.whole_scan else model.config.scan
            ),
        ),
    )


def _sources(scan: str | Path | AFMStack | ScanStack | Sequence[str | Path]) -> tuple[str, ...]:
    if isinstance(scan, AFMStack | ScanStack):
        return ()
    return (str(scan),) if isinstance(scan, str | Path) else tuple(map(str, scan))


def _log(
    prediction: Prediction, rotations: Rotations, options: PredictOptions, z_top: float
) -> list[tuple[str, str]]:
    """What was done to a prepared scan: name and text."""
    log = [("rotations", rotations.describe())] if rotations.consistency is not None else []
    parts, empty = prediction.parts, sum(w.prediction is None for w in prediction.windows)
    text = f"{len(parts)} predicted, {empty} empty" if prediction.windows else "predicted in one pass"
    if options.search.refine:
        accepted = sum(part.refined for part in parts)
        text += f"; the refinement was accepted in {accepted}" if prediction.windows else ""
        text += "" if prediction.windows else f"; the refinement was {'' if accepted else 'not '}accepted"
        if accepted:
            tilt = ", ".join(f"{v:+.2f}" for v in prediction.tip.tilt)
            text += f" (height of the tip {prediction.z_top - z_top:+.2f} Å, tilt {tilt} Å"
            text += f"{_instrument(prediction)})"
    return [*log, ("windows" if prediction.windows else "scan", text)]


def _answers_log(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """What the search for several answers made of the structure: name and text."""
    if not answers:
        return []
    edits = "; ".join(answers[0].edits) or "none"
    weights = ", ".join(f"{answer.weight:.2f}" for answer in answers)
    return [
        ("answers", f"{len(answers)} structures, weights {weights}; edits that led to the first: {edits}")
    ]


def _instrument(prediction: Prediction) -> str:
    """What a refinement found of the scanner and the probe, in words; nothing where it was not asked."""
    found = prediction.refinement
    if found is None or found.scanner == Scanner():
        return ""
    (x, y), springs = found.scanner.scale, prediction.tip.stiffness[0]
    return (
        f", an Å of the scan is {x:.3f} Å along x and {y:.3f} Å along y, lateral stiffness {springs:.2f} N/m"
    )


def _warnings(prediction: Prediction, rotations: Rotations, options: PredictOptions) -> list[str]:
    warnings = []
    agreement = rotations.consistency
    if agreement is not None and agreement.mean_f1 < _CONSISTENT:
        warnings.append(
            f"the {len(rotations.turns)} rotations of the scan give different structures (F1 "
            f"{agreement.mean_f1:.2f} between them): trust no atom without support"
        )
    if prediction.outside:
        warnings.append(f"{prediction.outside} atoms that would lie outside of the scan were left out")
    if options.search.refine:
        parts = prediction.parts
        reasons = [
            "there is no atom" if part.refinement is None else part.refinement.reason
            for part in parts
            if not part.refined
        ]
        if reasons:
            where = f" in {len(reasons)} of {len(parts)} windows" if prediction.windows else ""
            text = "; ".join(dict.fromkeys(reasons))
            warnings.append(f"the refinement was not accepted{where}: {text}")
    return warnings


def list_cautions(graph: AFMData, stack: AFMStack, scan: Scan, model: Scan | None) -> list[str]:
    """List what makes a prediction less sure, beside what was done to the scan.

    Args:
        graph: the structure, with calibrated probabilities.
        stack: what it was predicted from.
        scan: the scan of that.
        model: the scan that the network was made for; ``None`` for one that knows other oscillations.
    """
    cautions = []
    if model is not None and abs(scan.amplitude - model.amplitude) > _AMPLITUDE * model.amplitude:
        cautions.append(
            f"the network was trained with an oscillation of {model.amplitude:.2f} Å peak to peak, that of "
            f"the scan is {scan.amplitude:.2f} Å: it may find less"
        )
    if stack.forcefield not in (None, ForceField()):
        cautions.append(
            "the stack was simulated with another force field than the one that the network was trained "
            "with, and that the structure is imaged with"
        )
    if "potential" in stack.meta:
        cautions.append(
            "the stack was simulated with an electrostatic potential on a grid; the structure is imaged with "
            "charges of its atoms"
        )
    low, high = (graph.pos.new_tensor([axis[end] for axis in (stack.x, stack.y)]) for end in (0, -1))
    flat = graph.pos[:, :2]
    near = int(((flat < low + _EDGE) | (flat > high - _EDGE)).any(dim=1).sum())
    if near:
        cautions.append(
            f"{near} of {len(flat)} atoms lie within {_EDGE} Å of the edge of the scan: their image is cut, "
            "or shaped by what lies beyond, and they are less sure; a wider scan would show them"
        )
    doubtful = int((graph.confidence < 0.5).sum()) if "confidence" in graph else 0
    if doubtful:
        cautions.append(f"{doubtful} of {len(flat)} atoms are less likely to be there than not")
    return cautions
