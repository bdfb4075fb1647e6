"""The Probe Particle Model: renders Δf stacks of molecules."""

from torch_afm.ppm.base import Relaxation, Renderer, place
from torch_afm.ppm.cuda import CUDARenderer
from torch_afm.ppm.model import ProbeParticleModel
from torch_afm.ppm.opencl import OpenCLRenderer
from torch_afm.ppm.tip import TipParameters
from torch_afm.ppm.torch_backend import TorchRenderer

__all__ = [
    "CUDARenderer",
    "OpenCLRenderer",
    "ProbeParticleModel",
    "Relaxation",
    "Renderer",
    "TipParameters",
    "TorchRenderer",
    "place",
]
