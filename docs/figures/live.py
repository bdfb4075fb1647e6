"""The picture of docs/howto/live.md: ``python -m docs.figures.live`` in a checkout with Chromium.

A scan of 1-chloro-2-naphthol, simulated with noise, is dropped on the page, a structure is predicted, and a
place of it is clicked.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from docs.figures.panels import CHLORONAPHTHOL, save
from tests.viz.browser import Page, visit
from torch_afm.io import AFMStack, write_stack
from torch_afm.live.files import read_smiles
from torch_afm.live.render import render
from torch_afm.live.session import Session

#: Standard deviation of the noise in Hz.
NOISE = 0.02

_DROP = """(() => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob('%s'), c => c.charCodeAt(0))], 'scan.npz'));
  const input = document.querySelector('.q-uploader input[type=file]');
  input.files = data.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
})()"""


def scan() -> bytes:
    """A scan of the molecule as a file, without a word on the tip."""
    session = Session()
    session.accept(read_smiles(CHLORONAPHTHOL))
    session.set("approach", session.controls.approach - 0.1)
    setup = session.setup()
    if setup is None:
        raise RuntimeError("no molecule")
    image = render(setup)
    noisy = image.stack + np.random.default_rng(0).normal(scale=NOISE, size=image.stack.shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.npz"
        write_stack(path, AFMStack(noisy, image.x, image.y, image.z, {"amplitude": setup.scan.amplitude}))
        return path.read_bytes()


async def take(page: Page) -> bytes:
    """The page with the scan, its prediction and a curve, as PNG."""
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=1500, height=1010, deviceScaleFactor=1, mobile=False
    )
    await until(page, "document.querySelector('.afm-panel-0 image') !== null")
    await page.value(_DROP % base64.b64encode(scan()).decode())
    await until(page, "document.querySelector('.afm-status').innerText.startsWith('scan.npz')")
    await page.value("document.querySelector('.afm-predict').click()")
    await until(page, "document.querySelector('.afm-pass-0 svg') !== null")
    await page.value("[...document.querySelectorAll('button')].find(b => /go on/.test(b.innerText)).click()")
    await until(page, "document.querySelector('.afm-panel-2 svg') !== null")
    box = "document.querySelector('.afm-panel-0 svg').getBoundingClientRect()"
    x, y, width, height = await page.value(f"(r => [r.x, r.y, r.width, r.height])({box})")
    place = (x + 0.36 * width, y + 0.52 * height)
    await page.drag(place, place)
    await until(page, "document.querySelector('.afm-panel-0 .mark') !== null")
    await asyncio.sleep(2)
    shot = await page.call("Page.captureScreenshot")
    return base64.b64decode(shot["data"])


async def until(page: Page, condition: str) -> None:
    """Wait until a condition holds on the page."""
    for _ in range(1200):
        if await page.value(condition):
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(condition)


def picture() -> Image.Image:
    """The page as the browser shows it."""
    command = "import sys; from torch_afm.cli.main import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "live", "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        (address,) = re.findall(r"http://[\d.:]+", line)
        with tempfile.TemporaryDirectory() as profile:
            shot = visit(address, Path(profile), take)
    finally:
        process.terminate()
        process.wait()
    return Image.open(io.BytesIO(shot))


if __name__ == "__main__":
    save(picture(), __file__)
