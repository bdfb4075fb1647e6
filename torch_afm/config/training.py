"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch_afm.config.generators import (
    GeneratorConfig,
    ScanGeneratorConfig,
    ScanLossConfig,
    SequentialGeneratorConfig,
    SequentialLossConfig,
    SpatialGeneratorConfig,
    SpatialLossConfig,
    generator_config,
    load_entry_point,
    outside_generators,
)
from torch_afm.config.nuisances import NuisanceConfig
from torch_afm.config.scenes import SceneConfig
from torch_afm.utils import InputError

#: Preset of the network that is trained by default, that of ``torch-afm predict``.
PRESET = "spatial"

#: Where geometries of SMILES come from: RDKit's force field, or GFN2-xTB, as the package has them.
GEOMETRIES = ("rdkit", "xtb")

#: Numbers of symmetric copies of a pair of stacks.
COPIES = (1, 2, 4, 8)

#: Endings of files of molecules, as :meth:`torch_afm.datasets.MoleculeDataset.read` takes them.
MOLECULE_SUFFIXES = (".smi", ".smi.xz", ".xyz", ".extxyz", ".sdf", ".mol", ".db", ".json")

_LOSSES: dict[type[GeneratorConfig], type] = {
    SequentialGeneratorConfig: SequentialLossConfig,
    SpatialGeneratorConfig: SpatialLossConfig,
    ScanGeneratorConfig: ScanLossConfig,
}


