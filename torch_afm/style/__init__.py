"""Learning to translate between simulated and experimental stacks, and judging translations."""

from torch_afm.style.checkpoints import (
    Choice,
    Evaluation,
    choose_checkpoint,
    common_size,
    evaluate_translation,
)
from torch_afm.style.crops import UnpairedCrops, read_stacks
from torch_afm.style.cycle_gan import CycleGAN, GeneratorTerms, ImagePool

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
