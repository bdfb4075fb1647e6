"""Which molecule a scan shows, as a page that needs no other file, no network and no script."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps

from torch_afm.data import AFMData
from torch_afm.elements import symbol
from torch_afm.viz.graphs import atom_radius
from torch_afm.viz.identification import (
    RESIDUAL,
    IdentificationReport,
    ReportedPose,
    compared,
    outline_color,
)
from torch_afm.viz.page import page_html
from torch_afm.viz.report import figure_uri, png_uri
from torch_afm.viz.stacks import bar_length, signed

#: Candidates whose images are shown.
_SHOWN = 6


def identification_html(report: IdentificationReport) -> str:
    """The verdict, all candidates, scan, image and what is left of the best ones, and all settings. Whatever
    it shows is escaped."""
    body = [_verdict(report), _table(report)]
    body += [_pose(report, rank, pose) for rank, pose in enumerate(report.poses[:_SHOWN], start=1)]
    body += [_preparation(report), _list("Settings", report.settings.items())]
    return page_html(report.title, "\n".join(body), "identification.css")


def _verdict(report: IdentificationReport) -> str:
    bad = "" if report.sure else " bad"
    reasons, warnings = (
        f'<ul class="warnings">{"".join(f"<li>{_escape(text)}</li>" for text in texts)}</ul>' if texts else ""
        for texts in (report.reasons, report.warnings)
    )
    return (
        f'<div class="card verdict{bad}"><strong>{_escape(report.headline)}</strong>{reasons}'
        f"<p>{_escape(report.meaning)}</p>{warnings}</div>"
    )


def _table(report: IdentificationReport) -> str:
    rows = []
    for rank, pose in enumerate(report.poses, start=1):
        smiles = f'<br><span class="soft">{_escape(pose.smiles)}</span>' if pose.smiles != pose.name else ""
        r = float(np.mean(pose.pearson))
        rows.append(
            f'<tr><td>{rank}</td><td class="name">{_escape(pose.name)}{smiles}</td>'
            f"{_share(pose.probability)}<td>{pose.evidence:.1f}</td><td>{r:.3f}</td></tr>"
        )
    rows.append(
        f'<tr><td>–</td><td class="name">none of these</td>{_share(report.none)}<td></td><td></td></tr>'
    )
    others = ""
    if report.others:
        names = "".join(f"<li>{_escape(name)}</li>" for name in report.others)
        others = (
            f"<details><summary>{len(report.others)} more, not fitted, the best first</summary>"
            f"<ol>{names}</ol></details>"
        )
    return (
        '<div class="card"><h2>Candidates</h2><table><thead><tr><th>rank</th><th class="name">candidate</th>'
        "<th>probability</th><th>evidence</th><th>r, mean of the slices</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{others}</div>"
    )


def _share(p: float) -> str:
    return f'<td><span class="bar"><i style="width:{100 * p:.1f}%"></i></span>{p:.3f}</td>'


def _pose(report: IdentificationReport, rank: int, pose: ReportedPose) -> str:
    """Scan, image and difference of the nearest slice, and of a middle and the farthest one."""
    scan, image = (compared(s) for s in (report.reference.stack[0], pose.simulated))
    n = len(scan)
    slices = [
        f'<p class="soft">z = {report.reference.z[s]:.2f} Å, r {pose.pearson[s]:.3f}</p>'
        + _panels(report, pose.atoms, scan[s], image[s])
        for s in dict.fromkeys((n - 1, n // 2, 0))
    ]
    more = f"<details><summary>farther slices</summary>{''.join(slices[1:])}</details>" if slices[1:] else ""
    heading = f"{rank}. {pose.name}, probability {pose.probability:.2f}"
    return f'<div class="card"><h2>{_escape(heading)}</h2>{slices[0]}{more}</div>'


def _panels(report: IdentificationReport, atoms: AFMData, scan: np.ndarray, image: np.ndarray) -> str:
    """Scan and image on one gray scale, and their difference."""
    ends, limits = (float(scan.min()), float(scan.max())), (-RESIDUAL, RESIDUAL)
    gray = f"black {signed(ends[0])}, white {signed(ends[1])}"
    panels = (
        ("scan", scan, "gray", ends, gray, atoms),
        ("simulated", image, "gray", ends, gray, atoms),
        ("simulated − scan", image - scan, "RdBu_r", limits, f"blue −{RESIDUAL:g}, red {RESIDUAL:g}", None),
    )
    figures = [
        f"<figure>{_svg(report, values, colors, limits, drawn)}"
        f"<figcaption>{name}: {words} standard deviations</figcaption></figure>"
        for name, values, colors, limits, words, drawn in panels
    ]
    return f'<div class="panels">{"".join(figures)}</div>'


def _svg(
    report: IdentificationReport,
    values: np.ndarray,
    colors: str,
    ends: tuple[float, float],
    atoms: AFMData | None,
) -> str:
    """A picture of a slice with a scale bar, bonds and rings around atoms; lengths are in Å, y downwards."""
    (left, right), (bottom, top) = report.window
    x, y = report.reference.x, report.reference.y
    half = [(axis[1] - axis[0]) / 2 if len(axis) > 1 else 0.5 for axis in (x, y)]
    low, span = ends[0], (ends[1] - ends[0]) or 1.0
    shades = colormaps[colors](np.clip((values - low) / span, 0, 1))[..., :3]
    parts = [
        f'<image href="{png_uri(np.round(255 * shades).astype(np.uint8))}" x="{x[0] - half[0]:.3f}" '
        f'y="{-(y[-1] + half[1]):.3f}" width="{x[-1] - x[0] + 2 * half[0]:.3f}" '
        f'height="{y[-1] - y[0] + 2 * half[1]:.3f}" preserveAspectRatio="none"/>'
    ]
    if atoms is not None:
        parts += _outline(atoms)
    width, height = right - left, top - bottom
    length, unit = bar_length(width), width / 100
    at, base = left + 4 * unit, -bottom - 4 * unit
    parts.append(
        f'<rect x="{at - 2 * unit:.3f}" y="{base - 8 * unit:.3f}" width="{length + 4 * unit:.3f}" '
        f'height="{10 * unit:.3f}" fill="#fff" fill-opacity="0.75"/>'
        f'<rect x="{at:.3f}" y="{base - unit:.3f}" width="{length:.3f}" height="{unit:.3f}" fill="#1d2430"/>'
        f'<text x="{at:.3f}" y="{base - 2.2 * unit:.3f}" font-size="{4.5 * unit:.3f}" fill="#1d2430">'
        f"{length:g} Å</text>"
    )
    box = f"{left:.3f} {-top:.3f} {width:.3f} {height:.3f}"
    return f'<svg viewBox="{box}" role="img">{"".join(parts)}</svg>'


def _outline(atoms: AFMData) -> list[str]:
    pos = atoms.pos[:, :2].tolist()
    lines = [
        f'<line x1="{pos[i][0]:.3f}" y1="{-pos[i][1]:.3f}" x2="{pos[j][0]:.3f}" y2="{-pos[j][1]:.3f}" '
        'stroke="#00e5ff" stroke-width="0.08" stroke-opacity="0.8"/>'
        for i, j in atoms.edge_index.T.tolist()
        if i < j
    ]
    rings = [
        f'<circle cx="{x:.3f}" cy="{-y:.3f}" r="{0.6 * radius:.3f}" fill="none" stroke="{outline_color(z)}" '
        'stroke-width="0.1"/>'
        for (x, y), radius, z in zip(pos, atom_radius(atoms.z), atoms.z.tolist(), strict=True)
    ]
    letters = [
        f'<text x="{x:.3f}" y="{-y + 0.18:.3f}" font-size="0.5" text-anchor="middle" fill="#1d2430" '
        f'stroke="#fff" stroke-width="0.08" paint-order="stroke">{symbol(z)}</text>'
        for (x, y), z in zip(pos, atoms.z.tolist(), strict=True)
        if z not in (1, 6)
    ]
    return lines + rings + letters


def _preparation(report: IdentificationReport) -> str:
    if not report.log:
        return ""
    image = ""
    if report.picture is not None:
        image = (
            f'<p><img class="wide" src="{figure_uri(report.picture)}" alt="the scan before and after"></p>'
        )
    return _list("What was done to the scan", report.log, image)


def _list(heading: str, rows: Iterable[Sequence[Any]], after: str = "") -> str:
    entries = "".join(f"<dt>{_escape(key)}</dt><dd>{_escape(value)}</dd>" for key, value in rows)
    return f'<div class="card"><h2>{heading}</h2><dl>{entries}</dl>{after}</div>'


def _escape(value: Any) -> str:
    return html.escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
