"""Choose the order of the slices of a scan: which end is near."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from torch_afm.config.prediction import PredictOptions
from torch_afm.data import AFMData
from torch_afm.functional import remove_slope
from torch_afm.io.scans import ScanStack, crop, crop_finished, merge_repeats, prepare_scan
from torch_afm.io.scans.prepare import MAX_GRID_VALUES
from torch_afm.io.scans.sharpness import Sharpness, compare_sharpness
from torch_afm.models import Generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.preparation import Candidate, ChosenScan, choose_preparation
from torch_afm.prediction.result import mean_pearson
from torch_afm.prediction.rotations import predict_rotations

#: Margins of equal weight: of Pearson's r, and of the sharpness in standard errors. Of simulated stacks of
#: the validation part (``python -m benchmarks.prediction_scans.order --scenes 6 --part validation``) both
#: together are right most often, 98 %, with 0.2 or 0.3; with 0.1 or 2 it is 97 %.
_GAIN, _MARGIN = 0.3, 1.0

#: Heights at which the structures of both orders are imaged, at most.
_MAX_SLICES = 64


@dataclass(frozen=True)
class Order:
    """What speaks for the order of the slices of a scan, and for the reverse.

    Args:
        pearson: Pearson's r of the image of the structure that is found as given, and reversed, with all
            measured slices, their mean.
        sharpness: change of the sharpness from the far to the near end, as given.
    """

    pearson: tuple[float, float]
    sharpness: Sharpness

    @property
    def gain(self) -> float:
        """By how much the order as given agrees better."""
        return self.pearson[0] - self.pearson[1]

    @property
    def agree(self) -> bool:
        """Whether both witnesses are for the same order."""
        return (self.gain < 0) == (self.sharpness.margin < 0)

    @property
    def reverse(self) -> bool:
        """Whether the reverse order is taken."""
        image, sharp = self.gain / _GAIN, self.sharpness.margin / _MARGIN
        return (image if abs(image) > abs(sharp) else sharp) < 0

    def describe(self) -> str:
        """The evidence in words."""
        given, turned = self.pearson
        change, error = self.sharpness.change, self.sharpness.error
        sharper = "sharper" if change > 0 else "more blurred"
        return (
            f"by the images of the structures found r {given:.2f} as given, {turned:.2f} reversed; the end "
            f"that is near as given is {sharper} than the other, by {abs(change):.2f} ± {error:.2f}"
        )


def choose_order(
    model: Generator,
    stack: ScanStack,
    options: PredictOptions,
    progress: Callable[[str], None] | None = None,
) -> ChosenScan:
    """Prepare a scan as :func:`choose_preparation`, in the order that ``options.reverse`` asks for; where
    that is ``"try"``, in both, and decide by two witnesses that know nothing of each other.

    Both orders are predicted to the end, but for the refinement, and the structures are imaged at all heights
    that were measured (the nearest 64): the image of the right one agrees better. And the near end is the
    sharper one (:func:`torch_afm.io.scans.sharpness.compare_sharpness`). Where the two disagree, a warning
    says so, and the stronger one is taken: one standard error of the sharpness counts as much as 0.3 of
    Pearson's r.

    Args:
        model: the network.
        stack: the scan as it was read.
        options: how it is prepared and predicted.
        progress: called with each step before it begins.

    Raises:
        InputError: as :func:`choose_preparation`.
    """
    if options.reverse != "try" or len(stack.heights) < 2:
        return choose_preparation(model, stack, options, progress, options.reverse == "yes")
    both = [choose_preparation(model, stack, options, progress, reverse) for reverse in (False, True)]
    order = weigh_orders(model, stack, both, options, progress)
    best, prepared = both[order.reverse], both[order.reverse].prepared
    steps = [step for step in prepared.steps if step[0] != "order"]
    taken = "reverse order" if order.reverse else "order as given"
    steps.insert(1, ("order", f"{taken}: {order.describe()}"))
    warnings = prepared.warnings
    if not order.agree:
        warnings += (
            f"image and sharpness disagree about which end is near, the {taken} was taken "
            f"({order.describe()}); look at the slices, and give reverse yes or no",
        )
    prepared = dataclasses.replace(prepared, steps=tuple(steps), warnings=warnings)
    return dataclasses.replace(best, prepared=prepared, attempts=both[0].attempts + both[1].attempts)


def weigh_orders(
    model: Generator,
    stack: ScanStack,
    both: list[ChosenScan],
    options: PredictOptions,
    progress: Callable[[str], None] | None = None,
) -> Order:
    """What speaks for either order.

    Args:
        model: the network.
        stack: the scan as it was read.
        both: what the network is shown of it, as given and reversed.
        options: how it is prepared and predicted.
        progress: called with each step before it begins.
    """
    plain = dataclasses.replace(options.search, refine=False, views=options.search.views or 1)
    fast = dataclasses.replace(options, search=plain, rotations=1)
    pearson: list[float] = []
    for chosen, ordered in zip(both, (stack, stack.reversed()), strict=True):
        if progress is not None:
            progress(f"comparing both orders, {len(pearson) + 1}")
        found = predict_rotations(model, chosen, fast).predictions[0]
        pearson.append(_agreement(model, ordered, chosen, found.steps[-1].graph, options))
    # Without those of the way back: drift is still in.
    seen = crop_finished(merge_repeats(stack, "first"))
    if options.preparation.window is not None:
        seen = crop(seen, options.preparation.window)
    return Order((pearson[0], pearson[1]), compare_sharpness(seen))


def _agreement(
    model: Generator, stack: ScanStack, chosen: ChosenScan, atoms: AFMData, options: PredictOptions
) -> float:
    """Pearson's r of the image of some atoms with all that was measured."""
    wanted, prepared = model.config.scan, chosen.prepared
    span = float(stack.heights[0] - stack.heights[-1])
    area = math.prod(prepared.scan.pixels)
    count = min(math.floor(span / wanted.dz + 1e-6) + 1, _MAX_SLICES, MAX_GRID_VALUES // area)
    settings = dataclasses.replace(
        options.preparation,
        align="always" if Candidate(prepared, None, False).aligned else "never",
        top=None,
    )
    every = prepare_scan(
        stack,
        dataclasses.replace(wanted, n_slices=max(count, prepared.scan.n_slices)),
        settings,
        whole=model.whole_scan,
    )
    renderer = ProbeParticleModel(every.scan, chosen.tip, backend=options.backend).quiet()
    z_top = chosen.z_top + float(every.stack.heights[0] - prepared.stack.heights[0])
    shown = AFMData(z=atoms.z, pos=atoms.pos, charge=torch.zeros(len(atoms.z)))
    image = renderer(shown, z_top=z_top)
    return mean_pearson(remove_slope(image) if every.stack.leveled else image, every.stack.tensor())
