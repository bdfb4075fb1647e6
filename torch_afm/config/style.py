"""Settings of style translation and of its training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch_afm.config.scaling import Scaling
from torch_afm.utils import InputError


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
    ones for AFM images (arXiv:2509.02240), the rest CycleGAN's.

    Args:
        a: stacks of domain A, say simulations: a .npz file, or a folder of such or of
            ``torch-afm dataset``.
        b: stacks of domain B, say experiments.
        out: folder for checkpoints, learning curves (CSV), sample sheets, evaluations and the translations.
        width: channels of the generators at full size.
        blocks: residual blocks of the generators.
        critic_width: channels of the discriminators after their first layer.
        critic_layers: halvings of the discriminators.
        context: neighboring slices on either side that all networks see; 0 treats slice by slice.
        noise: show the generator from A to B noise besides, which its translations can then have; see
            :class:`~torch_afm.config.TranslatorConfig`.
        residual: generators tell what to add to a slice instead of the slice anew, likewise.
        detail: show the discriminators the fine detail of slices besides; see
            :class:`~torch_afm.style.CycleGAN`.
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
        lambda_cycle: weight of the cycle loss.
        lambda_identity: weight of the identity loss, relative to that.
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
        for name in ("decay_epochs", "lambda_cycle", "lambda_identity", "pool", "threads"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}: expected at least 0, got {getattr(self, name)}")
        if self.lr <= 0:
            raise InputError(f"lr: expected above 0, got {self.lr}")
        if self.validation < 4:
            raise InputError(f"validation: expected at least 4 stacks, got {self.validation}")
        if self.crop % 4 or self.crop < 3 * 2**self.critic_layers:
            least = 3 * 2**self.critic_layers
            raise InputError(f"crop: expected a multiple of 4, at least {least}, got {self.crop}")
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
