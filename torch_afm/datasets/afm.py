"""Training steps rendered on the fly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.ppm import ProbeParticleModel, place
from torch_afm.transforms import (
    NormalizeSlices,
    Orient,
    RandomCutout,
    RandomMutant,
    RandomNoise,
    RandomSliceShift,
    RandomTip,
    best_rotations,
)
from torch_afm.utils import InputError

#: What names a sample: its index, or (epoch, index).
Key = int | tuple[int, int]

Augmentation = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]


class AFMDataset(torch.utils.data.Dataset[AFMData]):
    r"""Single-atom training steps from molecule graphs, both AFM stacks rendered when asked for (the thesis,
    sections 2.3 and 4.3).

    Sample ``i`` is rotation ``i % rotations`` of molecule ``i // rotations``: oriented, cut ``z_min`` below
    its top atom, some visible atoms removed. The reference stack images the whole molecule, the simulated one
    the mutant as prediction will know it: visible atoms only, each element replaced by its class'
    representative, no charges. The two tips are drawn independently.

    A key ``(epoch, i)`` draws afresh for each epoch; a plain ``i`` is epoch 0. Draws depend on (seed, epoch,
    i) alone, so they are the same whatever the order and the number of workers.

    Args:
        molecules: molecules with ``z``, ``pos``, ``charge`` and ``edge_index``.
        scan: the scan both stacks take.
        tip: the tip that draws start from.
        backend: backend of :class:`~torch_afm.ppm.ProbeParticleModel`.
        rotations: best rotations of each molecule.
        candidates: orientations these are chosen from.
        z_min: depth of the surface cut in Å.
        classes: classes of the model to train.
        keep_deep: render the mutant with the atoms below ``z_min``, which prediction cannot know.
        true_elements: render the mutant with true elements and charges, which prediction cannot know.
        augment: apply noise, slice shift and cutouts.
        seed: seed of everything drawn.

    Raises:
        InputError: for no molecules, or an index out of range.
    """

    def __init__(
        self,
        molecules: Sequence[AFMData],
        scan: Scan,
        tip: Tip | None = None,
        backend: str = "auto",
        rotations: int = 30,
        candidates: int = 500,
        z_min: float = -0.7,
        classes: AtomClasses | None = None,
        keep_deep: bool = False,
        true_elements: bool = False,
        augment: bool = True,
        seed: int = 0,
    ) -> None:
        if len(molecules) == 0:
            raise InputError("molecules: expected at least one, got none")
        # Packed, and in NumPy: thousands of tensors could not be passed to a worker process.
        packed = {
            key: [np.asarray(m[key]) for m in molecules] for key in ("z", "pos", "charge", "edge_index")
        }
        self.atoms = np.cumsum([0] + [len(z) for z in packed["z"]])
        self.bonds = np.cumsum([0] + [e.shape[1] for e in packed["edge_index"]])
        self.packed = {
            key: np.concatenate(parts, axis=-1 if key == "edge_index" else 0) for key, parts in packed.items()
        }
        self.scan = scan
        self.rotations = rotations
        self.z_min = z_min
        self.classes = classes or AtomClasses()
        self.keep_deep = keep_deep
        self.true_elements = true_elements
        self.seed = seed
        self.random_tip = RandomTip(tip or Tip())
        self.normalize = NormalizeSlices()
        self.augmentations: list[Augmentation] = []
        if augment:
            self.augmentations += [RandomNoise(), RandomSliceShift(), RandomCutout()]
        self.renderer = ProbeParticleModel(scan, self.random_tip.tip, backend=backend)
        self.quaternions = np.stack(
            [best_rotations(m.pos, rotations, candidates, seed).as_quat() for m in molecules]
        )

    def __len__(self) -> int:
        return len(self.quaternions) * self.rotations

    def __getitem__(self, key: Key) -> AFMData:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> list[AFMData]:
        """The samples of ``keys``; all their stacks are rendered in one launch."""
        rngs = [self._rng(key) for key in keys]
        molecules = [self._oriented(key) for key in keys]
        samples = [RandomMutant(rng, self.z_min)(m.clone()) for m, rng in zip(molecules, rngs, strict=True)]
        imaged = [AFMData(z=m.z, pos=m.pos, charge=m.charge) for m in molecules]
        mutants = [self._as_rendered(s, m) for s, m in zip(samples, molecules, strict=True)]

        z_top = place(Batch.from_data_list(imaged), self.scan, self.random_tip.tip)
        draws = [[self.random_tip(rng) for rng in rngs] for _ in range(2)]
        tips = [tip for half in draws for tip, _ in half]
        shift = torch.tensor([dz for half in draws for _, dz in half])
        stacks = self.renderer.render(
            Batch.from_data_list(imaged + mutants), tips, torch.cat([z_top, z_top]) + shift
        )
        for i, (sample, rng) in enumerate(zip(samples, rngs, strict=True)):
            sample.reference = self._finish(stacks[i], rng)
            sample.simulated = self._finish(stacks[len(samples) + i], rng)
            sample.z_top = z_top[i : i + 1]
        return samples

    def _rng(self, key: Key) -> np.random.Generator:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        return np.random.default_rng((self.seed, epoch, index))

    def _oriented(self, key: Key) -> AFMData:
        index = key[1] if isinstance(key, tuple) else key
        if not 0 <= index < len(self):
            raise InputError(f"index: expected 0 to {len(self) - 1}, got {index}")
        molecule, rotation = divmod(index, self.rotations)
        data = self._molecule(molecule)
        return Orient(Rotation.from_quat(self.quaternions[molecule, rotation]))(data)

    def _molecule(self, i: int) -> AFMData:
        # Only what the graph needs: every sample must carry the same keys.
        atoms, bonds = slice(*self.atoms[i : i + 2]), slice(*self.bonds[i : i + 2])
        parts = {
            key: values[..., bonds] if key == "edge_index" else values[atoms]
            for key, values in self.packed.items()
        }
        return AFMData(**{key: torch.from_numpy(part.copy()) for key, part in parts.items()})

    def _as_rendered(self, mutant: AFMData, molecule: AFMData) -> AFMData:
        z, pos, charge = mutant.z, mutant.pos, mutant.charge
        if self.keep_deep:
            deep = molecule.pos[:, 2] < self.z_min
            z = torch.cat([z, molecule.z[deep]])
            pos = torch.cat([pos, molecule.pos[deep]])
            charge = torch.cat([charge, molecule.charge[deep]])
        if not self.true_elements:
            z, charge = self.classes.representative(self.classes.of(z)), torch.zeros_like(charge)
        return AFMData(z=z, pos=pos, charge=charge)

    def _finish(self, stack: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        stack = self.normalize(stack)
        for augmentation in self.augmentations:
            stack = augmentation(stack, rng)
        return stack[None]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.quaternions)} molecules x {self.rotations} rotations)"
