"""What of a session is on the page: which slice, which place, which pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.io.scans import PreparedScan
from torch_afm.live.drawing import Panel, strip_svg
from torch_afm.live.render import Curve, Setup, render, render_curve
from torch_afm.live.session import Session
from torch_afm.live.views import count_steps, curve_chart, slice_panels, step_panels, strip_images
from torch_afm.prediction import ScanPrediction


@dataclass(frozen=True, eq=False)
class Subject:
    """What a session was about when something was asked for."""

    molecule: AFMData | None
    scan: PreparedScan | None


@dataclass(frozen=True, eq=False)
class Request:
    """A stack and a curve to be rendered: a snapshot, for another thread.

    Args:
        subject: what the session is about.
        setup: what is to be rendered.
        mark: place of the curve; none without.
    """

    subject: Subject
    setup: Setup
    mark: tuple[float, float] | None

    def render(self) -> tuple[AFMStack, Curve | None]:
        """The stack and the curve."""
        return render(self.setup), None if self.mark is None else render_curve(self.setup, self.mark)


class Display:
    """A session, and what of it is shown.

    Args:
        session: the session.

    Attributes:
        index: number of the slice, 0 the farthest.
        step: number of the pass of a prediction; the last one is the result.
        mark: marked place (x, y) in Å.
        overlay: whether structures are drawn over images.
        curve: Δf over height at the mark.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.index, self.step = session.n_slices - 1, 0
        self.mark: tuple[float, float] | None = None
        self.overlay = True
        self.curve: Curve | None = None

    @property
    def subject(self) -> Subject:
        """What the session is about."""
        return Subject(self.session.molecule, self.session.scan)

    def is_current(self, subject: Subject) -> bool:
        """Whether the session is about the same molecule and the same scan still."""
        now = self.subject
        return now.molecule is subject.molecule and now.scan is subject.scan

    def fit(self) -> None:
        """Keep to slices and places that there are, after the session was changed."""
        self.index = min(self.index, self.session.n_slices - 1)
        (x0, x1), (y0, y1) = self.session.base_scan.window
        if self.mark is not None and not (x0 <= self.mark[0] <= x1 and y0 <= self.mark[1] <= y1):
            self.mark = None
        self.curve = None

    def request(self) -> Request | None:
        """What is to be rendered now; ``None`` without a molecule."""
        setup = self.session.setup()
        return None if setup is None else Request(self.subject, setup, self.mark)

    def accept(self, request: Request, image: AFMStack, curve: Curve | None) -> bool:
        """Take over what was rendered, unless the molecule or the window is gone; whether it was taken."""
        if not self.is_current(request.subject):
            return False
        self.session.image, self.curve = image, curve
        return True

    def accept_prediction(self, subject: Subject, found: ScanPrediction) -> bool:
        """Likewise a prediction; its result is shown first."""
        if not self.is_current(subject):
            return False
        self.session.prediction, self.step = found, len(found.steps)
        return True

    def click(self, panel: int, across: float, down: float) -> bool:
        """Mark a place in a panel; whether there is one.

        Args:
            panel: number of the panel.
            across: share of its width, from the left.
            down: share of its height, from the top.
        """
        panels = self.panels()
        place = panels[panel].place(across, down) if panel < len(panels) else None
        if place is None:
            return False
        # The outer half of the last pixel is of the image, and not of the window.
        window = self.session.base_scan.window
        x, y = (min(max(at, low), high) for at, (low, high) in zip(place, window, strict=True))
        self.mark = x, y
        return True

    def click_strip(self, across: float) -> int:
        """The slice at a share of the width of the strip."""
        return min(max(int(across * self.session.n_slices), 0), self.session.n_slices - 1)

    def panels(self) -> list[Panel]:
        """Scan, image and residual of the slice."""
        return slice_panels(self.session, self.index, self.mark, self.overlay)

    def strip(self) -> str:
        """All slices, small, as SVG; empty where there are none."""
        images = strip_images(self.session)
        return "" if images is None else strip_svg(images, min(self.index, len(images) - 1))

    def chart(self) -> dict[str, Any]:
        """Δf over height at the mark, as options of Apache ECharts."""
        return curve_chart(self.session, self.curve, self.mark)

    @property
    def n_steps(self) -> int:
        """Passes of the prediction with its result; 0 without one."""
        return count_steps(self.session.prediction)

    def passes(self) -> list[Panel]:
        """The pass of the prediction and its image; nothing without one."""
        found = self.session.prediction
        return [] if found is None else step_panels(found, self.step, self.index)
