"""Sphinx: ``make docs``."""

import sys
from pathlib import Path

from torch_afm import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "torch_afm"
author = "The torch_afm authors"
copyright = author
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "myst_parser",
    "api_pages",
    "examples_page",
    "registry_tables",
    "result_tables",
    "schema_tables",
]
if not tags.has("quick"):  # noqa: F821 - Sphinx defines it
    # The source of everything, linked from the API: a third of the time that the pages take.
    extensions.append("sphinx.ext.viewcode")
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"torch_afm {release}"

myst_enable_extensions = ["amsmath", "deflist", "dollarmath"]
myst_heading_anchors = 3

# "Shapes" is a section of PyG's docstrings.
napoleon_custom_sections = ["Shapes"]
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_typehints = "none"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"

# Links into the package have to lead somewhere; those into other projects are left as text.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!torch_afm).*")]
