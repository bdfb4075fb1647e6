"""Training steps whose stacks are rendered where the network is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Batch

from torch_afm.data import AFMData, pack_atoms
from torch_afm.datasets.steps import Key, StepDataset, distinct
from torch_afm.utils import InputError

#: What is said of the atoms that stacks image.
_KEYS = ("z", "pos", "charge", "graph")


class DeferredSteps(torch.utils.data.Dataset[AFMData]):
    """The samples of a :class:`~torch_afm.datasets.StepDataset` without their stacks, and :meth:`complete`,
    which makes them for a whole batch on the device where that is: loaders' processes then draw and cut, and
    a GPU renders and augments. The same samples come out, but for the device's rounding.

    Args:
        steps: the data set, whose keys, subsets and epochs this one's are; its backend is what
            :meth:`complete` renders with.

    Raises:
        InputError: for a data set with a transform, which would see samples without their stacks.
    """

    def __init__(self, steps: StepDataset) -> None:
        if steps.transform is not None:
            raise InputError("steps: expected a data set without a transform, got one with")
        self.steps = steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return self.__getitems__([key])[0]
        if isinstance(key, int | np.integer):
            return self[self.steps.epoch, key]
        return DeferredSteps(self.steps[key])

    def __getitems__(self, keys: Sequence[Key]) -> list[AFMData]:
        """The samples of ``keys``, with ``whole_`` and ``shown_`` ``z``, ``pos``, ``charge`` and ``graph``:
        the atoms that reference and simulated stack image. Of samples sharing a reference the first has its
        atoms."""
        molecules, records = self.steps.start(keys)
        samples = self.steps.mutate(molecules, records)
        first, of = distinct(records)
        z_top = self.steps.place([molecules[i] for i in first])
        for i, (sample, molecule) in enumerate(zip(samples, molecules, strict=True)):
            sample.z_top = z_top[of[i] : of[i] + 1]
            whole = molecule if i in first else AFMData.empty()
            for name, atoms in (("whole", whole), ("shown", self.steps.as_rendered(sample, molecule))):
                atoms.graph = torch.zeros_like(atoms.z)
                for key in _KEYS:
                    sample[f"{name}_{key}"] = atoms[key]
        self.steps.finish_graphs(samples, records)
        return samples

    def complete(self, batch: Batch) -> Batch:
        """``batch`` with its stacks, on its device.

        Args:
            batch: samples of this data set, collated.
        """
        records = [json.loads(text) for text in batch.drawn]
        first, of = distinct(records)
        whole, shown = _taken(batch, "whole"), _taken(batch, "shown")
        atoms = pack_atoms([*(whole[i] for i in first), *shown])
        z_top = batch.z_top.cpu()
        tips, heights = self.steps.tips(records, torch.cat([z_top[first], z_top]))
        stacks = self.steps.change(self.steps.renderer(atoms, tips, heights), records)
        batch.reference, batch.simulated = stacks[of], stacks[len(first) :]
        return batch

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.steps})"


def _taken(batch: Batch, name: str) -> list[AFMData]:
    """Atoms that stacks image, a graph a sample, which the batch then has no more."""
    counts = batch[f"{name}_graph"].bincount(minlength=batch.num_graphs).tolist()
    parts = {key: batch[f"{name}_{key}"].split(counts) for key in _KEYS}
    for key in _KEYS:
        del batch[f"{name}_{key}"]
    return [AFMData(**dict(zip(parts, part, strict=True))) for part in zip(*parts.values(), strict=True)]
