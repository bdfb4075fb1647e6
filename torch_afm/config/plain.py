"""Settings as plain dicts, for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from torch_afm.utils import InputError

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Nested plain dict of a config dataclass, ready for JSON."""
    return dataclasses.asdict(config)


def from_dict(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build the config dataclass ``cls`` from a plain dict as JSON gives it (lists become tuples, dicts the
    dataclasses of their fields, names of ``cls.RENAMED`` those of today).

    Raises:
        InputError: for a key that ``cls`` does not have.
    """
    renamed: Mapping[str, str] = getattr(cls, "RENAMED", {})
    known = {f.name for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known - renamed.keys())
    if unknown:
        raise InputError(
            f"{cls.__name__}: unknown setting(s) {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    types = get_type_hints(cls)
    named = {renamed.get(k, k): v for k, v in values.items()}
    return cls(
        **{k: from_dict(types[k], v) if isinstance(v, Mapping) else _tuples(v) for k, v in named.items()}
    )


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
