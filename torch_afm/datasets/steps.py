"""Training steps out of oriented molecules: drawn, cut, rendered, augmented."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, pack_atoms
from torch_afm.datasets.base import GraphDataset
from torch_afm.elements import AtomClasses
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import (
    Augment,
    MakeMutant,
    MoveTip,
    RandomMutant,
    RandomTip,
    change_graphs,
    change_stacks,
    visible_atoms,
)
from torch_afm.utils import InputError

#: What names a sample: its index, or (epoch, index), for a draw of that epoch.
Key = int | tuple[int, int]

#: All that was drawn for a sample; JSON can hold it.
Record = dict[str, Any]

#: Å outside of a window within which a tip could touch an atom that stands out.
CLEARANCE = 3.0

#: What is drawn for a mutant.
_MUTANT = ("removed", "misplaced", "extra", "seed")


class StepDataset(GraphDataset, ABC):
    r"""Single-atom training steps from oriented molecules, numbered in groups of ``mutants``: sample ``i`` is
    mutant ``i % mutants`` of molecule (in one orientation) ``i // mutants`` (the thesis, sections 2.3 and
    4.3).

    The molecule is cut ``z_min`` below its top atom and some visible atoms are removed. The reference stack
    images the whole molecule, the simulated one the mutant as prediction will know it: visible atoms only,
    each element replaced by its class' representative, no charges. Tips are drawn independently.

    Each epoch draws afresh, from (seed, epoch, i) alone, so samples are the same whatever the order, the
    batch and the number of workers. ``dataset[i]`` is of the present :attr:`epoch`, at first 0, and
    ``dataset[epoch, i]`` of any. A loader with any sampler that asks for a sample again gets that of the next
    epoch: what was asked for is counted, in memory that workers share. (What they fetched ahead of a pass
    that is broken off counts, too.) :class:`~torch_afm.datasets.EpochSampler` names the epochs itself, as a
    run that is to be resumed needs.

    The ``mutants`` of one group share, in each epoch, their reference stack with its tip and augmentations,
    and the changes of the frame: it is rendered once for those in one batch, and an image encoder needs to
    see it once. Their removed atoms, and the tip and augmentations of the simulated stack, remain each one's
    own.

    All that was drawn is kept in the sample's ``drawn``, a JSON text (PyG would round a number to float32);
    :meth:`replay` makes the same sample from it, bit for bit.

    Args:
        scan: the scan that is rendered; :attr:`final_scan` is that of the finished stacks.
        tip: the tip that draws start from.
        backend: backend of :class:`~torch_afm.ppm.ProbeParticleModel`.
        z_min: depth of the surface cut in Å.
        classes: classes of the model to train.
        keep_deep: render the mutant with the atoms below ``z_min``, which prediction cannot know.
        true_elements: render the mutant with true elements and charges, which prediction cannot know.
        augment: the augmentations; ``True`` for the thesis', ``False`` for none but the tip's.
        mutants: samples that share a reference stack.
        seed: seed of everything drawn.
        margin: atoms farther outside of the window than this, in Å, and those of elements that ``classes`` do
            not have, are imaged by the reference but are no part of graphs and targets, nor of the simulated
            stack; by default all atoms are.
        transform: applied to each finished sample.

    Raises:
        InputError: for augmentations that do not suit the scan.
        IndexError: for an index out of range.
    """

    def __init__(
        self,
        scan: Scan,
        tip: Tip | None = None,
        backend: str = "auto",
        z_min: float = -0.7,
        classes: AtomClasses | None = None,
        keep_deep: bool = False,
        true_elements: bool = False,
        augment: bool | Augment = True,
        mutants: int = 1,
        seed: int = 0,
        margin: float | None = None,
        transform: Callable[[AFMData], AFMData] | None = None,
    ) -> None:
        super().__init__(transform=transform)
        if mutants < 1:
            raise InputError(f"mutants: expected at least 1, got {mutants}")
        if margin is not None and not margin >= 0:
            raise InputError(f"margin: expected a length in Å, 0 or more, got {margin}")
        self.scan = scan
        self.tip = tip or Tip()
        self.z_min = z_min
        self.classes = classes or AtomClasses()
        self.keep_deep = keep_deep
        self.true_elements = true_elements
        self.mutants = mutants
        self.seed = seed
        self.margin = margin
        self.random_tip = RandomTip()
        self.random_mutant = RandomMutant()
        if isinstance(augment, bool):
            augment = Augment() if augment else Augment((), ())
        self.augment = augment
        self.final_scan = augment.scan(scan)
        self.backend = backend
        self._epoch = torch.zeros(1, dtype=torch.long).share_memory_()
        self._asked = torch.zeros(self.len(), dtype=torch.int32).share_memory_()

    @cached_property
    def renderer(self) -> ProbeParticleModel:
        """Made when first needed: a process that has rendered cannot be forked into workers that render."""
        return ProbeParticleModel(self.scan, self.tip, backend=self.backend)

    @property
    @abstractmethod
    def groups(self) -> int:
        """Number of oriented molecules; the constructor asks for it."""

    @abstractmethod
    def oriented(self, group: int) -> AFMData:
        """Molecule ``group``: all its atoms, charges and bonds, its top atom at z = 0."""

    def len(self) -> int:
        return self.groups * self.mutants

    @property
    def epoch(self) -> int:
        """The epoch of indices that name none."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose :attr:`epoch`, for running workers too, and count anew what loaders ask for."""
        self._epoch[0] = epoch
        self._asked.zero_()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return self.__getitems__([key])[0]
        return super().__getitem__(key)

    def get(self, idx: int) -> AFMData:
        (sample,) = self._make(*self._start([(self.epoch, idx)]))
        return sample

    def __getitems__(self, keys: Sequence[Key]) -> list[AFMData]:
        """The samples of ``keys``, as loaders ask for them; all their stacks are rendered in one launch."""
        return [self.transformed(sample) for sample in self._make(*self.start(keys))]

    def start(self, keys: Sequence[Key]) -> tuple[list[AFMData], list[Record]]:
        """The oriented molecules of the samples ``keys``, and all that is random about them."""
        indices = self.indices()
        pairs = []
        for key in keys:
            epoch, index = key if isinstance(key, tuple) else (None, key)
            if not -len(indices) <= index < len(indices):
                raise IndexError(f"index: expected less than {len(indices)}, got {index}")
            index = int(indices[index])
            pairs.append((self._next(index) if epoch is None else epoch, index))
        return self._start(pairs)

    def _next(self, index: int) -> int:
        """The epoch of a sample that a loader asks for."""
        epoch = self.epoch + int(self._asked[index])
        self._asked[index] += 1
        return epoch

    def _start(self, pairs: Sequence[tuple[int, int]]) -> tuple[list[AFMData], list[Record]]:
        molecules = self._molecules([index // self.mutants for _, index in pairs])
        return molecules, self.draw(pairs, molecules)

    def replay(self, drawn: Sequence[str | Record]) -> list[AFMData]:
        """The samples whose ``drawn`` these are, from the same oriented molecules, scan, tip and surface cut.

        Raises:
            InputError: for what is no record of a sample of this data set.
        """
        records: list[Record] = []
        for one in drawn:
            try:
                records.append(json.loads(one) if isinstance(one, str) else one)
                known = 0 <= records[-1]["group"] < self.groups
            except (ValueError, TypeError, KeyError):
                known = False
            if not known:
                raise InputError(f"drawn: expected what a sample of {self} kept, got {str(one)[:80]!r}")
        samples = self._make(self._molecules([record["group"] for record in records]), records)
        return [self.transformed(sample) for sample in samples]

    def draw(self, keys: Sequence[tuple[int, int]], molecules: Sequence[AFMData]) -> list[Record]:
        """All that is random about the samples ``(epoch, index)`` of ``molecules``."""
        shared: dict[tuple[int, int], Record] = {}
        records = []
        for (epoch, index), molecule in zip(keys, molecules, strict=True):
            group = index // self.mutants
            visible = molecule.pos[visible_atoms(molecule, self.z_min)].numpy()
            if (epoch, group) not in shared:
                rng = np.random.default_rng((self.seed, epoch, group, 0))
                reference = self._draw_stack(self.draw_tip(epoch, group, rng), rng)
                frame = self.augment.draw_frame(self.scan, visible, rng)
                shared[epoch, group] = {"group": group, "frame": frame, "reference": reference}
            rng = np.random.default_rng((self.seed, epoch, index, 1))
            removed = self.random_mutant.draw(len(visible), rng)
            simulated = self._draw_stack(self.random_tip.draw(rng), rng)
            records.append({**shared[epoch, group], **removed, "simulated": simulated})
        return records

    def draw_tip(self, epoch: int, group: int, rng: np.random.Generator) -> Record:
        """Move of the tip of a reference stack."""
        return self.random_tip.draw(rng)

    def mutate(self, molecules: Sequence[AFMData], records: Sequence[Record]) -> list[AFMData]:
        """The graphs of the samples with their targets."""
        return [
            MakeMutant(z_min=self.z_min, **{key: r[key] for key in _MUTANT if key in r})(molecule)
            for molecule, r in zip(molecules, records, strict=True)
        ]

    def render(
        self,
        molecules: Sequence[AFMData],
        samples: Sequence[AFMData],
        records: Sequence[Record],
        reference: Tensor | None = None,
    ) -> Tensor:
        """Stacks in Hz: the distinct references (see :func:`distinct`; not rendered where given), then one of
        each mutant. The samples get their ``z_top``.

        Shapes:
            reference ``[R, C, Z, Y, X]``, result ``[R + B, C, Z, Y, X]``.
        """
        first, of = distinct(records)
        whole = [molecules[i] for i in first]
        shown = [self.as_rendered(s, m) for s, m in zip(samples, molecules, strict=True)]
        z_top = self.place(whole)
        for i, sample in zip(of, samples, strict=True):
            sample.z_top = z_top[i : i + 1]
        tips, heights = self.tips(records, torch.cat([z_top, z_top[of]]))
        if reference is None:
            return self.renderer(pack_atoms([*whole, *shown]), tips, heights)
        simulated = self.renderer(pack_atoms(shown), tips[len(first) :], heights[len(first) :])
        return torch.cat([reference.to(simulated), simulated])

    def place(self, molecules: Sequence[AFMData]) -> Tensor:
        """First anchor height in Å above each oriented molecule, without the drawn distance, ``[B]``."""
        return anchor_height(pack_atoms([_take(m, self.in_reach(m)) for m in molecules]), self.scan, self.tip)

    def in_reach(self, molecule: AFMData) -> Tensor:
        """Atoms that the scan keeps clear of, ``[N]``: all, or those up to 3 Å outside of the window."""
        return _within(molecule.pos, self.scan, None if self.margin is None else max(self.margin, CLEARANCE))

    def tips(self, records: Sequence[Record], z_top: Tensor) -> tuple[list[list[Tip]], Tensor]:
        """Tip and anchor height of every stack that :meth:`render` gives; ``z_top``: heights without the
        drawn distances."""
        moves = [records[i]["reference"]["tip"] for i in distinct(records)[0]]
        moves += [record["simulated"]["tip"] for record in records]
        distances = z_top.new_tensor([move["distance"] for move in moves])
        return [[MoveTip(**move)(self.tip)] for move in moves], z_top + distances

    def finish(
        self, samples: Sequence[AFMData], stacks: Tensor, records: Sequence[Record]
    ) -> Sequence[AFMData]:
        """Augment and normalise ``stacks`` as :meth:`render` gives them, and put them into the samples."""
        first, of = distinct(records)
        stacks = self.change(stacks, records)
        self.finish_graphs(samples, records)
        for sample, i, simulated in zip(samples, of, stacks[len(first) :], strict=True):
            sample.reference, sample.simulated = stacks[i : i + 1], simulated[None]
        return samples

    def change(self, stacks: Tensor, records: Sequence[Record]) -> Tensor:
        """Augment and normalise ``stacks`` as :meth:`render` gives them."""
        references = [records[i] for i in distinct(records)[0]]
        steps = [r["reference"]["steps"] for r in references] + [r["simulated"]["steps"] for r in records]
        return change_stacks(stacks, [r["frame"] for r in [*references, *records]], steps)

    def finish_graphs(self, samples: Sequence[AFMData], records: Sequence[Record]) -> None:
        """What :meth:`finish` does to the samples beside their stacks."""
        change_graphs(samples, self.scan, [record["frame"] for record in records])
        for sample, record in zip(samples, records, strict=True):
            sample.drawn = json.dumps(record)

    def _make(self, molecules: Sequence[AFMData], records: Sequence[Record]) -> list[AFMData]:
        samples = self.mutate(molecules, records)
        self.finish(samples, self.render(molecules, samples, records), records)
        return samples

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for counter in (self._epoch, self._asked):
            counter.share_memory_()

    def _molecules(self, groups: Sequence[int]) -> list[AFMData]:
        """Oriented molecules, each group's made once."""
        made = {group: self.oriented(group) for group in set(groups)}
        if self.margin is not None:
            for molecule in made.values():
                inside = _within(molecule.pos, self.scan, self.margin)
                molecule.hidden = ~(inside & self.classes.has(molecule.z))
        return [made[group] for group in groups]

    def _draw_stack(self, tip: Record, rng: np.random.Generator) -> Record:
        return {"tip": tip, "steps": self.augment.draw_stack(self.final_scan.shape, rng)}

    def as_rendered(self, mutant: AFMData, molecule: AFMData) -> AFMData:
        """What the simulated stack of ``mutant`` images."""
        z, pos, charge = mutant.z, mutant.pos, mutant.charge
        if self.keep_deep:
            deep = molecule.pos[:, 2] < self.z_min
            z = torch.cat([z, molecule.z[deep]])
            pos = torch.cat([pos, molecule.pos[deep]])
            charge = torch.cat([charge, molecule.charge[deep]])
        if not self.true_elements:
            z, charge = self.classes.representative(self.classes.of(z)), torch.zeros_like(charge)
        return AFMData(z=z, pos=pos, charge=charge)


def distinct(records: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    """Samples that differ in their reference stacks: the first of each kind, and the kind of every sample."""
    kinds: dict[str, int] = {}
    first: list[int] = []
    of: list[int] = []
    for i, record in enumerate(records):
        kind = json.dumps([record["group"], record["frame"], record["reference"]])
        if kind not in kinds:
            kinds[kind] = len(first)
            first.append(i)
        of.append(kinds[kind])
    return first, of


def _take(molecule: AFMData, mask: Tensor) -> AFMData:
    return AFMData(z=molecule.z[mask], pos=molecule.pos[mask], charge=molecule.charge[mask])


def _within(pos: Tensor, scan: Scan, margin: float | None) -> Tensor:
    """Atoms no farther outside of the window than ``margin``, ``[N]``."""
    if margin is None:
        return torch.ones(len(pos), dtype=torch.bool)
    low, high = pos.new_tensor(scan.window).T
    return ((pos[:, :2] >= low - margin) & (pos[:, :2] <= high + margin)).all(dim=1)
