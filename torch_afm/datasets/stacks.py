"""Stacks of training steps: rendered or read once, and finished for each sample."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.datasets.draws import StepDraw
from torch_afm.datasets.lru import LRUCache
from torch_afm.datasets.measured import finish_measured
from torch_afm.datasets.rendering import StepRenderer
from torch_afm.transforms import change_stacks
from torch_afm.transforms.augment import change_frames
from torch_afm.transforms.base import Steps


class Stacks(NamedTuple):
    """Finished stacks of the distinct references ``[R, C, Z, Y, X]`` and of all partial graphs ``[B, ...]``,
    and where the former were measured, if that is drawn."""

    reference: Tensor
    simulated: Tensor
    valid: Tensor | None = None


class StackMaker:
    """Makes the stacks of training steps, and keeps raw ones for their symmetric copies.

    Args:
        images: renders or reads raw stacks.
        measured: whether reference stacks are measured as drawn.
        limit: bytes that are kept; 0 keeps nothing.

    Attributes:
        kept: what is kept.
    """

    def __init__(self, images: StepRenderer, measured: bool, limit: int) -> None:
        self.images = images
        self.measured = measured
        self.kept = LRUCache(limit)

    def make(
        self,
        whole: Sequence[AFMData],
        shown: Sequence[AFMData],
        z_top: Tensor,
        draws: Sequence[StepDraw],
        first: Sequence[int],
        index: Sequence[int],
    ) -> Stacks:
        """Finished stacks, ``z_top`` ``[R]`` being the heights of the distinct references."""
        sources = [draws[i] for i in first]
        if self.measured:
            return self._measured_stacks(whole, shown, z_top[list(index)], sources, draws)
        atoms, heights = [*whole, *shown], torch.cat([z_top, z_top[list(index)]])
        moves = [draw.reference.tip for draw in sources] + [draw.simulated.tip for draw in draws]

        def make(rows: list[int]) -> Tensor:
            read = [sources[row] for row in rows if row < len(sources)]
            references = self.images.references(read) if read else None
            rendered = rows if references is None else rows[len(read) :]
            parts = [] if references is None else [references]
            if rendered:
                some = [atoms[row] for row in rendered], [moves[row] for row in rendered]
                parts.append(self.images.render(*some, heights[rendered]))
            return torch.cat(parts)

        keys = [draw.render_keys[0] for draw in sources] + [draw.render_keys[1] for draw in draws]
        stacks = torch.stack(self._once([(atoms[0].pos.device, key) for key in keys], make))
        frames = [draw.frame for draw in [*sources, *draws]]
        steps = [draw.reference.steps for draw in sources] + [draw.simulated.steps for draw in draws]
        finished = change_stacks(stacks, frames, steps)
        return Stacks(finished[: len(first)], finished[len(first) :])

    def _measured_stacks(
        self,
        whole: Sequence[AFMData],
        shown: Sequence[AFMData],
        z_top: Tensor,
        sources: Sequence[StepDraw],
        draws: Sequence[StepDraw],
    ) -> Stacks:
        """Measured stacks of the distinct references, nominal ones of the partial graphs."""
        device, scan = whole[0].pos.device, self.images.scan
        measured = [(draw, draw.measurement) for draw in sources if draw.measurement is not None]

        def measure(rows: list[int]) -> list[Tensor]:
            return [self.images.measure(whole[row], measured[row][1]) for row in rows]

        def render(rows: list[int]) -> Tensor:
            moves = [draws[row].simulated.tip for row in rows]
            return self.images.render([shown[row] for row in rows], moves, z_top[rows])

        raw = self._once([(device, draw.render_keys[0]) for draw in sources], measure)
        finished = [
            finish_measured(stack[0], measurement, draw.reference.steps, scan)
            for stack, (draw, measurement) in zip(raw, measured, strict=True)
        ]
        frames = [draw.frame for draw in sources]
        reference, valid = (
            change_frames(torch.stack(part)[:, None], frames) for part in zip(*finished, strict=True)
        )
        simulated = torch.stack(self._once([(device, draw.render_keys[1]) for draw in draws], render))
        none: list[Steps] = [[] for _ in draws]
        return Stacks(reference, change_stacks(simulated, [draw.frame for draw in draws], none), valid)

    def _once(self, keys: Sequence[Hashable], make: Callable[[list[int]], Iterable[Tensor]]) -> list[Tensor]:
        """The stack of each key; ``make`` makes those of the rows whose keys are new."""
        found = {key: self.kept.get(key) for key in keys}
        new: dict[Hashable, int] = {}
        for row, key in enumerate(keys):
            if found[key] is None:
                new.setdefault(key, row)
        for key, stack in zip(new, make(list(new.values())) if new else (), strict=True):
            # A view would keep all of them.
            found[key] = stack.clone() if self.kept.limit else stack
            self.kept.put(key, found[key], stack.nbytes)
        return [found[key] for key in keys]
