"""What users may import, and how it is called, against ``api_surface.txt``.

A difference is a change of the API: if it is meant, ``make api`` (``python tests/test_api_surface.py``)
writes the file anew, and the changelog tells of it.
"""

import importlib
import inspect
import pkgutil
import re
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType

import torch_afm

SNAPSHOT = Path(__file__).with_name("api_surface.txt")

#: Public modules that are not packages.
MODULES = ("elements", "units", "utils")


def surface() -> str:
    """All public names with their signatures, a line each, packages in alphabetical order."""
    names = [f"torch_afm.{name}" for name in MODULES]
    walked = pkgutil.walk_packages(torch_afm.__path__, "torch_afm.")
    names += [m.name for m in walked if m.ispkg and m.name != "torch_afm.cli"]
    return "\n".join(line for name in sorted(names) for line in _module(importlib.import_module(name)))


def _module(module: ModuleType) -> list[str]:
    public = getattr(module, "__all__", None)
    if public is None:
        if hasattr(module, "__path__"):
            return []
        public = [n for n, v in vars(module).items() if n[0] != "_" and _defined_in(module, v)]
    return [module.__name__, *(line for n in sorted(public) for line in _member(n, getattr(module, n))), ""]


def _defined_in(module: ModuleType, value: object) -> bool:
    return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__


def _member(name: str, value: object) -> list[str]:
    if inspect.isclass(value):
        return [f"  class {name}{_signature(value)}", *_class_members(value)]
    if callable(value):
        return [f"  def {name}{_signature(value)}"]
    return [f"  {name}: {type(value).__name__}"]


def _class_members(value: type) -> list[str]:
    """Public methods and properties of the class itself, without those that it inherits and those that PyG
    writes for a layer once one is made."""
    lines = []
    for name, member in sorted(vars(value).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            lines.append(f"    {name}: property")
        elif isinstance(member, classmethod | staticmethod):
            lines.append(f"    {type(member).__name__} {name}{_signature(member.__func__)}")
        elif inspect.isfunction(member) and member.__module__ == value.__module__:
            lines.append(f"    def {name}{_signature(member)}")
    return lines


def _signature(value: object) -> str:
    """Of a callable; settings and tables that are a default are named without their numbers."""
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    parameters = [
        p.replace(default=_Shown(f"{type(p.default).__name__}(...)"))
        if is_dataclass(p.default) or isinstance(p.default, dict)
        else p
        for p in signature.parameters.values()
    ]
    # Annotations are texts, and come in quotes.
    text = re.sub(r"(: |-> )(['\"])(.*?)\2", r"\1\3", str(signature.replace(parameters=parameters)))
    return re.sub(r"<function (\S+) at 0x[0-9a-f]+>", r"\1", text)


class _Shown(str):
    """A text that is its own repr."""

    __repr__ = str.__str__


def test_the_api_is_as_the_snapshot_says():
    now, before = surface().splitlines(), SNAPSHOT.read_text(encoding="utf-8").splitlines()
    gone = [line for line in before if line not in now]
    new = [line for line in now if line not in before]
    assert now == before, f"gone: {gone}; new: {new}; if this is meant: make api"


def test_every_exported_name_exists_and_is_listed_once():
    for found in pkgutil.walk_packages(torch_afm.__path__, "torch_afm."):
        if found.ispkg:
            module = importlib.import_module(found.name)
            names = getattr(module, "__all__", [])
            assert [n for n in names if not hasattr(module, n)] == [], found.name
            assert len(names) == len(set(names)), found.name


if __name__ == "__main__":
    SNAPSHOT.write_text(surface(), encoding="utf-8")
    print(f"wrote {SNAPSHOT}")
