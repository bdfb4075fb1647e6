"""Argument parsing that the sub-commands share."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import operator
import re
from collections.abc import Collection
from typing import Any, NoReturn, TypeVar, get_args, get_type_hints

import jsonargparse
from jsonargparse.typing import restricted_number_type

from torch_afm.config.training import GEOMETRIES, MOLECULE_SUFFIXES
from torch_afm.utils import InputError

T = TypeVar("T")

#: What RDKit, NumPy and SciPy all take as a seed.
Seed = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**31)])


class _Formatter(jsonargparse.DefaultHelpFormatter):
    """Where the default is nothing, the help text alone says what that means."""

    def _get_help_string(self, action: argparse.Action) -> str:
        return (action.help or "") if action.default is None else super()._get_help_string(action)


class Parser(jsonargparse.ArgumentParser):
    """A parser whose errors are one line, raised as :class:`InputError`, and whose settings come from the
    frozen dataclasses of :mod:`torch_afm.config`, helped by their docstrings.

    Args:
        name: the sub-command.
        description: first lines of its help.
    """

    def __init__(self, name: str, description: str) -> None:
        super().__init__(
            prog=f"torch-afm {name}",
            description=description,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )

    def parse_args(self, *args: Any, **kwargs: Any) -> jsonargparse.Namespace:  # type: ignore[override]
        """Likewise for a ``--config`` that is no text, holds itself, or has something else for a group."""
        try:
            options = super().parse_args(*args, **kwargs)
        except UnicodeDecodeError as error:
            byte = f"{error.object[error.start]:#04x} at position {error.start}"
            raise InputError(f"--config: expected text in UTF-8, got the byte {byte}") from error
        except RecursionError:
            raise InputError("--config: expected settings, got a list or mapping that holds itself") from None
        for name in self.groups or ():
            if name in options and not isinstance(options[name], jsonargparse.Namespace):
                self.error(f"--{name}: expected settings by name, got {options[name]!r}")
        # Options without a type are text on the command line, and what YAML makes of them in a file.
        for action in self._actions:
            value = options.get(action.dest)
            untyped = type(action) is argparse._StoreAction and action.type is None
            values = value if action.nargs == "+" and isinstance(value, list) else [value]
            if untyped and not all(isinstance(one, str | None) for one in values):
                self.error(f"--{action.dest}: expected text, got {value!r}; put it in quotation marks")
        return options

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        message = re.sub(r'Parser key "(\S+)":', lambda match: f"{self._option(match[1])}:", message)
        message = re.sub(r"^Unexpected config:", "--config: expected options by name, got", message)
        message = re.sub(r"<class '(\w+)'>", r"\1", message)
        message = re.sub(
            r"Expected a typing\.Literal\[(.*)\]\. Got value:", r"expected one of \1, got", message
        )
        raise InputError(f"{message}; see {self.prog} --help") from ex

    def _option(self, dest: str) -> str:
        return next(
            (a.option_strings[-1] for a in self._actions if a.dest == dest and a.option_strings), dest
        )

    def add_backend(self) -> None:
        """Add ``--backend``."""
        self.add_argument(
            "--backend",
            choices=["auto", "opencl", "cuda", "torch"],
            default="auto",
            help="renderer; auto: CUDA where there is a GPU for it, else OpenCL, else torch",
        )

    def add_molecules(self) -> None:
        """Add ``--molecules`` and ``--geometry``."""
        self.add_argument(
            "--molecules",
            nargs="+",
            metavar="FILE",
            help=f"molecules ({', '.join(MOLECULE_SUFFIXES)}), or organic or planar, the lists in the "
            "package; several are mixed, each with the split that it has. Default: organic",
        )
        self.add_argument(
            "--geometry",
            choices=list(GEOMETRIES),
            default="rdkit",
            help="geometries of SMILES: RDKit's, or those by GFN2-xTB, with their charges and atomic "
            "dipoles, where the package has them",
        )

    def add_seed(self, text: str = "seed of the conformer of a SMILES and of random orientations") -> None:
        """Add ``--seed``."""
        self.add_argument("--seed", type=Seed, default=0, help=text)

    def add_weights(self, default: str = "spatial", more: str = "") -> None:
        """Add ``--weights``."""
        self.add_argument(
            "--weights",
            default=default,
            metavar="NAME|FOLDER",
            help=f"weights in the package, or a folder with model.safetensors and config.json{more}",
        )

    def add_settings(
        self, cls: type, title: str, name: str | None = None, skip: Collection[str] = ()
    ) -> None:
        """Add an option for every field of the dataclass ``cls`` not in ``skip``: ``--name.field``, which
        :meth:`instantiate` turns into ``cls``, or ``--field`` where no name is given."""
        self.add_class_arguments(cls, name, skip=set(skip))
        if self.groups:
            self.groups[name or cls.__name__].title = title
        prefix = f"{name}." if name else ""
        helps = _option_docs(cls, prefix)
        for action in self._actions:
            action.help = helps.get(action.dest, action.help)
        for field, hint in get_type_hints(cls).items():
            if self.groups and dataclasses.is_dataclass(hint) and f"{prefix}{field}" in self.groups:
                self.groups[f"{prefix}{field}"].title = f"{field} of the {title}"

    def add_options(self, cls: type) -> None:
        """Add an option for every field of the dataclass ``cls``, ``--max-atoms`` for ``max_atoms``; a field
        that is a dataclass itself becomes a group of them."""
        helps, types = _field_docs(cls), get_type_hints(cls)
        for field in dataclasses.fields(cls):
            hint = types[field.name]
            if _is_group(hint):
                title = (inspect.getdoc(hint) or "").partition(".")[0]
                group = self.add_argument_group(title)
                for inner in dataclasses.fields(hint):
                    _add_field(group, inner, get_type_hints(hint), _field_docs(hint))
            else:
                _add_field(self, field, types, helps)

    def build(self, cls: type[T], args: jsonargparse.Namespace) -> T:
        """The dataclass ``cls`` of the parsed options of :meth:`add_options`; where it
        refuses a value, the error names the option."""
        values = {
            name: self.build(hint, args) if _is_group(hint) else args[name]
            for name, hint in get_type_hints(cls).items()
        }
        try:
            return cls(**values)
        except InputError as error:
            names, _, text = str(error).partition(": ")
            self.error(f"{', '.join(map(self._option, names.split(', ')))}: {text}", error)


def _option_docs(cls: type, prefix: str) -> dict[str, str]:
    """What docstrings say about each option of ``cls`` and of the dataclasses in it."""
    docs = {prefix + field: text for field, text in _field_docs(cls).items()}
    for field, hint in get_type_hints(cls).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            docs |= _option_docs(hint, f"{prefix}{field}.")
    return docs


def _is_group(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint)


def _add_field(
    target: Any, field: dataclasses.Field[Any], types: dict[str, Any], helps: dict[str, str]
) -> None:
    flag, text = "--" + field.name.replace("_", "-"), helps[field.name]
    if types[field.name] is bool and field.default is False:
        target.add_argument(flag, action="store_true", help=text)
    else:
        hint = types[field.name]
        if type(None) in get_args(hint):  # the default alone is nothing: errors are about the rest
            hint = functools.reduce(operator.or_, [arg for arg in get_args(hint) if arg is not type(None)])
        target.add_argument(flag, type=hint, default=field.default, help=text)


def _field_docs(cls: type) -> dict[str, str]:
    """What the ``Args`` of the docstring of ``cls`` say about each field."""
    section = (inspect.getdoc(cls) or "").partition("Args:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    return {field: _plain(" ".join(text.split())) for field, text in entries}


def _plain(text: str) -> str:
    """``text`` without the mark-up of docstrings."""
    return re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", text).replace("``", "")
