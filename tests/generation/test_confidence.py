import pytest
import torch

from torch_afm.generation import load_calibration
from torch_afm.generation.confidence import mean_pearson
from torch_afm.metrics import Calibration
from torch_afm.metrics.calibration import Platt
from torch_afm.utils import InputError


def test_calibration_beside_the_weights(tmp_path):
    assert load_calibration(tmp_path) == Calibration()
    made = Calibration(bond=Platt(2.0, -1.0))
    made.save(tmp_path / "calibration.json")
    assert load_calibration(tmp_path) == made
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(InputError, match="calibration"):
        load_calibration(tmp_path)


def test_pearson_is_the_mean_of_the_slices():
    a = torch.randn(1, 1, 2, 5, 5, generator=torch.manual_seed(0))
    b = torch.stack([2 * a[0, 0, 0] + 1, -a[0, 0, 1]])[None, None]
    assert mean_pearson(a, b) == pytest.approx(0, abs=1e-6)
    assert mean_pearson(a, 3 * a) == pytest.approx(1)