def default_loss(model: GeneratorConfig) -> Any:
    """The default settings of the loss of a network; ``None`` for one that is neither of this package nor at
    an entry point."""
    if type(model) in _LOSSES:
        return _LOSSES[type(model)]()
    for entry in outside_generators().values():
        network = load_entry_point(entry)
        if network.Config is type(model):
            return network.LossConfig()
    return None


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run.

    Args:
        out: folder for checkpoints, learning curves (CSV) and the finished model.
        model: the network to train.
        loss: settings of its loss; by default its ``LossConfig``.
        molecules: file of molecules (.smi, .smi.xz, .xyz, .extxyz, .sdf, .mol, .db, .json), or ``organic`` or
            ``planar``, the embedded lists, or several of these, each of which keeps its split; none takes
            ``organic``.
        geometry: geometries of SMILES: ``rdkit``, or ``xtb`` for those by GFN2-xTB, with their charges and
            atomic dipoles, where the package has them (:class:`~torch_afm.datasets.MoleculeDataset`).
        scenes: number of scenes (:class:`~torch_afm.datasets.Scenes`) of the training molecules to train on;
            0 shows each molecule alone, in its best rotations.
        scene: what scenes are drawn from.
        realistic: share of the reference stacks that are measured as real scans are, drawn from
            ``nuisances`` (:class:`~torch_afm.datasets.Nuisances`); the others are nominal. 0 does without:
            all stacks are nominal, but for the tip and the augmentations of the thesis.
        nuisances: the ranges of these.
        structures: periodic surfaces to train on in place of molecules: a file or folder of extended xyz, or
            ``water`` for generated ones (:class:`~torch_afm.datasets.WaterSurfaces`).
        cache: folder of reference stacks of the training molecules, or of the same scenes of them, from
            ``torch-afm dataset``; none renders them on the fly.
        epochs: epochs to run in all, those before a resume included.
        epoch_samples: training samples in one epoch; a checkpoint is written at the end of each.
        val_samples: validation samples, from molecules never trained on.
        batch_size: samples in a batch, on each process.
        lr: learning rate of Adam.
        muon_lr: learning rate of Muon (:class:`torch_afm.train.muon.Muon`), which takes Adam's place for the
            matrices and kernels between the first and the last layers; 0 trains all by Adam. 0.02 suits
            networks of convolutions, which learn several times as much of a sample.
        schedule: ``constant``, or ``cosine`` (a linear warm-up of 2 % of the run, then a cosine down to 1 %).
        clip: largest norm of the gradient; 0 for none.
        init: weights to begin from, a name or folder as for ``torch-afm predict``; none draws them at random.
        ema: decay of an exponential moving average of the weights, which is what is validated and saved
            (0.999 averages over the last thousand steps); 0 for none.
        patience: epochs without a better validation loss after which the run ends; 0 for never.
        keep: best checkpoints kept: ``best.ckpt``, or, of several, ``best-epoch=N.ckpt`` each.
        mutants: samples that share one reference stack, which is rendered once for all of them.
        copies: mirror images and quarter turns (1, 2, 4 or 8) of each pair of stacks, which is rendered once
            for all of them.
        empty: share of samples, besides those drawn so, whose graph is empty; every generation starts there.
        misplaced: largest standard deviation in Å of the noise on the atoms that a graph keeps, as in
            :class:`~torch_afm.transforms.RandomMutant`.
        extra: largest number of false atoms among them, likewise.
        augmented: share of the stacks that get noise, slice shifts and cutouts.
        rotations: best rotations of each molecule, or windows of each surface; scenes draw their own.
        seed: seed of initial weights, split, shuffling and every draw.
        render: where stacks are rendered and augmented: by the ``workers``, or, batch by batch, on the
            ``device`` of the network, for a GPU; the workers then draw and cut alone.
        workers: processes that make samples, besides the training process.
        threads: threads of torch in the training process; 0 leaves torch's choice.
        precision: numbers of the network, ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        accelerator: ``auto``, ``cpu`` or ``gpu``.
        devices: processes (CPU) or GPUs on each machine.
        num_nodes: machines.
        tensorboard: write TensorBoard logs beside the CSV files (``pip install tensorboard``).
        progress: show a progress bar.
    """

    out: str = f"runs/{PRESET}"
    model: GeneratorConfig = field(default_factory=lambda: generator_config(PRESET))
    loss: Any = None
    molecules: str | tuple[str, ...] | None = None
    geometry: str = "rdkit"
    scenes: int = 0
    scene: SceneConfig = field(default_factory=SceneConfig)
    realistic: float = 0.0
    nuisances: NuisanceConfig = field(default_factory=NuisanceConfig)
    structures: str | None = None
    cache: str | None = None
    epochs: int = 50
    epoch_samples: int = 4096
    val_samples: int = 512
    batch_size: int = 32
    lr: float = 1e-3
    muon_lr: float = 0.0
    schedule: str = "constant"
    clip: float = 1.0
    init: str | None = None
    ema: float = 0.0
    patience: int = 0
    keep: int = 1
    mutants: int = 1
    copies: int = 1
    empty: float = 0.0
    misplaced: float = 0.0
    extra: int = 0
    augmented: float = 1.0
    rotations: int = 30
    seed: int = 0
    render: str = "workers"
    workers: int = 1
    threads: int = 0
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    tensorboard: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        default = default_loss(self.model)
        if self.loss is None:
            object.__setattr__(self, "loss", default)
        elif default is not None and type(self.loss) is not type(default):
            wanted, found = type(default).__name__, type(self.loss).__name__
            raise InputError(f"loss: expected a {wanted} for this network, got a {found}")
        for name in (
            "epochs",
            "epoch_samples",
            "val_samples",
            "batch_size",
            "keep",
            "mutants",
            "rotations",
            "devices",
            "num_nodes",
        ):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.lr <= 0 or min(self.muon_lr, self.clip, self.workers, self.threads, self.patience) < 0:
            raise InputError(
                "lr, muon_lr, clip, workers, threads, patience: expected lr above 0 and the others not "
                "negative"
            )
        if self.copies not in COPIES:
            raise InputError(f"copies: expected one of {COPIES}, got {self.copies}")
        if self.epoch_samples % (self.devices * self.num_nodes * self.mutants * self.copies):
            raise InputError(
                f"epoch_samples: expected a multiple of devices x num_nodes x mutants x copies "
                f"({self.devices} x {self.num_nodes} x {self.mutants} x {self.copies}), "
                f"got {self.epoch_samples}"
            )
        if self.molecules is not None and not isinstance(self.molecules, str):
            lists = tuple(self.molecules)
            object.__setattr__(self, "molecules", lists[0] if len(lists) == 1 else lists)
        if self.structures is not None and self.molecules is not None:
            raise InputError(f"molecules: expected none beside structures, got {self.molecules!r}")
        if self.geometry not in GEOMETRIES:
            raise InputError(f"geometry: expected 'rdkit' or 'xtb', got {self.geometry!r}")
        if self.geometry != "rdkit" and self.structures is not None:
            raise InputError(f"geometry: expected 'rdkit' beside structures, got {self.geometry!r}")
        if self.scenes < 0:
            raise InputError(f"scenes: expected a number, 0 or more, got {self.scenes}")
        if self.scenes and self.structures is not None:
            raise InputError(f"scenes: expected 0 beside structures, got {self.scenes}")
        if not self.scenes and self.scene != SceneConfig():
            raise InputError("scene: expected the default settings without scenes, got others")
        if not 0 <= self.realistic <= 1:
            raise InputError(f"realistic: expected a share from 0 to 1, got {self.realistic}")
        if self.realistic and self.cache is not None:
            raise InputError(f"realistic: expected 0 beside a cache, got {self.realistic}")
        if self.realistic and self.augmented != 1:
            raise InputError(
                f"augmented: expected 1 beside realistic, whose noise nuisances has, got {self.augmented}"
            )
        if not self.realistic and self.nuisances != NuisanceConfig():
            raise InputError("nuisances: expected the default ranges without realistic, got others")
        if not 0 <= self.ema < 1:
            raise InputError(f"ema: expected a decay from 0 to below 1, got {self.ema}")
        if not 0 <= self.empty <= 1:
            raise InputError(f"empty: expected a share, got {self.empty}")
        if self.render not in ("workers", "device"):
            raise InputError(f"render: expected 'workers' or 'device', got {self.render!r}")
        if self.render == "device" and self.cache is not None:
            raise InputError("render: expected 'workers' with a cache, got 'device'")
        if self.schedule not in ("constant", "cosine"):
            raise InputError(f"schedule: expected 'constant' or 'cosine', got {self.schedule!r}")
        if self.precision not in ("32-true", "bf16-mixed", "16-mixed"):
            raise InputError(
                f"precision: expected '32-true', 'bf16-mixed' or '16-mixed', got {self.precision!r}"
            )

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        world = self.devices * self.num_nodes
        return self.epochs * -(-(self.epoch_samples // world) // self.batch_size)
