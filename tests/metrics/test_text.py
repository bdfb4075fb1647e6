from torch_afm.metrics.text import aligned, cell


def test_a_number_with_its_interval_and_reference():
    table, intervals = {"f1": {"0.5": 0.91234}}, {"f1": {"0.5": (0.9, 0.925)}}
    assert cell(table, {}, ("f1", "0.5"), 2) == "0.91"
    assert cell(table, intervals, ("f1", "0.5"), 3) == "0.912 (0.900 to 0.925)"
    assert cell(table, {}, ("f1", "0.5"), 1, {"f1": {"0.5": 0.8}}) == "0.9 [0.8]"


def test_what_is_not_there_is_a_dash():
    assert cell({"f1": {}}, {}, ("f1", "0.5"), 2) == "-"
    assert cell({"f1": None}, {}, ("f1", "0.5"), 2) == "-"


def test_columns_line_up():
    lines = aligned([["", "a", "long"], ["row", "1.5", "2"]])
    assert len({len(line) for line in lines}) == 1
    assert [line.rindex(end) for line, end in zip(lines, ("long", "2"), strict=True)] == [
        len(lines[0]) - 4,
        len(lines[0]) - 1,
    ]
