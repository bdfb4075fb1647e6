"""What a result was measured with: the sources that its benchmark imports, and their digests.

Imports are followed through the code, not by running it. Of ``from package import name`` counts the module
that defines the name, not all that the package offers. Modules that register a reader, a score or a network
(by a decorator, or as a subclass) count where that which they register with does. Beside a module count the
resources of its package, and of the shipped weights those that the command names, or all where it names none.
Drawing changes no number: ``torch_afm.viz`` counts where the benchmark imports it itself.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

#: Packages whose modules count.
PACKAGES = ("torch_afm", "benchmarks")

#: The version and the names at the top; and how a result is written down, not what is measured.
_LEFT_OUT = {"torch_afm/__init__.py", "benchmarks/common.py", "benchmarks/provenance.py"}

_DRAWING = "torch_afm.viz"

#: Shipped weights, and the module that loads them.
_WEIGHTS, _LOADER = "torch_afm/models/weights", "torch_afm.models.pretrained"

#: Characters of a digest.
LENGTH = 12

_Import = tuple[str, str | None]


def code_digest(source: str) -> str:
    """Digest of what a module does: of its syntax tree without comments, docstrings and layout, the same in
    every version of Python."""
    parts: list[str] = []
    _walk(ast.parse(source), parts)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:LENGTH]


def _walk(node: ast.AST, parts: list[str]) -> None:
    parts.append(f"({type(node).__name__}")
    for name, value in ast.iter_fields(node):
        # Empty lists and the kind of a string are not listed by every version.
        if value is None or value == [] or name in ("ctx", "kind", "type_comment"):
            continue
        if name == "body" and isinstance(value, list) and _is_docstring(value[0]):
            value = value[1:]
        parts.append(name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                _walk(item, parts)
            else:
                parts.append(repr(item))
    parts.append(")")


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and type(node.value.value) is str
    )


def blob_digest(content: bytes) -> str:
    """Digest of a file that is no code, the one that git gives it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()[:LENGTH]


def file_digest(path: str, content: bytes) -> str:
    """Digest of a file: of code or of bytes."""
    return code_digest(content.decode()) if path.endswith(".py") else blob_digest(content)


def benchmark_modules(command: str, root: Path) -> list[str]:
    """Modules that a command runs: ``python -m benchmarks.x.y``, or those of a ``benchmarks/x/y.sh``."""
    scripts = [root / name for name in re.findall(r"benchmarks/[\w/]+\.sh", command)]
    texts = [command, *(script.read_text(encoding="utf-8") for script in scripts if script.exists())]
    return list(
        dict.fromkeys(name for text in texts for name in re.findall(r"-m (benchmarks(?:\.\w+)+)", text))
    )


