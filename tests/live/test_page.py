"""The page in a headless browser: it starts, follows its sliders, takes files, and keeps visitors apart."""

import asyncio
import base64
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.viz.browser import find_browser, visit
from torch_afm.utils import InputError

pytest.importorskip("nicegui", reason="needs torch_afm[live]")
page_module = pytest.importorskip("torch_afm.live.page")

needs_browser = pytest.mark.skipif(find_browser() is None, reason="needs Chromium")

_RUN = "import sys; from torch_afm.cli.main import main; sys.exit(main())"

#: A drop of one file, as a mouse makes it: Quasar opens its zone when something is dragged over it.
_DROP = """(async () => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(%s), c => c.charCodeAt(0))], %s));
  const send = (target, type) => target.dispatchEvent(
    new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
  const zone = document.querySelector('.q-uploader');
  send(zone, 'dragover');
  await new Promise(done => setTimeout(done, 300));
  send(zone.querySelector('.q-uploader__dnd') || zone, 'drop');
})()"""

_TEXT = "document.querySelector('.afm-{}')?.innerText ?? ''"
_IMAGE = "document.querySelector('.afm-panel-0 image')?.getAttribute('href') ?? ''"
_TITLE = "document.querySelector('.afm-{} text')?.textContent ?? ''"
_COUNT = "document.querySelectorAll('.afm-panel-0 circle').length"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a page that is served by a process of its own."""
    folder = tmp_path_factory.mktemp("served")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "NICEGUI"))}
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, "live", "--port", "0", "--no-browser"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env=env | {"PYTHONPATH": os.getcwd()},
        )
        try:
            line = process.stdout.readline()
            (url,) = re.findall(r"torch-afm live: (http://127\.0\.0\.1:\d+) ", line)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)
    assert "Traceback" not in (folder / "errors").read_text()
    # Nothing is left in the folder that it was started in.
    assert [path.name for path in folder.iterdir()] == ["errors"]


async def until(page, expression, good, seconds=60):
    """The value of an expression of the page, once it is good."""
    for _ in range(10 * seconds):
        value = await page.value(expression)
        if good(value):
            return value
        await asyncio.sleep(0.1)
    raise AssertionError(f"{expression}: {value!r}")


async def drop(page, name, content):
    encoded = json.dumps(base64.b64encode(content).decode())
    await page.value(_DROP % (encoded, json.dumps(name)))


async def press(page, name, key, times=1):
    """Press a key on a slider."""
    await page.value(f"document.querySelector('.afm-{name} [tabindex]').focus()")
    for _ in range(times):
        for kind in ("keyDown", "keyUp"):
            code = {"code": key, "windowsVirtualKeyCode": {"ArrowRight": 39, "ArrowLeft": 37}[key]}
            await page.call("Input.dispatchKeyEvent", type=kind, key=key, **code)
        await asyncio.sleep(0.2)  # nobody presses faster than the page answers


WATER = b"3\n\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"


@needs_browser
def test_it_starts_and_asks_nothing_of_a_network(address, tmp_path):
    async def visitor(page):
        await until(page, _IMAGE, lambda value: value.startswith("data:image/png"))
        assert await page.value(_COUNT) == 20
        texts = await page.value(
            "[...document.querySelectorAll('.afm-panel-0 text')].map(t => t.textContent)"
        )
        assert "5 Å" in texts and any(text.endswith(" Hz") for text in texts)
        return page.requests, page.complaints

    requests, complaints = visit(address, tmp_path, visitor)
    own = (address, address.replace("http", "ws"), "data:")
    assert [url for url in requests if not url.startswith(own)] == []
    assert complaints == []


@needs_browser
def test_a_slider_moves_the_picture(address, tmp_path):
    async def visitor(page):
        before = await until(page, _IMAGE, bool)
        await press(page, "approach", "ArrowRight", 5)
        moved = await until(page, _IMAGE, lambda value: value != before)
        label = await page.value(_TEXT.format("approach-label"))
        assert re.fullmatch(r"height of .* 2\.[89]\d Å", label)
        await press(page, "slice", "ArrowLeft", 9)
        await until(page, _TITLE.format("panel-0"), lambda title: title.startswith("image, slice 1 of 10"))
        assert await page.value(_IMAGE) != moved

    visit(address, tmp_path, visitor)


@needs_browser
def test_files_drop_in_and_a_bad_one_is_one_line(address, tmp_path, scan_bytes):
    scan = scan_bytes(True)

    async def visitor(page):
        await until(page, _IMAGE, bool)
        await drop(page, "water.xyz", WATER)
        await until(page, _TEXT.format("status"), lambda text: text == "water.xyz: 3 atoms")
        await until(page, _COUNT, lambda count: count == 3)
        await drop(page, "broken.sxm", b"nonsense")
        error = await until(page, _TEXT.format("error"), bool)
        assert error.startswith("broken.sxm: expected a header") and "\n" not in error
        assert await page.value(_COUNT) == 3
        await drop(page, "scan.npz", scan)
        await until(page, _TEXT.format("status"), lambda text: text.startswith("scan.npz: 10 slices"))
        assert await page.value(_TEXT.format("error")) == ""
        await until(page, _TITLE.format("panel-1"), lambda text: text.startswith("image, r "))
        await until(page, _TITLE.format("panel-2"), lambda text: text.startswith("scan less image, rms "))

    visit(address, tmp_path, visitor)


@needs_browser
def test_a_click_draws_the_curve_there(address, tmp_path):
    mark = "document.querySelector('.afm-panel-0 .mark') !== null"

    async def visitor(page):
        await until(page, _IMAGE, bool)
        assert not await page.value(mark)
        box = "document.querySelector('.afm-panel-0 svg').getBoundingClientRect()"
        x, y, width, height = await page.value(f"(r => [r.x, r.y, r.width, r.height])({box})")
        place = (x + 0.4 * width, y + 0.5 * height)
        await page.drag(place, place)
        await until(page, mark, bool)

    visit(address, tmp_path, visitor)


@needs_browser
def test_a_prediction_is_stepped_through(address, tmp_path):
    title = _TITLE.format("pass-0")

    async def visitor(page):
        await until(page, _IMAGE, bool)
        await page.value("document.querySelector('.afm-predict').click()")
        await until(page, title, lambda text: text.startswith("the result: "))
        assert await page.value(_TEXT.format("verdict"))
        await press(page, "step", "ArrowLeft", 9)
        await until(page, title, lambda text: text.startswith("pass 1 of "))

    visit(address, tmp_path, visitor)


@needs_browser
def test_two_visitors_do_not_mix(address, tmp_path):
    async def visitor(one, other):
        for page in (one, other):
            await until(page, _COUNT, lambda count: count == 20)
        untouched = await other.value(_IMAGE)
        await drop(one, "water.xyz", WATER)
        await until(one, _COUNT, lambda count: count == 3)
        await press(one, "stiffness", "ArrowRight", 5)
        await drop(one, "broken.xyz", b"nonsense")
        await until(one, _TEXT.format("error"), bool)
        await press(other, "slice", "ArrowLeft")
        await press(other, "slice", "ArrowRight")
        await until(other, _IMAGE, lambda value: value == untouched)
        assert await other.value(_COUNT) == 20
        assert await other.value(_TEXT.format("error")) == ""
        assert "example" in await other.value(_TEXT.format("status"))

    visit(address, tmp_path, visitor, tabs=2)


def test_a_page_of_another_name_is_refused(address):
    """As after an attack that rebinds the name of another site to this machine."""
    request = urllib.request.Request(address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == 400
    assert urllib.request.urlopen(address).status == 200


def test_no_other_machine_is_served(address):
    port = int(address.rpartition(":")[2])
    with socket.socket() as probe:
        probe.settimeout(5)
        assert probe.connect_ex((_this_machine(), port)) != 0


def _this_machine() -> str:
    """An address of this machine that is not its loopback."""
    for family, *_, place in socket.getaddrinfo(socket.gethostname(), None):
        if family == socket.AF_INET and not place[0].startswith("127."):
            return place[0]
    pytest.skip("this machine has no other address")


def test_a_port_that_is_taken_is_one_line():
    with socket.socket() as taken:
        taken.bind((page_module.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port: expected one that is free, got {port}"):
            page_module.serve(port, show=False)
