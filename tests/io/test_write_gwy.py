"""Files for Gwyddion, as gwyfile and our own reader find them."""

import gwyfile
import numpy as np
import pytest

from torch_afm.config import Scan, to_dict
from torch_afm.io import AFMStack, read_stack, write_stack
from torch_afm.io.scans import read_scan
from torch_afm.io.write_gwy import gwy_bytes
from torch_afm.utils import InputError

X, Y = np.linspace(-3, 5, 6), np.linspace(20, 23, 4)
VALUES = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype(np.float32)
Z = np.array([4.0, 3.7, 3.6])  # uneven


def _write(tmp_path, channels=1, **meta):
    path = tmp_path / "stack.gwy"
    write_stack(path, AFMStack(VALUES[:channels], X, Y, Z, meta))
    return path


def test_as_gwyfile_reads_it(tmp_path):
    """The uppermost line first, places in m of the outer edges, y downwards."""
    path = _write(tmp_path, amplitude=1.6, f0=30300.0)
    container = gwyfile.load(str(path))
    fields = gwyfile.util.get_datafields(container)
    assert list(fields) == [f"Frequency shift (z = {z:.3f} Å)" for z in Z]
    for field, image in zip(fields.values(), VALUES[0], strict=True):
        assert np.array_equal(field.data, image[::-1])
        assert (field.si_unit_xy.unitstr, field.si_unit_z.unitstr) == ("m", "Hz")
        assert [field.xreal, field.yreal] == pytest.approx([6 * 1.6e-10, 4e-10])
        assert [field.xoff, field.yoff] == pytest.approx([-3.8e-10, -23.5e-10])
    assert dict(container["/1/meta"]) == {
        "Oscillation Control>Amplitude Setpoint": "0.8 Å",
        "Oscillation Control>Center Frequency": "30300.0 Hz",
        "Z-Controller>Z": "3.7 Å",
    }
    assert [key for key in container if key.endswith("visible")] == ["/2/data/visible"]


def test_as_gwyfile_writes_it_again(tmp_path):
    """Every byte has its place: what another program makes of the file is the file."""
    path = _write(tmp_path, amplitude=1.6)
    gwyfile.load(str(path)).tofile(str(tmp_path / "again.gwy"))
    again, ours = (gwyfile.load(str(tmp_path / name)) for name in ("again.gwy", "stack.gwy"))
    assert list(again) == list(ours)
    assert (tmp_path / "again.gwy").stat().st_size == path.stat().st_size


def test_round_trip(tmp_path):
    stack = read_stack(_write(tmp_path, amplitude=1.6, f0=30300.0))
    assert np.array_equal(stack.stack, VALUES[:1]) and stack.unit == "Hz"
    for name, axis in (("x", X), ("y", Y), ("z", Z)):
        assert getattr(stack, name) == pytest.approx(axis, abs=1e-9)
    assert stack.amplitude == pytest.approx(1.6) and stack.meta["f0"] == pytest.approx(30300)
    assert "warnings" not in stack.meta


def test_the_oscillation_of_a_simulated_stack(tmp_path):
    scan = Scan(f0=25000.0)
    stack = read_scan(_write(tmp_path, scan=to_dict(scan)))
    assert (stack.amplitude, stack.meta["f0"]) == pytest.approx((scan.amplitude, 25000.0))


def test_channels_and_units(tmp_path):
    path = _write(tmp_path, channels=2)
    with pytest.raises(InputError, match="'Frequency shift 0', 'Frequency shift 1'"):
        read_scan(path)
    assert np.array_equal(read_scan(path, channel="Frequency shift 1").values, VALUES[1])
    stack = read_scan(_write(tmp_path, unit="V", channel="Excitation"), channel="Excitation")
    assert stack.unit == "V" and np.array_equal(stack.values, VALUES[0])


def test_one_pixel(tmp_path):
    write_stack(tmp_path / "one.gwy", AFMStack(VALUES[:1, :, :1, :1], X[:1], Y[:1], Z))
    stack = read_scan(tmp_path / "one.gwy")
    assert stack.window == ((-3, -3), (20, 20)) and np.array_equal(stack.values, VALUES[0, :, :1, :1])


def test_more_bytes_than_the_format_can_count(monkeypatch):
    monkeypatch.setattr("torch_afm.io.write_gwy._MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"at most 1000 bytes in a \.gwy file"):
        gwy_bytes(AFMStack(VALUES, X, Y, Z))
