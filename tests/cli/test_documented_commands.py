"""Every command and option of ``torch-afm`` in the documentation is one that it takes, and a shell too."""

import importlib
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest

from torch_afm.cli.main import COMMANDS
from torch_afm.cli.parser import Parser

ROOT = Path(__file__).resolve().parents[2]

PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("examples/*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("torch_afm/models/weights/*/README.md")),
]

#: Options of other programs (pip, torchrun) and stand-ins for any option.
FOREIGN = {"--constraint", "--node-rank", "--field", "--name.field"}


def shell_lines(page: Path) -> list[str]:
    """The lines of the blocks of shell code of a page."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    return "\n".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)).splitlines()


def commands(page: Path) -> list[str]:
    """What stands after ``torch-afm`` in the blocks of shell code of a page."""
    found = [re.search(r"(?:^|/|srun |\$\(which )torch-afm\)? (.*)", line) for line in shell_lines(page)]
    return [re.sub(r"\$\w+", "3", match[1]) for match in found if match]


def inline_options(text: str, code: str = r"`([^`\n]+)`") -> set[str]:
    """The options in inline code, but not those of benchmarks."""
    found = [c for c in re.findall(code, text) if "python " not in c]
    return set(re.findall(r"(?<![\w-])--[a-zA-Z][\w.-]*[\w]", " ".join(found)))


def unquoted(line: str) -> str:
    """What a shell does not get quoted: where ``[``, ``*`` and ``?`` are patterns of file names, and zsh ends
    with "no matches found"."""
    return re.sub(r"\"[^\"]*\"|'[^']*'|\$\([^)]*\)", "", line)


class Parsed(Exception):
    """The arguments were fine."""


@pytest.fixture(scope="module")
def options() -> set[str]:
    """The options of all commands."""
    found: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:

        def note(self, *args, **kwargs):
            found.update(option for action in self._actions for option in action.option_strings)
            raise Parsed

        patch.setattr(Parser, "parse_args", note)
        for name in COMMANDS:
            for action in ("train", "apply") if name == "translate" else ("x",):
                with pytest.raises(Parsed):
                    importlib.import_module(f"torch_afm.cli.parsers.{name}").parse([action])
    return found | {"--version"}


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_blocks(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for command in commands(page):
        assert not re.search(r"\s#", command), f"interactive zsh takes a comment for arguments: {command}"
        name, *arguments = shlex.split(command)
        assert name in COMMANDS, command
        importlib.import_module(f"torch_afm.cli.parsers.{name}").parse(arguments)


def test_options_outside_of_blocks(options):
    unknown = {}
    for page in PAGES:
        if page.name != "changelog.md":
            text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
            unknown[page.name] = inline_options(text) - options - FOREIGN
    # What docstrings, help texts and errors of the command line name: any word there.
    for module in sorted((ROOT / "torch_afm" / "cli").rglob("*.py")):
        unknown[module.name] = inline_options(module.read_text(encoding="utf-8"), "(.+)") - options - FOREIGN
    assert not {name: found for name, found in unknown.items() if found}


def test_options_that_do_not_exist_are_found():
    assert inline_options("Give `groups` (`--model.groups` or `--seed 1`), not `python -m x --y`") == {
        "--model.groups",
        "--seed",
    }


def patterns(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if re.search(r"[\[*?]", unquoted(line))]


def test_a_shell_finds_no_patterns_of_file_names():
    """In zsh `--scan.pixels [64,64]` ends with "no matches found"."""
    assert patterns(["x [64,64]", 'x "[64,64]"', "x '*.npz'", "x *.npz"]) == ["x [64,64]", "x *.npz"]
    for page in PAGES:
        lines = shell_lines(page)
        script = any(line.startswith("#!") for line in lines)
        assert not patterns(line for line in lines if not script or "torch-afm" in line), page.name
        inline = re.findall(r"`([^`\n]*--[^`\n]*)`", page.read_text(encoding="utf-8"))
        assert not patterns(inline), page.name


def test_help_and_errors_quote_brackets():
    for module in sorted((ROOT / "torch_afm").rglob("*.py")):
        text = module.read_text(encoding="utf-8")
        assert not re.findall(r"--[\w.-]+ \[", text), module.name


def test_the_readme_and_the_page_of_commands_list_every_command():
    for page in (ROOT / "README.md", ROOT / "docs" / "commands.md"):
        rows = re.findall(r"^\| `torch-afm (\w+)`", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert sorted(rows) == sorted(COMMANDS), page.name


def test_every_command_is_shown_at_work():
    shown = {command.split()[0] for page in PAGES for command in commands(page)}
    assert shown >= set(COMMANDS)
