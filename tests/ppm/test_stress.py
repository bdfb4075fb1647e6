"""A short run of benchmarks/rendering/stress.py; the long one is run as a benchmark."""

import numpy as np
import pytest
import torch

from benchmarks.rendering import stress
from torch_afm.config import Tip
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import water


@pytest.mark.parametrize(
    ("options", "seed", "tolerance"),
    [
        pytest.param({"backend": "opencl"}, 101, 1e-3, id="opencl"),
        pytest.param({"backend": "opencl"}, 102, 1e-3, id="opencl, again"),
        pytest.param({"backend": "torch", "dtype": torch.float64}, 104, 1e-4, id="torch float64"),
    ],
)
def test_random_stacks_are_those_of_fire(options, seed, tolerance):
    row = stress.stress(seed, stacks=15, **options)
    assert row["pixels"] == 45
    assert row["not_finite"] == row["wrong"] == 0
    assert row["matched"] >= 44
    assert row["rms_error"] < tolerance


def test_fire_balances_springs_and_surface():
    scan = stress.random_scan(np.random.default_rng(0))
    pixels = np.array([[8, 8], [3, 12]])
    molecule = water()
    molecule.pos, molecule.charge = molecule.pos.double(), molecule.charge.double()
    s = stress.spots([molecule], [Tip(tilt=(0.3, 0.1))], np.array([7.0]), scan, pixels)
    # Without atoms it returns to where the springs are free.
    alone = s._replace(depth=0 * s.depth, charge=0 * s.charge)
    start = s.anchors[0] + s.free + [[0.1, -0.2, 0.05]]
    np.testing.assert_allclose(stress.fire(start, alone, s.anchors[0]), s.anchors[0] + s.free, atol=1e-5)
    probe = stress.fire(start, s, s.anchors[0])
    assert np.linalg.norm(stress.total_force(probe, s, s.anchors[0]), axis=1).max() < 1e-8
    assert np.linalg.norm(stress.total_force(start, s, s.anchors[0]), axis=1).min() > 1e-3


def test_a_wrong_pixel_is_called_wrong(monkeypatch):
    true = ProbeParticleModel.forward

    def off_by_a_percent(self, *arguments):
        return 1.01 * true(self, *arguments)

    monkeypatch.setattr(ProbeParticleModel, "forward", off_by_a_percent)
    row = stress.stress(105, stacks=3, backend="torch")
    assert row["wrong"] > row["matched"]
