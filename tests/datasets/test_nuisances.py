import dataclasses
import json

import numpy as np
import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.config.nuisances import NuisanceConfig
from torch_afm.datasets.nuisances import Measurement, Nuisances
from torch_afm.utils import InputError

SCAN = Scan(pixels=(16, 16))
POS = np.array([[1.0, 2.0, 0.0], [-2.0, 0.5, -0.3]])


def draws(n=400, config=None, share=1.0, scan=SCAN, pos=POS):
    nuisances = Nuisances(config, share)
    return [nuisances.draw(scan, pos, np.random.default_rng(i)) for i in range(n)]


def test_same_seed_same_draw_and_json_keeps_it():
    first, again = (Nuisances().draw(SCAN, POS, np.random.default_rng(5)) for _ in range(2))
    assert first == again
    text = json.dumps(dataclasses.asdict(first))
    assert Measurement.from_dict(json.loads(text)) == first


def test_refuses_the_fields_of_something_else():
    with pytest.raises(InputError, match="measurement: expected the fields of one"):
        Measurement.from_dict({"heights": [0.0], "tilt": [0.0, 0.0]})


def test_refuses_what_is_no_share():
    with pytest.raises(InputError, match=r"share: expected a share from 0 to 1, got 1\.5"):
        Nuisances(share=1.5)


def test_share_of_nominal_measurements():
    nominal = Measurement.nominal(SCAN)
    found = [m == nominal for m in draws(share=0.7)]
    assert 0.2 < np.mean(found) < 0.4
    assert all(m == nominal for m in draws(20, share=0.0))


def test_draws_stay_within_their_ranges_and_fill_them():
    config = NuisanceConfig()
    drawn = draws()
    scales = []
    for m in drawn:
        inverse = np.linalg.inv(m.matrix)
        scales.append((inverse[0, 0], inverse[1, 1]))
        assert abs(inverse[0, 1] / inverse[0, 0]) <= config.shear + 1e-9
        assert inverse[1, 0] == 0
        steps = -np.diff(m.heights)
        low, high = config.step
        assert (steps >= low * (1 - config.uneven) - 1e-9).all() and (steps <= high * 1.3 + 1e-9).all()
        assert m.heights[-1] == 0 and m.heights[0] <= config.span and len(m.heights) <= 20
        assert np.hypot(*m.tilt) <= config.tilt
        assert (m.depth is not None) == (m.probe == "CO")
        for (low, high), (first, last) in zip(SCAN.window, m.window, strict=True):
            assert low <= first < last <= high + 1e-9
            assert last - first >= 8 - 1e-9
    for values, (low, high) in (
        (np.ravel(scales), (0.85, 1.15)),
        ([m.height for m in drawn], config.height),
        (np.log([m.stiffness for m in drawn]), np.log(config.stiffness)),
        (np.log([m.amplitude for m in drawn]), np.log(config.amplitude)),
        ([m.quadrupole for m in drawn], config.quadrupole),
        ([m.depth for m in drawn if m.depth], config.depth),
    ):
        slack = 0.05 * (high - low)
        assert low - 1e-6 <= min(values) < low + slack and high - slack < max(values) <= high + 0.03
        assert abs(np.mean(values) - (low + high) / 2) < 2 * slack
    assert 0.25 < np.mean([m.charge == 0 for m in drawn]) < 0.42
    assert 0.6 < np.mean([m.amplitude_known for m in drawn]) < 0.8
    assert {m.probe for m in drawn} == {"CO", "Xe", "Cl"}
    assert min(len(m.heights) for m in drawn) == 1 and max(len(m.heights) for m in drawn) > 15


def test_shows_one_atom_at_least():
    for m in draws(100, NuisanceConfig(window=(3.0, 5.0))):
        seen = m.to_scan(torch.from_numpy(POS), SCAN)
        assert m.inside(seen, 0.0).any()


def test_scan_and_sample_are_inverse_about_the_center():
    scan = Scan(window=((10.0, 26.0), (-5.0, 11.0)))
    points = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    m = draws(1, scan=scan)[0]
    torch.testing.assert_close(m.to_scan(m.to_sample(points, scan), scan), points)
    center = torch.tensor([[*scan.center, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(m.to_scan(center, scan), center)
    expected = center[0, :2] + (points[:, :2] - center[0, :2]) @ torch.tensor(m.matrix, dtype=torch.float64).T
    torch.testing.assert_close(m.to_sample(points, scan)[:, :2], expected)


def test_a_scanner_with_a_large_scale_shows_large_molecules():
    m = draws(1, NuisanceConfig(scale=0.5, shear=0.0))[0]
    scale = 1 / np.diag(m.matrix)
    moved = m.to_scan(torch.tensor([[1.0, 1.0, 0.0]]), SCAN)
    np.testing.assert_allclose(moved[0, :2], scale)


def test_tips():
    base = Tip(stiffness=(0.3, 0.3, 0.1), tilt=(0.1, 0.0))
    nominal = Measurement.nominal(SCAN)
    assert nominal.tip(base) == base
    drawn = dataclasses.replace(
        nominal, probe="Xe", stiffness=0.7, quadrupole=0.5, tilt=(0.2, -0.1), depth=None
    ).tip(base)
    assert drawn == Tip(
        probe="Xe", charges=(0.15,), charge_heights=(0.0,), stiffness=(0.7, 0.7, 0.0), tilt=(0.2, -0.1)
    )


def test_steps_have_the_slices_of_the_measurement():
    rng = np.random.default_rng(0)
    for m in draws(30):
        names = dict(Nuisances().draw_steps(m, SCAN, rng))
        assert len(names["Motion"]["shifts"]) == len(names["Background"]["slopes"]) == len(m.heights)
    (name, step) = Nuisances().draw_steps(Measurement.nominal(SCAN), SCAN, rng)[0]
    assert name == "DetectorNoise" and step["noise"] == pytest.approx(0.003) and step["rows"] == 0


def test_ranges_of_one_value_give_it():
    ranges = NuisanceConfig(
        window=(16.0, 16.0),
        slices=(3, 3),
        step=(0.1, 0.1),
        uneven=0.0,
        height=(0.2, 0.2),
        stiffness=(0.3, 0.3),
    )
    for m in draws(50, ranges):
        assert m.window == SCAN.window and m.height == 0.2 and m.stiffness == 0.3
        np.testing.assert_allclose(m.heights, [0.2, 0.1, 0.0], atol=1e-12)


def test_refuses_windows_of_less_than_two_pixels():
    with pytest.raises(
        InputError, match=r"window: expected at least two pixels of 5\.33 Å, got \(8\.0, 40\.0\)"
    ):
        draws(1, scan=Scan(pixels=(4, 4)))
