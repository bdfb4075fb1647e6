"""What the contact sheets of ``torch-afm dataset --stats`` show."""

import re

import numpy as np
import pytest

from torch_afm.cli.sheets import augmentation_sheet, measured_scans, stack_sheet
from torch_afm.config import Scan
from torch_afm.data import from_smiles
from torch_afm.datasets import (
    NuisanceConfig,
    Nuisances,
    RotatedMolecules,
    SceneConfig,
    Scenes,
    StepDataset,
    StepDraw,
    StepDraws,
    StepRenderer,
)
from torch_afm.io import AFMStack, write_stack
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

SCAN = Scan(pixels=(16, 12), window=((-8, 8), (-6, 6)))


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in ("c1ccccc1", "CCO", "O=C=O", "CC(C)=O")]


def _dataset(source, **ranges):
    nuisances = Nuisances(NuisanceConfig(**ranges))
    return StepDataset(source, StepDraws(nuisances=nuisances, seed=3), StepRenderer(SCAN))


def _panels(figure):
    return [ax for ax in figure.axes if ax.images]


def _words(figure):
    return [(part.get_suptitle(), part.get_supxlabel().replace("\n", " ")) for part in figure.subfigs]


def test_stacks_as_the_network_gets_them(molecules):
    dataset = _dataset(RotatedMolecules(molecules, rotations=5, candidates=20), slices=(3, 20))
    titles = [f"molecule {i // 5}" for i in range(20)]
    figure = stack_sheet(dataset, titles, {})
    words = _words(figure)
    assert len(words) == 12 and len(_panels(figure)) == 36
    chosen = np.random.default_rng(3).permutation(20)[:12].tolist()
    assert [title for title, _ in words] == [titles[group] for group in chosen]
    first, panels = dataset[0, chosen[0]], _panels(figure)
    near, valid = first.reference[0, 0, -1].numpy(), first.valid[0, 0, -1].numpy()
    shown = panels[2].images[0].get_array()
    assert np.array_equal(shown.mask, ~valid) and np.array_equal(shown.data[valid], near[valid])


def test_what_was_drawn_is_told(molecules):
    dataset = _dataset(
        RotatedMolecules(molecules, 5, 20), tip_change=1.0, probes=(1.0, 0.0, 0.0), neutral=1.0
    )
    figure = stack_sheet(dataset, [""] * 20, {})
    chosen = np.random.default_rng(3).permutation(20)[:12].tolist()
    for group, (_, text) in zip(chosen, _words(figure), strict=True):
        draw = StepDraw.from_json(dataset[0, group].drawn)
        found = draw.measurement
        slices = len(found.heights)
        assert text.startswith(
            "1 slice, " if slices == 1 else f"{slices} slices over {found.heights[0]:.1f} Å,"
        )
        assert f"CO {found.stiffness:.2f} N/m {1000 * found.depth:.0f} meV" in text
        assert "sample charges x 0.0" in text
        assert ("tip change" in text) == (dict(draw.reference.steps)["Motion"]["rows"] > 0)
        assert (f"amplitude {found.amplitude:.1f} Å, unknown" in text) != found.amplitude_known
        # Where the scanner says that two points lie that are 1 Å from the center along x and along y.
        x, y = map(float, re.search(r"scale ([\d.]+) x ([\d.]+)", text).groups())
        assert np.allclose(np.linalg.solve(found.matrix, np.eye(2)).diagonal(), (x, y), atol=6e-3)


def test_measured_ones_come_first(molecules, tmp_path):
    values = np.random.default_rng(0).normal(size=(1, 4, 8, 9))
    heights = np.arange(4.0)[::-1] / 10
    stack = AFMStack(values, np.arange(9.0), np.arange(8.0), heights, {"amplitude": 1.5})
    write_stack(tmp_path / "scan.npz", stack)
    dataset = _dataset(Scenes(molecules, SCAN, SceneConfig(metal=0.5), scenes=2))
    figure = stack_sheet(dataset, ["scene 0", "scene 1"], measured_scans([str(tmp_path / "scan.npz")]))
    (title, words), *others = _words(figure)
    assert title == "measured: scan.npz" and words == "4 slices over 0.3 Å, 8.0 x 7.0 Å, amplitude 1.5 Å"
    expected = read_scan(tmp_path / "scan.npz").values[0]
    assert np.array_equal(_panels(figure)[0].images[0].get_array(), expected)
    assert sorted(name for name, _ in others) == ["scene 0", "scene 1"]


def test_measured_stacks_of_the_public_data(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    values, axes = np.zeros((1, 2, 3, 3)), (np.arange(3.0), np.arange(3.0))
    write_stack(tmp_path / "a.npz", AFMStack(values, *axes, np.array([0.1, 0.0])))
    (tmp_path / "a.npz").rename(tmp_path / "real" / "camphor_exp_1.h5")
    monkeypatch.setenv("TORCH_AFM_DATA", str(tmp_path))
    assert list(measured_scans(None)) == ["camphor_exp_1.h5"]
    monkeypatch.delenv("TORCH_AFM_DATA")
    assert measured_scans(None) == {}
    with pytest.raises(InputError, match=r"none\.npz"):
        measured_scans(["none.npz"])


def test_augmentations_of_a_scene(molecules):
    source = Scenes(molecules, SCAN, SceneConfig(metal=1.0), scenes=3)
    figure = augmentation_sheet(StepDataset(source, StepDraws(), StepRenderer(SCAN)), 1)
    # The tip, two of the frame, four of the stack, and all, six draws each: the window is no square.
    assert len(_panels(figure)) == 8 * 6
