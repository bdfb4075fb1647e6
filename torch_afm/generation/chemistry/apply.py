"""All of the chemistry at once, each piece on or off."""

from __future__ import annotations

from dataclasses import dataclass

from ase.calculators.calculator import BaseCalculator

from torch_afm.data import AFMData, covalent_bonds
from torch_afm.generation.chemistry.relax import Relaxed, relax
from torch_afm.generation.chemistry.sanitise import sanitise
from torch_afm.utils import InputError


@dataclass(frozen=True)
class Chemistry:
    """What to do with a graph that was found; by default bonds are checked and nothing moves.

    Args:
        bonds: ``"keep"``, or ``"perceive"``: anew, by distance (:func:`torch_afm.data.covalent_bonds`).
        sanitise: drop bonds that break a valence and tell the orders of the others.
        relax: ``"none"``, or the force field of :func:`relax`: ``"auto"``, ``"mmff94"``, ``"uff"``.
        restraint: how found atoms are held meanwhile: ``"harmonic"``, ``"fixed"``, ``"none"``.
        sigma: standard deviation of positions in Å where the graph tells none.
    """

    bonds: str = "keep"
    sanitise: bool = True
    relax: str = "none"
    restraint: str = "harmonic"
    sigma: float = 0.1

    def __post_init__(self) -> None:
        if self.bonds not in ("keep", "perceive"):
            raise InputError(f"bonds: expected 'keep' or 'perceive', got {self.bonds!r}")
        if self.relax not in ("none", "auto", "mmff94", "uff"):
            raise InputError(f"relax: expected 'none', 'auto', 'mmff94' or 'uff', got {self.relax!r}")


@dataclass(frozen=True)
class Improved:
    """A graph after its chemistry.

    Args:
        graph: the graph.
        relaxed: how it was relaxed, if it was.
    """

    graph: AFMData
    relaxed: Relaxed | None


def improve(
    graph: AFMData, settings: Chemistry | None = None, calculator: BaseCalculator | None = None
) -> Improved:
    """Do to a graph what the settings say, in the order: bonds, sanitising, relaxation.

    Args:
        graph: ``z``, ``pos`` [Å], ``edge_index``, and what else the network tells.
        settings: what to do.
        calculator: any ASE calculator, to relax with in place of the force field of the settings.

    Raises:
        InputError: as :func:`relax`.
    """
    used = settings or Chemistry()
    if used.bonds == "perceive":
        graph = graph.clone()
        graph.edge_index = covalent_bonds(graph.z, graph.pos)
        if "bond_probability" in graph:
            del graph.bond_probability
    if used.sanitise:
        graph = sanitise(graph)
    if used.relax == "none" and calculator is None:
        return Improved(graph, None)
    done = relax(graph, calculator or used.relax, used.restraint, used.sigma)
    return Improved(done.graph, done)
