"""Training steps rendered on the fly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scipy.spatial.transform import Rotation

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.datasets.packed import PackedMolecules
from torch_afm.datasets.rotations import rotation_table
from torch_afm.datasets.steps import StepDataset
from torch_afm.elements import AtomClasses
from torch_afm.transforms import Augment, Orient


class AFMDataset(StepDataset):
    r"""Single-atom training steps from molecule graphs, both AFM stacks rendered when asked for.

    Sample ``i`` is mutant ``i % mutants`` of rotation ``i // mutants % rotations`` of molecule
    ``i // mutants // rotations``. What a sample is, and how it is drawn:
    :class:`~torch_afm.datasets.StepDataset`, whose arguments and errors are those not named here.

    Args:
        molecules: molecules with ``z``, ``pos``, ``charge`` and ``edge_index``.
        rotations: best rotations of each molecule.
        candidates: orientations these are chosen from.
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
        augment: bool | Augment = True,
        mutants: int = 1,
        seed: int = 0,
        transform: Callable[[AFMData], AFMData] | None = None,
    ) -> None:
        self.molecules = PackedMolecules(molecules)
        self.rotations = rotations
        self.rotation_ids, self.quaternions = rotation_table(molecules, rotations, candidates, seed)
        super().__init__(
            scan,
            tip,
            backend,
            z_min,
            classes,
            keep_deep,
            true_elements,
            augment,
            mutants,
            seed,
            transform=transform,
        )

    @property
    def groups(self) -> int:
        return len(self.molecules) * self.rotations

    def oriented(self, group: int) -> AFMData:
        molecule, rotation = divmod(group, self.rotations)
        turn = Rotation.from_quat(self.quaternions[molecule, rotation])
        return Orient(turn)(self.molecules[molecule])

    def __repr__(self) -> str:
        whole = f"{len(self.molecules)} molecules x {self.rotations} rotations"
        return f"{type(self).__name__}({whole}{self._chosen()})"
