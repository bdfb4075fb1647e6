import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from torch_afm.metrics.distributions.sinkhorn import sinkhorn_divergence
from torch_afm.utils import InputError

RNG = np.random.default_rng(7)
PLANE = RNG.random((40, 2)).round(3), (RNG.random((25, 2)) * 0.7 + 0.2).round(3)
LINE = np.linspace(0, 1, 12)[:, None] ** 2, np.linspace(0, 1, 7)[:, None] + 0.25


@pytest.mark.parametrize(
    ("samples", "blur", "scaling", "expected"),
    [
        (PLANE, 1e-4, 0.5, 0.1589626103652902),
        (PLANE, 0.05, 0.5, 0.11823199913388713),
        (PLANE, 0.01, 0.9, 0.1641403962113041),
        (LINE, 1e-4, 0.5, 0.32266946542665664),
        (LINE, 0.05, 0.5, 0.3002069414766081),
    ],
)
def test_equals_geomloss(samples, blur, scaling, expected):
    # GeomLoss 0.3.1, SamplesLoss("sinkhorn", p=1, blur, scaling, backend="tensorized") in float64.
    assert sinkhorn_divergence(*samples, blur, scaling) == pytest.approx(expected, abs=1e-12)


def test_tends_to_the_exact_distance_but_not_as_published():
    exact = wasserstein_distance(LINE[0][:, 0], LINE[1][:, 0])
    assert sinkhorn_divergence(*LINE, blur=1e-3, scaling=0.98) == pytest.approx(exact, rel=0.01)
    assert sinkhorn_divergence(*LINE) < 0.97 * exact


def test_same_samples_and_order():
    assert sinkhorn_divergence(PLANE[0], PLANE[0]) == pytest.approx(0, abs=1e-12)
    assert sinkhorn_divergence(np.ones((3, 2)), np.ones((4, 2))) == 0
    assert sinkhorn_divergence(*PLANE) == pytest.approx(sinkhorn_divergence(*PLANE[::-1]), abs=1e-12)


#: What is refused.
REFUSED = [
    (np.ones(3), np.ones((3, 1)), {}, "x:"),
    (np.ones((3, 1)), np.ones((3, 2)), {}, "y:"),
    (np.ones((0, 2)), np.ones((3, 2)), {}, "x:"),
    (np.ones((3, 2)), np.full((3, 2), np.nan), {}, "y:"),
    (*PLANE, {"blur": 0.0}, "blur"),
    (*PLANE, {"scaling": 1.0}, "scaling"),
]


def test_refused():
    for x, y, arguments, message in REFUSED:
        with pytest.raises(InputError, match=message):
            sinkhorn_divergence(x, y, **arguments)
