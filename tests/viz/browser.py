"""A headless Chromium, spoken to by its DevTools protocol."""

import asyncio
import json
import shutil
import subprocess
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_browser() -> str | None:
    """The program, where there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """An open page: what it asked for, complained of, and a mouse."""

    def __init__(self, socket):
        self.socket, self.count = socket, 0
        self.requests, self.complaints = [], []

    async def call(self, method, **params):
        self.count += 1
        await self.socket.send_json({"id": self.count, "method": method, "params": params})
        while True:
            message = json.loads((await asyncio.wait_for(self.socket.receive(), 60)).data)
            if message.get("id") == self.count:
                if "error" in message:
                    raise RuntimeError(message["error"])
                return message["result"]
            self._note(message)

    def _note(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])

    async def value(self, expression):
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    async def drag(self, start, end):
        for kind, (x, y), buttons in (
            ("mousePressed", start, 1),
            ("mouseMoved", end, 1),
            ("mouseReleased", end, 0),
        ):
            await self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left",
                buttons=buttons,
                clickCount=1,
                pointerType="mouse",
            )


def visit(address: Path | str, profile: Path, visitor, tabs: int = 1):
    """Open a file or an address in as many tabs, and let ``visitor(*pages)`` do what it wants; its result."""
    process = subprocess.Popen(
        [
            find_browser(),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "--window-size=1200,1000",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = address if isinstance(address, str) else address.resolve().as_uri()
    try:
        return asyncio.run(_visit(url, profile, visitor, tabs))
    finally:
        process.terminate()
        process.wait(timeout=30)


async def _visit(url, profile, visitor, tabs):
    told, end = profile / "DevToolsActivePort", time.monotonic() + 60
    while not told.exists() or len(told.read_text().splitlines()) < 2:
        if time.monotonic() > end:
            raise TimeoutError("the browser did not start")
        await asyncio.sleep(0.1)
    browser = f"http://127.0.0.1:{told.read_text().splitlines()[0]}"
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        async with session.get(f"{browser}/json/list") as answer:
            targets = [next(t for t in await answer.json() if t["type"] == "page")]
        for _ in range(tabs - 1):
            async with session.put(f"{browser}/json/new") as answer:
                targets.append(await answer.json())
        pages = []
        for target in targets:
            socket = session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
            pages.append(Page(await stack.enter_async_context(socket)))
        for page in pages:
            for domain in ("Network", "Runtime", "Log", "Page"):
                await page.call(f"{domain}.enable")
            await page.call("Page.navigate", url=url)
            while await page.value("document.readyState") != "complete" or not await page.value(
                "location.protocol !== 'about:'"
            ):
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.3)
        return await visitor(*pages)
