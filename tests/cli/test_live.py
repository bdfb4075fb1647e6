"""Options of ``torch-afm live``, and what it says without its extra."""

import sys

import pytest

from torch_afm.cli import live
from torch_afm.cli.main import main
from torch_afm.cli.parsers.live import parse
from torch_afm.utils import InputError


def test_options():
    assert vars(parse([])) == {"port": 8137, "no_browser": False}
    assert vars(parse(["--port", "0", "--no-browser"])) == {"port": 0, "no_browser": True}
    for port in ("-1", "65536", "http"):
        with pytest.raises(InputError, match="--port"):
            parse(["--port", port])


def test_they_reach_the_page(monkeypatch):
    page = pytest.importorskip("torch_afm.live.page", reason="needs torch_afm[live]")
    seen = []
    monkeypatch.setattr(live, "serve", lambda *args, **kwargs: seen.append((args, kwargs)))
    assert main(["live", "--port", "5000"]) == 0
    assert seen == [((5000,), {"show": True})]
    assert page.HOST == "127.0.0.1"


def test_without_the_extra_one_line_names_it(monkeypatch, capsys):
    for name in ("torch_afm.cli.live", "torch_afm.live.page"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "nicegui", None)
    assert main(["live"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("torch-afm live: error: ") and line.endswith("pip install 'torch_afm[live]'")
