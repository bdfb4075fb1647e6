"""How alike two sets of images are, and what a translation keeps of its source."""

from torch_afm.metrics.images.compare import compare_images
from torch_afm.metrics.images.content import content_preservation
from torch_afm.metrics.images.features import image_features
from torch_afm.metrics.images.frechet import frechet_distance
from torch_afm.metrics.images.kid import kernel_distance
from torch_afm.metrics.images.physical import physical_features
from torch_afm.metrics.images.random_convolutions import RandomConvolutions

__all__ = [
    "RandomConvolutions",
    "compare_images",
    "content_preservation",
    "frechet_distance",
    "image_features",
    "kernel_distance",
    "physical_features",
]
