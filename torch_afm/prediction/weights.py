"""Which of the weights in the package suit a scan."""

from __future__ import annotations

import numpy as np

from torch_afm.config.generators import PRESETS
from torch_afm.io.scans import ScanStack, merge_repeats
from torch_afm.io.scans.model_grid import MIN_RANGE
from torch_afm.metrics.images import noise_share

#: Share of the variance of the farthest slice that is noise, from which a stack was measured. Of simulated
#: stacks of five molecules and two atoms it is at most 1e-4, of five measured ones 0.006 to 0.67.
_NOISE = 3e-4


def choose_weights(stack: ScanStack) -> tuple[str, str]:
    """The weights in the package to predict a scan with, and why, in words: ``spatial`` for simulated stacks,
    which have no noise and span the heights that this network looks at; ``scan`` for all others.

    Args:
        stack: the scan as it was read.
    """
    model = PRESETS["spatial"].scan
    span = float(stack.heights[0] - stack.heights[-1])
    if span < MIN_RANGE * model.dz * (model.n_slices - 1) - 1e-3:
        return "scan", f"for it reads any number of slices, here over {span:.2f} Å"
    merged = merge_repeats(stack)
    if not np.isfinite(merged.values).all():
        return "scan", "for the scan was not finished, and so measured"
    noise = float(noise_share(merged.values)[0])
    if noise > _NOISE:
        return (
            "scan",
            f"for the farthest slice has noise ({100 * noise:.2g} % of its variance): it was measured",
        )
    return "spatial", "for the stack has no noise: it was simulated"
