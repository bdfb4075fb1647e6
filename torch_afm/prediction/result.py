"""A predicted structure, and how it came about."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses, symbol
from torch_afm.functional import pearson
from torch_afm.metrics import Calibration
from torch_afm.metrics.calibration import Platt
from torch_afm.models import SearchNode, Step
from torch_afm.models.pretrained import weights_folder
from torch_afm.prediction.refinement import RefinementResult
from torch_afm.prediction.tiles import Tile

#: Name of the file beside the weights.
FILE = "calibration.json"


def load_calibration(weights: str | Path) -> Calibration:
    """The calibration beside the weights of a name or folder; where there is none, one that changes
    nothing.

    Raises:
        InputError: for a file that holds none.
    """
    file = weights_folder(weights) / FILE
    return Calibration.load(file) if file.exists() else Calibration()


def calibrate(graph: AFMData, calibration: Calibration) -> AFMData:
    """The graph with corrected probabilities of its atoms and bonds, and standard deviations.

    Args:
        graph: with ``confidence``, ``class_probabilities``, ``bond_probability`` and, where the network gives
            it, ``sigma``, as a :class:`torch_afm.prediction.Prediction` has it.
        calibration: of the network.
    """
    graph = copy.copy(graph)
    graph.confidence = _corrected(calibration.atom, graph.confidence)
    graph.bond_probability = _corrected(calibration.bond, graph.bond_probability)
    graph.class_probabilities = _classes(calibration.label, graph.class_probabilities)
    if "sigma" in graph:
        graph.sigma = graph.sigma * graph.sigma.new_tensor(calibration.sigma)
    return graph


def mean_pearson(simulated: Tensor, reference: Tensor) -> float:
    """Pearson's r of a simulated stack with the reference, the mean of the slices.

    Shapes:
        both ``[1, 1, Z, Y, X]``.
    """
    return float(pearson(simulated.cpu(), reference.cpu()).mean())


def _corrected(platt: Platt, p: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(platt(p.double().numpy()))).to(p.dtype)


def _classes(platt: Platt, p: Tensor) -> Tensor:
    """The probability of the most probable class corrected, the rest in the same proportions, or in equal
    parts where there was no rest."""
    if not p.numel():
        return p
    best, label = p.max(dim=1, keepdim=True)
    wanted = _corrected(platt, best)
    rest = p * ((1 - wanted) / (1 - best).clamp(min=1e-9))
    rest = torch.where(best < 1, rest, (1 - wanted) / max(p.size(1) - 1, 1))
    return rest.scatter(1, label, wanted)


#: What is known of an atom, beside its element and class: key of the graph.
_ATOM_FIELDS = ("pos", "sigma", "confidence")


@dataclass(frozen=True)
class Window:
    """What one window of a scan shows.

    Args:
        tile: where it lies.
        prediction: in its own frame; ``None`` for a window without contrast.
        pearson: Pearson's r of its image, with the tip and height that were fitted, and of its part of the
            scan, mean of the slices.
    """

    tile: Tile
    prediction: Prediction | None
    pearson: float

    @property
    def refined(self) -> bool:
        """Whether a refinement was accepted."""
        return self.prediction is not None and self.prediction.refined

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, without the structure."""
        prediction = self.prediction
        return {
            "center": list(self.tile.center),
            "empty": prediction is None,
            "pearson": self.pearson,
            "atoms": 0 if prediction is None else len(prediction.graph.z),
            "refined": self.refined,
            "reason": None
            if prediction is None or prediction.refinement is None
            else prediction.refinement.reason,
        }


