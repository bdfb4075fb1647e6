"""All figures of the gallery, or some: ``python -m docs.figures.gallery [NAME ...]``.

Each is a module of this folder with a function ``picture``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from docs.figures.panels import save

#: In the order of docs/gallery.md.
NAMES = (
    "heights",
    "tips",
    "stiffness",
    "tilt",
    "charges",
    "densities",
    "curves",
    "water",
    "front",
    "refined",
    "identified",
    "measured",
    "live",
    "augmentations",
    "training",
)


def main(names: list[str]) -> None:
    """Write the pictures of these names, by default of all."""
    unknown = set(names) - set(NAMES)
    if unknown:
        sys.exit(f"expected names of {', '.join(NAMES)}, got {', '.join(sorted(unknown))}")
    for name in names or NAMES:
        script = Path(__file__).with_name(f"{name}.py")
        print(save(import_module(f"docs.figures.{name}").picture(), str(script)))


if __name__ == "__main__":
    main(sys.argv[1:])
