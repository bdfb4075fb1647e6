"""Training steps out of oriented molecules: drawn, cut, rendered, augmented."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.datasets.base import GraphDataset
from torch_afm.datasets.draws import IMAGED, StepDraw, StepDraws, distinct_references
from torch_afm.datasets.nuisances import Measurement
from torch_afm.datasets.rendering import StepRenderer
from torch_afm.datasets.sources import MoleculeSource, RotatedMolecules, within_margin
from torch_afm.datasets.stacks import StackMaker
from torch_afm.elements import AtomClasses
from torch_afm.transforms import change_graphs
from torch_afm.utils import InputError

#: Stacks and molecules that a process keeps for their symmetric copies.
_KEPT_BYTES = 256 * 2**20

#: What names a sample: its index, or (epoch, index), for a draw of that epoch.
Key = int | tuple[int, int]


class StepDataset(GraphDataset):
    r"""Training steps from oriented molecules, numbered in groups of ``draws.mutants`` x
    ``draws.copies``: sample ``(group * mutants + mutant) * copies + copy`` is a symmetric copy of a partial
    graph of oriented molecule ``group`` (the graph-AFM thesis, Aalto University (see CITATION.cff), sections
    2.3 and 4.3).

    The molecule is cut ``draws.z_min`` below its top atom and some visible atoms are removed. The reference
    stack images the whole molecule, the simulated one the partial graph as prediction will know it: visible
    atoms only, each element replaced by its class' representative, no charges and dipoles. Tips are drawn
    independently.

    Each epoch draws afresh, from (seed, epoch, i) alone, so samples are the same whatever the order, the
    batch and the number of workers. ``dataset[i]`` is of the present :attr:`epoch`, at first 0, and
    ``dataset[epoch, i]`` of any. A loader with any sampler that asks for a sample again gets that of the next
    epoch: what was asked for is counted, in memory that workers share. (What they fetched ahead of a pass
    that is broken off counts, too.) :class:`~torch_afm.datasets.EpochSampler` names the epochs itself, as a
    run that is to be resumed needs.

    Samples have ``reference_id``: in one batch, those with the same number share their reference stack, which
    is rendered once for them, and which an image encoder needs to see once. (With a ``transform``, which may
    change stacks, they have none.)

    Symmetric copies of a pair of stacks are rendered once: where there are several, each process keeps what
    it rendered last (256 MB), and finds it again if a sampler comes back to a molecule soon
    (:class:`~torch_afm.datasets.EpochSampler` with blocks of :meth:`block`).

    All that was drawn is kept in the sample's ``drawn``, a JSON text (PyG would round a number to float32);
    :meth:`replay` makes the same sample from it, bit for bit.

    Args:
        source: the oriented molecules: :class:`~torch_afm.datasets.RotatedMolecules`,
            :class:`~torch_afm.datasets.SurfaceWindows`, or the ``molecules`` of ``images``.
        draws: how samples are drawn.
        images: what makes the stacks: :class:`~torch_afm.datasets.StepRenderer` or
            :class:`~torch_afm.datasets.StoredReferences`.
        defer: leave the stacks to :meth:`complete`, which makes them for a whole batch on the device where
            that is: loaders' processes then draw and cut, and a GPU renders and augments. The same samples
            come out, but for the device's rounding.
        transform: applied to each finished sample.

    Attributes:
        scan: the scan of the finished stacks.

    Raises:
        InputError: for augmentations and copies that do not suit the scan, for a transform of deferred
            samples, and for stored references of deferred samples or with measurements that are drawn.
        IndexError: for an index out of range.
    """

    def __init__(
        self,
        source: MoleculeSource,
        draws: StepDraws,
        images: StepRenderer,
        *,
        defer: bool = False,
        transform: Callable[[AFMData], AFMData] | None = None,
    ) -> None:
        super().__init__(transform=transform)
        if defer and transform is not None:
            raise InputError("transform: expected none for deferred samples, got one")
        if images.stored and (defer or draws.nuisances is not None):
            what = "deferred samples" if defer else "measurements that are drawn"
            raise InputError(f"images: expected a renderer for {what}, got stored references")
        self.source = source
        self.draws = draws
        self.images = images
        self.defer = defer
        self.scan = draws.scan(images.scan)
        limit = _KEPT_BYTES if draws.copies > 1 else 0
        self._stacks = StackMaker(images, draws.nuisances is not None, limit)
        self._epoch = torch.zeros(1, dtype=torch.long).share_memory_()
        self._requests = torch.zeros(self.len(), dtype=torch.int32).share_memory_()

    def len(self) -> int:
        return len(self.source) * self.draws.group_size

    @property
    def classes(self) -> AtomClasses:
        """Classes of the network to train."""
        return self.draws.classes

    @property
    def z_min(self) -> float:
        """Depth of the surface cut in Å."""
        return self.draws.z_min

    def molecule_numbers(self, indices: Sequence[int]) -> np.ndarray:
        """Numbers of the molecules that the samples ``indices`` of the whole data set are made of."""
        return np.asarray(indices) // (self.source.orientations * self.draws.group_size)

    def block(self, batch_size: int) -> int:
        """Oriented molecules whose stacks a process surely keeps, for the blocks of an
        :class:`~torch_afm.datasets.EpochSampler`. If so many are kept, one copy of each pair of a block fills
        a multiple of 12 batches, or 4, 2 or 1: of 1, 2, 3, 4 or 6 workers, to which loaders give batches in
        turn, the same then gets all copies of a molecule."""
        stack_bytes = math.prod(self.images.scan.shape) * torch.float32.itemsize
        # The other half is for the molecules themselves, and for what is left of the block before.
        pairs = _KEPT_BYTES // 2 // (stack_bytes * (1 + self.draws.mutants)) * self.draws.mutants
        batches = pairs // batch_size
        if batches:
            unit = next(n for n in (12, 4, 2, 1) if n <= batches)
            pairs = batches // unit * unit * batch_size
        return max(1, pairs // self.draws.mutants)

    @property
    def epoch(self) -> int:
        """The epoch of indices that name none."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose :attr:`epoch`, for running workers too, and count anew what loaders ask for."""
        self._epoch[0] = epoch
        self._requests.zero_()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return self.__getitems__([key])[0]
        return super().__getitem__(key)

    def get(self, idx: int) -> AFMData:
        (sample,) = self._make(*self._draw([(self.epoch, idx)]))
        return sample

    def __getitems__(self, keys: Sequence[Key]) -> list[AFMData]:
        """The samples of ``keys``, as loaders ask for them; all their stacks are rendered in one launch."""
        indices = self.indices()
        pairs = []
        for key in keys:
            epoch, index = key if isinstance(key, tuple) else (None, key)
            if not -len(indices) <= index < len(indices):
                raise IndexError(f"index: expected less than {len(indices)}, got {index}")
            index = int(indices[index])
            pairs.append((self._next(index) if epoch is None else epoch, index))
        return [self.transformed(sample) for sample in self._make(*self._draw(pairs))]

    def replay(self, drawn: Sequence[str]) -> list[AFMData]:
        """The samples whose ``drawn`` these are, from the same oriented molecules, scan, tip and surface cut.

        Raises:
            InputError: for what is no record of a sample of this data set.
        """
        draws = [StepDraw.from_json(text) for text in drawn]
        for draw in draws:
            if not 0 <= draw.group < len(self.source):
                raise InputError(
                    f"drawn: expected what a sample of {self} kept, got one of molecule {draw.group}"
                )
        samples = self._make(self.oriented([draw.group for draw in draws]), draws)
        return [self.transformed(sample) for sample in samples]

    def oriented(self, groups: Sequence[int]) -> list[AFMData]:
        """The molecules of the source, each one's made once, with the atoms that are no part of graphs and
        targets ``hidden`` where the source has a margin. They may be those of other samples: not to be
        changed."""
        made = {group: self._oriented(group) for group in dict.fromkeys(groups)}
        return [made[group] for group in groups]

    def complete(self, batch: Batch) -> Batch:
        """A collated batch of deferred samples with its stacks, on its device; a finished batch as it is."""
        if not self.defer:
            return batch
        draws = [StepDraw.from_json(text) for text in batch.drawn]
        first, index = distinct_references(draws)
        whole, shown = _unpack(batch, "whole"), _unpack(batch, "shown")
        z_top = batch.rendered_z_top.cpu()[first]
        del batch.rendered_z_top
        stacks = self._stacks.make([whole[i] for i in first], shown, z_top, draws, first, index)
        batch.reference, batch.simulated = stacks.reference[index], stacks.simulated
        if stacks.valid is not None:
            batch.valid = stacks.valid[index]
        return batch

    def _oriented(self, group: int) -> AFMData:
        kept: AFMData | None = self._stacks.kept.get(group)
        if kept is not None:
            return kept
        molecule = self.source.oriented(group)
        if self.source.margin is not None:
            inside = within_margin(molecule.pos, self.images.scan, self.source.margin)
            molecule.hidden = ~(inside & self.draws.classes.has(molecule.z))
        tensors = [value for value in molecule.to_dict().values() if torch.is_tensor(value)]
        self._stacks.kept.put(group, molecule, sum(value.nbytes for value in tensors))
        return molecule

    def _next(self, index: int) -> int:
        """The epoch of a sample that a loader asks for."""
        epoch = self.epoch + int(self._requests[index])
        self._requests[index] += 1
        return epoch

    def _draw(self, keys: Sequence[tuple[int, int]]) -> tuple[list[AFMData], Sequence[StepDraw]]:
        """The oriented molecules of the samples ``(epoch, index)``, and all that is random about them."""
        molecules = self.oriented([index // self.draws.group_size for _, index in keys])
        draws = self.draws.draw(keys, molecules, self.images.scan)
        return molecules, self.images.with_tips(draws, [epoch for epoch, _ in keys])

    def _make(self, molecules: Sequence[AFMData], draws: Sequence[StepDraw]) -> list[AFMData]:
        scan = self.images.scan
        once: dict[tuple[int, Measurement | None], AFMData] = {}
        for molecule, draw in zip(molecules, draws, strict=True):
            if (draw.group, draw.measurement) not in once:
                once[draw.group, draw.measurement] = self.draws.place(molecule, draw.measurement, scan)
        placed = [once[draw.group, draw.measurement] for draw in draws]
        samples = [self.draws.cut(molecule, draw) for molecule, draw in zip(placed, draws, strict=True)]
        first, index = distinct_references(draws)
        whole = [molecules[i] for i in first]
        shown = [self.draws.imaged(s, m) for s, m in zip(samples, placed, strict=True)]
        if self.draws.nuisances is None:
            z_top = self.images.anchor_heights(whole, self.source.margin)
        else:
            z_top = self.images.nominal_height.expand(len(whole))
        identity = self.images.identity.encode()
        numbers = [_number(identity, draws[i], molecule) for i, molecule in zip(first, whole, strict=True)]
        for i, sample, draw in zip(index, samples, draws, strict=True):
            sample.z_top = z_top[i : i + 1]
            if draw.measurement is not None:
                known = draw.measurement.amplitude_known
                sample.amplitude = torch.tensor([draw.measurement.amplitude if known else 0.0])
            if self.transform is None:
                sample.reference_id = torch.tensor([numbers[i]])
            sample.drawn = draw.to_json()
        if self.defer:
            for k, sample in enumerate(samples):
                sample.rendered_z_top = sample.z_top  # the frame may change the other
                # Of samples sharing a reference the first has its atoms.
                _pack(sample, "whole", molecules[k], None if k in first else 0)
                _pack(sample, "shown", shown[k])
        else:
            stacks = self._stacks.make(whole, shown, z_top, draws, first, index)
            for i, sample, simulated in zip(index, samples, stacks.simulated, strict=True):
                sample.reference, sample.simulated = stacks.reference[i : i + 1], simulated[None]
                if stacks.valid is not None:
                    sample.valid = stacks.valid[i : i + 1]
        change_graphs(samples, scan, [draw.frame for draw in draws])
        return samples

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for counter in (self._epoch, self._requests):
            counter.share_memory_()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source}{self._chosen()})"


