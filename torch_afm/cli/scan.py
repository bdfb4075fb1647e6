"""``torch-afm scan``: what there is in the files of a measuring day."""

from __future__ import annotations

import json
import os
import shlex
import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from torch_afm.io.files import write_json, write_whole
from torch_afm.io.scans import ScanEntry, ScanSeries, find_series, list_scans
from torch_afm.io.scans.listing import printable
from torch_afm.progress import StatusLine, working
from torch_afm.utils import InputError
from torch_afm.viz import plot_contact_sheet, scan_sheet_entries, scan_sheet_html

#: Characters in a line, files on a sheet.
_WIDTH, _SHEET = 120, 60

#: Letters that columns may be cut to where a line is too long, and those that may go.
_MIN = {"channel": 10, "file": 20}
_SPARE = ("angle/°", "format")

#: Columns whose texts begin at the left.
_LEFT = {"", "file", "format", "channel"}


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.scan.parse`."""
    if args.out is None:
        _list(args)
        return 0
    folder = Path(args.out)
    scanned = {(path if path.is_dir() else path.parent).resolve() for path in map(Path, args.paths)}
    if folder.resolve() in scanned:
        raise InputError(f"--out: expected another folder than those of the scans, got {folder}")
    with working("scan", folder) as status:
        files = _write(folder, args, *_list(args), status)
    if not args.json:
        print(f"\nwrote {', '.join(files)} to {folder}")
    return 0


def _list(args: Namespace) -> tuple[list[ScanEntry], list[ScanSeries]]:
    """Print what there is."""
    entries = list_scans(args.paths, args.channel, args.direction, progress=True)
    series = find_series(entries)
    if args.json:
        print(json.dumps(_documents(entries, series), indent=2))
    else:
        print("\n".join(_table(entries, _letters(series))))
        for lines in (_reasons(entries), _describe(series, args.direction), _others(entries, args.paths)):
            if lines:
                print("\n".join(["", *lines]))
    return entries, series


def _write(
    folder: Path,
    args: Namespace,
    entries: Sequence[ScanEntry],
    series: Sequence[ScanSeries],
    status: StatusLine,
) -> list[str]:
    letters = _letters(series)
    write_json(folder / "scans.json", _documents(entries, series))
    status("drawing contact_sheet.html")
    texts = [(f"{s.letter}  {_summary(s)}", _command(s, args.direction)) for s in series]
    title = f"Scans in {', '.join(map(printable, args.paths[:3]))}{' ...' if len(args.paths) > 3 else ''}"
    page = scan_sheet_html(title, entries, letters, texts)
    write_whole(folder / "contact_sheet.html", page.encode("utf-8", "replace"))
    files = ["scans.json", "contact_sheet.html"]
    shown = scan_sheet_entries(entries, letters)
    for i in range(0, len(shown), _SHEET):
        name = "contact_sheet.png" if i == 0 else f"contact_sheet_{i // _SHEET + 1}.png"
        status(f"drawing {name}")
        plot_contact_sheet(shown[i : i + _SHEET]).savefig(folder / name, dpi=120)
        files.append(name)
    return files


def _letters(series: Sequence[ScanSeries]) -> dict[ScanEntry, str]:
    return {entry: one.letter for one in series for entry in one.entries}


def _documents(entries: Sequence[ScanEntry], series: Sequence[ScanSeries]) -> list[dict[str, Any]]:
    letters = _letters(series)
    return [entry.to_dict() | {"series": letters.get(entry)} for entry in entries]


def _table(entries: Sequence[ScanEntry], letters: Mapping[ScanEntry, str]) -> list[str]:
    """A line for each file of a known format, and one for each error."""
    known = [entry for entry in entries if entry.format is not None]
    names = _names(known)
    days = {entry.time.date() for entry in known if entry.time is not None}
    (time, form) = (str(*days), "%H:%M") if len(days) == 1 else ("time", "%Y-%m-%d %H:%M")
    rows = []
    for entry in known:
        when = "" if entry.time is None else entry.time.strftime(form)
        sign = "!" if entry.error else letters.get(entry, "")
        rows.append(
            {"": sign, "file": names[entry], "format": entry.format or "", time: when} | entry.describe()
        )
    if all(row.get("images", "1") == "1" for row in rows):
        for row in rows:
            row.pop("images", None)
    columns = [c for c in dict.fromkeys(key for row in rows for key in row) if any(r.get(c) for r in rows)]
    widths = {c: max([len(c), *(len(row.get(c, "")) for row in rows)]) for c in columns}
    for column, least in _MIN.items():
        if column in widths:
            widths[column] = max(min(widths[column], least), widths[column] - max(_excess(widths), 0))
    for column in _SPARE:
        if _excess(widths) > 0:
            widths.pop(column, None)
    lines = [_line({c: c for c in columns}, widths)]
    for entry, row in zip(known, rows, strict=True):
        start = _line(row, {c: width for c, width in widths.items() if c in _LEFT - {"channel"}})
        if entry.error is None:
            lines.append(_line(row, widths))
        else:
            room = max(_WIDTH - len(start) - 2, 30)
            first, *rest = textwrap.wrap(entry.error, room) or [""]
            lines += [f"{start}  {first}", *(f"{'':{len(start)}}  {line}" for line in rest)]
    return lines if known else []


def _excess(widths: Mapping[str, int]) -> int:
    """Characters by which lines are too long."""
    return sum(widths.values()) + 2 * (len(widths) - 1) - _WIDTH


def _line(row: Mapping[str, str], widths: Mapping[str, int]) -> str:
    cells = []
    for column, width in widths.items():
        text = _cut(row.get(column, ""), width)
        cells.append(text.ljust(width) if column in _LEFT else text.rjust(width))
    return "  ".join(cells).rstrip()


def _cut(text: str, width: int) -> str:
    """A text without its middle, where it is too long: numbers at its end tell files from each other."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


def _names(entries: Sequence[ScanEntry]) -> dict[ScanEntry, str]:
    """Names of files, with those of their folders as far as these differ."""
    folders = {os.path.abspath(entry.path.parent) for entry in entries}
    if len(folders) <= 1:
        return {entry: printable(entry.path.name) for entry in entries}
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # on several drives
        return {entry: printable(str(entry.path)) for entry in entries}
    return {entry: printable(os.path.relpath(entry.path, common)) for entry in entries}


def _reasons(entries: Sequence[ScanEntry]) -> list[str]:
    """Why files are part of no series, each reason once."""
    found: dict[str, list[ScanEntry]] = defaultdict(list)
    for entry in entries:
        if entry.reason is not None:
            found[entry.reason].append(entry)
    lines = []
    for reason, files in found.items():
        name = printable(files[0].path.name) if len(files) == 1 else f"{len(files)} files"
        lines += textwrap.wrap(f"part of no series: {name}: {reason}", _WIDTH, subsequent_indent="  ")
    return lines


def _others(entries: Sequence[ScanEntry], paths: Sequence[str]) -> list[str]:
    """Files of formats that are not read, and folders that were not gone into."""
    others = [entry for entry in entries if entry.format is None]
    lines = [f"{_count(len(others), 'file')} of other formats:"] if others else []
    names: dict[str, list[str]] = defaultdict(list)
    for entry in others:
        names[entry.error or ""].append(printable(entry.path.name))
    for error, found in names.items():
        words = f"{', '.join(found)}: {error}"
        lines += textwrap.wrap(
            words, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
        )
    given = {Path(path).resolve() for path in paths}
    inner = [
        printable(str(folder))
        for path in paths
        if Path(path).is_dir()
        for folder in sorted(Path(path).iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and folder.resolve() not in given
    ]
    if inner:
        words = f"not listed: the files in {', '.join(inner)}"
        lines += textwrap.wrap(words, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return lines


def _describe(series: Sequence[ScanSeries], direction: str) -> list[str]:
    """Each series in a line, and the command that predicts from it."""
    lines = []
    for one in series:
        lines += [
            f"{one.letter}  {_summary(one)}",
            *textwrap.indent(_command(one, direction), "   ").split("\n"),
        ]
    options = [name for name in ("STEP", "SIDE") if any(f" {name} " in f"{line} " for line in lines)]
    if options:
        words = {
            "STEP": "by how many Å each image is nearer than the one before it",
            "SIDE": "side of a pixel in Å",
        }
        lines.append(f"not told by the files: {'; '.join(f'{name}, {words[name]}' for name in options)}")
    return lines


def _summary(series: ScanSeries) -> str:
    blocks = [entry.block for entry in series.entries if entry.block is not None]
    curves = all(block.values.shape[1:] == (1, 1) for block in blocks)
    n = len(blocks) if curves else sum(len(block.values) for block in blocks)
    words = [_count(n, "curve at single points" if curves and n == 1 else "curve" if curves else "image")]
    heights = series.heights
    if heights is None:
        words.append("heights unknown")
    elif series.steps is None:
        words.append(f"at {_height(heights[0])} Å")
    else:
        low, high = series.steps
        steps = f"{low:.2f}" if high - low < 0.02 else f"{low:.2f} to {high:.2f}"
        ends = f"{_height(heights.max())} to {_height(heights.min())} Å"
        words.append(f"{ends} in steps of {steps} Å, {series.course}")
    if series.times is not None:
        begin, end = series.times
        form = "%H:%M" if begin.date() == end.date() else "%Y-%m-%d %H:%M"
        words.append(f"{begin:%Y-%m-%d %H:%M} to {end.strftime(form)}")
    return ", ".join(words)


def _height(z: float) -> str:
    return f"{round(z, 2) + 0.0:.2f}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _command(series: ScanSeries, direction: str) -> str:
    """The command, in lines that a shell reads as one."""
    entry = series.entries[0]
    words = ["torch-afm predict", *(printable(shlex.quote(path)) for path in series.shortest_paths())]
    if entry.asked is not None:
        words.append(f"--channel {shlex.quote(entry.asked)}")
    if direction != "forward":
        words.append(f"--direction {direction}")
    blocks = [one.block for one in series.entries if one.block is not None]
    if series.heights is None and sum(len(block.values) for block in blocks) > 1:
        words.append("--step STEP")
    if any(block.size is None for block in blocks):
        words.append("--pixel-size SIDE")
    words.append(f"--out series_{series.letter}")
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 1 > _WIDTH - 5:
            lines[-1] += " \\"
            lines.append(f"  {word}")
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)
