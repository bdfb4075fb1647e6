"""The scores of a prediction there are, one registration each."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics.atoms.matching import BondMatch, Matching, match_atoms, match_bonds
from torch_afm.utils import InputError

#: The distance in Å at which everything else than shares of atoms is scored.
CUTOFF = 0.5

#: Keys of records and tables that are no scores of a registration.
RESERVED = (
    *("molecule", "molecules", "predictions", "atoms", "matched", "nearest", "errors", "classes", "class"),
    *("bonds", "ended", "placed", "shadowed", "failures", "calibration", "pearson", "scores", "context"),
    *("images", "missing", "extra", "count_error", "precision", "recall", "f1", "aware", "lateral", "macro"),
    *("position_error", "duplicate_share", "shadowed_recall", "open_recall"),
)

#: Sections that scores of one number a prediction stand in.
POSITIONS = "Positions of atoms matched at 0.5 Å, in Å"
GRAPHS = "Bonds and graphs"
SEQUENCES = "Sequences"

F = TypeVar("F", bound=Callable[..., float | None])


@dataclass(frozen=True)
class Case:
    """A prediction beside the truth, and what scores may take of it.

    Args:
        prediction: what was predicted.
        truth: the visible atoms, in the same frame.
        classes: the classes to distinguish.
        ended: how the generation ended.
        sequence: positions in Å of all atoms in the order of placing.
        steps: passes through the network.
        seconds: that the prediction took.

    Shapes:
        sequence ``[S, 3]``.
    """

    prediction: AFMData
    truth: AFMData
    classes: AtomClasses
    ended: str
    sequence: Tensor
    steps: int | None = None
    seconds: float | None = None

    @cached_property
    def labels(self) -> tuple[Tensor, Tensor]:
        """Class of each predicted and of each true atom."""
        return self.classes.of(self.prediction.z), self.classes.of(self.truth.z)

    @cached_property
    def matching(self) -> Matching:
        """Pairs within :data:`CUTOFF`, one to one, blind to elements."""
        return match_atoms(self.prediction.pos, self.truth.pos, CUTOFF)

    @cached_property
    def bonds(self) -> BondMatch:
        """Predicted bonds beside the true ones, by these pairs."""
        return match_bonds(self.prediction.edge_index, self.truth.edge_index, self.matching)


#: What a score may take, by name.
ARGUMENTS = (*Case.__dataclass_fields__, "labels", "matching", "bonds")


@dataclass(frozen=True)
class Score:
    """A number of each prediction, reported as its mean over predictions.

    Args:
        name: its key in records and tables.
        function: takes those of :data:`ARGUMENTS` that it names; ``None`` where it is not defined.
        title: heading of its row.
        unit: empty for none.
        better: ``"lower"`` or ``"higher"``, ``None`` for neither.
        section: of the table.
        digits: after the point.
    """

    name: str
    function: Callable[..., float | None]
    title: str
    unit: str = ""
    better: Literal["lower", "higher"] | None = None
    section: str = "Other scores"
    digits: int = 3

    def __call__(self, case: Case) -> float | None:
        """The score of one prediction."""
        names = inspect.signature(self.function).parameters
        value = self.function(**{name: getattr(case, name) for name in names})
        return None if value is None else float(value)


#: Every score by name, in the order of tables.
SCORES: dict[str, Score] = {}


def score(
    name: str,
    title: str | None = None,
    *,
    unit: str = "",
    better: Literal["lower", "higher"] | None = None,
    section: str = Score.section,
    digits: int = Score.digits,
) -> Callable[[F], F]:
    """Register a function of a predicted and a true graph as a score: :class:`MoleculeMetrics` then has it of
    each prediction, its mean and interval, and a row in its tables:

    .. code-block:: python

        @score("rmsd", unit="Å", better="lower")
        def rmsd(prediction, truth, matching):
            if len(matching.pred):
                return float(matching.distance.square().mean().sqrt())

    The function is called with those of :data:`ARGUMENTS` that it names, and returns a number, or ``None``
    where it is not defined.

    Args:
        name: its key in records and tables.
        title: heading of its row; default the name.
        unit: empty for none.
        better: which numbers are better.
        section: of the table.
        digits: after the point.

    Raises:
        InputError: for a name that is taken, or a function with an argument that is not known.
    """

    def register(function: F) -> F:
        if name in SCORES or name in RESERVED:
            raise InputError(f"name: expected one that is free, got {name!r}")
        unknown = [p for p in inspect.signature(function).parameters if p not in ARGUMENTS]
        if unknown:
            raise InputError(
                f"function: expected arguments out of {', '.join(ARGUMENTS)}, got {', '.join(unknown)}"
            )
        SCORES[name] = Score(name, function, title or name, unit, better, section, digits)
        return function

    return register
