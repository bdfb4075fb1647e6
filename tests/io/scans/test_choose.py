import dataclasses
from pathlib import Path

import numpy as np
import pytest

from torch_afm.io.scans.choose import ScanFile, choose_images, group_images
from torch_afm.io.scans.scan_block import ScanBlock
from torch_afm.utils import InputError


def _file(name, shape=(1, 2, 4), height=1.0, size=(8.0, 4.0), center=(0.0, 0.0), unit="Hz", **meta):
    block = ScanBlock(np.ones(shape), np.full(shape[0], height), size, center, unit, "df", "forward", meta)
    return ScanFile(Path(name), block)


FIRST = _file("first", angle=0.0, amplitude=1.0, f0=30000.0)

#: What does not fit the first, and the words that say why.
OTHERS = [
    (_file("a", shape=(1, 4, 2)), "expected 4 x 2 pixels in 'Hz' as in first, got 2 x 4 in 'Hz'"),
    (_file("b", unit="V"), "got 4 x 2 in 'V'"),
    (_file("c", size=(8.1, 4.0)), "size: expected 8 x 4 Å as in first, got 8.1 x 4 Å"),
    (_file("d", center=(4.1, 0.0)), "center: expected the place of first (0.0, 0.0 Å), got 4.1, 0.0 Å"),
    (_file("e", angle=90.0), "expected the scan angle of first (0 °), got 90 °"),
    (_file("f", amplitude=2.0), "oscillation amplitude"),
    (_file("g", f0=25000.0), "resonance frequency"),
    (_file("h", feedback="ON"), "the controller of the height was on"),
    (_file("i", height=np.nan), "heights: expected finite"),
    (_file("j", size=(np.inf, 4.0)), "size: expected finite"),
    (_file("k", center=(np.nan, 0.0)), "center: expected finite"),
]


def test_what_does_not_fit_is_left_out_with_the_reason():
    second = _file("second", height=2.0, angle=0.05, amplitude=1.0, f0=30010.0)
    for other, words in OTHERS:
        chosen, skipped = choose_images([other, FIRST, second])
        assert [file.path.name for file in chosen] == ["first", "second"]
        assert [name for name, _ in skipped] == [other.path.name] and words in skipped[0].reason


def test_or_refused():
    for other, words in OTHERS:
        with pytest.raises(InputError) as error:
            choose_images([FIRST, other], strict=True)
        assert words in str(error.value) and str(error.value).startswith(f"{other.path}: ")


def test_the_longest_series_is_taken():
    """Images before curves, more images before fewer, the first of equally long ones."""
    small = [_file(f"s{i}", shape=(1, 3, 3), size=(3.0, 3.0)) for i in range(3)]
    curves = [_file(f"c{i}", shape=(9, 1, 1), size=(0.0, 0.0), center=(i, 0.0)) for i in range(5)]
    files = [FIRST, *curves, *small, _file("second")]
    assert [len(series) for series in group_images(files)] == [2, 5, 3]
    chosen, skipped = choose_images(files)
    assert chosen == small and len(skipped) == 7
    assert choose_images([FIRST, *curves, *small[:1]])[0] == [FIRST]
    assert choose_images(curves)[0] == curves


def test_one_file_that_cannot_be_used_says_why():
    with pytest.raises(InputError, match="h: expected an image of constant height"):
        choose_images([OTHERS[7][0]])
    assert len(choose_images([OTHERS[7][0]], constant_height=True)[0]) == 1


def test_curves_have_the_same_heights():
    points = [_file(f"p{i}", (2, 1, 1), z, (0.0, 0.0), (float(i), 0.0)) for i, z in enumerate([1, 1, 2, 1])]
    chosen, skipped = choose_images(points)
    assert len(chosen) == 3 and "points: expected the heights of p0" in skipped[0].reason


def test_places_are_compared_in_the_turned_frame():
    """A frame of 8 x 4 Å turned by 90°: 3 Å along y of the microscope is 3 Å along its x."""
    first, moved = _file("a", angle=90.0), _file("b", angle=90.0, center=(0.0, 3.0))
    assert len(group_images([first, moved])) == 1
    assert len(group_images([_file("a"), _file("b", center=(0.0, 3.0))])) == 2


def test_several_images_of_one_file_are_a_series_by_themselves():
    stacks = [_file("a", (10, 4, 4)), _file("b", (12, 4, 4))]
    assert [len(group) for group in group_images([*stacks, _file("c"), _file("d")])] == [1, 1, 2]
    chosen, skipped = choose_images(stacks)
    assert chosen == stacks[1:] and "belongs to another series" in skipped[0].reason
    with pytest.raises(InputError, match="b: it belongs to another series"):
        choose_images(stacks, strict=True)
    assert choose_images(stacks, one_series=True)[0] == stacks


def test_a_grid_of_which_little_was_measured_does_not_win():
    grid = _file("grid", (256, 8, 8))
    grid.block.values[:, 1:] = np.nan
    assert choose_images([grid, FIRST])[0] == [FIRST]
    assert choose_images([grid])[0] == [grid]


def test_series_of_other_days_and_biases():
    """Ten minutes between images, then two days."""
    times = [0.0, 600.0, 1200.0, 2 * 86400.0, 2 * 86400.0 + 600.0]
    files = [_file(f"f{i}", height=-i, time=t, duration=500.0) for i, t in enumerate(times)]
    assert [len(group) for group in group_images(files)] == [3, 2]
    assert choose_images(files, one_series=True)[0] == files
    assert len(group_images([_file("a", bias=0.0), _file("b", bias=0.01), _file("c", bias=1.5)])) == 2
    assert len(group_images([_file("a", angle=359.95), _file("b", angle=0.0)])) == 1


def test_pictures_belong_together_by_their_names():
    pictures = [_file(f"{name}_0{i}.png") for name in ("one", "2,7-two") for i in (2, 4)]
    pictures = [
        file._replace(block=dataclasses.replace(file.block, channel="gray", size=size))
        for file, size in zip(pictures, (None, None, (1.0, 1.0), (1.0, 1.0)), strict=True)
    ]
    assert [len(group) for group in group_images(pictures)] == [2, 2]
    unnumbered = [
        file._replace(path=Path(name)) for file, name in zip(pictures, ("far.png", "near.png"), strict=False)
    ]
    assert len(group_images(unnumbered)) == 1
