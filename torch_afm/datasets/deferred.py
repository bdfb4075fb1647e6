"""Training steps whose stacks are rendered where the network is."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.datasets.afm import AFMDataset
from torch_afm.datasets.steps import Key, distinct

#: Keys of a batch that say what its stacks image, with a sample's count of atoms.
FOLLOW = ("whole_z", "shown_z")


class DeferredSteps(torch.utils.data.Dataset[AFMData]):
    """The samples of an :class:`~torch_afm.datasets.AFMDataset` without their stacks, and :meth:`complete`,
    which makes them for a whole batch on the device where that is: loaders' processes then draw and cut, and
    a GPU renders and augments. The same samples come out, but for the device's rounding.

    Args:
        steps: the data set; its backend is what :meth:`complete` renders with.
    """

    def __init__(self, steps: AFMDataset) -> None:
        self.steps = steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, key: Key) -> AFMData:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> list[AFMData]:
        """The samples of ``keys``, with ``whole_`` and ``shown_`` ``z``, ``pos`` and ``charge``: the atoms
        that reference and simulated stack image. Of samples sharing a reference the first has its atoms."""
        molecules, records = self.steps.start(keys)
        samples = self.steps.mutate(molecules, records)
        first, of = distinct(records)
        z_top = self.steps.place([molecules[i] for i in first])
        for i, (sample, molecule) in enumerate(zip(samples, molecules, strict=True)):
            sample.z_top = z_top[of[i] : of[i] + 1]
            whole = molecule if i in first else AFMData.empty()
            for name, atoms in (("whole", whole), ("shown", self.steps.as_rendered(sample, molecule))):
                for key in ("z", "pos", "charge"):
                    sample[f"{name}_{key}"] = atoms[key]
        self.steps.finish_graphs(samples, records)
        return samples

    def complete(self, batch: Batch) -> Batch:
        """``batch`` with its stacks, on its device.

        Args:
            batch: samples of this data set, collated with ``follow_batch`` of :data:`FOLLOW`.
        """
        records = [json.loads(text) for text in batch.drawn]
        first, of = distinct(records)
        atoms = Batch(_base_cls=AFMData)
        for key in ("z", "pos", "charge"):
            atoms[key] = torch.cat([batch[f"whole_{key}"], batch[f"shown_{key}"]])
        whole = batch.whole_z_ptr.cpu()[[*first, -1]]
        atoms.ptr = torch.cat([whole, whole[-1] + batch.shown_z_ptr.cpu()[1:]])
        z_top = batch.z_top.cpu()
        tips, heights = self.steps.tips(records, torch.cat([z_top[first], z_top]))
        stacks = self.steps.change(self.steps.renderer.render(atoms, tips, heights), records)
        batch.reference, batch.simulated = stacks[of], stacks[len(first) :]
        for name in FOLLOW:
            for suffix in ("", "_batch", "_ptr"):
                del batch[name + suffix]
            for key in ("pos", "charge"):
                del batch[f"{name[:-2]}_{key}"]
        return batch

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.steps})"
