"""Molecule graphs: the ``Data`` class, conversions, bonds, edits."""

from torch_afm.data.afm_data import AFMData

__all__ = ["AFMData"]
