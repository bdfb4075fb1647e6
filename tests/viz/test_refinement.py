from types import SimpleNamespace

import numpy as np
import pytest
import torch

from torch_afm.io import AFMStack
from torch_afm.testing import benzene
from torch_afm.viz import plot_refinement


@pytest.mark.parametrize("helped", [True, False])
def test_strip_and_residual(helped):
    start = benzene()
    path = torch.stack([start.pos + 0.1 * k for k in range(9)])
    residual = torch.zeros(4, 8, 8)
    residual[-1] = 2.0
    result = SimpleNamespace(
        data=start,
        start=start,
        accepted=helped,
        trajectory=path,
        sigma=torch.full((12, 3), 0.1),
        residual=residual,
    )
    axis = np.linspace(-4, 4, 8)
    stack = AFMStack(
        np.random.default_rng(0).normal(size=(1, 4, 8, 8)).astype("f4"), axis, axis, np.arange(4.0)[::-1]
    )
    figure = plot_refinement(result, stack, start)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:5] == ["step 0", "step 2", "step 4", "step 6", "step 8"]
    assert titles[5:8] == [f"residual, slice {s} of 4" for s in (1, 3, 4)]
    assert figure.axes[4].get_xlabel() == ("taken" if helped else "not taken")
    assert figure.axes[7].get_xlabel() == "rms 2.00 of its contrast"
    assert figure.axes[5].images[0].get_clim() == (-2.0, 2.0)
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "+"]
    np.testing.assert_allclose(crosses[0].get_xdata(), start.pos[:, 0])
