"""``torch-afm scan``: the table, JSON, and the sheets that it writes."""

import json
import re
import shlex

import numpy as np
import pytest

from tests.io.scans import files
from tests.io.scans.test_listing import image, sxm
from torch_afm.cli.main import main
from torch_afm.cli.parsers.predict import parse as parse_predict
from torch_afm.io.scans import read_scan


@pytest.fixture
def day(tmp_path, monkeypatch):
    """A series down and up, another size, a topograph, a spectrum, a damaged file, a text."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "day 1"
    folder.mkdir()
    for i, z in enumerate((10, 9, 8, 9)):
        sxm(folder / f"stack_{i:03d}.sxm", z=z * 1e-10, minute=10 + i)
    sxm(folder / "single.sxm", size=(4e-9, 2e-9), minute=1)
    sxm(folder / "topo.sxm", on=True, minute=2)
    (folder / "curve.dat").write_bytes(
        files.spectrum_dat({"Z rel (m)": -1e-10 * np.arange(5.0), "Freq. Shift (Hz)": np.arange(5.0)}, z=2e-9)
    )
    (folder / "cut.sxm").write_bytes((folder / "single.sxm").read_bytes()[:-8])
    (folder / "notes.txt").write_text("measured at night")
    (folder / "earlier").mkdir()
    return folder


def commands(printed):
    """The commands in what was printed, continued lines put together."""
    joined = printed.replace(" \\\n", " ")
    return [shlex.split(line) for line in joined.splitlines() if line.startswith("   torch-afm")]


def test_the_table(day, capsys):
    assert main(["scan", str(day)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert all(len(line) <= 120 for line in lines)
    head, rows = lines[0], lines[1:10]
    assert head.split()[:4] == ["file", "format", "2017-03-15", "channel"]
    assert [row.split()[0] for row in rows[:2]] == ["A", "topo.sxm"]
    row = next(row for row in rows if "stack_002.sxm" in row)
    # Letters stand below the names of their columns.
    for column, text in (
        ("height/Å", "8.00"),
        ("size/Å", "20.0 x 10.0"),
        ("control", "off"),
        ("angle/°", "15"),
    ):
        end = head.index(column) + len(column)
        assert row[:end].endswith(text)
    assert row.startswith("B  stack_002.sxm  sxm ") and "17:12" in row and "6 x 4" in row
    damaged = next(line for line in lines if "cut.sxm" in line)
    assert damaged.startswith("!") and "a truncated file" in " ".join(lines)
    assert "part of no series: topo.sxm: " in printed.out and "controller" in printed.out
    assert "B  4 images, 10.00 to 8.00 Å in steps of 1.00 Å, down and up, 2017-03-15 17:10 to 17:13" in lines
    assert any(line.startswith("  notes.txt: ") for line in lines) and "1 file of other formats:" in lines
    assert re.search(r"not listed: the files in .*earlier", printed.out)


def test_its_commands_predict_from_the_series(day, capsys):
    main(["scan", str(day)])
    single, series, curve = commands(capsys.readouterr().out)
    for command in (single, series, curve):
        assert command[:2] == ["torch-afm", "predict"]
    assert series[2:] == ["day 1/stack_00*.sxm".replace("day 1", str(day)), "--out", "series_B"]
    stack = read_scan(parse_predict(series[2:]).scan)
    assert stack.meta["files"] == ["stack_000.sxm", "stack_001.sxm", "stack_003.sxm", "stack_002.sxm"]
    assert "skipped" not in stack.meta
    assert parse_predict(single[2:]).scan == [str(day / "single.sxm")]


def test_what_files_do_not_tell_has_to_be_given(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(files.picture((30 * image() + 200).clip(0, 255).astype(np.uint8)))
    (tmp_path / "other.txt").write_text("x")
    assert main(["scan", "."]) == 0
    printed = capsys.readouterr().out
    ((*_, step, _, pixel, _, _, _),) = commands(printed)
    assert (step, pixel) == ("--step", "--pixel-size")
    assert "not told by the files: STEP, by how many Å" in printed and "SIDE, side of a pixel in Å" in printed


def test_channels_and_directions_are_in_the_commands(tmp_path, capsys):
    channels = {
        name: {"forward": image(), "backward": image()} for name in ("OC M1 Freq. Shift", "OC M2 Freq. Shift")
    }
    (tmp_path / "two.sxm").write_bytes(files.sxm(channels, z=1e-9))
    assert main(["scan", str(tmp_path), "--direction", "backward"]) == 0
    (command,) = commands(capsys.readouterr().out)
    options = parse_predict(command[2:]).options
    assert (options.reading.channel, options.reading.direction) == ("OC M1 Freq. Shift", "backward")
    assert main(["scan", str(tmp_path), "--channel", "OC M2 Freq. Shift"]) == 0
    (command,) = commands(capsys.readouterr().out)
    assert parse_predict(command[2:]).options.reading.channel == "OC M2 Freq. Shift"


def test_long_commands_are_broken_as_shells_have_it(tmp_path, capsys):
    for i in range(30):
        z, minute = (100 - i) * 1e-11, i
        sxm(tmp_path / f"{'long ' * 12}{i:02d}.sxm", z=z, minute=minute)
    sxm(tmp_path / f"{'long ' * 12}15.sxm", z=9e-9, size=(4e-9, 2e-9), minute=59)
    assert main(["scan", str(tmp_path)]) == 0
    first, _ = commands(capsys.readouterr().out)
    assert len(parse_predict(first[2:]).scan) == 29


def test_json_is_one_list(day, capsys):
    assert main(["scan", str(day), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["series"] for one in listed if one["format"] == "sxm"] == ["A", None, *"BBBB", None]
    (text,) = (one for one in listed if one["format"] is None)
    assert text["file"].endswith("notes.txt") and text["error"]


def test_pictures_and_the_list_are_written(day, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch_afm.cli.scan._SHEET", 4)
    assert main(["scan", str(day), "--out", "sheet"]) == 0
    printed = capsys.readouterr().out
    names = ["contact_sheet.html", "contact_sheet.png", "contact_sheet_2.png", "scans.json"]
    assert sorted(path.name for path in (tmp_path / "sheet").iterdir()) == names
    assert printed.splitlines()[-1].startswith("wrote scans.json, contact_sheet.html, contact_sheet.png, ")
    assert (tmp_path / "sheet" / "contact_sheet_2.png").read_bytes()[:4] == b"\x89PNG"
    page = (tmp_path / "sheet" / "contact_sheet.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 2 * 6 + 1 and "torch-afm predict" in page
    assert main(["scan", str(day), "--json", "--out", "sheet"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "sheet" / "scans.json").read_text(encoding="utf-8")) == listed


def test_control_characters_do_not_reach_the_terminal(tmp_path, capsys):
    (tmp_path / "a\x1b[2J.sxm").write_bytes(files.sxm({"Frequency_Shift": {"forward": image()}}))
    assert main(["scan", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "A  a?[2J.sxm" in printed


def test_files_of_several_folders_are_told_from_each_other(tmp_path, capsys):
    for name in ("monday", "tuesday"):
        (tmp_path / name).mkdir()
        sxm(tmp_path / name / "image.sxm")
    assert main(["scan", str(tmp_path / "monday"), str(tmp_path / "tuesday")]) == 0
    printed = capsys.readouterr().out
    assert "A  monday/image.sxm" in printed and "A  tuesday/image.sxm" in printed


def test_one_line_where_there_is_nothing(tmp_path, capsys):
    for path, message in (("none", "no such file"), (".", "expected files ending in")):
        assert main(["scan", str(tmp_path / path), "--out", str(tmp_path / "sheet")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("torch-afm scan: error: ") and message in line
        assert not (tmp_path / "sheet").exists()


def test_pictures_are_not_written_among_the_scans(day, tmp_path, capsys):
    for path in (day, day / "single.sxm", day / "*.sxm"):
        assert main(["scan", str(path), "--out", str(day)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "--out: expected another folder than those of the scans" in line
    assert main(["scan", str(day), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "scans.json").is_file()


def test_other_files_of_one_sort_share_a_line(day, capsys):
    (day / "more.txt").write_text("as unknown as the other")
    assert main(["scan", str(day)]) == 0
    printed = capsys.readouterr().out
    assert "2 files of other formats:" in printed and "  more.txt, notes.txt: " in printed
