"""CPU seconds of the stages that make a training sample, in one process on one core."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import torch
from torch_geometric.data import Batch

from benchmarks.training.cases import EPOCH, Case, molecules
from torch_afm.datasets import EpochSampler, StepRenderer, stacks
from torch_afm.datasets.draws import StepDraws
from torch_afm.train.datamodule import AFMDataModule

#: What is left of making a batch when the stages are taken off.
_REST = "everything else"


class StageClock:
    """Adds up the CPU seconds of functions, without those of other stages that they call.

    Attributes:
        seconds: by stage.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._within: list[float] = []

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, whose seconds count."""

        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            self._within.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.process_time() - start
                self.seconds[stage] += spent - self._within.pop()
                if self._within:
                    self._within[-1] += spent

        return run


def data_stages(case: Case, count: int) -> dict[str, float]:
    """CPU seconds a sample of every stage, over the second epoch; both stacks of a sample are counted. Where
    nothing is measured both are rendered in one launch."""
    torch.set_num_threads(1)
    data = AFMDataModule(case.config(), list(molecules(count)))
    data.setup()
    dataset, size = data.parts[0], data.config.batch_size
    sampler = EpochSampler(
        len(dataset), EPOCH, mutants=case.mutants, copies=case.copies, block=dataset.block(size)
    )
    clock = StageClock()
    timed = (
        ("draw molecule or scene", type(dataset.source), "oriented"),
        ("draw measurement, mutant, ...", StepDraws, "draw"),
        ("place and cut the graph", StepDraws, "place"),
        ("place and cut the graph", StepDraws, "cut"),
        ("place and cut the graph", StepDraws, "imaged"),
        ("render references", StepRenderer, "measure"),
        ("render simulated (or both)", StepRenderer, "render"),
        ("finish measured references", stacks, "finish_measured"),
        ("finish the other stacks", stacks, "change_stacks"),
        ("turn measured references", stacks, "change_frames"),
    )
    for epoch in range(2):
        sampler.set_epoch(epoch)
        keys = list(sampler)
        with ExitStack() as patches:
            for stage, place, name in timed if epoch else ():
                patches.enter_context(
                    mock.patch.object(place, name, clock.timed(stage, getattr(place, name)))
                )
            make = clock.timed(_REST, dataset.__getitems__)
            collate = clock.timed("collate", Batch.from_data_list)
            for i in range(0, len(keys), size):
                collate(make(keys[i : i + size]))
        if not epoch:
            clock.seconds.clear()
    rest = clock.seconds.pop(_REST)
    return {stage: spent / len(keys) for stage, spent in clock.seconds.items()} | {_REST: rest / len(keys)}
