"""Predictions from their files."""

import json

import pytest
import torch

from torch_afm.config import Scan, Tip, to_dict
from torch_afm.io import write_xyz
from torch_afm.prediction import read_prediction
from torch_afm.prediction.refinement import Scanner
from torch_afm.testing import benzene
from torch_afm.utils import InputError

ATOMS = [
    {"element": "O", "pos": [0, 0, 0], "charge": -0.8, "sigma": [0.1, 0.1, 0.2], "confidence": 0.9},
    {"element": "H", "pos": [0.96, 0, 0], "charge": 0.4, "sigma": [0.1, 0.1, 0.2], "confidence": 0.8},
]


def write(folder, **record):
    (folder / "prediction.json").write_text(json.dumps(record))
    return folder


def test_a_prediction_as_it_was_written(tmp_path):
    imaging = {"z_top": 8.5, "tip": to_dict(Tip(tilt=(0.1, 0.0))), "scan": to_dict(Scan(dz=0.2)), "unit": "V"}
    folder = write(
        tmp_path, atoms=ATOMS, context=ATOMS[:1], imaging=imaging, stack="a.npz", weights="spatial"
    )
    for path in (folder, folder / "prediction.json", str(folder)):
        found = read_prediction(path)
        assert found.graph.z.tolist() == [8, 1] and found.graph.edge_index.tolist() == [[0, 1], [1, 0]]
        assert found.graph.sigma.tolist() == [pytest.approx([0.1, 0.1, 0.2])] * 2
        assert found.graph.confidence.tolist() == pytest.approx([0.9, 0.8])
        assert found.context.z.tolist() == [8] and found.folder == folder and found.recorded
        assert found.imaging.scan == Scan(dz=0.2) and found.imaging.tip.tilt == (0.1, 0.0)
        assert (found.imaging.z_top, str(found.stack), found.weights) == (8.5, "a.npz", "spatial")
        assert found.imaging.scanner == Scanner()
    imaging["scanner"] = {"scale": [1.1, 0.9], "shear": 0.02}
    write(tmp_path, atoms=ATOMS, imaging=imaging)
    assert read_prediction(tmp_path).imaging.scanner == Scanner((1.1, 0.9), 0.02)


def test_a_molecule_file_has_nothing_but_atoms(tmp_path):
    write_xyz(tmp_path / "m.xyz", benzene())
    found = read_prediction(tmp_path / "m.xyz")
    torch.testing.assert_close(found.graph.pos, benzene().pos, atol=1e-4, rtol=0)
    assert not found.recorded and found.imaging is None and len(found.context.z) == 0


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"atoms": [{"element": "Qq", "pos": [0, 0, 0]}]}',
        '{"atoms": [{"element": "C", "pos": [0, 0]}]}',
        '{"atoms": 3}',
        '{"atoms": [{"element": "C", "pos": [0, 0, 0]}], "imaging": {"z_top": "high"}}',
    ],
)
def test_no_prediction(text, tmp_path):
    (tmp_path / "prediction.json").write_text(text)
    with pytest.raises(InputError, match=r"^prediction:"):
        read_prediction(tmp_path)
