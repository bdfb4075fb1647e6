"""The page: the only module that knows the web library, NiceGUI."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from nicegui import app, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from torch_afm.config import ReadOptions
from torch_afm.live.address import HOST, find_port
from torch_afm.live.controls import SLIDERS
from torch_afm.live.display import Display
from torch_afm.live.drawing import panel_svg
from torch_afm.live.export import export_npz, export_png, export_xyz
from torch_afm.live.files import read_dropped, read_smiles
from torch_afm.live.predicting import choose_target, predict_target
from torch_afm.live.render import Worker
from torch_afm.live.session import ORIENTATIONS, Session
from torch_afm.utils import InputError

#: Bytes of files dropped at once, and panels in a row, at most.
_MAX_BYTES, _PANELS = 2**29, 3

_CSS = """
.afm-error { color: #b00020; font-weight: 600 }
.nicegui-content { gap: 4px; padding: 10px }
.afm-picture { width: 100%; max-width: 500px } .afm-picture svg { width: 100%; cursor: crosshair }
.afm-strip { width: 100%; max-width: 900px } .afm-strip svg { width: 100%; cursor: pointer }
.q-uploader__list { display: none } .q-uploader { width: 100% }
"""

#: Where in the picture a click was, as shares of its width and height.
_CLICK = (
    "(e) => { const r = e.currentTarget.querySelector('svg')?.getBoundingClientRect();"
    " if (r) emit((e.clientX - r.left) / r.width, (e.clientY - r.top) / r.height) }"
)

#: Names of files that are given away, and what makes them.
_EXPORTS: dict[str, Callable[[Session], bytes]] = {
    "afm.png": export_png,
    "afm.npz": export_npz,
    "molecule.xyz": export_xyz,
}


class LivePage:
    """The page of one visitor.

    Args:
        worker: the thread that renders for all.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.session = Session.with_example()
        self.display = Display(self.session)
        self._syncing = False
        self._build()

    # -- the elements ------------------------------------------------------------------------------------

    def _build(self) -> None:
        ui.add_css(_CSS)
        with ui.row().classes("items-baseline"):
            ui.label("torch-afm live").classes("text-lg")
            self.status = ui.label().classes("afm-status text-sm")
        self.error = ui.label().classes("afm-error")
        with ui.row(wrap=False).classes("w-full items-start"):
            with ui.column().classes("w-1/4 gap-1"):
                self._build_input()
                self._build_sliders()
            with ui.column().classes("w-3/4 gap-1"):
                self._build_pictures()
                with ui.row(wrap=False).classes("w-full items-start"):
                    with ui.column().classes("w-1/2"):
                        self.chart = ui.echart(self.display.chart()).classes("w-full h-64")
                    with ui.column().classes("w-1/2 gap-1"):
                        self._build_prediction()
                        with ui.row():
                            for name in _EXPORTS:
                                ui.button(name, on_click=lambda name=name: self._export(name)).props(
                                    "flat dense"
                                )

    def _build_input(self) -> None:
        self.upload = ui.upload(
            label="drop a molecule or a scan here, or press +",
            multiple=True,
            auto_upload=True,
            max_total_size=_MAX_BYTES,
            on_multi_upload=self._dropped,
            on_rejected=lambda: self._complain(f"files: expected at most {_MAX_BYTES >> 20} MiB at once"),
        )
        with ui.row(wrap=False).classes("w-full items-center"):
            self.smiles = ui.input("SMILES").classes("afm-smiles grow").on("keydown.enter", self._smiles)
            ui.button("show", on_click=self._smiles).props("flat dense")
        with ui.expansion("what the files of a scan do not say").classes("w-full").props("dense"):
            self.step_size = ui.number("step of height, far to near (Å)", min=0)
            self.pixel_size = ui.number("pixel (Å)", min=0)
            self.channel = ui.input("channel")
        with ui.row().classes("items-center gap-1"):
            ui.label("lay it").classes("text-xs")
            self.orientation = ui.toggle(
                list(ORIENTATIONS), on_change=self._by_visitor(self._orientation)
            ).props("dense no-caps")
            for text, drop in (("no scan", Session.drop_scan), ("no molecule", Session.drop_molecule)):
                ui.button(text, on_click=self._without(drop)).props("flat dense no-caps")

    def _build_sliders(self) -> None:
        self.tip = ui.select(
            list(self.session.tips), label="tip", on_change=self._by_visitor(self._tip)
        ).classes("w-full")
        self.sliders: dict[str, ui.slider] = {}
        self.labels: dict[str, ui.label] = {}
        for name, slider in SLIDERS.items():
            self.labels[name] = ui.label().classes(f"afm-{name}-label text-xs")
            self.sliders[name] = ui.slider(
                min=slider.low,
                max=slider.high,
                step=slider.step,
                on_change=self._by_visitor(functools.partial(self._move, name)),
            ).classes(f"afm-{name}")

    def _build_pictures(self) -> None:
        with ui.row(wrap=False).classes("w-full"):
            self.pictures = [
                ui.html(sanitize=False).classes(f"afm-picture afm-panel-{i}") for i in range(_PANELS)
            ]
        for i, picture in enumerate(self.pictures):
            picture.on("click", lambda event, i=i: self._clicked(i, event.args), js_handler=_CLICK)
        with ui.row(wrap=False).classes("w-full items-center").style("max-width: 900px"):
            ui.label("far").classes("text-xs")
            self.slices = ui.slider(min=0, max=1, step=1, on_change=self._by_visitor(self._slice)).classes(
                "afm-slice grow"
            )
            ui.label("near").classes("text-xs")
            ui.checkbox("structure", value=True, on_change=self._by_visitor(self._overlay))
        self.strip = ui.html(sanitize=False).classes("afm-strip")
        self.strip.on(
            "click",
            lambda event: self.slices.set_value(self.display.click_strip(event.args[0])),
            js_handler=_CLICK,
        )

    def _build_prediction(self) -> None:
        with ui.row().classes("items-center"):
            self.weights = ui.select(
                ["auto", "spatial", "scan", "small"],
                value="auto",
                label="weights or folder",
                with_input=True,
                new_value_mode="add-unique",
            )
            self.refine = ui.checkbox("refine", value=True)
            self.button = ui.button("predict", on_click=self._predict).classes("afm-predict")
        self.verdict = ui.label().classes("afm-verdict text-sm")
        self.steps = ui.slider(min=0, max=1, step=1, on_change=self._by_visitor(self._stepped)).classes(
            "afm-step"
        )
        with ui.row(wrap=False).classes("w-full"):
            self.passes = [ui.html(sanitize=False).classes(f"afm-picture afm-pass-{i}") for i in range(2)]
        self.take = ui.button("go on with this structure", on_click=self._take).props("flat dense no-caps")

    # -- what is shown -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        """What goes wrong is one line on the page."""
        self.error.set_text("")
        try:
            yield
        except InputError as error:
            self._complain(str(error))
        except MemoryError:
            self._complain("not enough memory; ask for less at once")
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._complain(f"{type(error).__name__}: {error}; this is a fault of torch_afm: please report it")

    def _complain(self, message: str) -> None:
        self.error.set_text(" ".join(message.split()))

    async def refresh(self) -> None:
        """Render what is set, and show it; where a newer request came before it began, it is dropped."""
        with self._reporting():
            request = self.display.request()
            if request is not None:
                future = self.worker.submit(self, request.render)
                try:
                    image, curve = await asyncio.wrap_future(future)
                except asyncio.CancelledError:
                    if future.cancelled():
                        return
                    raise
                if not self.display.accept(request, image, curve):
                    return
            self._show()

    def _show(self) -> None:
        """Draw the session as it is."""
        panels = self.display.panels()
        for i, picture in enumerate(self.pictures):
            picture.set_content(panel_svg(panels[i]) if i < len(panels) else "")
            picture.set_visibility(i < max(len(panels), 1))
        self.strip.set_content(self.display.strip())
        self.chart.options.clear()
        self.chart.options.update(self.display.chart())
        self.chart.update()
        for name, slider in SLIDERS.items():
            value = f"{getattr(self.session.controls, name):.2f}".replace("-", "−")
            self.labels[name].set_text(f"{slider.label} {value} {slider.unit}")
        self._show_pass()

    def _show_pass(self) -> None:
        panels = self.display.passes()
        for element in (self.steps, self.take, *self.passes):
            element.set_visibility(bool(panels))
        for picture, panel in zip(self.passes, panels, strict=False):
            picture.set_content(panel_svg(panel))

    def sync(self) -> None:
        """Bring the elements to what the session says."""
        session, display, self._syncing = self.session, self.display, True
        display.fit()
        for name, slider in self.sliders.items():
            slider.set_value(getattr(session.controls, name))
        self.slices.props(f"max={max(session.n_slices - 1, 1)}").set_value(display.index)
        self.tip.set_options(list(session.tips), value=session.preset)
        self.orientation.set_value(session.orientation)
        self.steps.props(f"max={max(display.n_steps - 1, 1)}").set_value(display.step)
        self.verdict.set_text("" if session.prediction is None else session.prediction.verdict.headline)
        self._syncing = False

    async def _changed(self, change: Callable[[], str | None]) -> None:
        """Change the session, and show what came of it."""
        with self._reporting():
            status = change()
            if status is not None:
                self.status.set_text(status)
            self.sync()
            await self.refresh()

    # -- what a visitor does -----------------------------------------------------------------------------

    async def _dropped(self, event: Any) -> None:
        with self._reporting():
            files = {file.name: await file.read() for file in event.files}
            self.upload.reset()
            pixel, step = self.pixel_size.value, self.step_size.value
            options = ReadOptions(
                channel=self.channel.value or None,
                step=step or None,
                pixel_size=(pixel, pixel) if pixel else None,
            )
            found = await asyncio.to_thread(read_dropped, files, options)
            await self._changed(lambda: self.session.accept(found))

    async def _smiles(self) -> None:
        with self._reporting():
            found = await asyncio.to_thread(read_smiles, self.smiles.value or "")
            await self._changed(lambda: self.session.accept(found))

    def _without(self, drop: Callable[[Session], None]) -> Callable[[], Any]:
        def change() -> str:
            drop(self.session)
            return ""

        return lambda: self._changed(change)

    def _by_visitor(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A handler of what a visitor does to an element, and not of what :meth:`sync` does to it."""
        return lambda event: None if self._syncing else handler(event.value)

    async def _orientation(self, orientation: str) -> None:
        await self._changed(lambda: self.session.choose_orientation(orientation))

    async def _tip(self, preset: str) -> None:
        await self._changed(lambda: self.session.choose_tip(preset))

    async def _move(self, name: str, value: float) -> None:
        with self._reporting():
            self.session.set(name, value)
            await self.refresh()

    def _slice(self, index: float) -> None:
        with self._reporting():
            self.display.index = int(index)
            self._show()

    def _overlay(self, shown: bool) -> None:
        with self._reporting():
            self.display.overlay = shown
            self._show()

    async def _clicked(self, panel: int, shares: list[float]) -> None:
        if self.display.click(panel, *shares):
            await self.refresh()

    async def _predict(self) -> None:
        with self._reporting():
            target, subject = choose_target(self.session), self.display.subject
            loop = asyncio.get_running_loop()

            def progress(step: str) -> None:
                loop.call_soon_threadsafe(self.verdict.set_text, f"{step} …")

            self.verdict.set_text("predicting …")
            self.button.disable()
            try:
                found = await asyncio.to_thread(
                    predict_target, target, str(self.weights.value), bool(self.refine.value), progress
                )
            finally:
                self.verdict.set_text("")
                self.button.enable()
            if self.display.accept_prediction(subject, found):
                self.sync()
                await self.refresh()

    def _stepped(self, step: float) -> None:
        with self._reporting():
            self.display.step = int(step)
            self._show_pass()

    async def _take(self) -> None:
        await self._changed(self.session.take_prediction)

    async def _export(self, name: str) -> None:
        with self._reporting():
            ui.download.content(await asyncio.to_thread(_EXPORTS[name], self.session), name)


def serve(port: int, show: bool) -> None:
    """Serve the page to this machine until the process is interrupted.

    Args:
        port: of 127.0.0.1; 0 for any that is free.
        show: whether to open it in a browser.

    Raises:
        InputError: for a port that is taken.
    """
    port = find_port(port)
    worker = Worker()

    async def page() -> None:
        window = LivePage(worker)
        ui.context.client.on_delete(lambda: worker.forget(window))
        window.status.set_text("an example; drop a molecule or a scan of yours")
        window.sync()
        await ui.context.client.connected()
        await window.refresh()

    app.on_startup(worker.warm_up)
    app.on_startup(lambda: print(f"torch-afm live: http://{HOST}:{port} (end with Ctrl-C)", flush=True))
    app.on_shutdown(worker.close)
    # No page of another site may reach this one under a name of its own.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    ui.run(
        page,
        host=HOST,
        port=port,
        title="torch-afm live",
        reload=False,
        show=show,
        show_welcome_message=False,
        reconnect_timeout=60.0,
        message_history_length=100,  # of pictures, too
    )
