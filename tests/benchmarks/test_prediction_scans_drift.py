import numpy as np
import pytest

from benchmarks.prediction_scans.drift import LATTICE, LAYER, SECONDS, drifting, hexagonal_layer, score


@pytest.fixture(scope="module")
def layer():
    return hexagonal_layer()


def test_a_layer_has_its_lattice_and_no_net_charge(layer):
    gap = np.linalg.norm(layer.pos.numpy()[:, None] - layer.pos.numpy(), axis=2) + 99 * np.eye(len(layer.pos))
    inside = np.linalg.norm(layer.pos.numpy(), axis=1) < 8
    assert gap[inside].min(axis=1) == pytest.approx(LATTICE / np.sqrt(3), abs=1e-3)
    same = gap + 99 * (layer.z[:, None] != layer.z).numpy()
    assert same[inside].min(axis=1) == pytest.approx(LATTICE, abs=1e-3)
    assert abs(float(layer.charge.sum())) < 0.1 * len(layer.z)


def test_a_series_down_and_up_drifts_in_time(layer):
    velocity = np.array([0.1, -0.05])
    stack = drifting(layer, LAYER, velocity, up=True)
    assert len(stack.heights) == 19 and len(np.unique(stack.heights)) == 10
    times = np.array(stack.meta["times"]) / SECONDS
    assert times[-1] == 9 and sorted(times) == list(range(19)) and times[:2].tolist() == [0, 18]
    error, deviation, taken, before, after = score(stack, velocity)
    assert error < 0.002 and deviation < 0.01 and taken == 1
    assert before == pytest.approx(9 * np.hypot(*velocity)) and after < 0.02
