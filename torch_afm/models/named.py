"""Networks of either kind, by name."""

from __future__ import annotations

import json
from pathlib import Path

from torch_afm.config import GraphGeneratorConfig
from torch_afm.models.graph_generator import GraphGenerator
from torch_afm.models.pretrained import weights_folder
from torch_afm.models.spatial_generator import SpatialGenerator, SpatialGeneratorConfig


def generator_config(preset: str) -> GraphGeneratorConfig | SpatialGeneratorConfig:
    """The settings of a preset: ``spatial``, or those of
    :meth:`~torch_afm.config.GraphGeneratorConfig.preset`.

    Raises:
        InputError: for another name.
    """
    return SpatialGeneratorConfig() if preset == "spatial" else GraphGeneratorConfig.preset(preset)


def generator_of(config: GraphGeneratorConfig | SpatialGeneratorConfig) -> GraphGenerator | SpatialGenerator:
    """A new network of the kind that ``config`` is for."""
    return SpatialGenerator(config) if isinstance(config, SpatialGeneratorConfig) else GraphGenerator(config)


def load_generator(name: str | Path) -> GraphGenerator | SpatialGenerator:
    """The saved network of a name or folder, of whichever kind it is; errors as in
    :meth:`GraphGenerator.from_pretrained`."""
    try:
        settings = json.loads((weights_folder(name) / "config.json").read_text("utf-8"))
        spatial = settings.get("model") == SpatialGenerator.__name__
    except (OSError, ValueError, AttributeError):
        spatial = False  # from_pretrained tells what is wrong
    return (SpatialGenerator if spatial else GraphGenerator).from_pretrained(name)
