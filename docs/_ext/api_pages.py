"""Pages of the API, made from the package itself: what ``__all__`` names first, then what its modules hold.

One page a package under ``api/``. A name is described once, where a user would import it from; a new name or
module appears by itself.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer

#: Package or module -> heading, and the task that the index lists it under. In the order of the layers, from
#: the bottom up.
PAGES = {
    "torch_afm.config": ("Settings", "files"),
    "torch_afm.elements": ("Elements", "simulate"),
    "torch_afm.units": ("Units", "simulate"),
    "torch_afm.functional": ("Functions of stacks", "simulate"),
    "torch_afm.utils": ("Errors and checks", "extend"),
    "torch_afm.testing": ("Help for tests", "extend"),
    "torch_afm.data": ("Molecule graphs", "simulate"),
    "torch_afm.symmetry": ("Symmetries of a square", "train"),
    "torch_afm.io": ("Files", "files"),
    "torch_afm.ppm": ("The simulator", "simulate"),
    "torch_afm.nn": ("Layers and losses", "train"),
    "torch_afm.models": ("Networks", "predict"),
    "torch_afm.metrics": ("Metrics", "judge"),
    "torch_afm.transforms": ("Transforms", "train"),
    "torch_afm.datasets": ("Datasets", "train"),
    "torch_afm.prediction": ("Prediction: search, chemistry, refinement, scans", "predict"),
    "torch_afm.style": ("Style translation", "train"),
    "torch_afm.viz": ("Pictures", "judge"),
    "torch_afm.identification": ("Identification: which molecule it is", "identify"),
    "torch_afm.evaluation": ("Evaluation", "judge"),
    "torch_afm.train": ("Training", "train"),
    "torch_afm.live": ("The live window", "simulate"),
}

#: Task -> its heading in the index, and what its pages are for.
TASKS = {
    "simulate": ("Simulate", "Molecules as graphs, and their images."),
    "predict": ("Predict", "From a scan or a stack to a structure, refined and judged."),
    "identify": ("Identify", "Which of some molecules a scan shows."),
    "train": ("Train", "Training data, networks, losses, and runs."),
    "judge": ("Judge", "Scores with and without a known truth, and pictures of both."),
    "files": ("Files", "Reading, writing, and the settings that files hold."),
    "extend": ("Extend", "What a package that builds on this one needs besides."),
}

#: Full name of everything described -> its own name and itself.
_DESCRIBED: dict[str, tuple[str, Any]] = {}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", _write_pages)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True}


def _write_pages(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    for name, (heading, _) in PAGES.items():
        _write(folder / f"{name.removeprefix('torch_afm.')}.rst", "\n".join(_page(name, heading)))
    lines = ["API", "===", ""]
    lines += [
        "Every package, by what it is for. Its page has what it exports first, then what its modules hold;"
    ]
    lines += ["shapes and units are in the docstrings.", ""]
    for task, (heading, text) in TASKS.items():
        names = [name.removeprefix("torch_afm.") for name, (_, at) in PAGES.items() if at == task]
        lines += [heading, "-" * len(heading), "", text, "", ".. toctree::", "   :maxdepth: 1", ""]
        lines += [*(f"   {name}" for name in names), ""]
    _write(folder / "index.rst", "\n".join(lines))


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contents: nodes.TextElement
) -> nodes.Node | None:
    """A link to where a name is imported from becomes one to where it is described."""
    target = node.get("reftarget", "")
    module, _, name = target.rpartition(".")
    if node.get("refdomain") != "py" or not target.startswith("torch_afm.") or module not in sys.modules:
        return None
    value = getattr(sys.modules[module], name, None)
    found = [t for t, (own, described) in _DESCRIBED.items() if own == name and described is value]
    if not found or found[0] == target:
        return None
    python = env.domains["py"]
    return python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], found[0], node, contents)


def _write(path: Path, text: str) -> None:
    # Unchanged files keep their time, so that a second build is short.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _page(name: str, heading: str) -> list[str]:
    module = importlib.import_module(name)
    inner = _modules(module)
    constants = _constants([module, *inner])
    title = f"{heading}: {name}"
    lines = [title, "=" * len(title), "", f".. automodule:: {name}", "   :no-members:", ""]
    lines += _members(module, constants)
    for part in sorted(inner, key=lambda m: (not hasattr(m, "__all__"), m.__name__)):
        if section := _members(part, constants):
            lines += [part.__name__, "-" * len(part.__name__), ""]
            lines += [f".. automodule:: {part.__name__}", "   :no-members:"]
            # A module and what it holds may have one name, as seen from the package.
            lines += ["   :no-index:", "", *section] if part.__name__ in _DESCRIBED else ["", *section]
    return lines


def _modules(module: ModuleType) -> list[ModuleType]:
    if not hasattr(module, "__path__"):
        return []
    found = pkgutil.walk_packages(module.__path__, f"{module.__name__}.")
    return [importlib.import_module(m.name) for m in found]


def _constants(modules: list[ModuleType]) -> dict[str, list[str]]:
    """What the comments ``#:`` of these modules say, by the name of the constant."""
    found: dict[str, list[str]] = {}
    for module in modules:
        for (scope, name), text in ModuleAnalyzer.for_module(module.__name__).find_attr_docs().items():
            if not scope and not name.startswith("_"):
                found.setdefault(name, text)
    return found


def _members(module: ModuleType, constants: dict[str, list[str]]) -> list[str]:
    """Public names of a module that are not described yet: those of ``__all__``, or its own."""
    constants, lines = constants | _constants([module]), []
    for name in getattr(module, "__all__", None) or _own(module):
        value = getattr(module, name)
        if any(own == name and described is value for own, described in _DESCRIBED.values()):
            continue
        full = f"{module.__name__}.{name}"
        if inspect.isclass(value):
            lines += [f".. autoclass:: {full}", "   :members:", "   :show-inheritance:", ""]
        elif inspect.isfunction(value):
            lines += [f".. autofunction:: {full}", ""]
        elif name in constants:
            text = [f"   {line}" for line in constants[name]]
            lines += [f".. py:data:: {name}", f"   :module: {module.__name__}", "", *text, ""]
        else:
            continue
        _DESCRIBED[full] = name, value
    return lines


def _own(module: ModuleType) -> list[str]:
    """Public classes, functions and documented constants of the module itself, in its order."""
    documented = _constants([module])
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (
            name in documented
            or ((inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__)
        )
    ]
