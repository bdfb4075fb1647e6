"""Learning to translate between simulated and experimental stacks, and judging translations."""

from torch_afm.style.checkpoints import (
    Choice,
    Evaluation,
    choose_checkpoint,
    common_size,
    evaluate_translation,
)
from torch_afm.style.crops import UnpairedCrops
from torch_afm.style.cycle_gan import CycleGAN, GeneratorTerms
from torch_afm.style.image_pool import ImagePool
from torch_afm.style.stacks import read_stacks

__all__ = [
    "Choice",
    "CycleGAN",
    "Evaluation",
    "GeneratorTerms",
    "ImagePool",
    "UnpairedCrops",
    "choose_checkpoint",
    "common_size",
    "evaluate_translation",
    "read_stacks",
]
