"""Random draws of training steps, kept as JSON and replayed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.config.training import COPIES
from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets.measured import place_in_scan
from torch_afm.datasets.nuisances import Measurement, Nuisances
from torch_afm.datasets.slabs import MARGIN
from torch_afm.elements import AtomClasses
from torch_afm.symmetry import Symmetry, window_symmetries
from torch_afm.transforms import Augment, RandomMutant, RandomTip, Turn, visible_atoms
from torch_afm.transforms.base import Drawn, Steps
from torch_afm.utils import InputError

#: What stacks image of atoms: keys that these have, but ``dipole``, which they may have.
IMAGED = ("z", "pos", "charge", "dipole")

#: Depth in Å of the atoms of which a measurement shows one at least.
_CLEAR = -1.0

#: The move of a nominal tip.
_NOMINAL: Drawn = {"tilt": [0.0, 0.0], "distance": 0.0}

#: What is drawn for a partial graph.
_MUTANT = ("removed", "misplaced", "extra", "seed")


@dataclass(frozen=True)
class StackDraw:
    """What was drawn for one stack.

    Args:
        tip: the move of the tip, as :class:`~torch_afm.transforms.RandomTip` draws it.
        steps: the changes of the normalized stack in their order: name and parameters.
    """

    tip: Drawn
    steps: Steps


@dataclass(frozen=True)
class StepDraw:
    """All that was drawn for a training step.

    Args:
        group: the number of the oriented molecule in its source.
        frame: changes of both stacks and the graph together: name and parameters.
        reference: what was drawn for the stack of the whole molecule.
        mutant: which visible atoms are removed, and how those left are misplaced, as
            :class:`~torch_afm.transforms.RandomMutant` draws it.
        simulated: what was drawn for the stack of the partial graph.
        measurement: how the stack of the whole molecule is measured, where that is drawn.
    """

    group: int
    frame: Steps
    reference: StackDraw
    mutant: Drawn
    simulated: StackDraw
    measurement: Measurement | None = None

    @cached_property
    def reference_key(self) -> str:
        """The same for all steps of a data set that share their reference stack."""
        return json.dumps([self._measured, self.frame, self.reference.tip, self.reference.steps])

    @cached_property
    def render_keys(self) -> tuple[str, str]:
        """The same for all steps of a data set whose raw stacks, before changes of the frame, normalization
        and augmentations, are the same: that of the whole molecule, and that of the partial graph."""
        measured, reference, simulated = self._measured, self.reference.tip, self.simulated.tip
        return json.dumps([measured, reference]), json.dumps([measured, self.mutant, simulated])

    @property
    def _measured(self) -> list[Any]:
        """What decides which molecule there is, and where."""
        return [self.group] if self.measurement is None else [self.group, self.measurement.key]

    def to_json(self) -> str:
        """What :meth:`from_json` reads, without rounding a number."""
        record = {"group": self.group, "frame": self.frame, "reference": vars(self.reference)}
        record |= {**self.mutant, "simulated": vars(self.simulated)}
        if self.measurement is not None:
            record["measurement"] = self.measurement.record
        return json.dumps(record)

    @classmethod
    def from_json(cls, text: str) -> StepDraw:
        """The draw that a sample keeps as ``drawn``.

        Raises:
            InputError: for a text that is none.
        """
        try:
            record: dict[str, Any] = json.loads(text)
            return cls(
                group=int(record["group"]),
                frame=record["frame"],
                reference=StackDraw(**record["reference"]),
                mutant={key: record[key] for key in _MUTANT if key in record},
                simulated=StackDraw(**record["simulated"]),
                measurement=(
                    Measurement.from_dict(record["measurement"]) if "measurement" in record else None
                ),
            )
        except (ValueError, TypeError, KeyError):
            raise InputError(f"drawn: expected what a sample kept, got {str(text)[:80]!r}") from None


@dataclass(frozen=True)
class StepDraws:
    """How training steps are drawn (the graph-AFM thesis, Aalto University (see CITATION.cff), sections 2.3
    and 4.3).

    Each sample is drawn from (seed, epoch, index) alone. The ``mutants`` partial graphs of one molecule
    share, in each epoch, their reference stack with its tip and augmentations, and the changes of the frame;
    the removed atoms, and the tip and augmentations of the simulated stack, are drawn for each.

    The ``copies`` of a pair of stacks are its mirror images and quarter turns, all different: whatever costs
    most, molecule, tips and removed atoms, is drawn once for them, and rendered once; the augmentations, and
    other changes of the frame, are drawn for each. The copies with the same number of the mutants of one
    molecule have the same symmetry, and share their reference stack.

    Args:
        z_min: depth of the surface cut in Å, the top atom being at z = 0.
        classes: classes of the network to train.
        mutants: partial graphs that share a reference stack.
        copies: symmetric copies of each pair of stacks: 1, 2, 4 or 8, 8 in a square window alone.
        mutant: distribution of the removed atoms and of the errors of those left.
        tip: distribution of the tips of both stacks.
        augment: the augmentations; ``Augment(stack=())`` for none but the tip's.
        nuisances: how reference stacks are measured; simulated ones are nominal then, without augmentations,
            and of ``tip`` and ``augment`` the changes of the frame alone count. By default both stacks are
            nominal but for ``tip`` and ``augment``.
        keep_deep: image the partial graph with the atoms below ``z_min``, which prediction cannot know.
        true_elements: image the partial graph with true elements, charges and dipoles, which prediction
            cannot know.
        seed: seed of everything drawn.

    Raises:
        InputError: for fewer than one of ``mutants``, another number of ``copies``, and a
            :class:`~torch_afm.transforms.Turn` beside copies, with which they would be no longer different.
    """

    z_min: float = -0.7
    classes: AtomClasses = field(default_factory=AtomClasses)
    mutants: int = 1
    copies: int = 1
    mutant: RandomMutant = field(default_factory=RandomMutant)
    tip: RandomTip = field(default_factory=RandomTip)
    augment: Augment = field(default_factory=Augment)
    nuisances: Nuisances | None = None
    keep_deep: bool = False
    true_elements: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mutants < 1:
            raise InputError(f"mutants: expected at least 1, got {self.mutants}")
        if self.copies not in COPIES:
            raise InputError(f"copies: expected one of {COPIES}, got {self.copies}")
        if self.copies > 1 and any(isinstance(one, Turn) for one in self.augment.frame):
            raise InputError("augment: expected no Turn beside copies, which are turned, got one")

    @property
    def group_size(self) -> int:
        """Samples of one oriented molecule."""
        return self.mutants * self.copies

    def scan(self, scan: Scan) -> Scan:
        """The scan of finished stacks, from that of the rendered ones.

        Raises:
            InputError: for augmentations and copies that do not suit the scan.
        """
        if self.copies > len(window_symmetries(scan)):
            raise InputError(
                f"copies: expected at most 4 of a window that is no square, got {self.copies} of "
                f"{scan.pixels} pixels on {scan.window} Å"
            )
        return self.augment.scan(scan)

    def draw(
        self, keys: Sequence[tuple[int, int]], molecules: Sequence[AFMData], scan: Scan
    ) -> list[StepDraw]:
        """All that is random about the samples ``(epoch, index)`` of oriented ``molecules`` imaged by
        ``scan``."""
        shape = self.scan(scan).shape
        shared: dict[tuple[int, int, int], tuple[Steps, StackDraw]] = {}
        measured: dict[tuple[int, int], tuple[Measurement | None, AFMData]] = {}
        draws = []
        for (epoch, index), molecule in zip(keys, molecules, strict=True):
            pair, copy = divmod(index, self.copies)
            group = pair // self.mutants
            if (epoch, group) not in measured:
                measurement = self._draw_measurement(molecule, scan, epoch, group)
                measured[epoch, group] = measurement, self.place(molecule, measurement, scan)
            measurement, placed = measured[epoch, group]
            visible = placed.pos[visible_atoms(placed, self.z_min)]
            if (epoch, group, copy) not in shared:
                rng, own = self._generators((epoch, group, 0), copy)
                if self.nuisances is None or measurement is None:
                    reference = self._draw_stack(shape, rng, own)
                else:
                    reference = StackDraw({}, self.nuisances.draw_steps(measurement, scan, own))
                turn = self._symmetry(scan, epoch, group, copy)
                shared[epoch, group, copy] = self._draw_frame(scan, visible, turn, own), reference
            frame, reference = shared[epoch, group, copy]
            rng, own = self._generators((epoch, pair, 1), copy)
            mutant = self.mutant.draw(len(visible), rng)
            simulated = StackDraw(_NOMINAL, []) if measurement else self._draw_stack(shape, rng, own)
            draws.append(StepDraw(group, frame, reference, mutant, simulated, measurement))
        return draws

    def place(self, molecule: AFMData, measurement: Measurement | None, scan: Scan) -> AFMData:
        """A molecule of the source where ``scan`` shows it, with the atoms ``hidden`` that are no part of
        graphs and targets; itself, where no measurement is drawn."""
        if measurement is None:
            return molecule
        placed = place_in_scan(molecule, measurement, scan)
        placed.hidden = ~(measurement.inside(placed.pos, MARGIN) & self.classes.has(placed.z))
        return placed

    def cut(self, molecule: AFMData, draw: StepDraw) -> AFMData:
        """The partial graph of a step, with its targets."""
        return RandomMutant.apply(molecule, z_min=self.z_min, **draw.mutant)

    def imaged(self, mutant: AFMData, molecule: AFMData) -> AFMData:
        """What the simulated stack of ``mutant`` images: as prediction will know it, the representatives of
        the classes of its atoms, without charges and dipoles."""
        parts = [mutant]
        if self.keep_deep:
            parts.append(remove_atoms(molecule, molecule.pos[:, 2] >= self.z_min))
        keys = [key for key in IMAGED if key in mutant]
        atoms = AFMData(**{key: torch.cat([part[key] for part in parts]) for key in keys})
        if self.true_elements:
            return atoms
        z = self.classes.representative(self.classes.index_of(atoms.z))
        return AFMData(z=z, pos=atoms.pos, charge=torch.zeros_like(atoms.charge))

    def _generators(
        self, key: tuple[int, int, int], copy: int
    ) -> tuple[np.random.Generator, np.random.Generator]:
        """For what all copies share, and for what is drawn for each; the first copy's are one and the same,
        so that it is drawn as a single one is."""
        rng = np.random.default_rng((self.seed, *key))
        return rng, np.random.default_rng((self.seed, *key, copy)) if copy else rng

    def _draw_measurement(self, molecule: AFMData, scan: Scan, epoch: int, group: int) -> Measurement | None:
        if self.nuisances is None:
            return None
        clear = molecule.pos[visible_atoms(molecule, _CLEAR)].numpy()
        return self.nuisances.draw(scan, clear, np.random.default_rng((self.seed, epoch, group, 3)))

    def _symmetry(self, scan: Scan, epoch: int, group: int, copy: int) -> Symmetry | None:
        """That of a copy, another one for each; none where there is but one."""
        if self.copies == 1:
            return None
        symmetries = window_symmetries(scan)
        order = np.random.default_rng((self.seed, epoch, group, 2)).permutation(len(symmetries))
        return symmetries[order[copy]]

    def _draw_stack(
        self, shape: tuple[int, int, int], rng: np.random.Generator, own: np.random.Generator
    ) -> StackDraw:
        return StackDraw(self.tip.draw(rng), self.augment.draw_stack(shape, own))

    def _draw_frame(
        self, scan: Scan, visible: Tensor, symmetry: Symmetry | None, own: np.random.Generator
    ) -> Steps:
        """Changes of the frame of a molecule with ``visible`` atoms, ``[N, 3]`` in Å."""
        if symmetry is None:
            return self.augment.draw_frame(scan, visible.numpy(), own)
        turn = {"turns": symmetry.turns, "mirror": symmetry.mirror}
        turned = symmetry.points(visible, scan.center).numpy()
        return [(Turn.__name__, turn), *self.augment.draw_frame(scan, turned, own)]


def distinct_references(draws: Sequence[StepDraw]) -> tuple[list[int], list[int]]:
    """The first of each group of steps that share a reference stack, and the group of every step."""
    groups: dict[str, int] = {}
    first: list[int] = []
    for i, draw in enumerate(draws):
        if draw.reference_key not in groups:
            groups[draw.reference_key] = len(first)
            first.append(i)
    return first, [groups[draw.reference_key] for draw in draws]