class SourceTree:
    """The modules of a checkout and how they import each other.

    Args:
        root: folder that holds the packages.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = {
            _module_name(path.relative_to(root)): path.relative_to(root).as_posix()
            for package in PACKAGES
            for path in sorted((root / package).rglob("*.py"))
        }
        self.imports = cache(self._imports)
        self.digest = cache(self._digest)
        self._tree = cache(self._parse)

    def digests(self, command: str) -> dict[str, str]:
        """Digest of every source of the benchmark that a command runs, by path."""
        return {path: self.digest(path) for path in self.sources(command)}

    def sources(self, command: str) -> list[str]:
        """Paths of the files that count for the benchmark that a command runs."""
        modules = self.closure(benchmark_modules(command, self.root))
        paths = {self.files[name] for name in modules}
        paths |= {path for folder in {Path(p).parent for p in paths} for path in self._resources(folder)}
        if _LOADER in modules:
            paths |= self._weights(command)
        return sorted(paths)

    def closure(self, modules: list[str]) -> set[str]:
        """Those modules and all that they import, directly or not."""
        found: set[str] = set()
        rest = [name for name in modules if name in self.files]
        while rest:
            name = rest.pop()
            if name not in found and self.files[name] not in _LEFT_OUT:
                found.add(name)
                reached = {m for module, thing in self.imports(name) for m in self.resolve(module, thing)}
                reached |= self._registered.get(name, set())
                inner = name.startswith("torch_afm.") and not name.startswith(_DRAWING)
                rest += [m for m in reached - found if not (inner and m.startswith(_DRAWING))]
        return found

    def resolve(self, module: str, name: str | None) -> set[str]:
        """Modules that importing a name from a module brings: that which defines the name."""
        if name is None:
            # The package as a whole: all that it offers.
            return {module} if module in self.files else set()
        if f"{module}.{name}" in self.files:
            return {f"{module}.{name}"}
        if module not in self.files:
            return set()
        if not self._is_package(module):
            return {module}
        for node in _import_nodes(self._tree(module), typing=True):
            if isinstance(node, ast.ImportFrom) and node.module and node.module != module:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return self.resolve(node.module, alias.name)
        return {module}

    def _imports(self, module: str) -> frozenset[_Import]:
        tree, found = self._tree(module), set()
        for node in _import_nodes(tree, typing=False):
            if isinstance(node, ast.Import):
                found |= {(alias.name, None) for alias in node.names if alias.name not in PACKAGES}
            elif node.module:
                found |= {(node.module, alias.name) for alias in node.names}
        for node in ast.walk(tree):
            # torch_afm.predict, and modules that are run or imported by their names.
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in PACKAGES
            ):
                found.add((node.value.id, node.attr))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in self.files:
                found.add((node.value, None))
        return frozenset(i for i in found if i[0].split(".")[0] in PACKAGES)

    @cached_property
    def _registered(self) -> dict[str, set[str]]:
        """Module -> those that register with it: by a decorator of it, or as subclasses of its classes."""
        found: dict[str, set[str]] = {}
        for module in (name for name in self.files if name.startswith("torch_afm")):
            names = {
                alias.asname or alias.name: (node.module, alias.name)
                for node in _import_nodes(self._tree(module), typing=False)
                if isinstance(node, ast.ImportFrom) and node.module
                for alias in node.names
            }
            for node in self._tree(module).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef):
                    for used in [
                        *node.decorator_list,
                        *(node.bases if isinstance(node, ast.ClassDef) else []),
                    ]:
                        root = next(n for n in ast.walk(used) if not isinstance(n, ast.Call))
                        if isinstance(root, ast.Name) and root.id in names:
                            for home in self.resolve(*names[root.id]) - {module}:
                                found.setdefault(home, set()).add(module)
        return found

    def _resources(self, folder: Path) -> Iterator[str]:
        """Files of a package that are no code: in its folders that are no packages themselves."""
        if folder.parts[0] != "torch_afm":
            return
        for inner in sorted((self.root / folder).iterdir()):
            if inner.is_dir() and not any(inner.glob("*.py")) and not inner.name.startswith(("_", ".")):
                files = (p.relative_to(self.root).as_posix() for p in sorted(inner.rglob("*")) if p.is_file())
                yield from (path for path in files if not path.startswith(_WEIGHTS) and "/__" not in path)

    def _weights(self, command: str) -> set[str]:
        folders = [p for p in sorted((self.root / _WEIGHTS).glob("*")) if p.is_dir()]
        named = [p for p in folders if re.search(rf"(?<![\w-]){p.name}(?!\w)", _arguments(command))]
        files = (file for folder in named or folders for file in folder.glob("*"))
        return {
            file.relative_to(self.root).as_posix()
            for file in files
            if file.suffix in (".json", ".safetensors")
        }

    def _digest(self, path: str) -> str:
        """Digest of a file as it is now; empty where it is gone."""
        file = self.root / path
        return file_digest(path, file.read_bytes()) if file.exists() else ""

    def _parse(self, module: str) -> ast.Module:
        return ast.parse((self.root / self.files[module]).read_bytes())

    def _is_package(self, module: str) -> bool:
        return self.files[module].endswith("__init__.py")


def _arguments(command: str) -> str:
    """What stands behind the module in a command."""
    return re.split(r"-m benchmarks[\w.]*", command)[-1]


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _import_nodes(tree: ast.Module, typing: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports, also those inside of functions; those for the type checker alone only where asked for."""
    rest: list[ast.AST] = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif typing or not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            rest += ast.iter_child_nodes(node)
