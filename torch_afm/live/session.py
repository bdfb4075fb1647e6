"""What one visitor of the page works on: no word in here of how a page is made."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.config.tip import TIP_PRESETS
from torch_afm.data import AFMData, move_graph
from torch_afm.io import AFMStack
from torch_afm.io.scans import PreparedScan
from torch_afm.live.compare import Comparison, compare
from torch_afm.live.controls import Controls
from torch_afm.live.files import Dropped, read_smiles
from torch_afm.live.render import Setup
from torch_afm.ppm import anchor_height
from torch_afm.prediction import ScanPrediction
from torch_afm.transforms import Orient, best_rotations, flat_rotation
from torch_afm.utils import InputError

#: What the page begins with: paracetamol, flat and of the usual size.
EXAMPLE = "CC(=O)Nc1ccc(O)cc1"

#: How a molecule that is dropped is laid: by its plane, as most of it is seen, or as its file has it.
ORIENTATIONS = ("flat", "best", "as-is")

#: Å around a molecule that its window shows, pixels along 16 Å, and the most along one side.
_MARGIN, _PIXELS, _MAX_PIXELS = 3.0, 64, 192

#: Å: the window of a small molecule.
_WINDOW = 16.0

#: What the tip of a scan or a prediction is called, where it is known.
FOUND = "as found"


@dataclass
class Session:
    """A molecule, a scan, or both; what images the molecule; and a prediction.

    Nothing in it is shared with another session. Attributes are replaced, never changed in place, so that
    :meth:`setup` is a snapshot that another thread may render.

    Args:
        name: what the molecule is called.
        dropped: the molecule as its file has it.
        orientation: one of :data:`ORIENTATIONS`.
        molecule: laid so, its middle at the origin and its top atom at z = 0.
        scan: the scan, which images are then made on.
        scan_name: what it is called.
        controls: what the sliders say.
        preset: name of the tip that they start from.
        tips: the tips that there are to choose from.
        image: stack of the molecule as it was rendered last.
        prediction: the last prediction.
        is_example: whether the molecule is the example of the start, which goes when a scan comes.
    """

    name: str = ""
    dropped: AFMData | None = None
    orientation: str = "flat"
    molecule: AFMData | None = None
    scan: PreparedScan | None = None
    scan_name: str = ""
    controls: Controls = field(default_factory=Controls)
    preset: str = "CO"
    tips: dict[str, Tip] = field(default_factory=lambda: {name: Tip.preset(name) for name in TIP_PRESETS})
    image: AFMStack | None = None
    prediction: ScanPrediction | None = None
    is_example: bool = False

    @classmethod
    def with_example(cls) -> Session:
        """A session that has :data:`EXAMPLE` until something else comes."""
        session = cls()
        session.accept(read_smiles(EXAMPLE))
        session.is_example = True
        return session

    def accept(self, found: Dropped) -> str:
        """Take over a molecule or a scan; a line on what it is.

        Raises:
            InputError: for a molecule that cannot be laid; the session then stays as it was.
        """
        if isinstance(found.content, PreparedScan):
            return self._accept_scan(found.name, found.content)
        return self._accept_molecule(found.name, found.content)

    def _accept_molecule(self, name: str, dropped: AFMData) -> str:
        orientation = "as-is" if "pbc" in dropped else self.orientation
        molecule = lay(dropped, orientation)
        self.name, self.dropped, self.molecule, self.orientation = name, dropped, molecule, orientation
        self.controls = self.controls.replace(x=0.0, y=0.0, turn=0.0)
        self.image, self.is_example = None, False
        if self.scan is None:
            self.reset_height()
        return f"{name}: {len(molecule.z)} atoms"

    def _accept_scan(self, name: str, scan: PreparedScan) -> str:
        self.scan, self.scan_name, self.image, self.prediction = scan, name, None, None
        if self.is_example:
            self.drop_molecule()
        raw, tip = scan.raw, scan.stack.tip
        self._know_tip(tip)
        if raw.z_top is not None:
            z_top = raw.z_top + float(scan.stack.heights[0] - raw.heights[0])
            self.controls = self.controls.for_height(z_top, scan.scan, self.tip)
        else:
            self.controls = self.controls.clipped(amplitude=scan.scan.amplitude)
            self.reset_height()
        n, ny, nx = raw.values.shape
        warnings = "".join(f"; {text}" for text in scan.warnings)
        return f"{name}: {n} {'slice' if n == 1 else 'slices'} of {nx} x {ny} pixels{warnings}"

    def take_prediction(self) -> str:
        """Make the predicted structure the molecule, where it lies in what it was predicted from, imaged with
        the tip, height and oscillation of the prediction; a line on it.

        Raises:
            InputError: where nothing was predicted, or no atoms.
        """
        found = self.prediction
        if found is None or not len(found.graph.z):
            raise InputError("prediction: expected a structure with atoms, got none; predict one first")
        parts = [found.graph, found.context]
        whole = AFMData(
            z=torch.cat([part.z for part in parts]),
            pos=torch.cat([part.pos for part in parts]),
            charge=torch.cat([part.charge for part in parts]),
            edge_index=found.graph.edge_index,
        )
        low, high = whole.pos.amin(0).tolist(), whole.pos.amax(0).tolist()
        prepared = found.chosen.prepared
        self.name, self.dropped, self.orientation, self.is_example = "prediction", whole, "as-is", False
        self.molecule, self.scan, self.image = lay(whole, "as-is"), prepared, None
        self._know_tip(found.tip)
        center = prepared.scan.center
        self.controls = self.controls.for_height(found.z_top - high[2], found.scan, found.tip).clipped(
            x=(low[0] + high[0]) / 2 - center[0], y=(low[1] + high[1]) / 2 - center[1], turn=0.0
        )
        return f"prediction: {len(found.graph.z)} atoms, {len(found.context.z)} more below the surface cut"

    def _know_tip(self, tip: Tip | None) -> None:
        """Offer a tip that was found, and take it."""
        self.tips = {name: t for name, t in self.tips.items() if name != FOUND}
        if tip is not None:
            self.tips[FOUND] = tip
        self.choose_tip(FOUND if tip is not None else self.preset if self.preset in self.tips else "CO")

    def drop_scan(self) -> None:
        """Go on without the scan."""
        self.scan = self.image = self.prediction = None
        self.scan_name = ""

    def drop_molecule(self) -> None:
        """Go on without the molecule."""
        self.name, self.dropped, self.molecule, self.image = "", None, None, None
        self.is_example = False

    def choose_orientation(self, orientation: str) -> None:
        """Lay the molecule in another way.

        Raises:
            InputError: for another word than those of :data:`ORIENTATIONS`, and for a periodic structure laid
                otherwise than it is.
        """
        if self.dropped is not None:
            self.molecule = lay(self.dropped, orientation)
            self.image = None
        self.orientation = orientation

    def choose_tip(self, preset: str) -> None:
        """Start from another tip, with its stiffness, tilt and charges, and as near as its probe comes.

        Raises:
            InputError: for a tip that there is none of.
        """
        if preset not in self.tips:
            raise InputError(f"tip: expected one of {', '.join(self.tips)}, got {preset!r}")
        self.preset = preset
        self.controls = self.controls.for_tip(self.tips[preset])
        if preset != FOUND:
            self.reset_height()

    def set(self, name: str, value: float) -> None:
        """Move a slider.

        Raises:
            InputError: for a slider that there is none of, and a value that it does not have.
        """
        if name not in {f.name for f in dataclasses.fields(Controls)}:
            raise InputError(f"slider: expected one of the page, got {name!r}")
        self.controls = self.controls.replace(**{name: value})

    def reset_height(self) -> None:
        """Bring the tip as near as ``torch-afm simulate`` does, whatever the oscillation and the slices."""
        if self.molecule is not None:
            usual = Scan()
            z_top = float(anchor_height(self.molecule, usual, self.tip))
            self.controls = self.controls.replace(
                approach=self.controls.for_height(z_top, usual, self.tip).approach
            )

    @property
    def tip(self) -> Tip:
        """The tip, with what the sliders say."""
        return self.controls.tip(self.tips[self.preset])

    @property
    def base_scan(self) -> Scan:
        """Where images are made: as the scan was, else such that all of the molecule is seen."""
        return window_scan(self.molecule) if self.scan is None else self.scan.scan

    def setup(self) -> Setup | None:
        """What is to be rendered; ``None`` without a molecule."""
        if self.molecule is None:
            return None
        scan, tip = self.controls.scan(self.base_scan), self.tip
        shift = torch.tensor([scan.center[0] + self.controls.x, scan.center[1] + self.controls.y, 0.0])
        matrix = torch.from_numpy(Rotation.from_euler("z", self.controls.turn, degrees=True).as_matrix())

        def move(points: Tensor) -> Tensor:
            return (points.double() @ matrix.T + shift).to(points)

        placed = self.molecule.clone()
        move_graph(placed, move)
        return Setup(self.name, placed, scan, tip, self.controls.z_top(scan, tip))

    @property
    def comparison(self) -> Comparison | None:
        """The image beside the scan, where there are both."""
        if self.scan is None or self.image is None:
            return None
        stack = self.scan.stack
        return compare(stack.values, self.image.stack[0].astype(np.float64), stack.leveled)

    @property
    def n_slices(self) -> int:
        """Slices that there are to see."""
        return self.base_scan.n_slices


def lay(molecule: AFMData, orientation: str) -> AFMData:
    """A molecule with its middle at the origin and its top atom at z = 0.

    Args:
        molecule: as its file has it.
        orientation: ``"flat"`` (:func:`torch_afm.transforms.flat_rotation`), ``"best"`` (that which shows the
            most atoms) or ``"as-is"``.

    Raises:
        InputError: for another orientation, and a periodic structure that is to be turned.
    """
    if orientation not in ORIENTATIONS:
        raise InputError(f"orientation: expected one of {', '.join(ORIENTATIONS)}, got {orientation!r}")
    turn = None
    if orientation != "as-is":
        if "pbc" in molecule:
            raise InputError(f"orientation: expected as-is for a periodic structure, got {orientation}")
        flat = orientation == "flat"
        turn = flat_rotation(molecule.pos) if flat else best_rotations(molecule.pos, n=1)[0]
    return Orient(turn)(molecule.clone())


def window_scan(molecule: AFMData | None) -> Scan:
    """A scan that shows all of a molecule with 3 Å around it: 16 Å wide at least, with 64 pixels in 16 Å, but
    192 at most; of a periodic structure, and without a molecule, 16 Å."""
    side = _WINDOW
    if molecule is not None and "pbc" not in molecule:
        side = max(side, 2 * (float(molecule.pos[:, :2].abs().max()) + _MARGIN))
    pixels = min(2 * math.ceil(side / _WINDOW * _PIXELS / 2), _MAX_PIXELS)
    return Scan(window=((-side / 2, side / 2), (-side / 2, side / 2)), pixels=(pixels, pixels))
