"""Generators by name: those of this package, and those that other packages bring."""

from __future__ import annotations

from pathlib import Path

from torch_afm.config import GeneratorConfig
from torch_afm.config.generators import load_entry_point, outside_generators
from torch_afm.models.base import Generator
from torch_afm.models.pretrained import read_settings
from torch_afm.utils import InputError


def make_generator(config: GeneratorConfig) -> Generator:
    """A new network of the class that the settings are for.

    Raises:
        InputError: for settings of no generator.
    """
    for cls in Generator.registry.values():
        if cls.Config is type(config):
            return cls(config)
    known = ", ".join(cls.Config.__name__ for cls in Generator.registry.values())
    raise InputError(f"config: expected one of {known}, got a {type(config).__name__}")


def load_generator(name: str | Path) -> Generator:
    """The saved network of a name or folder, of whichever class it is. A class that this package does not
    have is looked up among the entry points :data:`torch_afm.config.generators.ENTRY_POINTS`.

    Args:
        name: as in :meth:`Generator.from_pretrained`.

    Raises:
        InputError: for an unknown name or class, and for files that are missing or damaged.
    """
    saved = read_settings(name)
    model = saved.model
    if model not in Generator.registry:
        for entry in outside_generators().values():
            load_entry_point(entry)
    if model not in Generator.registry:
        known = ", ".join(Generator.registry)
        raise InputError(f"weights: expected weights of one of {known}, got those of a {model} in {name}")
    return Generator.registry[model].from_saved(saved)
