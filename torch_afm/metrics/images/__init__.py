"""Similarity of stacks, slice by slice, and distances of sets of images."""

from torch_afm.metrics.images.distances import compare_images, frechet_distance, kernel_distance
from torch_afm.metrics.images.features import RandomConvolutions, image_features, physical_features
from torch_afm.metrics.images.similarity import agreement, content_preservation, noise_share, ssim

__all__ = [
    "RandomConvolutions",
    "agreement",
    "compare_images",
    "content_preservation",
    "frechet_distance",
    "image_features",
    "kernel_distance",
    "noise_share",
    "physical_features",
    "ssim",
]
