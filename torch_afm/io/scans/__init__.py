"""Stacks from the files of microscopes, and what makes them fit for a model."""

from torch_afm.config.prediction import ScanPreparation
from torch_afm.io.scans.corrections import flatten_lines, flatten_plane
from torch_afm.io.scans.crop import crop, crop_finished
from torch_afm.io.scans.drift import Drift, align_slices, estimate_drift
from torch_afm.io.scans.listing import ScanEntry, list_scans
from torch_afm.io.scans.palettes import add_palette
from torch_afm.io.scans.prepare import PreparedScan, prepare_scan
from torch_afm.io.scans.read import expand_paths, read_scan, read_stack
from torch_afm.io.scans.registry import ScanFormat, scan_formats, scan_reader
from torch_afm.io.scans.repeats import merge_repeats
from torch_afm.io.scans.scan_block import ChannelError, ScanBlock
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.io.scans.series import ScanSeries, find_series

__all__ = [
    "ChannelError",
    "Drift",
    "PreparedScan",
    "ScanBlock",
    "ScanEntry",
    "ScanFormat",
    "ScanPreparation",
    "ScanSeries",
    "ScanStack",
    "add_palette",
    "align_slices",
    "crop",
    "crop_finished",
    "estimate_drift",
    "expand_paths",
    "find_series",
    "flatten_lines",
    "flatten_plane",
    "list_scans",
    "merge_repeats",
    "prepare_scan",
    "read_scan",
    "read_stack",
    "scan_formats",
    "scan_reader",
]
