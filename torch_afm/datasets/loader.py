"""Loaders that render in worker processes."""

from __future__ import annotations

import os
from typing import Any

from torch.utils.data import Dataset
from torch_geometric.loader import DataLoader

from torch_afm.data import AFMData


def step_loader(dataset: Dataset[AFMData], batch_size: int, workers: int = 0, **kwargs: Any) -> DataLoader:
    """PyG's loader with workers that render, each on one core. Any other loader gives the same batches.

    Args:
        dataset: a :class:`~torch_afm.datasets.StepDataset`, or a subset of one, or
            :class:`~torch_afm.datasets.DeferredSteps`.
        batch_size: samples in a batch.
        workers: processes that render besides this one.
        **kwargs: as in :class:`torch.utils.data.DataLoader`.
    """
    if workers:
        # A forked child must not touch its parent's OpenCL context.
        kwargs |= {"persistent_workers": True, "multiprocessing_context": "forkserver"}
        kwargs["worker_init_fn"] = _one_thread
    return DataLoader(dataset, batch_size, num_workers=workers, **kwargs)


def _one_thread(worker: int) -> None:
    """Let a worker render on one core: its neighbours, and the training process, have the others."""
    os.environ["POCL_MAX_PTHREAD_COUNT"] = "1"
