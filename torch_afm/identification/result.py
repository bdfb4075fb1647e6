"""What an identification found, and its files."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from torch_afm import __version__
from torch_afm.config import to_dict
from torch_afm.config.identification import IdentifyOptions
from torch_afm.data import AFMData, bond_orders
from torch_afm.elements import symbol
from torch_afm.functional import remove_slope
from torch_afm.identification.candidates import Candidate
from torch_afm.identification.pose import Pose
from torch_afm.io import AFMStack, write_sdf
from torch_afm.io.files import write_json, write_whole
from torch_afm.io.scans import PreparedScan
from torch_afm.metrics import Calibration
from torch_afm.prediction import judge
from torch_afm.prediction.preparation import count_measured_slices
from torch_afm.prediction.result import bonds_to_dict
from torch_afm.viz import (
    IdentificationReport,
    ReportedPose,
    identification_html,
    plot_identification,
    plot_preparation,
)

#: What :meth:`Identification.write` writes.
FILES = ("identification.json", "poses.sdf", "report.html", "report.png")

#: Probability of the best candidate from which it is called the answer, and share of it from which others are
#: not told from it.
_SURE, _ALIKE = 0.9, 0.1

#: What the probabilities mean, for the report.
_MEANING = (
    "Probabilities are those of each candidate, all as likely beforehand, and of a molecule that is "
    "not among them. Evidence is the logarithm of how well a candidate explains the scan, with pose and "
    "instrument fitted, less what the fitted parameters cost; only its differences count. r is Pearson's "
    "correlation of scan and image without their planes. Atoms are drawn where the scanner shows them."
)


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

    @property
    def sure(self) -> bool:
        """Whether one of the candidates is the answer: with a probability of 0.9 at least."""
        return self.answers[0].probability >= _SURE

    @property
    def explained(self) -> bool:
        """Whether nothing speaks against the best candidate: a molecule that is not among them may be more
        probable than others that are, and not explain the scan."""
        return not self.reasons

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against the best candidate, by its image and what is left of the scan
        (:func:`torch_afm.prediction.judge`), or was not measured, in words."""
        best, stack = self.answers[0], self._reference()
        simulated = remove_slope(torch.from_numpy(best.simulated))[None, None]
        limit = Calibration().min_pearson
        # In the sample, where bonds have their lengths.
        return judge(best.pose.atoms, AFMData.empty(), simulated, stack, limit).reasons

    def _reference(self) -> AFMStack:
        """The scan, as images are compared with it: without planes."""
        stack = self.prepared.stack.afm_stack()
        flat = remove_slope(torch.from_numpy(stack.stack)).numpy()
        measured = count_measured_slices(self.prepared)
        return dataclasses.replace(stack, stack=flat, meta=stack.meta | {"measured": measured})

    @property
    def alike(self) -> tuple[Answer, ...]:
        """The candidates that the scan does not tell from the best one: those with a tenth of its probability
        at least, the best first."""
        least = _ALIKE * self.answers[0].probability
        return tuple(answer for answer in self.answers if answer.probability >= least)

    @property
    def verdict(self) -> str:
        """Which molecule it is and how sure that is, what it is not told from, or that it is none of these,
        in a sentence."""
        best, none = self.answers[0], _in_words(self.none)
        if self.sure:
            answer = f"{best.candidate.name}, with a probability {_in_words(best.probability)}"
            return answer if self.explained else f"{answer}, but its image does not explain the scan"
        count = len(self.answers) + len(self.others)
        others = f"none of the {count} candidates" if count > 1 else "another molecule"
        names = [f"{a.candidate.name} ({a.probability:.2f})" for a in self.alike]
        if self.best is None:
            rest = "" if self.none >= _SURE else f"; if it is one of them, {' or '.join(names)}"
            if not rest and self.explained:
                rest = f"; but nothing speaks against the image of {best.candidate.name}"
            return f"{others}, with a probability {none}{rest}"
        if len(names) == 1:
            return f"{names[0]} or {others}, which has a probability {none}"
        against = "" if self.explained else "; the image of the first does not explain the scan"
        return f"one of {len(names)} that the scan does not tell from each other: {', '.join(names)}{against}"

    def describe(self) -> str:
        """Lines for a terminal."""
        lines = [f"{name:<10} {text}" for name, text in self.prepared.steps]
        lines += [f"{'rank':>4}  {'probability':>11}  {'evidence':>8}  {'r':>5}  candidate"]
        for i, a in enumerate(self.answers, start=1):
            r = float(a.pearson.mean())
            lines.append(f"{i:>4}  {a.probability:>11.3f}  {a.evidence:>8.1f}  {r:>5.2f}  {a.candidate.name}")
        lines.append(f"   -  {self.none:>11.3f}  {'':>8}  {'':>5}  none of these")
        if self.others:
            lines.append(f"{'':>4}  {len(self.others)} more that were not fitted: identification.json")
        lines.append(f"{'verdict':<10} {self.verdict}")
        lines += [f"{'':<10} - {reason}" for reason in self.reasons]
        return "\n".join([*lines, *(f"{'warning':<10} {text}" for text in self.prepared.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, the content of ``identification.json``: the ``verdict`` in words, ``sure``,
        ``explained`` and ``reasons`` against the best candidate; ``none``, the probability that the scan
        shows none of the candidates; ``answers``, the fitted
        candidates, the best first, each with ``probability``, ``evidence`` [nats], ``pearson`` slice by
        slice, ``atoms`` with ``element`` and ``pos`` [Å] in the frame of the scan, ``bonds`` as pairs of
        indices into these, and the fitted ``instrument``; ``others``, names of the candidates that were not
        fitted; ``margin``, the evidence of the best less that of the second; ``noise`` of each slice; ``log``
        and ``warnings`` of the preparation of the scan."""
        return {
            "version": __version__,
            "scan": self._files,
            "options": to_dict(self.options),
            "verdict": self.verdict,
            "sure": self.sure,
            "explained": self.explained,
            "reasons": list(self.reasons),
            "none": self.none,
            "margin": None if np.isinf(self.margin) else self.margin,
            "answers": [_answer(answer) for answer in self.answers],
            "others": list(self.others),
            "noise": self.noise.tolist(),
            "log": [list(step) for step in self.prepared.steps],
            "warnings": list(self.prepared.warnings),
        }

    def report(self) -> IdentificationReport:
        """All of it for the eye, as :func:`torch_afm.viz.plot_identification` and
        :func:`torch_afm.viz.identification_html` take it."""
        files = self._files
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        settings: dict[str, Any] = {}
        for key, value in to_dict(self.options).items():
            settings |= value if isinstance(value, dict) else {key: value}
        return IdentificationReport(
            title=f"Which molecule {Path(files[0]).name if files else 'the stack'}{more} shows",
            reference=self._reference(),
            poses=[
                ReportedPose(
                    name=answer.candidate.name,
                    smiles=answer.candidate.smiles or "",
                    probability=answer.probability,
                    evidence=answer.evidence,
                    pearson=answer.pearson,
                    atoms=answer.atoms,
                    simulated=answer.simulated,
                )
                for answer in self.answers
            ],
            none=self.none,
            others=self.others,
            sure=self.sure and self.explained,
            headline=self.verdict,
            reasons=self.reasons,
            meaning=_MEANING,
            warnings=self.prepared.warnings,
            log=self.prepared.steps,
            settings={key: value for key, value in settings.items() if value is not None},
            picture=plot_preparation(self.prepared),
        )

    @property
    def _files(self) -> list[str]:
        """The files of the scan, each once."""
        return list(dict.fromkeys(str(name) for name in self.prepared.raw.meta.get("files", ())))

    def write(self, folder: str | Path) -> list[Path]:
        """Write everything in numbers as ``identification.json``, the fitted poses in the frame of the scan
        as ``poses.sdf``, the best first, with their probabilities, and the report as ``report.html`` and
        ``report.png``.

        Args:
            folder: where to; made where it does not exist.

        Returns:
            the files.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "identification.json", self.to_dict())
        fields = [_fields(rank, answer) for rank, answer in enumerate(self.answers, start=1)]
        write_sdf(folder / "poses.sdf", [_with_orders(answer) for answer in self.answers], fields)
        report = self.report()
        plot_identification(report).savefig(folder / "report.png", dpi=110)
        write_whole(folder / "report.html", identification_html(report).encode())
        return [folder / name for name in FILES]


def _in_words(probability: float) -> str:
    if probability > 0.99:
        return "above 0.99"
    return "below 0.01" if probability < 0.01 else f"of {probability:.2f}"


def _with_orders(answer: Answer) -> AFMData:
    """The atoms in the frame of the scan, with the orders of bonds that are as long as they are, and not as
    the scanner shows them."""
    atoms = copy.copy(answer.atoms)
    atoms.bond_order, atoms.formal_charge = bond_orders(answer.pose.atoms)
    return atoms


def _fields(rank: int, answer: Answer) -> dict[str, object]:
    return {
        "name": answer.candidate.name,
        "rank": rank,
        "probability": f"{answer.probability:.4f}",
        "evidence": f"{answer.evidence:.2f}",
        "pearson": f"{answer.pearson.mean():.4f}",
    } | ({"smiles": answer.candidate.smiles} if answer.candidate.smiles else {})


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
        **bonds_to_dict(answer.atoms),
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
