import dataclasses
import glob

import numpy as np
import pytest

from tests.io.scans import files
from tests.io.scans.test_listing import image, sxm
from torch_afm.io import AFMStack, write_stack
from torch_afm.io.scans import find_series, list_scans, read_scan


def series_of(*paths):
    return find_series(list_scans(paths))


def names(series):
    return [entry.path.name for entry in series.entries]


def test_series_are_those_that_read_scan_makes(tmp_path):
    for i in range(4):
        sxm(tmp_path / f"s{i}.sxm", z=(10 - i) * 1e-10, minute=i)
    sxm(tmp_path / "wide.sxm", size=(4e-9, 2e-9), minute=10)
    sxm(tmp_path / "far.sxm", center=(9e-9, 9e-9), minute=11)
    sxm(tmp_path / "on.sxm", on=True, minute=12)
    (tmp_path / "broken.sxm").write_bytes(b"nothing")
    found = series_of(tmp_path)
    assert [one.letter for one in found] == ["A", "B", "C"]
    assert [names(one) for one in found] == [[f"s{i}.sxm" for i in range(4)], ["wide.sxm"], ["far.sxm"]]
    stack = read_scan(tmp_path)
    assert stack.meta["files"] == [f"s{i}.sxm" for i in range(4)]
    assert found[0].heights == pytest.approx(stack.heights)


@pytest.mark.parametrize(
    ("heights", "course", "steps"),
    [
        ([3, 2, 1], "down", (1, 1)),
        ([3, 3, 2, 1.5], "down", (0.5, 1)),
        ([1, 2, 4], "up", (1, 2)),
        ([3, 2, 1, 2, 3], "down and up", (1, 1)),
        ([1, 2, 1], "up and down", (1, 1)),
        ([1, 2, 1, 2], "to and fro", (1, 1)),
        ([2, 2], "", None),
        ([2], "", None),
    ],
)
def test_the_course_of_the_heights(tmp_path, heights, course, steps):
    for i, z in enumerate(heights):
        sxm(tmp_path / f"{i}.sxm", z=z * 1e-10, minute=i)
    (one,) = series_of(tmp_path)
    assert one.course == course
    assert one.steps == (None if steps is None else pytest.approx(steps))


def test_the_order_is_that_of_the_times(tmp_path):
    for i, minute in enumerate((30, 10, 20)):
        sxm(tmp_path / f"{i}.sxm", z=minute * 1e-11, minute=minute)
    (one,) = series_of(tmp_path)
    assert names(one) == ["1.sxm", "2.sxm", "0.sxm"] and one.course == "up"
    begin, end = one.times
    assert begin.isoformat() == "2017-03-15T17:10:07" and (end - begin).total_seconds() == 1200 + 12.3


def test_unknown_heights_and_times(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(files.picture((image() + 100).astype(np.uint8)))
    (one,) = series_of(tmp_path)
    assert one.heights is None and one.steps is None and one.course == "" and one.times is None


def test_a_file_of_several_images_is_a_series_by_itself(tmp_path):
    for name in "ab":
        values = np.random.default_rng(0).normal(size=(1, 3, 5, 7))
        stack = AFMStack(values, np.arange(7.0), np.arange(5.0), np.array([0.2, 0.1, 0.0]), {})
        write_stack(tmp_path / f"{name}.npz", stack)
    assert [names(one) for one in series_of(tmp_path)] == [["a.npz"], ["b.npz"]]


def test_curves_at_the_points_of_a_grid_are_one_series(tmp_path):
    for i in range(4):
        curve = {"Z rel (m)": -1e-10 * np.arange(5.0), "Freq. Shift (Hz)": np.arange(5.0)}
        (tmp_path / f"{i}.dat").write_bytes(
            files.spectrum_dat(curve, x=(i % 2) * 1e-9, y=(i // 2) * 1e-9, z=2e-9)
        )
    (one,) = series_of(tmp_path)
    assert len(one.entries) == 4 and one.heights == pytest.approx(read_scan(tmp_path).heights)
    assert one.course == "down"


def test_letters_go_on(tmp_path):
    sxm(tmp_path / "x.sxm")
    (entry,) = list_scans(tmp_path)
    copies = []
    for i in range(28):
        block = dataclasses.replace(entry.block, size=(10.0 + i, 10.0))
        copies.append(dataclasses.replace(entry, path=tmp_path / f"{i}.sxm", block=block))
    found = find_series(copies)
    assert [one.letter for one in found][24:] == ["Y", "Z", "AA", "AB"]


def test_paths_give_exactly_the_files_of_a_series(tmp_path):
    folder = tmp_path / "a [day]"
    folder.mkdir()
    for i in range(3):
        sxm(folder / f"run1_{i}.sxm", z=(10 - i) * 1e-10, minute=i)
    (whole,) = series_of(folder)
    assert whole.shortest_paths() == [str(folder)]
    for i in range(2):
        sxm(folder / f"run2_{i}.sxm", size=(4e-9, 2e-9), minute=30 + i)
    first, second = series_of(folder)
    assert second.shortest_paths() == [f"{glob.escape(str(folder))}/run2_*.sxm"]
    for one in (first, second):
        assert [entry.path for entry in find_series(list_scans(one.shortest_paths()))[0].entries] == [
            entry.path for entry in one.entries
        ]
    # Now the pattern would match another file, too.
    sxm(folder / "run2_5.sxm", size=(5e-9, 2e-9), minute=40)
    places = series_of(folder)[1]
    assert places.shortest_paths() == [f"{glob.escape(str(folder))}/run2_[01].sxm"]
    (folder / "run2_0.sxm").rename(folder / "run2_a b.sxm")
    listed = series_of(folder)[1]
    assert listed.shortest_paths() == [str(folder / f"run2_{i}.sxm") for i in ("a b", "1")]


def test_a_pattern_of_a_range_of_numbers(tmp_path):
    for i in range(5, 28):
        z, size = (100 - i) * 1e-11, (2e-9, 1e-9) if 10 <= i < 20 else (4e-9, 2e-9)
        sxm(tmp_path / f"A.{i:03d}.sxm", z=z, minute=i, size=size)
    first, second = series_of(tmp_path)
    assert second.shortest_paths() == [str(tmp_path / "A.01*.sxm")]
    assert first.shortest_paths() == [str(tmp_path / "A.0[02][0-9].sxm")]


def test_a_pattern_of_names_that_repeat(tmp_path):
    """What the names begin with and what they end in may overlap: aa and aaa."""
    for i, name in enumerate(("aa.sxm", "aaa.sxm")):
        sxm(tmp_path / name, z=(10 - i) * 1e-10, minute=i)
    sxm(tmp_path / "b.sxm", size=(4e-9, 2e-9))
    one = next(one for one in series_of(tmp_path) if len(one.entries) == 2)
    (pattern,) = one.shortest_paths()
    assert sorted(glob.glob(pattern)) == [str(tmp_path / "aa.sxm"), str(tmp_path / "aaa.sxm")]
