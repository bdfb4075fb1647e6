"""The Probe Particle Model: renders Δf stacks of molecules."""

from torch_afm.ppm.curves import FrequencyCurves, frequency_curves
from torch_afm.ppm.fdbm import FDBM
from torch_afm.ppm.jacobian import StackJacobian
from torch_afm.ppm.model import ProbeParticleModel, Relaxation
from torch_afm.ppm.placement import anchor_height, nominal_height
from torch_afm.ppm.tip import TipParameters
from torch_afm.ppm.tip_density import TipDensity

__all__ = [
    "FDBM",
    "FrequencyCurves",
    "ProbeParticleModel",
    "Relaxation",
    "StackJacobian",
    "TipDensity",
    "TipParameters",
    "anchor_height",
    "frequency_curves",
    "nominal_height",
]
