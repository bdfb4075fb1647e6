import io
import sys

import pytest

from torch_afm import progress
from torch_afm.progress import ProgressBar, StatusLine, format_duration, format_size, working


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3000, "50 min"), (9000, "2.5 h")]
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 kB"), (3210, "3.21 kB"), (44e6, "44 MB"), (25.1e9, "25.1 GB")],
)
def test_sizes(count, text):
    assert format_size(count) == text


def test_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_BAR_INTERVAL", 0)
    assert list(ProgressBar(range(3), desc="work", unit="item")) == [0, 1, 2]
    lines = [line.strip() for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert lines and all(line.startswith("work: ") and "of 3 (item)" in line for line in lines)
    monkeypatch.setattr(progress, "_BAR_INTERVAL", 20)
    assert sum(ProgressBar(range(1000))) == sum(range(1000))
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    list(ProgressBar(range(3), desc="work"))
    assert "work: 100%|" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass as a test says."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_file_gets_a_line_at_most_every_ten_seconds(clock, capsys):
    tell = StatusLine("predict")
    for step in range(1, 30):
        clock[0] += 1.0
        tell(f"window {step} of 29")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "torch-afm predict: window 10 of 29 (10 s)",
        "torch-afm predict: window 20 of 29 (20 s)",
    ]


def test_a_terminal_gets_one_line_that_is_cleared(clock, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", stream)
    tell = StatusLine("predict")
    tell("a long name of a step")
    clock[0] += 2.0
    tell("short")
    tell.close()
    first, second, cleared = stream.getvalue().split("\r")[1:4]
    assert first.rstrip() == "torch-afm predict: a long name of a step (0 s)"
    assert second.rstrip() == "torch-afm predict: short (2 s)" and len(second) == len(first)
    assert cleared.strip() == "" and len(cleared) == len("torch-afm predict: short (2 s)")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_early_ends_leave_no_empty_folder(tmp_path, capsys, error):
    (tmp_path / "there").mkdir()
    for folder in ("there", "new/deep"):
        with pytest.raises(error), working("predict", tmp_path / folder):
            assert (tmp_path / folder).is_dir()
            raise error
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
    assert ("interrupted" in capsys.readouterr().err) == (error is KeyboardInterrupt)
    with pytest.raises(error), working("predict", tmp_path / "kept"):
        (tmp_path / "kept" / "file").write_text("something")
        raise error
    assert (tmp_path / "kept" / "file").exists()
    assert ("holds a part" in capsys.readouterr().err) == (error is KeyboardInterrupt)
