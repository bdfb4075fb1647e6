"""Training with Lightning."""

from torch_afm.config.style import StyleConfig
from torch_afm.config.training import TrainConfig
from torch_afm.train.datamodule import AFMDataModule
from torch_afm.train.module import GeneratorModule
from torch_afm.train.run import train
from torch_afm.train.style_module import StyleModule
from torch_afm.train.style_run import train_style

__all__ = [
    "AFMDataModule",
    "GeneratorModule",
    "StyleConfig",
    "StyleModule",
    "TrainConfig",
    "train",
    "train_style",
]
