"""Settings of style translation and of its training run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from torch_afm.utils import InputError

# True for mypy. Not ``TYPE_CHECKING``: what is imported there, jsonargparse imports too.
MYPY = False

if MYPY:
    from torch import Tensor


class Range(NamedTuple):
    """Middle and half width of a range of values, ``[..., 1, 1]`` a slice."""

    middle: Tensor
    half: Tensor


@dataclass(frozen=True)
class Scaling:
    r"""An explicit, invertible map of stacks to numbers around 0: with the middle :math:`m` and half the
    width :math:`w` of a range, :math:`x \mapsto f (x - m) / w`; nothing is clipped or rounded to gray levels.

    Args:
        mode: what the range is of: every ``slice`` by itself (as 8-bit images of slices have it), the whole
            ``stack``, or ``fixed``, from ``low`` to ``high``.
        low: lower end of a fixed range, in the unit of the stacks (Hz).
        high: upper end of it.
        fill: f, what the ends of the range become. Networks end in tanh: below 1 there is room for values
            beyond the source's, such as added noise.
    """

    mode: str = "slice"
    low: float = -1.0
    high: float = 1.0
    fill: float = 0.8

    #: Fields that stored networks and settings have under another name.
    RENAMED: ClassVar[dict[str, str]] = {"kind": "mode"}

    def __post_init__(self) -> None:
        if self.mode not in ("slice", "stack", "fixed"):
            raise InputError(f"mode: expected 'slice', 'stack' or 'fixed', got {self.mode!r}")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"low, high: expected finite numbers, low < high, got {self.low}, {self.high}")
        if not 0 < self.fill <= 1:
            raise InputError(f"fill: expected above 0 and at most 1, got {self.fill}")

    def measure(self, stack: Tensor) -> Range:
        """The range of each slice; one without contrast has half width 1.

        Shapes:
            stack ``[..., Z, Y, X]``, returns ``[..., Z, 1, 1]`` twice (Z is 1 where it is the stack's).
        """
        if self.mode == "fixed":
            low, high = (stack.new_full((1,) * stack.ndim, end) for end in (self.low, self.high))
        else:
            over = (-2, -1) if self.mode == "slice" else (-3, -2, -1)
            low, high = stack.amin(over, keepdim=True), stack.amax(over, keepdim=True)
        half = (high - low) / 2
        return Range(low + half, half.where(half > 0, half.new_ones(())))

    def apply(self, stack: Tensor, span: Range) -> Tensor:
        """``stack`` scaled by a range of :meth:`measure`."""
        return (stack - span.middle) * (self.fill / span.half)

    def invert(self, scaled: Tensor, span: Range) -> Tensor:
        """What :meth:`apply` was given, to the rounding of its precision."""
        return scaled * (span.half / self.fill) + span.middle


@dataclass(frozen=True)
class TranslatorConfig:
    """A translation of stacks.

    Args:
        width: channels of the generator at full size.
        blocks: residual blocks of the generator.
        context: neighboring slices on either side that the generator sees; 0 translates slice by slice.
        source: scaling of stacks to be translated.
        target: scaling of translated ones. A fixed range is their own; any other is the one measured on the
            source, so that a slice (or stack) keeps its range.
        tile: side in pixels of the tiles of large images.
        overlap: pixels that tiles share.
        noise: give the generator two channels of Gaussian noise besides, a number a pixel and a number a scan
            line. A network that sees nothing random makes regular patterns where the target has noise.
        residual: the generator tells what to add to a slice, nothing at first, instead of the slice anew.
            Content is then there from the beginning, and far fewer pairs are needed; published weights are
            of generators without.
    """

    width: int = 16
    blocks: int = 6
    context: int = 0
    source: Scaling = field(default_factory=Scaling)
    target: Scaling = field(default_factory=Scaling)
    tile: int = 192
    overlap: int = 48
    noise: bool = False
    residual: bool = False

    def __post_init__(self) -> None:
        if self.context < 0:
            raise InputError(f"context: expected at least 0, got {self.context}")


@dataclass(frozen=True)
class StyleConfig:
    """Settings of a training run of style translation. Networks and weights of the losses are the published
    ones for AFM images (arXiv:2509.02240), the rest CycleGAN's and FastCUT's.

    Args:
        a: stacks of domain A, say simulations: a .npz file, or a folder of such or of
            ``torch-afm dataset``.
        b: stacks of domain B, say experiments.
        out: folder for checkpoints, learning curves (CSV), sample sheets, evaluations and the translations.
        method: ``cyclegan``, which also learns the translation back, ``fastcut``, which costs less
            (:class:`~torch_afm.style.CycleGAN`, :class:`~torch_afm.style.FastCUT`), or another
            :class:`~torch_afm.style.UnpairedTranslation`.
        width: channels of the generators at full size.
        blocks: residual blocks of the generators.
        critic_width: channels of the discriminators after their first layer.
        critic_layers: halvings of the discriminators.
        context: neighboring slices on either side that all networks see; 0 treats slice by slice.
        noise: show the generator from A to B noise besides, which its translations can then have; see
            :class:`~torch_afm.config.TranslatorConfig`.
        residual: generators tell what to add to a slice instead of the slice anew, likewise.
        detail: show the discriminators the fine detail of slices besides; see
            :class:`~torch_afm.style.Critic`.
        source: scaling of A.
        target: scaling of B.
        crop: side of training crops in pixels, a multiple of 4; large stacks are translated in such tiles.
        slices: adjacent slices of a stack in a training crop, at least 2 ``context`` + 1.
        flip: mirror half of the crops along x; not for a style that has a handedness, such as the ghost of a
            double tip.
        epochs: epochs of constant learning rate.
        decay_epochs: epochs after these, over which it falls linearly to zero.
        epoch_pairs: pairs of crops in an epoch; a checkpoint is written at the end of each.
        batch_size: pairs in a batch.
        lr: learning rate of both Adam optimizers, of betas 0.5 and 0.999.
        lambda_cycle: of ``cyclegan``: weight of the cycle loss.
        lambda_identity: of ``cyclegan``: weight of the identity loss, relative to that.
        lambda_nce: of ``fastcut``: weight of the contrast between patches.
        lambda_spectral: weight of a discriminator of power spectra beside that of patches; 0 for none.
        pool: translations kept for the discriminators.
        validation: stacks of each domain that are kept for evaluations, at least 4; none are trained on.
        every: epochs from one evaluation, sample sheet and saved translation to the next.
        min_correlation: mean correlation of slices with their source below which content counts as lost.
        max_lost: share of slices that correlate below 0.5 above which it does, too.
        seed: seed of initial weights, split and every draw.
        threads: threads of torch; 0 leaves torch's choice.
        accelerator: ``auto``, ``cpu`` or ``gpu``.
        progress: show a progress bar.
    """

    a: str | None = None
    b: str | None = None
    out: str = "runs/style"
    method: str = "cyclegan"
    width: int = 16
    blocks: int = 6
    critic_width: int = 16
    critic_layers: int = 2
    context: int = 0
    noise: bool = False
    residual: bool = False
    detail: bool = False
    source: Scaling = field(default_factory=Scaling)
    target: Scaling = field(default_factory=Scaling)
    crop: int = 192
    slices: int = 1
    flip: bool = True
    epochs: int = 100
    decay_epochs: int = 100
    epoch_pairs: int = 200
    batch_size: int = 1
    lr: float = 2e-4
    lambda_cycle: float = 20.0
    lambda_identity: float = 1.0
    lambda_nce: float = 10.0
    lambda_spectral: float = 0.0
    pool: int = 50
    validation: int = 8
    every: int = 5
    min_correlation: float = 0.5
    max_lost: float = 0.1
    seed: int = 0
    threads: int = 0
    accelerator: str = "auto"
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "epoch_pairs", "batch_size", "every", "slices"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        weights = ("lambda_cycle", "lambda_identity", "lambda_nce", "lambda_spectral")
        for name in ("decay_epochs", *weights, "pool", "threads"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}: expected at least 0, got {getattr(self, name)}")
        if self.lr <= 0:
            raise InputError(f"lr: expected above 0, got {self.lr}")
        if self.validation < 4:
            raise InputError(f"validation: expected at least 4 stacks, got {self.validation}")
        if self.crop % 4 or self.crop < 3 * 2**self.critic_layers:
            smallest = 3 * 2**self.critic_layers
            raise InputError(f"crop: expected a multiple of 4, at least {smallest}, got {self.crop}")
        if self.slices < 2 * self.context + 1:
            raise InputError(
                f"slices: expected at least {2 * self.context + 1} for a context of {self.context}, got "
                f"{self.slices}"
            )

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole run."""
        return self.epochs + self.decay_epochs

    @property
    def translator(self) -> TranslatorConfig:
        """Settings of the translation from A to B."""
        tile, overlap = self.crop, self.crop // 4
        sizes = self.width, self.blocks, self.context
        extras = self.noise, self.residual
        return TranslatorConfig(*sizes, self.source, self.target, tile, overlap, *extras)
