"""Pictures of all files of a measuring day: a page, and sheets."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from torch_afm.io.scans.listing import ScanEntry, printable
from torch_afm.viz.contact_sheet import SheetEntry, SheetPanel
from torch_afm.viz.page import page_html
from torch_afm.viz.report import png_uri

#: Percentiles that are black and white.
_RANGE = (1.0, 99.0)

#: Pixels along the longer side of a picture on the page, and of the drawing of a curve.
_SIDE = 160

#: Grays of the stripes where nothing was measured.
_STRIPES = (150, 190)

#: What stands in captions, and the unit behind it.
_CAPTION = {
    "channel": "",
    "size/Å": " Å",
    "height/Å": " Å",
    "control": "",
    "ampl/Å": " Å",
    "angle/°": "°",
}
_BEFORE = {"height/Å": "z ", "control": "controller ", "ampl/Å": "amplitude ", "angle/°": "turned by "}


def thumbnail(values: np.ndarray) -> np.ndarray:
    """A gray picture of an image: without the plane that fits it best in least squares, from the 1st to the
    99th percentile, with stripes where nothing was measured; of a curve its line, the first value to the
    left.

    Shapes:
        values ``[Y, X]`` with y upwards, or ``[Z]``; result ``[Y, X]`` uint8, likewise.
    """
    if values.ndim == 1:
        return _curve(values)
    there = np.isfinite(values)
    ny, nx = values.shape
    stripes = np.add.outer(np.arange(ny), np.arange(nx)) // 2 % 2
    picture = np.array(_STRIPES, dtype=np.uint8)[stripes]
    if there.any():
        y, x = np.nonzero(there)
        columns = np.stack([x / nx - 0.5, y / ny - 0.5, np.ones(len(x))], axis=1)
        flat = values[there].astype(np.float64)
        flat -= columns @ np.linalg.lstsq(columns, flat, rcond=None)[0]
        low, high = np.percentile(flat, _RANGE)
        # What is left of a plane after rounding is no contrast.
        contrast = high - low > 1e-6 * np.abs(values[there]).max()
        gray = (flat - low) / (high - low) if contrast else np.full(len(flat), 0.5)
        picture[there] = np.round(255 * np.clip(gray, 0, 1)).astype(np.uint8)
    return picture


def _curve(values: np.ndarray) -> np.ndarray:
    picture = Image.new("L", (_SIDE, _SIDE), 255)
    there = np.flatnonzero(np.isfinite(values))
    if len(there):
        low, span = values[there].min(), np.ptp(values[there]) or 1.0
        x = 4 + (_SIDE - 9) * there / max(len(values) - 1, 1)
        y = 4 + (_SIDE - 9) * (values[there] - low) / span
        ImageDraw.Draw(picture).line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=0, width=2)
    return np.asarray(picture)


def scan_sheet_entries(entries: Sequence[ScanEntry], letters: Mapping[ScanEntry, str]) -> list[SheetEntry]:
    """What :func:`torch_afm.viz.plot_contact_sheet` shows of files, forward beside backward.

    Args:
        entries: the files; those that cannot be read are left out.
        letters: of the series that each is part of.
    """
    listed = []
    for entry in entries:
        panels = []
        for direction, values in entry.thumbnails.items():
            picture = thumbnail(values)
            width, height = _sides(entry, picture)
            x, y = (
                extent * (np.arange(n) + 0.5) / n
                for extent, n in zip((width, height), picture.shape[::-1], strict=True)
            )
            panels.append(SheetPanel(picture, direction, x, y))
        if panels:
            letter = f"{letters[entry]}  " if entry in letters else ""
            listed.append(SheetEntry(letter + printable(entry.path.name), panels, ", ".join(_words(entry))))
    return listed


def scan_sheet_html(
    title: str,
    entries: Sequence[ScanEntry],
    letters: Mapping[ScanEntry, str],
    series: Sequence[tuple[str, str]] = (),
) -> str:
    """A page that needs no other file, no network and no script: the series, and a picture of each file.
    Whatever it shows is escaped.

    Args:
        title: its heading.
        entries: the files.
        letters: of the series that each is part of.
        series: what each series is, and the command that predicts from it.
    """
    known = [entry for entry in entries if entry.format is not None]
    others = [entry for entry in entries if entry.format is None]
    parts = []
    if series:
        parts.append('<section class="card"><h2>Series</h2>')
        parts += [f"<p>{_escape(text)}</p><pre>{_escape(command)}</pre>" for text, command in series]
        parts.append("</section>")
    parts.append('<section class="sheet">')
    parts += [_card(entry, letters.get(entry, "")) for entry in known]
    parts.append("</section>")
    if others:
        rows = "".join(f"<li>{_escape(_name(entry))}: {_escape(entry.error or '')}</li>" for entry in others)
        parts.append(f'<section class="card"><h2>Files of other formats</h2><ul>{rows}</ul></section>')
    return page_html(title, "\n".join(parts), "scans.css")


def _card(entry: ScanEntry, letter: str) -> str:
    badge = f'<b class="letter">{_escape(letter)}</b> ' if letter else ""
    name = f"<h3>{badge}{_escape(_name(entry))}</h3>"
    if entry.error is not None:
        return f'<figure class="bad">{name}<figcaption>{_escape(entry.error)}</figcaption></figure>'
    pictures = []
    for direction, values in entry.thumbnails.items():
        picture = thumbnail(values)
        width, height = _sides(entry, picture)
        scale = _SIDE / max(width, height)
        pictures.append(
            f'<span><img src="{png_uri(picture)}" width="{max(1, round(scale * width))}" '
            f'height="{max(1, round(scale * height))}" alt="{_escape(_name(entry))}, {direction}">'
            f"<small>{direction}</small></span>"
        )
    time = [f"{entry.time:%Y-%m-%d %H:%M}"] if entry.time is not None else []
    words = [*_words(entry), *time, *([entry.reason] if entry.reason else [])]
    lines = "<br>".join(map(_escape, words))
    return (
        f'<figure>{name}<div class="pair">{"".join(pictures)}</div><figcaption>{lines}</figcaption></figure>'
    )


def _words(entry: ScanEntry) -> list[str]:
    facts = entry.describe()
    words = [_BEFORE.get(key, "") + facts[key] + unit for key, unit in _CAPTION.items() if facts.get(key)]
    images = int(facts.get("images", 1))
    return [*words, f"{images} images"] if images > 1 else words


def _sides(entry: ScanEntry, picture: np.ndarray) -> tuple[float, float]:
    """Width and height of a picture: those of the scan frame, or, where the file does not tell, in pixels."""
    size = entry.block.size if entry.block is not None else None
    if size is None or not all(np.isfinite(side) and side > 0 for side in size):
        return float(picture.shape[1]), float(picture.shape[0])
    return size


def _name(entry: ScanEntry) -> str:
    return printable(entry.path.name)


def _escape(text: str) -> str:
    return html.escape(text)
