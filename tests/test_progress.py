import sys

import pytest

from torch_afm import progress
from torch_afm.progress import Progress, duration, size


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3000, "50 min"), (9000, "2.5 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 kB"), (3210, "3.21 kB"), (44e6, "44 MB"), (25.1e9, "25.1 GB")],
)
def test_sizes(count, text):
    assert size(count) == text


def test_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_EVERY", 0)
    assert list(Progress(range(3), desc="work", unit="item")) == [0, 1, 2]
    lines = [line.strip() for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert lines and all(line.startswith("work: ") and "of 3 (item)" in line for line in lines)
    monkeypatch.setattr(progress, "_EVERY", 20)
    assert sum(Progress(range(1000))) == sum(range(1000))
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    list(Progress(range(3), desc="work"))
    assert "work: 100%|" in capsys.readouterr().err
