"""torch_afm: atomic structure out of atomic force microscopy images."""

__version__ = "0.1.0"
