"""What an identification found, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm import __version__
from torch_afm.config import to_dict
from torch_afm.config.identification import IdentifyOptions
from torch_afm.data import AFMData
from torch_afm.elements import symbol
from torch_afm.identification.candidates import Candidate
from torch_afm.identification.pose import Pose
from torch_afm.io.files import write_json
from torch_afm.io.scans import PreparedScan
from torch_afm.io.structures import write_sdf

#: Probability of the best candidate from which it is called the answer.
_SURE = 0.9


@dataclass(frozen=True, eq=False)
class Answer:
    """A candidate where it lies best.

    Args:
        candidate: the molecule.
        atoms: it, in the frame of the scan, the lengths as the scanner shows them.
        pose: it, in the sample, and the instrument.
        pearson: correlation of its image with each slice.
        simulated: its image in Hz.
        evidence: logarithm of how well it explains the scan, up to a constant.
        probability: that it is the one that the scan shows.

    Shapes:
        pearson ``[Z]``, simulated ``[Z, Y, X]``.
    """

    candidate: Candidate
    atoms: AFMData
    pose: Pose
    pearson: np.ndarray
    simulated: np.ndarray
    evidence: float
    probability: float = 0.0


@dataclass(frozen=True, eq=False)
class Identification:
    """What :func:`torch_afm.identify` returns.

    Args:
        answers: the candidates that were fitted, the best first.
        none: probability that the scan shows none of the candidates.
        others: names of the candidates that were not fitted, the best first.
        prepared: the scan.
        noise: share of the variance of each slice that is noise.
        options: what was asked for.

    Shapes:
        noise ``[Z]``.
    """

    answers: tuple[Answer, ...]
    none: float
    others: tuple[str, ...]
    prepared: PreparedScan
    noise: np.ndarray
    options: IdentifyOptions

    @property
    def best(self) -> Answer | None:
        """The best candidate; ``None`` where none of them is more probable."""
        best = self.answers[0]
        return best if best.probability > self.none else None

    @property
    def margin(self) -> float:
        """By how much the evidence of the best candidate exceeds that of the second; infinite where there is
        none."""
        evidence = [answer.evidence for answer in self.answers]
        return evidence[0] - evidence[1] if len(evidence) > 1 else float("inf")

    def describe(self) -> str:
        """Lines for a terminal."""
        lines = [f"{name:<10} {text}" for name, text in self.prepared.steps]
        lines += [f"{'rank':>4}  {'probability':>11}  {'evidence':>8}  {'r':>5}  candidate"]
        for i, a in enumerate(self.answers, start=1):
            r = float(a.pearson.mean())
            lines.append(f"{i:>4}  {a.probability:>11.3f}  {a.evidence:>8.1f}  {r:>5.2f}  {a.candidate.name}")
        lines.append(f"   -  {self.none:>11.3f}  {'':>8}  {'':>5}  none of these")
        best = self.best
        if best is None:
            verdict = "none of the candidates explains the scan"
        elif best.probability < _SURE:
            alike = [a.candidate.name for a in self.answers if a.probability > 0.1 * best.probability]
            verdict = f"the scan does not tell between {len(alike)}: {', '.join(alike)}"
        else:
            verdict = f"{best.candidate.name}, with a probability of {best.probability:.2f}"
        lines.append(f"verdict    {verdict}")
        return "\n".join([*lines, *(f"warning    {warning}" for warning in self.prepared.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, the content of ``identification.json``."""
        return {
            "version": __version__,
            "options": to_dict(self.options),
            "none": self.none,
            "margin": None if np.isinf(self.margin) else self.margin,
            "noise": self.noise.tolist(),
            "answers": [_answer(answer) for answer in self.answers],
            "others": list(self.others),
            "steps": [list(step) for step in self.prepared.steps],
            "warnings": list(self.prepared.warnings),
        }

    def write(self, folder: str | Path) -> list[Path]:
        """Write ``identification.json``, the fitted poses as ``poses.sdf``, the best first, and the report as
        ``report.html`` and ``report.png``.

        Args:
            folder: where to; made where it does not exist.

        Returns:
            the files.
        """
        from torch_afm.viz import plot_identification, write_figure_page

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "identification.json", json.loads(json.dumps(self.to_dict())))
        write_molecules(folder / "poses.sdf", [(a.atoms, _properties(a)) for a in self.answers])
        figure = plot_identification(self.prepared, self.answers)
        figure.savefig(folder / "report.png", dpi=110)
        write_figure_page(folder / "report.html", "Which molecule is it", self.describe(), [figure])
        return [folder / name for name in ("identification.json", "poses.sdf", "report.html", "report.png")]


def _properties(answer: Answer) -> dict[str, str]:
    return {
        "_Name": answer.candidate.name,
        "probability": f"{answer.probability:.4f}",
        "evidence": f"{answer.evidence:.2f}",
        "pearson": f"{answer.pearson.mean():.4f}",
    }


def _answer(answer: Answer) -> dict[str, Any]:
    pose = answer.pose
    return {
        "name": answer.candidate.name,
        "smiles": answer.candidate.smiles,
        "probability": answer.probability,
        "evidence": answer.evidence,
        "pearson": answer.pearson.tolist(),
        "atoms": [
            {"element": symbol(z), "pos": pos}
            for z, pos in zip(answer.atoms.z.tolist(), answer.atoms.pos.tolist(), strict=True)
        ],
        "bonds": answer.atoms.edge_index.T[::2].tolist(),
        "instrument": {
            "scale": list(pose.scanner.scale),
            "shear": pose.scanner.shear,
            "lateral_stiffness": float(pose.tip.stiffness[0, 0]),
            "probe_depth": pose.tip.probe[0].depth,
            "tip_tilt": pose.tip.tilt[0].tolist(),
            "z_top": pose.z_top,
            "radii": pose.radii,
        },
    }
