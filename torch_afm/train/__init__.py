"""Training with Lightning."""

from torch_afm.train.config import TrainConfig
from torch_afm.train.datamodule import AFMDataModule
from torch_afm.train.module import GeneratorModule, SpatialModule
from torch_afm.train.run import train

__all__ = ["AFMDataModule", "GeneratorModule", "SpatialModule", "TrainConfig", "train"]
