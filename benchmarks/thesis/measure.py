"""What the report tells: single-atom steps in four settings, baselines, whole predictions. Each part is kept
in a file of its own as soon as it is there, and taken from it as long as weights, molecules and settings are
the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch_geometric.data import Batch
from tqdm import tqdm

import torch_afm
from torch_afm.config import to_dict
from torch_afm.data import AFMData, remove_atoms
from torch_afm.datasets import AFMDataset, MoleculeDataset, StepDraws
from torch_afm.elements import AtomClasses
from torch_afm.evaluation import brightest_pixel, evaluate_steps, random_atom, stop_at_once
from torch_afm.io import AFMStack
from torch_afm.metrics import MoleculeMetrics, StepMetrics
from torch_afm.models import Generator
from torch_afm.nn import StepPrediction
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.prediction import Prediction, generate
from torch_afm.transforms import Orient, best_rotations

#: Settings of the mutant's stack: ``keep_deep``, ``true_elements``; the first is what prediction meets.
SETTINGS = ((False, False), (True, False), (False, True), (True, True))

MODEL = "model"
BASELINES = ("random_atom", "brightest_pixel", "stop_at_once")

Rows = dict[str, np.ndarray]


class Evaluation:
    """Measurements of one set of weights on the test molecules.

    Args:
        model: the generator; of one that maps all missing atoms, steps are those of its ``predict_step``, in
            the thesis' classes.
        samples: single-atom steps.
        sequences: whole predictions.
        folder: where to keep what was measured.
        seed: of the choice of steps and molecules, and of all draws.
    """

    def __init__(self, model: Generator, samples: int, sequences: int, folder: Path, seed: int = 0) -> None:
        self.model = model.eval()
        self.classes = model.classes if model.sequential else AtomClasses()
        self.predict = model if model.sequential else merge_classes(model, self.classes)
        self.samples = samples
        self.folder = folder
        self.seed = seed
        source = MoleculeDataset()
        self.molecules = [source[int(i)] for i in source.split()[2]]
        self.chosen = np.random.default_rng(seed).permutation(len(self.molecules))[:sequences]
        self.ppm = ProbeParticleModel(model.config.scan)
        smiles = "\n".join(str(m.smiles) for m in self.molecules)
        parts = [
            torch_afm.__version__.encode(),
            json.dumps([to_dict(model.config), seed]).encode(),
            safetensors.torch.save(model.state_dict()),
            smiles.encode(),
        ]
        self._print = hashlib.sha256(b"\n".join(parts)).hexdigest()

    def dataset(self, keep_deep: bool, true_elements: bool) -> AFMDataset:
        config = self.model.config
        draws = StepDraws(
            z_min=config.z_min,
            classes=self.classes,
            keep_deep=keep_deep,
            true_elements=true_elements,
            seed=self.seed,
        )
        return AFMDataset(self.molecules, config.scan, draws)

    def order(self, dataset: AFMDataset) -> list[int]:
        return np.random.default_rng(self.seed).permutation(len(dataset))[: self.samples].tolist()

    def steps(self, keep_deep: bool, true_elements: bool) -> dict[str, StepMetrics]:
        """Scores of the network, and in the first setting of the baselines, all on the same steps."""
        names = [MODEL, *(BASELINES if (keep_deep, true_elements) == SETTINGS[0] else ())]

        def measure() -> Rows:
            found = self._score(names, keep_deep, true_elements)
            return {f"{name}.{key}": a for name, m in found.items() for key, a in m.rows().items()}

        rows = self._kept(f"steps_deep{keep_deep:d}_elements{true_elements:d}", [self.samples], measure)
        return {
            name: StepMetrics.from_rows(
                {key.split(".")[1]: a for key, a in rows.items() if key.startswith(f"{name}.")},
                self.classes,
                self.model.config.z_min,
            )
            for name in names
        }

    def sequences(self) -> MoleculeMetrics:
        """Scores of whole predictions, one a molecule, in the order of :attr:`chosen`."""

        def measure() -> Rows:
            metrics = MoleculeMetrics()
            for i in tqdm(self.chosen, desc="predict", unit="molecule", disable=None):
                generation, _, truth = self.sequence(int(i))
                metrics.update(generation.graph, truth, generation.ended)
            return metrics.rows()

        return MoleculeMetrics.from_rows(self._kept("sequences", self.chosen.tolist(), measure))

    def sequence(self, molecule: int) -> tuple[Prediction, AFMStack, AFMData]:
        """One test molecule in its best orientation: what is generated from its stack, the stack, the
        truth."""
        data = self.molecules[molecule]
        whole = Orient(best_rotations(data.pos, n=1)[0])(data)
        z_top = float(anchor_height(whole, self.ppm.scan, self.ppm.tip))
        stack = self.ppm(whole, z_top=z_top)
        generation = generate(self.model, stack, self.ppm, z_top)
        visible = remove_atoms(whole, whole.pos[:, 2] < self.model.config.z_min)
        scan = self.ppm.scan
        z = scan.slice_heights(z_top)
        shown = AFMStack(stack[0].numpy(), scan.x, scan.y, z, {"molecule": str(data.smiles)})
        return generation, shown, visible

    def _score(self, names: list[str], keep_deep: bool, true_elements: bool) -> dict[str, StepMetrics]:
        config, classes = self.model.config, self.classes
        generator = torch.Generator().manual_seed(self.seed)
        predictors = {
            MODEL: self.predict,
            "random_atom": lambda batch: random_atom(batch, config.scan, classes, generator, config.z_min),
            "brightest_pixel": lambda batch: brightest_pixel(batch, config.scan, classes),
            "stop_at_once": lambda batch: stop_at_once(batch, classes),
        }
        dataset = self.dataset(keep_deep, true_elements)
        return evaluate_steps({name: predictors[name] for name in names}, dataset, self.order(dataset))

    def _kept(self, name: str, settings: list[int], measure: Callable[[], Rows]) -> Rows:
        path = self.folder / f"{name}.npz"
        made_for = f"{self._print} {settings}"
        if path.exists():
            with np.load(path, allow_pickle=False) as file:
                if str(file["made_for"]) == made_for:
                    return {key: file[key] for key in file.files if key != "made_for"}
        rows = measure()
        self.folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, made_for=made_for, **rows)
        return rows


def merge_classes(model: Generator, classes: AtomClasses) -> Callable[[Batch], StepPrediction]:
    """The steps of a network of maps (``predict_step``) in fewer classes, whose probabilities add up."""
    z = model.classes.representative(torch.arange(1, len(model.classes)))
    label = torch.full((len(model.classes),), len(classes) - 1)  # iodine, too, is heavy
    label[0] = 0
    known = classes.has(z)
    label[1:][known] = classes.index_of(z[known])

    def predict(batch: Batch) -> StepPrediction:
        out = model.predict_step(batch)
        shares = out.class_logits.softmax(dim=1)
        merged = shares.new_zeros(len(shares), len(classes)).index_add_(1, label, shares)
        return out._replace(class_logits=merged.clamp(min=1e-12).log())

    return predict