class AFMDataset(StepDataset):
    """Training steps of molecules, rendered on the fly: :class:`~torch_afm.datasets.StepDataset` of
    :class:`~torch_afm.datasets.RotatedMolecules` and a :class:`~torch_afm.datasets.StepRenderer`, whose
    arguments these are; the seed of ``draws`` is also that of the rotations."""

    def __init__(
        self,
        molecules: Sequence[AFMData],
        scan: Scan | None = None,
        draws: StepDraws | None = None,
        *,
        rotations: int = 30,
        candidates: int = 500,
        tip: Tip | None = None,
        backend: str = "auto",
        defer: bool = False,
        transform: Callable[[AFMData], AFMData] | None = None,
    ) -> None:
        draws = draws or StepDraws()
        source = RotatedMolecules(molecules, rotations, candidates, draws.seed)
        super().__init__(source, draws, StepRenderer(scan, tip, backend), defer=defer, transform=transform)


def _number(identity: bytes, draw: StepDraw, molecule: AFMData) -> int:
    """A number for the reference stack of a draw, another one for each."""
    digest = hashlib.blake2b(identity + draw.reference_key.encode(), digest_size=8)
    for key in IMAGED:
        if key in molecule:
            digest.update(molecule[key].numpy().tobytes())
    return int.from_bytes(digest.digest(), "little", signed=True)


def _pack(sample: AFMData, name: str, atoms: AFMData, n: int | None = None) -> None:
    """Give a sample the atoms, or the first ``n`` of them, that one of its stacks images."""
    for key in IMAGED:
        if key in atoms:
            sample[f"{name}_{key}"] = atoms[key][:n]
    sample[f"{name}_graph"] = torch.zeros_like(atoms.z[:n])


def _unpack(batch: Batch, name: str) -> list[AFMData]:
    """Atoms that stacks image, a graph a sample, which the batch then has no more."""
    counts = batch[f"{name}_graph"].bincount(minlength=batch.num_graphs).tolist()
    parts = {key: batch[f"{name}_{key}"].split(counts) for key in IMAGED if f"{name}_{key}" in batch}
    for key in ("graph", *parts):
        del batch[f"{name}_{key}"]
    return [AFMData(**dict(zip(parts, part, strict=True))) for part in zip(*parts.values(), strict=True)]
