import dataclasses
from pathlib import Path

import numpy as np
import pytest

from torch_afm.io.scans.assemble import assemble
from torch_afm.io.scans.choose import ScanFile
from torch_afm.io.scans.scan_block import ScanBlock
from torch_afm.utils import InputError


def _block(value=0.0, height=1.0, shape=(1, 2, 4), size=(8.0, 4.0), center=(0.0, 0.0), **options):
    fields = {"unit": "Hz", "channel": "df", "direction": "forward", "meta": {"v": value}} | options
    return ScanBlock(np.full(shape, value), np.array([height]), size, center, **fields)


def _assemble(*blocks, **options):
    return assemble([ScanFile(Path(f"{i}.sxm"), block) for i, block in enumerate(blocks)], **options)


def test_order_of_slices():
    stack = _assemble(_block(1, 5.0), _block(2, 7.0), _block(3, 6.0))
    assert stack.values[:, 0, 0] == pytest.approx([2, 3, 1]) and stack.heights == pytest.approx([7, 6, 5])
    assert stack.meta["files"] == ["1.sxm", "2.sxm", "0.sxm"] and stack.meta["v"] == 1
    assert stack.window == ((-3, 3), (-1, 1))


def test_a_single_image_needs_no_height():
    block = dataclasses.replace(_block(4), heights=None)
    assert _assemble(block).heights.tolist() == [0.0]
    assert _assemble(block, heights=[2.0]).heights.tolist() == [2.0]
    with pytest.raises(InputError, match="give heights"):
        _assemble(block, block)


def test_what_is_given_wins():
    stack = _assemble(
        _block(1, 5.0), _block(2, 7.0), heights=[2.0, 1.0], pixel_size=(1.0, 2.0), scale=(3.0, "V")
    )
    assert stack.values[:, 0, 0] == pytest.approx([3, 6]) and stack.unit == "V"
    assert stack.window == ((-1.5, 1.5), (-1, 1))


def test_frames_that_follow_drift():
    """The nearest slice says where the stack is."""
    stack = _assemble(_block(1, 5.0, center=(1.0, 0.0)), _block(2, 7.0, center=(0.0, 0.5)))
    assert stack.window == ((-2, 4), (-1, 1)) and stack.meta["centers"] == [[0.0, 0.5], [1.0, 0.0]]
    assert "moved by up to 1.1 Å" in stack.meta["warnings"][0]


def test_slices_at_one_height():
    """A series down and up: repeats stay side by side, in the order of their times."""
    down_and_up = [_block(i, z, meta={"time": 100.0 * i, "duration": 60.0}) for i, z in enumerate([7, 6, 7])]
    stack = _assemble(*down_and_up)
    assert stack.heights.tolist() == [7, 7, 6] and stack.values[:, 0, 0].tolist() == [0, 2, 1]
    assert stack.meta["times"] == [30.0, 230.0, 130.0] and "time" not in stack.meta
    assert "times" not in _assemble(*down_and_up[:2], _block(2.0, 5.0)).meta


def test_what_slices_share():
    """Angles and resonances that differ by rounding and drift are one; what one file tells counts for all."""
    stack = _assemble(
        _block(1, 5.0, meta={"angle": 15.0, "f0": 30000.0, "warnings": ["w"]}),
        _block(2, 7.0, meta={"angle": 15.01, "f0": 30010.0, "amplitude": 1.6}),
    )
    assert stack.meta["angle"] == 15.0 and stack.meta["f0"] == 30000.0 and stack.meta["amplitude"] == 1.6
    assert stack.meta["warnings"] == ["w"]


def test_a_controller_that_was_on_may_be_overruled():
    blocks = (_block(1, 5.0, meta={"feedback": "ON"}), _block(2, 7.0, meta={"feedback": "ON"}))
    assert "feedback" not in _assemble(*blocks, constant_height=True).meta


def test_multiples_of_hertz():
    assert _assemble(_block(2.0, unit="kHz")).values[0, 0, 0] == 2000.0
    assert _assemble(_block(2.0, unit="kHz"), scale=(3.0, "Hz")).values[0, 0, 0] == 6.0
    assert _assemble(_block(2.0, unit="V")).unit == "V"


def _point(x, y, **options):
    return _block(10 * x + y, shape=(1, 1, 1), size=(0.0, 0.0), center=(x, y), **options)


def test_points():
    stack = _assemble(*(_point(x, y + 1e-6 * x) for x in (4, 2, 0) for y in (3, 1)))
    assert stack.values[0] == pytest.approx(np.array([[1, 21, 41], [3, 23, 43]]), abs=1e-5)
    assert stack.x == pytest.approx([0, 2, 4]) and stack.y == pytest.approx([1, 3], abs=1e-5)


def test_points_that_form_no_grid():
    for points, words in (
        ([_point(0, 0), _point(1, 0), _point(3, 0)], "evenly spaced"),
        ([_point(0, 0), _point(1, 0), _point(0, 1)], "a grid of 2 x 2, got 3"),
        ([_point(0, 0), _point(1, 0), _point(1, 0)], "a grid of 2 x 1, got 3"),
    ):
        with pytest.raises(InputError, match=f"points: .*{words}"):
            _assemble(*points)
