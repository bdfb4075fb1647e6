"""A simulated scan as the file that somebody drops."""

import numpy as np
import pytest

from torch_afm.config import Scan, Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.io import AFMStack, write_stack
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import benzene

#: How the scan was made, and where the molecule lies in it.
SCAN, TIP, Z_TOP, PLACE = Scan(pixels=(64, 64)), Tip.preset("Xe"), 9.4, (1.5, -0.8)


@pytest.fixture(scope="session")
def scanned() -> AFMStack:
    """Benzene beside the middle, imaged with Xe: values alone, in Hz."""
    graph = benzene()
    moved = AFMData(z=graph.z, pos=graph.pos.clone(), charge=graph.charge)
    moved.pos[:, :2] += moved.pos.new_tensor(PLACE)
    stack = ProbeParticleModel(SCAN, TIP, backend="torch")(moved, z_top=Z_TOP)[0].numpy()
    return AFMStack(stack, SCAN.x, SCAN.y, SCAN.slice_heights(Z_TOP))


@pytest.fixture(scope="session")
def scan_bytes(scanned, tmp_path_factory):
    """``scan_bytes(known)``: the file, with tip and height stated, or as a microscope has it, with noise."""

    def write(known: bool) -> bytes:
        meta = {"scan": to_dict(SCAN), "tip": to_dict(TIP), "z_top": Z_TOP} if known else {}
        noise = 0 if known else np.random.default_rng(0).normal(scale=0.02, size=scanned.stack.shape)
        path = tmp_path_factory.mktemp("scan") / "scan.npz"
        write_stack(path, AFMStack(scanned.stack + noise, scanned.x, scanned.y, scanned.z, meta))
        return path.read_bytes()

    return write
