"""The code of the documentation runs as pasted: block after block of a page, in an empty folder."""

import doctest
import re
import shlex
import warnings
from pathlib import Path

import pytest

from torch_afm.cli.main import main
from torch_afm.io.scans import registry
from torch_afm.metrics.distributions import DISTANCES
from torch_afm.metrics.molecules import SCORES
from torch_afm.metrics.structure import FEATURES
from torch_afm.models import Generator
from torch_afm.transforms import StackAugmentation

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r"^```(python|sh|\{doctest\})\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


PAGES = [
    page
    for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/*.md")))
    if any(language != "sh" for language, _ in blocks(page))
]


@pytest.fixture(autouse=True)
def registries():
    """What a page registers ends with it."""
    registry.scan_formats()  # registers those of the package
    others = registry._FORMATS, Generator.registry, StackAugmentation._registry
    kept = [(known, dict(known)) for known in (SCORES, DISTANCES, FEATURES, FEATURES.families, *others)]
    yield
    for known, before in kept:
        known.clear()
        known.update(before)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    """Of the commands those that make what the Python below them reads."""
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for language, code in blocks(page):
        if language == "sh":
            for line in code.splitlines():
                # Densities by DFT take minutes.
                if line.startswith("torch-afm simulate --smiles") and "--model fdbm" not in line:
                    assert main(shlex.split(line)[1:]) == 0
        elif language == "python":
            exec(compile(code, page.name, "exec"), names)
        else:
            test = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), 0)
            test.globs = names  # not a copy: the next block goes on with it
            said: list[str] = []
            with warnings.catch_warnings():
                failed, _ = doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
            assert not failed, "".join(said)


def test_most_of_the_documentation_is_run():
    assert {page.name for page in PAGES} >= {
        "README.md",
        "tutorial.md",
        "scan.md",
        "molecules.md",
        "layer.md",
        "network.md",
        "augmentation.md",
    }
    assert not any("```{testcode}" in page.read_text() for page in ROOT.glob("docs/**/*.md"))