@dataclass(frozen=True)
class Prediction:
    """A predicted structure, and how it came about.

    Args:
        graph: the structure above the surface cut: ``z``, ``pos`` [Å], ``charge`` [e], ``edge_index``,
            ``bond_probability``, ``class_probabilities`` (without *stop*), ``confidence``, ``sigma`` [Å]
            where the network or a refinement gives it, and ``bond_order`` once chemistry was applied.
        context: atoms found below the surface cut, in the same form, without bonds to ``graph``.
        steps: every pass through the network. The last one shows all atoms, context included, with all bonds,
            and added nothing; after a refinement that was accepted, those with the fitted tip, height and
            charges. Empty for a prediction without a network.
        ended: ``"stop"`` (the network decided so, or proposed nothing more), ``"repeat"`` (all that it
            proposed lies on atoms there are), ``"max_atoms"``, ``"passes"`` (each of as many as there may be
            added something) or, of a beam, ``"search"``.
        classes: what the class probabilities stand for, *stop* among them.
        scan: the scan that the structure is imaged with.
        tip: the tip, fitted where a refinement was accepted, or fitted the instrument.
        z_top: first anchor height in Å, likewise.
        refinement: what the refinement did, where there was one.
        search: all graphs that a beam search tried, in order.
        windows: of a scan, what each window of the network's size shows.
        outside: of a scan, how many atoms, context included, were left out for they lay outside of it.

    Shapes:
        of the graphs: class_probabilities ``[N, K]``, confidence ``[N]``, sigma ``[N, 3]``, bond_probability
        and bond_order ``[E]``.
    """

    graph: AFMData
    context: AFMData
    steps: list[Step]
    ended: str
    classes: AtomClasses
    scan: Scan
    tip: Tip
    z_top: float
    refinement: RefinementResult | None = None
    search: tuple[SearchNode, ...] = ()
    windows: tuple[Window, ...] = ()
    outside: int = 0

    @property
    def simulated(self) -> Tensor:
        """Simulated stack of all atoms, context included, in Hz, ``[1, 1, Z, Y, X]``."""
        return self.steps[-1].simulated

    @property
    def parts(self) -> tuple[Prediction, ...]:
        """What it was stitched of: the predictions of its windows; itself where there are none."""
        if not self.windows:
            return (self,)
        return tuple(window.prediction for window in self.windows if window.prediction is not None)

    @property
    def refined(self) -> bool:
        """Whether a refinement was accepted: positions and their standard deviations are its."""
        one = self.refinement is not None and self.refinement.accepted
        return one or any(window.refined for window in self.windows)

    def calibrated(self, calibration: Calibration) -> AFMData:
        """``graph`` with calibrated ``confidence``, ``class_probabilities``, ``bond_probability`` and
        ``sigma``; the standard deviations of refined atoms stay as they are.

        Args:
            calibration: that of the network.
        """
        graph = calibrate(self.graph, calibration)
        if self.refined and "sigma" in graph:
            graph.sigma = self.graph.sigma
        return graph

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, without stacks and maps; bonds are listed once, lower index first, with
        their orders where these are known."""
        record = {
            "classes": list(self.classes.names),
            "atoms": list_atoms(self.graph, self.classes),
            "context": list_atoms(self.context, self.classes),
            **bonds_to_dict(self.graph),
        }
        steps = [
            {"atoms_before": len(s.graph.z), "added": len(s.added.z), "stop": s.proposal.stop}
            for s in self.steps
        ]
        return record | {"ended": self.ended, "steps": steps}


def bonds_to_dict(graph: AFMData) -> dict[str, Any]:
    """The bonds of a graph, each once and the lower index first, with their probabilities and orders where
    these are known, as plain numbers for JSON.

    Args:
        graph: a graph with ``edge_index`` ``[2, E]``, both directions of each bond.
    """
    ends = graph.edge_index.T.tolist()
    once = sorted((i, j, k) for k, (i, j) in enumerate(ends) if i < j)
    index = [k for *_, k in once]
    record: dict[str, Any] = {"bonds": [[i, j] for i, j, _ in once]}
    for key, name in (("bond_probability", "bond_probabilities"), ("bond_order", "bond_orders")):
        if key in graph:
            record[name] = graph[key][index].tolist()
    return record


def list_atoms(graph: AFMData, classes: AtomClasses) -> list[dict[str, Any]]:
    """The atoms of a predicted graph with what is known of each, as plain numbers for JSON."""
    atoms = []
    labels = classes.index_of(graph.z).tolist()
    for i, (z, label) in enumerate(zip(graph.z.tolist(), labels, strict=True)):
        atom = {"element": symbol(z), "class": classes.names[label]}
        atom |= {key: graph[key][i].tolist() for key in _ATOM_FIELDS if key in graph}
        shares = graph.class_probabilities[i].tolist()
        atoms.append(atom | {"class_probabilities": dict(zip(classes.names[1:], shares, strict=True))})
    return atoms
