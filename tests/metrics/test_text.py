"""Cells and columns of tables."""

from torch_afm.metrics.text import align_columns, format_cell

TABLE = {"error": {"mean": [0.5, None]}, "stop": 1.0}


def test_a_cell_has_a_number_its_interval_and_its_reference():
    path = ("error", "mean", 0)
    assert format_cell(TABLE, {}, path, 2) == "0.50"
    intervals, reference = {"error": {"mean": [[0.25, 0.75], None]}}, {"error": {"mean": [0.125, 0]}}
    assert format_cell(TABLE, intervals, path, 2) == "0.50 (0.25 to 0.75)"
    assert format_cell(TABLE, intervals, path, 3, reference) == "0.500 (0.250 to 0.750) [0.125]"


def test_what_is_not_there_is_left_out():
    assert format_cell(TABLE, {}, ("error", "mean", 1), 2) == "-"
    assert format_cell(TABLE, {}, ("recall",), 2) == "-"
    assert format_cell(TABLE, {"error": None}, ("error", "mean", 0), 1, {"stop": 0.5}) == "0.5"
    assert format_cell(TABLE, {}, ("stop",), 0, {"stop": 2.0}) == "1 [2]"


def test_the_first_column_is_to_the_left_the_others_to_the_right():
    assert align_columns([["", "x"], ["mean", "0.25"], ["p5", "10.5"]]) == [
        "            x",
        "  mean   0.25",
        "  p5     10.5",
    ]
