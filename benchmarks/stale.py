"""Which result files were not made by the code that they measure as it is now.

``python -m benchmarks.stale`` (``make results``) lists every file of ``benchmarks/results``:

- *current*: its sources, whose digests it records, are what they were;
- *stale*: some are not; which, stands below it;
- *unknown*: without such a record. Below it stands what changed since the commit that it came with.

Who refers to a file stands beside it: pages, model cards and docstrings that name it, or its command.
``--strict``, for a release, fails if a file is not current or nobody refers to it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.provenance import LENGTH, SourceTree, blob_digest, file_digest

ROOT = Path(__file__).resolve().parents[1]

#: Where results are referred to.
_PAGES = (
    "README.md",
    "docs/**/*.md",
    "examples/*.md",
    "examples/*.ipynb",
    "torch_afm/**/*.py",
    "torch_afm/models/weights/*/*.md",
)

#: Pictures -> the JSON file of the command that writes them, where their names do not begin with its name.
_COMPANIONS = {
    "standin_scan_reliability_validation.png": "standin_scan_validation_calibration.json",
}

#: Logs of the training of shipped weights: as old as these.
_LOG = re.compile(r"(\w+?)(_continued)?_training\.csv")

#: Changed sources that are listed, at most, and letters in a line.
_LISTED, _WIDTH = 6, 118


@dataclass(frozen=True)
class ResultFile:
    """A file of results, and how it stands to the code.

    Args:
        name: of the file.
        state: ``"current"``, ``"stale"`` or ``"unknown"``.
        command: that wrote it; empty where none is known.
        changed: sources that are not what they were.
        since: of an unknown one, the commit and the day that it came with.
        pages: who refers to it.
    """

    name: str
    state: str
    command: str
    changed: Sequence[str] = ()
    since: str = ""
    pages: Sequence[str] = field(default=())

    def describe(self) -> str:
        """Lines for a terminal."""
        pages = ", ".join(self.pages) or "UNUSED: no page names it or its command"
        lines = [f"{self.state:<8} {self.name}", self.command or "NO COMMAND is known to write it", pages]
        if self.since:
            lines.append(f"not recorded; it came with {self.since}")
        if self.changed:
            more = len(self.changed) - _LISTED
            names = ", ".join(self.changed[:_LISTED]) + (f" and {more} more" if more > 0 else "")
            lines.append(f"changed since: {names}")
        elif self.state == "unknown" and self.since:
            lines.append("nothing that it measures changed since")
        indent = " " * 9
        wrapped = [
            textwrap.wrap(x, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
            for x in lines[1:]
        ]
        return "\n".join([lines[0], *(line for part in wrapped for line in part)])


def result_files(root: Path) -> list[ResultFile]:
    """Every file of ``benchmarks/results`` in a checkout.

    Args:
        root: its folder.
    """
    folder, tree, past = root / "benchmarks" / "results", SourceTree(root), _Past(root)
    pages = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for pattern in _PAGES
        for path in sorted(root.glob(pattern))
    }
    documents = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    listed = []
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        document = documents.get(_document(path.name, documents), {})
        command, sources = document.get("command", ""), None
        if log := _LOG.fullmatch(path.name):
            command = f"torch-afm train, for the weights {log[1]}"
            sources = [f"torch_afm/models/weights/{log[1]}/model.safetensors"]
        recorded, since = document.get("sources"), ""
        known = bool(recorded)
        if not recorded:
            since = past.last_commit(path)
            recorded = past.digests(since.split()[0], sources or tree.sources(command)) if since else {}
        changed = [source for source, digest in recorded.items() if tree.digest(source) != digest]
        state = "unknown" if not known else "stale" if changed else "current"
        refer = [page for page, text in pages.items() if refers(text, path.name, command)]
        listed.append(ResultFile(path.name, state, command, changed, since, refer))
    return listed


def refers(text: str, name: str, command: str) -> bool:
    """Whether a page names a file of results, or the command that writes it: the same module with no option
    that the file was not made with.

    Args:
        text: of the page.
        name: of the file.
        command: that wrote it.
    """
    stem, suffix = name.rsplit(".", 1)
    if re.search(rf"(?<![\w]){re.escape(stem)}\.{suffix}\b", text):
        return True
    if suffix == "json" and re.search(rf"\{{results\}}[^\n]*\b{re.escape(stem)}\b", text):
        return True
    module = re.search(r"benchmarks\.[\w.]+|benchmarks/[\w/]+\.sh", command)
    if module is None:
        return False
    made_with = set(command.split())
    for found in re.finditer(rf"{re.escape(module[0])}(?![\w.]*\w)([^`\n\\\"]*)", text):
        asked = found[1].split()
        options = [word for word in asked if word.startswith("--")]
        if all(option in made_with for option in options) and (
            "--weights" not in asked or set(asked) <= made_with
        ):
            return True
    return False


def _document(name: str, documents: Mapping[str, object]) -> str:
    """The JSON file of the command that writes a file: itself, that of the table, or the one of the longest
    name that its own begins with."""
    stem = name.rsplit(".", 1)[0]
    fitting = [d for d in documents if stem == d[:-5] or stem.startswith(f"{d[:-5]}_")]
    return name if name in documents else _COMPANIONS.get(name) or max(fitting, key=len, default="")


class _Past:
    """Sources at earlier commits."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[tuple[str, str], str] = {}

    def last_commit(self, path: Path) -> str:
        """Commit and day of the last change of a file; empty where there is none."""
        return self._git("log", "-1", "--format=%h of %cs", "--", str(path)).decode().strip()

    def digests(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """Digests of files at a commit, empty for those that there were not."""
        listing = self._git("ls-tree", "-r", commit, "--", "torch_afm", "benchmarks").decode()
        blobs = {line.split("\t")[1]: line.split()[2] for line in listing.splitlines()}
        return {path: self._blob(blobs[path], path) if path in blobs else "" for path in paths}

    def _blob(self, blob: str, path: str) -> str:
        if (blob, path) not in self._known:
            content = (self.root / path).read_bytes()
            # Most files are what they are now.
            same = blob_digest(content) == blob[:LENGTH]
            if path.endswith(".py") and not same:
                content = self._git("cat-file", "blob", blob)
            self._known[blob, path] = file_digest(path, content) if path.endswith(".py") else blob[:LENGTH]
        return self._known[blob, path]

    def _git(self, *arguments: str) -> bytes:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True)
        return done.stdout if done.returncode == 0 else b""


def main() -> int:
    """Print the list; 1 if ``--strict`` and a file is not as it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strict", action="store_true", help="fail unless all are current and referred to")
    strict = parser.parse_args().strict
    files = result_files(ROOT)
    print("\n".join(file.describe() for file in files))
    count = {s: sum(f.state == s for f in files) for s in ("current", "stale", "unknown")}
    count["unused"] = sum(not f.pages for f in files)
    print(f"{len(files)} files: " + ", ".join(f"{n} {state}" for state, n in count.items()))
    return int(strict and (count["current"] < len(files) or count["unused"] > 0))


if __name__ == "__main__":
    sys.exit(main())
