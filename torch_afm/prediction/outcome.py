"""The structure that a scan shows, with all that is known of how it was found; and its files."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from torch_afm import __version__
from torch_afm.config import to_dict
from torch_afm.config.prediction import PredictOptions
from torch_afm.io import AFMStack, write_sdf, write_stack, write_xyz
from torch_afm.io.files import write_json
from torch_afm.io.structures import write_cif
from torch_afm.prediction.answers import Answer
from torch_afm.prediction.preparation import ChosenScan
from torch_afm.prediction.refinement import Scanner
from torch_afm.prediction.result import Prediction
from torch_afm.prediction.rotations import Rotations
from torch_afm.prediction.verdict import Verdict
from torch_afm.utils import InputError
from torch_afm.viz import (
    PredictionReport,
    plot_answers,
    plot_generation,
    plot_preparation,
    plot_report,
    write_report,
)

#: Everything that :meth:`ScanPrediction.write` may write: none of it stays from an earlier prediction.
FILES = (
    *("prediction.xyz", "prediction.sdf", "prediction.json", "prediction.png", "prediction.cif"),
    *("context.xyz", "microscope.xyz", "report.html", "report.png", "preparation.png"),
    *("scan.npz", "simulated.npz", "answers.sdf"),
)

#: Files that are not always written.
_OPTIONAL = ("prediction.cif", "context.xyz", "microscope.xyz", "answers.sdf")

#: Probability from which an atom counts as sure.
_SURE = 0.9


@dataclass(frozen=True, kw_only=True)
class ScanPrediction(Prediction):
    """What :func:`torch_afm.predict` returns: the structure that a scan shows, in the frame of the scan, with
    calibrated probabilities; ``windows`` hold what it was stitched of.

    Args:
        sources: files, folders or patterns of the scan; none for a stack in memory.
        weights: name or folder of the network's weights.
        options: what was asked for.
        chosen: the scan as the network was shown it, and what was tried.
        reference: its stack.
        rotations: what was found in the scan as it is and turned.
        verdict: whether the structure explains the scan.
        log: what was done, name and text.
        warnings: what may be wrong.
        answers: several structures that it may be, the most probable first, this one; none where they were
            not asked for.
    """

    sources: tuple[str, ...]
    weights: str
    options: PredictOptions
    chosen: ChosenScan
    reference: AFMStack
    rotations: Rotations
    verdict: Verdict
    log: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    answers: tuple[Answer, ...] = ()

    @property
    def title(self) -> str:
        """What was predicted, in words."""
        more = f" and {len(self.sources) - 1} more" if len(self.sources) > 1 else ""
        name = Path(self.sources[0]).name + more if self.sources else "a stack"
        return f"Structure of {self.reference.meta.get('molecule') or name}"

    def write(self, folder: str | Path) -> list[Path]:
        """Write the structure as ``prediction.xyz``, ``.sdf`` and, where a cell is known, ``.cif``, atoms
        below the surface cut as ``context.xyz``, where the frame of the scan is turned or counts from another
        place the structure in the coordinates of the microscope as ``microscope.xyz``, everything in numbers
        as ``prediction.json``, the report as ``report.html`` and ``.png``, the steps of the generation as
        ``prediction.png``, the scan before and after its preparation as ``preparation.png``, and as
        ``scan.npz`` and ``simulated.npz`` what the network was shown and the image of the structure. Several
        answers are, with their weights, ``answers.sdf``: molecules completed by hydrogens, whose numbers are
        in ``completed``. What an earlier prediction left there goes.

        Args:
            folder: where to; made where it does not exist.

        Returns:
            the files.

        Raises:
            InputError: where they would overwrite the scan or become a part of it.
        """
        folder = Path(folder)
        check_folder(self.sources, folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        write_json(folder / "prediction.json", self.to_dict())
        write_xyz(folder / "prediction.xyz", self.graph)
        write_sdf(folder / "prediction.sdf", self.graph)
        if len(self.context.z):
            write_xyz(folder / "context.xyz", self.context)
        if self.answers:
            write_sdf(
                folder / "answers.sdf",
                [answer.molecule for answer in self.answers],
                [answer.fields(k) for k, answer in enumerate(self.answers, start=1)],
            )
        frame = self.chosen.prepared.stack
        if frame.meta.get("angle") or "origin" in frame.meta:
            moved = torch.from_numpy(frame.microscope_positions(self.graph.pos.numpy()))
            graph = copy.copy(self.graph)
            graph.pos = moved
            write_xyz(folder / "microscope.xyz", graph)
        cell = self.cell
        if cell is not None and len(self.graph.z):
            write_cif(folder / "prediction.cif", self.graph, cell)
        plot_generation(self.graph, self.steps, self.reference, self.ended, self.context).savefig(
            folder / "prediction.png", dpi=120
        )
        plot_preparation(self.chosen.prepared).savefig(folder / "preparation.png", dpi=100)
        report = self.report()
        write_report(folder / "report.html", report)
        plot_report(report).savefig(folder / "report.png", dpi=110)
        write_stack(folder / "scan.npz", self._recorded_scan())
        ref = self.reference
        simulated = AFMStack(self.simulated[0].numpy(), ref.x, ref.y, ref.z, {"unit": "Hz"})
        write_stack(folder / "simulated.npz", simulated)
        return [folder / name for name in FILES if name not in _OPTIONAL or (folder / name).exists()]

    def _recorded_scan(self) -> AFMStack:
        """The reference with what is known of its scan, tip and height: what was stated, else what was
        fitted."""
        tip = self.chosen.prepared.stack.tip or self.tip
        z_top = self.z_top if self.chosen.guessed else self.chosen.z_top
        known = {"scan": to_dict(self.scan), "tip": to_dict(tip), "z_top": z_top}
        return dataclasses.replace(self.reference, meta=self.reference.meta | known)

    @property
    def cell(self) -> Sequence[Sequence[float]] | None:
        """Lattice vectors of the surface ``[[ax, ay], [bx, by]]`` in Å, given or of a simulated stack; else
        ``None``."""
        stated = self.reference.meta.get("cell")
        if self.options.cell is not None or not isinstance(stated, list):
            return self.options.cell
        return [row[:2] for row in stated[:2]]

    def report(self) -> PredictionReport:
        """All of it for the eye, as :func:`torch_afm.viz.write_report` takes it."""
        sure = int((self.graph.confidence >= _SURE).sum())
        deep = len(self.context.z)
        below = f" Its image is that of {deep} atoms below the surface cut, too." if deep else ""
        return PredictionReport(
            title=self.title,
            graph=self.graph,
            context=self.context,
            reference=self.reference,
            simulated=self.simulated[0, 0].numpy(),
            status=self.verdict.status,
            headline=self.verdict.headline,
            classes=self.classes.names[1:],
            doubtful=self.verdict.doubtful,
            doubtful_elements=self.verdict.doubtful_elements,
            reasons=self.verdict.reasons,
            summary=f"{len(self.graph.z)} atoms, {sure} of them with a probability of at least {_SURE} that "
            f"there is an atom, of whatever element.{below} {self.verdict.meaning}",
            unit=self.reference.unit,
            warnings=self.warnings,
            log=self.log,
            settings=self._settings(),
            support=self.rotations.support,
            picture=plot_preparation(self.chosen.prepared),
            answers=self._plot_answers(),
        )

    def _plot_answers(self) -> Figure | None:
        graphs, weights = ([getattr(a, key) for a in self.answers] for key in ("graph", "weight"))
        return plot_answers(self.reference, graphs, weights) if self.answers else None

    def _settings(self) -> dict[str, Any]:
        """Options that are set, by name."""
        settings: dict[str, Any] = {"scan": self._source(), "weights": self.weights}
        for key, value in to_dict(self.options).items():
            settings |= value if isinstance(value, dict) else {key: value}
        return {key: value for key, value in settings.items() if value is not None}

    def _source(self) -> str | list[str] | None:
        return list(self.sources) if len(self.sources) > 1 else next(iter(self.sources), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, the content of ``prediction.json``: the structure with calibrated
        probabilities; ``imaging``, what it was imaged with: ``z_top`` [Å] and ``tip``, fitted where a
        refinement was accepted, ``scan`` and ``unit``; ``agreement`` of its image, as
        :meth:`torch_afm.prediction.Verdict.to_dict` has it; and ``scan``, what was tried and done."""
        refined = self.refined
        return {
            "version": __version__,
            "stack": self._source(),
            "weights": self.weights,
            "options": to_dict(self.options),
            **super().to_dict(),
            "imaging": {
                "z_top": self.z_top,
                "tip": to_dict(self.tip),
                "scanner": dataclasses.asdict(
                    Scanner() if self.refinement is None else self.refinement.scanner
                ),
                "scan": to_dict(self.scan),
                "unit": self.reference.unit,
            },
            "agreement": self.verdict.to_dict(),
            **({"answers": [a.to_dict(self.classes) for a in self.answers]} if self.answers else {}),
            "scan": {
                "tried": [attempt.to_dict() for attempt in self.chosen.attempts],
                "cover": self.chosen.cover,
                "z_top": self.z_top,
                "z_top_shift": self.z_top - self.chosen.z_top if refined else None,
                "windows": [window.to_dict() for window in self.windows],
                "outside": self.outside,
                "rotations": self.rotations.to_dict(),
                "log": [list(entry) for entry in self.log],
                "warnings": list(self.warnings),
            },
        }

    def describe(self) -> str:
        """Lines for a terminal."""
        n, bonds, deep = len(self.graph.z), self.graph.edge_index.size(1) // 2, len(self.context.z)
        below = f", and {deep} below the surface cut (context.xyz)" if deep else ""
        passes = sum(len(part.steps) for part in self.parts)
        lines = [f"{name:<10} {text}" for name, text in self.log]
        lines.append(f"generated  {n} atoms, {bonds} bonds in {passes} steps{below}, ended: {self.ended}")
        lines.append(self.verdict.describe())
        return "\n".join([*lines, *(f"warning    {warning}" for warning in self.warnings)])


def check_folder(sources: Sequence[str | Path], folder: str | Path) -> None:
    """Raise :class:`InputError` where the files of a prediction would overwrite those of the scan, or be
    taken for a part of it."""
    scans, out = {Path(source).resolve() for source in sources}, Path(folder).resolve()
    if scans & {out, *(out / name for name in FILES)}:
        raise InputError(f"folder: expected another one than that of the scan, got {folder}")
