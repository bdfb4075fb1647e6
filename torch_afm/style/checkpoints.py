"""Evaluate the checkpoints of a translation, and choose the one to keep."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from torch_afm.metrics.images import (
    RandomConvolutions,
    compare_images,
    content_preservation,
    physical_features,
)
from torch_afm.utils import InputError

#: Measures of content that have a vote; more is better.
_CONTENT = ("correlation", "ssim")


@dataclass(frozen=True)
class Evaluation:
    """What is measured of one checkpoint.

    Args:
        epoch: epochs trained.
        distances: distance to the target by each image metric, lower is better.
        floors: the same between halves of the target: nothing can do better but by chance.
        content: what :func:`~torch_afm.metrics.images.content_preservation` gives.
        backward: the same of the translation back, from the target's domain, where there is one.
    """

    epoch: int
    distances: dict[str, float]
    floors: dict[str, float]
    content: dict[str, float | None]
    backward: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """The checkpoint to keep.

    Args:
        epoch: its epoch; ``None`` where every checkpoint destroys content.
        ranks: mean rank of each checkpoint that keeps content, by epoch, 1 the best.
        rejected: why each of the others is none to keep, by epoch.
    """

    epoch: int | None
    ranks: dict[int, float]
    rejected: dict[int, str]


def evaluate_translation(
    epoch: int, translated: Tensor, source: Tensor, target: Tensor, seed: int = 0
) -> Evaluation:
    """Distances between translated stacks and the target by Fréchet distance, KID and MMD on physical
    features and on random convolutions, and the content that is left of the source.

    Args:
        epoch: epochs trained.
        translated: translated stacks, on the same scale as the target.
        source: what each was translated from, on that scale.
        target: stacks of the target domain.
        seed: seed of halves and convolutions.

    Shapes:
        translated and source ``[N, Z, Y, X]``, N at least 2; target ``[M, Z', Y', X']``, M at least 4; sides
        of at least 32 pixels.

    Raises:
        InputError: for other shapes, or a NaN.
    """
    distances: dict[str, float] = {}
    floors: dict[str, float] = {}
    for features, extractor in (("physical", physical_features), ("random", RandomConvolutions(seed=seed))):
        with warnings.catch_warnings():
            # Floors are shown with the distances, biased as they are.
            warnings.filterwarnings("ignore", message=".*Fréchet distance is biased")
            found = compare_images(translated, target, extractor, seed=seed)
        for metric in ("frechet", "kid", "mmd"):
            distances[f"{features} {metric}"] = found[metric]["value"]
            floors[f"{features} {metric}"] = found[metric]["floor"]
    return Evaluation(epoch, distances, floors, content_preservation(translated, source))


def choose_checkpoint(
    evaluations: Sequence[Evaluation], min_correlation: float = 0.5, max_lost: float = 0.1
) -> Choice:
    """The checkpoint with the best mean rank, over all image metrics and over correlation and structural
    similarity with the source, each with one vote, among those that keep content in both directions.
    Distances at their floor are equal; of equal ranks the earlier checkpoint wins. Training is not monotone
    and metrics disagree: neither the last checkpoint nor the best by one metric is a good rule
    (arXiv:2509.02240).

    Args:
        evaluations: of each checkpoint.
        min_correlation: guard: mean correlation of slices with their source below which a checkpoint
            destroys content.
        max_lost: guard: share of slices with a correlation below 0.5, above which it does, too.

    Raises:
        InputError: for no evaluation.
    """
    if not evaluations:
        raise InputError("evaluations: expected at least one, got none")
    rejected = {}
    for one in evaluations:
        reason = content_lost(one, min_correlation, max_lost)
        if reason:
            rejected[one.epoch] = reason
    kept = [one for one in evaluations if one.epoch not in rejected]
    if not kept:
        return Choice(None, {}, rejected)
    votes = [
        [max(one.distances[name], one.floors[name]) for one in kept] for name in evaluations[0].distances
    ]
    votes += [[-float(one.content[name] or 0.0) for one in kept] for name in _CONTENT]
    ranks = np.mean([[1 + sum(w < v for w in vote) for v in vote] for vote in votes], axis=0)
    mean = {one.epoch: float(rank) for one, rank in zip(kept, ranks, strict=True)}
    return Choice(min(mean, key=lambda epoch: (mean[epoch], epoch)), mean, rejected)


def content_lost(evaluation: Evaluation, min_correlation: float, max_lost: float) -> str | None:
    """In words, why a checkpoint destroys content in either direction; ``None`` where it does not."""
    for direction, content in (("", evaluation.content), ("translated back, ", evaluation.backward)):
        if not content:
            continue
        correlation, lost = (float(content[key] or 0.0) for key in ("correlation", "lost"))
        if correlation < min_correlation:
            reason = f"slices correlate {correlation:.2f} with their source, below {min_correlation:g}"
            return direction + reason
        if lost > max_lost:
            reason = f"{lost:.0%} of slices correlate below 0.5 with their source, more than {max_lost:.0%}"
            return direction + reason
    return None


def common_size(stacks: Sequence[Tensor], sides: tuple[int, int]) -> Tensor:
    """The middles of stacks ``[Z, Y, X]``, of ``sides`` (Y, X), with as many of the nearest slices as the
    thinnest stack has, as ``[N, Z, Y, X]``."""
    depth = min(len(stack) for stack in stacks)
    height, width = sides
    cut = []
    for stack in stacks:
        top, left = (stack.size(1) - height) // 2, (stack.size(2) - width) // 2
        cut.append(stack[-depth:, top : top + height, left : left + width])
    return torch.stack(cut)
