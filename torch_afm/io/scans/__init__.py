"""Stacks from the files of microscopes, and what makes them fit for a model."""

from torch_afm.io.scans.align_slices import align_slices
from torch_afm.io.scans.crop import crop
from torch_afm.io.scans.crop_finished import crop_finished
from torch_afm.io.scans.flatten_lines import flatten_lines
from torch_afm.io.scans.flatten_plane import flatten_plane
from torch_afm.io.scans.prepare import PreparedScan, ScanPreparation, prepare_scan
from torch_afm.io.scans.read import read_scan, read_stack
from torch_afm.io.scans.resample import resample
from torch_afm.io.scans.scan_stack import ScanStack

__all__ = [
    "PreparedScan",
    "ScanPreparation",
    "ScanStack",
    "align_slices",
    "crop",
    "crop_finished",
    "flatten_lines",
    "flatten_plane",
    "prepare_scan",
    "read_scan",
    "read_stack",
    "resample",
]
