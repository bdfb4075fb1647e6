"""What a listing tells of files: on small ones of our own, and on real ones."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io import AFMStack, write_stack
from torch_afm.io.scans import list_scans
from torch_afm.utils import InputError

RNG = np.random.default_rng(5)


def image(ny=4, nx=6):
    return RNG.normal(-5, 1, (ny, nx))


def both(values):
    return {"forward": values, "backward": values + 1}


def sxm(path, z=1e-9, minute=0, on=False, channel="Frequency_Shift", values=None, **options):
    status = "ON" if on else "OFF"
    extra = [":REC_DATE:", " 15.03.2017", ":REC_TIME:", f"17:{minute:02d}:07"]
    extra += [
        ":Z-Controller>Controller status:",
        status,
        ":Oscillation Control>Center Frequency (Hz):",
        "3.1E+4",
    ]
    shown = {channel: both(image() if values is None else values)}
    path.write_bytes(
        files.sxm({"Z": both(image() if values is None else values)} | shown, z=z, extra=extra, **options)
    )


@pytest.fixture
def day(tmp_path):
    folder = tmp_path / "day"
    folder.mkdir()
    sxm(folder / "b.sxm", minute=9)
    sxm(folder / "a.sxm", z=0.9e-9, minute=12, size=(4e-9, 2e-9))
    sxm(folder / "on.sxm", minute=1, on=True)
    sxm(folder / "topo.sxm", minute=2, channel="Current")
    (folder / "cut.sxm").write_bytes((folder / "b.sxm").read_bytes()[:700])
    (folder / "createc.dat").write_bytes(files.createc([image(), image()], extra="CHMode / CHMode=1\r\n"))
    (folder / "curve.dat").write_bytes(
        files.spectrum_dat({"Z rel (m)": -1e-10 * np.arange(5.0), "Freq. Shift (Hz)": np.arange(5.0)}, z=2e-9)
    )
    (folder / "notes.txt").write_text("measured at night")
    (folder / ".hidden").write_text("x")
    (folder / "inner").mkdir()
    sxm(folder / "inner" / "c.sxm")
    return folder


def test_a_line_for_each_file_in_the_order_of_measurement(day):
    entries = list_scans(day)
    names = [entry.path.name for entry in entries]
    assert names == [
        "on.sxm", "topo.sxm", "b.sxm", "a.sxm", "createc.dat", "curve.dat", "cut.sxm", "notes.txt"
    ]  # fmt: skip
    found = dict(zip(names, entries, strict=True))
    assert found["notes.txt"].format is None and found["notes.txt"].error
    assert found["cut.sxm"].format == "sxm" and "expected" in found["cut.sxm"].error
    assert str(day) not in found["cut.sxm"].error
    assert found["on.sxm"].feedback == "on" and "controller of the height was on" in found["on.sxm"].reason
    assert found["b.sxm"].reason is None and found["b.sxm"].asked is None
    assert found["createc.dat"].feedback == "off" and found["curve.dat"].feedback == "unknown"


def test_what_a_header_tells(day):
    (entry,) = list_scans(day / "a.sxm")
    told = entry.to_dict()
    json.dumps(told, allow_nan=False)
    assert told["channel"] == "Frequency_Shift" and told["channels"] == ["Z", "Frequency_Shift"]
    assert told["directions"] == ["forward", "backward"] and told["unit"] == "Hz"
    assert (told["images"], told["pixels"]) == (1, [6, 4]) and told["size"] == pytest.approx([40, 20])
    assert told["heights"] == pytest.approx([9.0]) and told["center"] == pytest.approx([30, -10])
    assert told["amplitude"] == pytest.approx(1.0) and told["f0"] == 3.1e4 and told["angle"] == 15
    assert told["time"] == "2017-03-15T17:12:07" and told["duration"] == 12.3
    words = entry.describe()
    assert words["size/Å"] == "40.0 x 20.0" and words["height/Å"] == "9.00" and words["control"] == "off"


def test_without_a_frequency_shift_another_channel_is_shown(day):
    (topo,) = list_scans(day / "topo.sxm")
    assert topo.block.channel == topo.asked == "Z"
    assert topo.reason == "there is no channel of the frequency shift"
    (named,) = list_scans(day / "topo.sxm", channel="current")
    assert named.block.channel == "Current" and named.reason is None
    (missing,) = list_scans(day / "topo.sxm", channel="Phase")
    assert missing.block.channel == "Z" and missing.reason == "there is no channel 'Phase'"


def test_of_several_frequency_shifts_one_is_shown_and_named(tmp_path):
    values = both(image())
    channels = {"Z": values, "OC M1 Freq. Shift": values, "OC M2 Freq. Shift": values}
    (tmp_path / "two.sxm").write_bytes(files.sxm(channels))
    (entry,) = list_scans(tmp_path)
    assert entry.asked == entry.block.channel == "OC M1 Freq. Shift" and entry.reason is None


def test_values_are_not_kept_but_their_shape(day):
    entries = list_scans(day)
    blocks = [entry.block for entry in entries if entry.block is not None]
    assert len(blocks) == 6 and all(block.values.strides == (0, 0, 0) for block in blocks)
    empty = day / "empty.sxm"
    sxm(empty, values=np.full((4, 6), np.nan))
    (entry,) = list_scans(empty)
    assert "nothing but NaN" in entry.reason


def test_thumbnails_are_means_of_squares(tmp_path):
    values = RNG.normal(size=(330, 200))
    values[:6, :4] = np.nan
    sxm(tmp_path / "large.sxm", values=values)
    (entry,) = list_scans(tmp_path)
    forward, backward = entry.thumbnails["forward"], entry.thumbnails["backward"]
    assert forward.shape == backward.shape == (110, 67) and forward.dtype == np.float32
    assert np.isnan(forward[:2, 0]).all() and np.isfinite(forward[2:]).all()
    assert forward[0, 1] == pytest.approx(np.nanmean(values[0:3, 3:6]), abs=1e-6)
    assert forward[109, 66] == pytest.approx(values[327:330, 198:200].mean(), abs=1e-6)
    assert np.nanmax(np.abs(backward - forward - 1)) < 1e-5


def test_of_a_volume_the_nearest_image_that_was_measured(tmp_path):
    values = RNG.normal(size=(1, 4, 5, 7))
    heights = np.array([0.3, 0.2, 0.1, 0.0])
    write_stack(tmp_path / "stack.npz", AFMStack(values, np.arange(7.0), np.arange(5.0), heights, {}))
    (entry,) = list_scans(tmp_path / "stack.npz")
    assert np.allclose(entry.thumbnails["forward"], values[0, 3]) and entry.describe()["images"] == "4"
    grid = RNG.normal(size=(4, 3, 4))
    grid[2, 1:], grid[3] = np.nan, np.nan
    (tmp_path / "grid.3ds").write_bytes(files.grid_3ds({"Frequency Shift (Hz)": grid}))
    (entry,) = list_scans(tmp_path / "grid.3ds")
    assert np.allclose(entry.thumbnails["forward"], grid[1], rtol=1e-6)


def test_the_other_direction_where_there_is_one(tmp_path):
    (tmp_path / "one.sxm").write_bytes(files.sxm({"Frequency_Shift": {"forward": image()}}))
    (entry,) = list_scans(tmp_path)
    assert list(entry.thumbnails) == ["forward"]
    (entry,) = list_scans(tmp_path, direction="backward")
    assert "direction: expected" in entry.error
    with pytest.raises(InputError, match="direction: expected 'forward'"):
        list_scans(tmp_path, direction="up")


def test_a_reader_that_fails_ends_no_listing(day, monkeypatch):
    def fail(path, *_):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("torch_afm.io.scans.listing.read_block", fail)
    entries = list_scans([day / "a.sxm", day / "b.sxm"])
    assert [entry.error for entry in entries] == ["ZeroDivisionError: a fault"] * 2


def test_paths_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list_scans(tmp_path / "none.sxm")


@pytest.mark.data
@pytest.mark.skipif("TORCH_AFM_DATA" not in os.environ, reason="TORCH_AFM_DATA is not set")
def test_every_real_file_has_its_line():
    real = Path(os.environ["TORCH_AFM_DATA"]) / "real"
    paths = [file for file in sorted(real.rglob("*")) if file.is_file()]
    entries = list_scans(paths)
    assert sorted(entry.path for entry in entries) == paths
    for entry in entries:
        if entry.path.suffix in (".sxm", ".3ds", ".dat", ".h5", ".png"):
            assert entry.error is None and entry.block is not None, entry.path
            assert entry.thumbnails["forward"].size > 1
    controlled = [entry.path.name for entry in entries if entry.feedback == "on"]
    assert controlled == ["createc_afm.dat"]
