"""Loaders that render in worker processes, and which samples an epoch sees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Dataset, Sampler
from torch_geometric.loader import DataLoader

from torch_afm.data import AFMData
from torch_afm.utils import InputError

#: Batches that each worker makes ahead.
_PREFETCH = 8


def step_loader(dataset: Dataset[AFMData], batch_size: int, workers: int = 0, **kwargs: Any) -> DataLoader:
    """PyG's loader with workers that render, each on one core. Any other loader gives the same batches.

    Args:
        dataset: a :class:`~torch_afm.datasets.StepDataset`, or a subset of one.
        batch_size: samples in a batch.
        workers: processes that render besides this one.
        **kwargs: as in :class:`torch.utils.data.DataLoader`.
    """
    if workers:
        # A forked child must not touch its parent's OpenCL context.
        kwargs |= {"persistent_workers": True, "multiprocessing_context": "forkserver"}
        kwargs["worker_init_fn"] = _one_thread
        # Batches of new scenes take longer than those of their symmetric copies, which follow.
        kwargs["prefetch_factor"] = _PREFETCH
    return DataLoader(dataset, batch_size, num_workers=workers, **kwargs)


def _one_thread(worker: int) -> None:
    """Let a worker render on one core: its neighbors, and the training process, have the others."""
    os.environ["POCL_MAX_PTHREAD_COUNT"] = "1"


class EpochSampler(Sampler[tuple[int, int]]):
    """Keys ``(pass, index)`` of a :class:`~torch_afm.datasets.StepDataset`: epoch after epoch walks through
    shuffled passes over the data set, ``num_samples`` an epoch, so that an epoch (and so a checkpoint
    interval) can be short however large the data set is. Samples that share a reference stack follow each
    other. Of each ``block`` of oriented molecules the first symmetric copies come first, then all second
    ones, and so on: copies of one molecule are in different batches, and near enough for what was rendered
    for the first to be still there (:meth:`~torch_afm.datasets.StepDataset.block`).

    The keys of epoch ``e`` depend on (seed, e) alone: a run resumed at an epoch continues exactly.

    Args:
        size: length of the data set.
        num_samples: samples in one epoch, over all processes.
        seed: seed of the shuffling.
        rank: this process.
        world_size: processes that share each epoch.
        mutants: samples that share a reference stack, as in the data set.
        copies: symmetric copies of each sample, as in the data set.
        block: oriented molecules in a block.

    Raises:
        InputError: for samples that processes, mutants and copies do not divide, and an empty block.
    """

    def __init__(
        self,
        size: int,
        num_samples: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        mutants: int = 1,
        copies: int = 1,
        block: int = 1,
    ) -> None:
        if size % (mutants * copies):
            raise InputError(f"size: expected a multiple of {mutants} mutants x {copies} copies, got {size}")
        if num_samples < 1 or num_samples % (world_size * mutants * copies):
            raise InputError(
                f"num_samples: expected a multiple of {world_size} processes x {mutants} mutants x "
                f"{copies} copies, got {num_samples}"
            )
        if block < 1:
            raise InputError(f"block: expected at least 1, got {block}")
        self.groups = size // (mutants * copies)
        self.num_samples = num_samples
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.mutants = mutants
        self.copies = copies
        self.block = block
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration walks through."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_samples // self.world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        drawn = list(self._drawn())
        for start in range(0, len(drawn), self.block):
            for copy in range(self.copies):
                for done, group in drawn[start : start + self.block]:
                    for mutant in range(self.mutants):
                        yield done, (group * self.mutants + mutant) * self.copies + copy

    def _drawn(self) -> Iterator[tuple[int, int]]:
        """Pass and number of the oriented molecules of this process in this epoch."""
        drawn = self.num_samples // (self.mutants * self.copies)
        first = self.epoch * drawn
        current, order = -1, np.empty(0, dtype=np.int64)
        for position in range(first + self.rank, first + drawn, self.world_size):
            done, offset = divmod(position, self.groups)
            if done != current:
                current, order = done, np.random.default_rng((self.seed, done)).permutation(self.groups)
            yield done, int(order[offset])
