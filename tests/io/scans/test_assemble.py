import dataclasses
from pathlib import Path

import numpy as np
import pytest

from torch_afm.io.scans.assemble import assemble
from torch_afm.io.scans.scan_block import ScanBlock
from torch_afm.utils import InputError


def _block(value=0.0, height=1.0, shape=(1, 2, 4), size=(8.0, 4.0), center=(0.0, 0.0), **options):
    fields = {"unit": "Hz", "channel": "df", "direction": "forward", "meta": {"v": value}} | options
    return ScanBlock(np.full(shape, value), np.array([height]), size, center, **fields)


def _assemble(*blocks, **options):
    return assemble([(Path(f"{i}.sxm"), block) for i, block in enumerate(blocks)], **options)


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


def _told(**meta):
    return _block(2.0, 2.0, meta=meta)


#: A second slice, and what the error names.
BAD = [
    (_block(shape=(1, 4, 2), height=2.0), "expected 4 x 2 pixels in 'Hz' as in 0.sxm, got 2 x 4"),
    (_block(unit="V", height=2.0), "in 'Hz' as in"),
    (_block(), "got 0.sxm and 1.sxm at the same"),
    (_block(height=np.nan), "heights"),
    (_block(size=(8.1, 4.0), height=2.0), "size"),
    (_block(size=(np.inf, 4.0), height=2.0), "size"),
    (_block(center=(5.0, 0.0), height=2.0), "center"),
    (_block(center=(np.nan, 0.0), height=2.0), "center"),
    (_told(angle=90.0), "scan angle"),
    (_told(amplitude=2.0), "oscillation amplitude"),
    (_told(f0=25000.0), "resonance frequency"),
    (_told(feedback="ON"), "constant height"),
]


def test_slices_that_do_not_fit():
    """The files that differ are named."""
    first = _block(meta={"angle": 0.0, "amplitude": 1.0, "f0": 30000.0})
    for other, words in BAD:
        with pytest.raises(InputError) as error:
            _assemble(first, other)
            pytest.fail(f"{words}: was taken")
        assert words in str(error.value)
        if words not in ("heights", "constant height"):
            assert "0.sxm" in str(error.value) and "1.sxm" in str(error.value)


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
        ([_point(0, 0), _point(1, 0, height=2.0)], "same heights"),
        ([_point(0, 0), _point(1, 0, unit="V")], "one unit"),
    ):
        with pytest.raises(InputError, match=f"points: .*{words}"):
            _assemble(*points)
