"""Learning to translate between simulated and experimental stacks, and judging translations."""

from torch_afm.style.checkpoints import (
    Choice,
    Evaluation,
    choose_checkpoint,
    common_size,
    evaluate_translation,
)
from torch_afm.style.critic import Critic
from torch_afm.style.crops import UnpairedCrops, read_stacks
from torch_afm.style.cycle_gan import CycleGAN
from torch_afm.style.fast_cut import FastCUT
from torch_afm.style.image_pool import ImagePool
from torch_afm.style.unpaired import GeneratorStep, UnpairedTranslation, make_method

__all__ = [
    "Choice",
    "Critic",
    "CycleGAN",
    "Evaluation",
    "FastCUT",
    "GeneratorStep",
    "ImagePool",
    "UnpairedCrops",
    "UnpairedTranslation",
    "choose_checkpoint",
    "common_size",
    "evaluate_translation",
    "make_method",
    "read_stacks",
]
