import numpy as np
import pytest
import torch

from torch_afm.utils import InputError, cache_dir, check_finite, check_shape


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_counts_bad_values(make):
    check_finite("stack", make([1.0, 2.0]))
    check_finite("z", make([1, 2]))
    with pytest.raises(InputError, match=r"stack: expected finite numbers, got 2 NaN"):
        check_finite("stack", make([1.0, float("nan"), float("inf")]))


def test_shape():
    check_shape("pos", np.zeros((4, 3)), (None, 3))
    with pytest.raises(InputError, match=r"pos: expected shape \(any, 3\), got \(4, 2\)"):
        check_shape("pos", np.zeros((4, 2)), (None, 3))
    with pytest.raises(InputError, match="pos"):
        check_shape("pos", np.zeros(3), (None, 3))


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "torch_afm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "torch_afm"
