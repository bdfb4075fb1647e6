"""The base class of generators, and the proposals and steps that they make."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Module

from torch_afm.config.generators import GeneratorConfig
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses, symbol
from torch_afm.models.pretrained import Pretrained
from torch_afm.utils import InputError

#: Atoms closer than this, in Å, are one.
MIN_DISTANCE = 0.5


@dataclass(frozen=True)
class Revision:
    """What a network makes of the atoms that a graph has.

    Args:
        pos: where they are, in Å.
        real: probability that each is there at all.
        pairs: pairs of them that may be bonded, lower index first.
        bonds: probability of each of these bonds.

    Shapes:
        pos ``[N, 3]``, real ``[N]``, pairs ``[2, E]``, bonds ``[E]``.
    """

    pos: Tensor
    real: Tensor
    pairs: Tensor
    bonds: Tensor


@dataclass(frozen=True)
class Proposal:
    """What a network proposes for one graph, beside the reference. All tensors are on the CPU.

    Args:
        atoms: missing atoms, most confident first: ``z``, ``pos`` [Å], ``charge`` (0 e),
            ``class_probabilities`` (without *stop*), ``confidence`` (the probability that there is one) and,
            where the network gives them, ``sigma``, standard deviations of x, y, z in Å.
        stop: probability that no visible atom is missing.
        done: whether the network decides that none is.
        bonds: probability of a bond from each of ``atoms`` to each atom of the graph, where the network gives
            it.
        revised: the atoms that are there already; ``None`` for a network that does not revise them.
        maps: for pictures, the probability of a missing atom at each pixel of the scan, in K layers.

    Shapes:
        of ``atoms``: class_probabilities ``[M, K]``, confidence ``[M]``, sigma ``[M, 3]``; bonds ``[M, N]``,
        maps ``[K, Y, X]``.
    """

    atoms: AFMData
    stop: float
    done: bool
    bonds: Tensor | None = None
    revised: Revision | None = None
    maps: Tensor | None = None


@dataclass(frozen=True)
class Step:
    """One pass of a generation: a graph, its image, what the network proposed, and what was added.

    Args:
        graph: the graph so far, context included.
        simulated: its simulated stack in Hz.
        proposal: what the network made of both.
        added: the atoms that were appended.

    Shapes:
        simulated ``[1, 1, Z, Y, X]``.
    """

    graph: AFMData
    simulated: Tensor
    proposal: Proposal
    added: AFMData

    @property
    def refused(self) -> Tensor:
        """Positions ``[R, 3]`` in Å of proposed atoms that ended the generation in place of being added; none
        where the network revises its atoms, and no single one ends it."""
        proposal = self.proposal
        ended = not len(self.added.z) and not proposal.done and proposal.revised is None
        return proposal.atoms.pos if ended else proposal.atoms.pos[:0]

    @property
    def decision(self) -> str:
        """The decision of the step in a few letters."""
        atoms = self.added.z if len(self.added.z) else self.proposal.atoms.z[: len(self.refused)]
        if not len(atoms):
            return f"stop {self.proposal.stop:.2f}"
        counts = Counter(symbol(z) for z in atoms.tolist())
        return "→ " + " ".join(f"{n} {element}" for element, n in sorted(counts.items()))


@dataclass(frozen=True)
class SearchNode:
    """A graph that a search tried.

    Args:
        parent: number of the node that it was made of; -1 for the empty graph.
        move: what was done to that one.
        atoms: its atoms, context included.
        likelihood: log-probability of the graph by the network.
        distance: how far its image is from the reference (:func:`torch_afm.prediction.image_distance`).
        score: both together.
        taken: whether it is the result, or on the way to it.
    """

    parent: int
    move: str
    atoms: int
    likelihood: float
    distance: float
    score: float
    taken: bool = False


class Generator(Pretrained, ABC):
    """A network that proposes the atoms that a graph lacks. A subclass is a complete one: it is registered
    under its name, by which saved weights are loaded (:func:`torch_afm.models.load_generator`), and every
    search, prediction, evaluation and training takes it.

    Attributes:
        Config: class of its settings, a :class:`torch_afm.config.GeneratorConfig`.
        LossConfig: dataclass of the settings of its loss.
        config: its settings.
        classes: its atom classes.
        confidence: confidence from which a search accepts a proposed atom at once.
        sequential: whether it proposes one atom a step: its output is a
            :class:`torch_afm.nn.StepPrediction`, and tables of single-atom steps can be made of it.
        whole_scan: whether it reads a scan of any size, and of fewer slices than its own, in one pass, and
            compares it with images at one nominal height, wherever the tip was; others read windows of their
            own size.
    """

    Config: ClassVar[type[GeneratorConfig]]
    LossConfig: ClassVar[type]
    confidence: ClassVar[float] = 0.5
    sequential: ClassVar[bool] = False
    whole_scan: ClassVar[bool] = False
    registry: ClassVar[dict[str, type[Generator]]] = {}

    config: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = Generator.registry.setdefault(cls.__name__, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{cls.__name__}: {known.__module__} has a generator of this name already")
        Generator.registry[cls.__name__] = cls

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.classes = AtomClasses(config.groups)

    @abstractmethod
    def propose(self, graphs: Sequence[AFMData], views: int = 1) -> list[Proposal]:
        """A proposal for each graph. All graphs pass through the network at once; it is in evaluation mode,
        and no gradient is wanted.

        Args:
            graphs: graphs with ``z``, ``pos``, ``edge_index`` and normalized stacks ``reference`` and
                ``simulated`` ``[1, 1, Z, Y, X]``.
            views: symmetric images of each graph that its proposal is the mean of; one of ``self.views``.
        """

    @abstractmethod
    def make_loss(self, config: Any = None) -> Module:
        """The loss that trains it: a module that takes the network's output and the batch, and gives a named
        tuple of terms, among them ``total``.

        Args:
            config: settings of class ``LossConfig``; its defaults by default.
        """

    @property
    def views(self) -> tuple[int, ...]:
        """Numbers of symmetric views that a proposal can be the mean of; a search uses the last by
        default."""
        return (1,)

    @property
    def z_targets(self) -> float:
        """Depth in Å down to which atoms are predicted."""
        return float(self.config.z_targets)

    @property
    def has_context(self) -> bool:
        """Whether atoms below the surface cut are predicted, too, as context of the answer."""
        return self.z_targets < self.config.z_min

    def check_views(self, views: int | None) -> int:
        """``views``, or the default for ``None``.

        Raises:
            InputError: for a number of views that the network cannot do.
        """
        if views is None:
            return self.views[-1]
        if views not in self.views:
            known = " or ".join(map(str, self.views))
            raise InputError(f"views: expected {known} of this {type(self).__name__}, got {views}")
        return views

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients; the mode is restored afterwards."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.train(training)
