import sys

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import ChannelError, read_scan
from torch_afm.utils import InputError

pytest.importorskip("access2thematrix")

IMAGES = np.random.default_rng(0).integers(-40, 40, (4, 3, 5)) / 4


def _write(tmp_path, content, name="s--1_1.Df_mtrx"):
    (tmp_path / name).write_bytes(content[0])
    (tmp_path / "s_0001.mtrx").write_bytes(content[1])
    return tmp_path / name


@pytest.mark.parametrize("n", [1, 2, 4])
def test_an_image(tmp_path, n):
    """The upward one, its lowest line first; forward and backward."""
    path = _write(tmp_path, files.matrix(IMAGES[:n]))
    stack = read_scan(path)
    assert np.array_equal(stack.values[0], IMAGES[0])
    assert (stack.unit, stack.channel) == ("Hz", "Df") and stack.pixel_size == pytest.approx((4, 10 / 3))
    assert (np.mean(stack.x), np.mean(stack.y)) == pytest.approx((30, -10))
    assert stack.meta["angle"] == -15
    if n > 1:
        assert np.array_equal(read_scan(path, direction="backward").values[0], IMAGES[1])
    else:
        with pytest.raises(InputError, match="expected 'forward'"):
            read_scan(path, direction="backward")


def test_lines_that_were_not_scanned(tmp_path):
    """Those above the last."""
    stack = read_scan(_write(tmp_path, files.matrix(IMAGES[:2], lines=5)))
    assert stack.values.shape == (1, 5, 5) and np.isnan(stack.values[0, 3:]).all()
    assert np.array_equal(stack.values[0, :3], IMAGES[0]) and stack.pixel_size == pytest.approx((4, 2))


def test_a_folder_of_a_session(tmp_path):
    for i in (1, 2):
        name = f"s{i}--{i}_1.Df_mtrx"
        results, parameters = files.matrix(IMAGES[i : i + 1], name)
        (tmp_path / name).write_bytes(results)
        (tmp_path / f"s{i}_0001.mtrx").write_bytes(parameters)
    stack = read_scan(tmp_path, step=0.2)
    assert np.array_equal(stack.values, IMAGES[1:3])


def test_other_channels(tmp_path):
    path = _write(tmp_path, files.matrix(IMAGES[:1], "s--1_1.Z_mtrx", "Meter", channel="Z"), "s--1_1.Z_mtrx")
    assert read_scan(path, channel="Z").unit == "m"
    with pytest.raises(ChannelError) as error:
        read_scan(path)
    assert error.value.channels == ("Z",)


def test_a_zoom(tmp_path):
    """One reader divides the size by it, one does not."""
    path = _write(tmp_path, files.matrix(IMAGES[:1], settings={"Zoom": 2}))
    with pytest.raises(InputError, match="pixel_size: expected the files to tell it"):
        read_scan(path)
    assert read_scan(path, pixel_size=1.0).pixel_size == (1, 1)


def test_what_is_refused(tmp_path):
    results, parameters = files.matrix(IMAGES[:1])
    path = _write(tmp_path, (results, parameters))
    with pytest.raises(InputError, match=r"s_0001\.mtrx: expected a file of results"):
        read_scan(tmp_path / "s_0001.mtrx")
    curve = files.matrix(IMAGES[:1], "s--1_1.Df(Z)_mtrx", channel="Df(Z)")
    with pytest.raises(InputError, match=r"Df\(Z\)_mtrx: expected an "):
        read_scan(_write(tmp_path, curve, "s--1_1.Df(Z)_mtrx"))
    for content in (
        (results[:-9], parameters),
        (results, parameters[:200]),
        (results, b""),
        (b"", parameters),
    ):
        with pytest.raises(InputError, match=r"Df_mtrx: "):
            read_scan(_write(tmp_path, content))
    (tmp_path / "s_0001.mtrx").unlink()
    path.write_bytes(results)
    with pytest.raises(InputError, match=r"expected the parameters .* \(s_0001\.mtrx\), got none"):
        read_scan(path)


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "access2thematrix", None)
    with pytest.raises(InputError, match=r"access2thematrix: .* pip install 'torch_afm\[matrix\]'"):
        read_scan(_write(tmp_path, files.matrix(IMAGES[:1])))
