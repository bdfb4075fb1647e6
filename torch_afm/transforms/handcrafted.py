"""Perturbations made by hand."""

from __future__ import annotations

from torch_afm.transforms.base import RandomStackTransform
from torch_afm.transforms.creep import RandomCreep
from torch_afm.transforms.cutout import RandomCutout
from torch_afm.transforms.double_tip import RandomDoubleTip
from torch_afm.transforms.drift import RandomDrift
from torch_afm.transforms.noise import RandomNoise
from torch_afm.transforms.plane import RandomPlane
from torch_afm.transforms.row_offsets import RandomRowOffsets
from torch_afm.transforms.slice_shift import RandomSliceShift
from torch_afm.transforms.tip_asymmetry import RandomTipAsymmetry
from torch_afm.utils import InputError

_SETS = ("published", "complete")


def handcrafted(which: str = "complete") -> tuple[RandomStackTransform, ...]:
    """Perturbations that make simulated stacks look less clean, in the order in which an experiment makes
    them: tip, scanner, electronics. For ``Augment(stack=handcrafted())``.

    Args:
        which: ``published``: background gradient, noise, cutouts and slice shifts, those of arXiv:2509.02240
            with its amplitudes; ``complete``: these, and double and asymmetric tip, drift, creep and row
            offsets.

    Raises:
        InputError: for another name.
    """
    if which not in _SETS:
        raise InputError(f"which: expected one of {', '.join(_SETS)}, got {which!r}")
    shown = (RandomSliceShift(), RandomPlane(0.3), RandomNoise(0.1), RandomCutout())
    if which == "published":
        return shown
    shift, plane, noise, cutout = shown
    tip = RandomDoubleTip(), RandomTipAsymmetry()
    return (*tip, RandomDrift(), RandomCreep(), shift, RandomRowOffsets(), plane, noise, cutout)
