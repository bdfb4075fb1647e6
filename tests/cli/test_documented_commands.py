"""Every ``torch-afm`` command in the documentation is one that the command line takes."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from torch_afm.cli.main import COMMANDS
from torch_afm.cli.parser import Parser

ROOT = Path(__file__).resolve().parents[2]

PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("examples/*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("docs/howto/*.md")),
    *sorted(ROOT.glob("torch_afm/models/weights/*/README.md")),
]


def commands(page: Path) -> list[str]:
    """What stands after ``torch-afm`` in the blocks of shell code of a page."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)).splitlines()
    found = [re.search(r"(?:^|/|srun |\$\(which )torch-afm\)? (.*)", line) for line in lines]
    return [re.sub(r"\$\w+", "3", match[1]) for match in found if match]


class Parsed(Exception):
    """The arguments were fine."""


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_options_exist(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    parse = Parser.parse_args

    def parse_only(self, *args, **kwargs):
        parse(self, *args, **kwargs)
        raise Parsed

    monkeypatch.setattr(Parser, "parse_args", parse_only)
    for command in commands(page):
        name, *arguments = shlex.split(command, comments=True)
        assert name in COMMANDS, command
        with pytest.raises(Parsed):
            importlib.import_module(f"torch_afm.cli.{name}").main(arguments)


def test_the_readme_shows_every_command():
    shown = {command.split()[0] for command in commands(ROOT / "README.md")}
    assert shown >= set(COMMANDS) - {"doctor"}
