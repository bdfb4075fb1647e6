"""A predicted structure, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses, symbol
from torch_afm.generation.confidence import calibrate
from torch_afm.generation.refinement import RefinementResult
from torch_afm.generation.tiles import Tile
from torch_afm.metrics import Calibration
from torch_afm.models import SearchNode, Step

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
        found = self.prediction
        return {
            "center": list(self.tile.center),
            "empty": found is None,
            "pearson": self.pearson,
            "atoms": 0 if found is None else len(found.graph.z),
            "refined": self.refined,
            "reason": None if found is None or found.refinement is None else found.refinement.reason,
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
            proposed lies on atoms there are), ``"max_atoms"`` or, of a beam, ``"search"``.
        classes: what the class probabilities stand for, *stop* among them.
        scan: the scan that the structure is imaged with.
        tip: the tip, fitted where a refinement was accepted.
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
        graph = self.graph
        ends = graph.edge_index.T.tolist()
        once = sorted((i, j, k) for k, (i, j) in enumerate(ends) if i < j)
        index = [k for *_, k in once]
        record = {
            "classes": list(self.classes.names),
            "atoms": _listed(graph, self.classes),
            "context": _listed(self.context, self.classes),
            "bonds": [[i, j] for i, j, _ in once],
            "bond_probabilities": graph.bond_probability[index].tolist(),
        }
        if "bond_order" in graph:
            record["bond_orders"] = graph.bond_order[index].tolist()
        steps = [
            {"atoms_before": len(s.graph.z), "added": len(s.added.z), "stop": s.proposal.stop}
            for s in self.steps
        ]
        return record | {"ended": self.ended, "steps": steps}


def _listed(graph: AFMData, classes: AtomClasses) -> list[dict[str, Any]]:
    atoms = []
    labels = classes.of(graph.z).tolist()
    for i, (z, label) in enumerate(zip(graph.z.tolist(), labels, strict=True)):
        atom = {"element": symbol(z), "class": classes.names[label]}
        atom |= {key: graph[key][i].tolist() for key in _ATOM_FIELDS if key in graph}
        shares = graph.class_probabilities[i].tolist()
        atoms.append(atom | {"class_probabilities": dict(zip(classes.names[1:], shares, strict=True))})
    return atoms
