"""A network of another package, which is the one file of the how-to: no file of this package knows of it."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest
import torch

from torch_afm.cli.main import main
from torch_afm.config import Scan, generator_config
from torch_afm.data import AFMData
from torch_afm.datasets import AFMDataset, StepDraws
from torch_afm.models import Generator, load_generator, make_generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate, predict_structure
from torch_afm.testing import water
from torch_afm.utils import InputError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "network.md"
SCAN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(17, 17), n_slices=3)
Z_TOP = 8.0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An installed package with the network and its entry point."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    (tmp_path / "my_network.py").write_text(code, "utf-8")
    info = tmp_path / "my_network-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-network\nVersion: 1.0\n")
    entry = "[torch_afm.generators]\ndifference = my_network:DifferenceNetwork\n"
    (info / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "my_network", raising=False)
    known = {k: v for k, v in Generator.registry.items() if v.__module__.startswith("torch_afm.")}
    monkeypatch.setattr(Generator, "registry", known)
    yield tmp_path
    sys.modules.pop("my_network", None)


@pytest.fixture
def model(folder):
    """Sees a missing oxygen (the heavy class) where the reference is brighter in the nearest slice."""
    import my_network

    model = my_network.DifferenceNetwork(my_network.DifferenceConfig(scan=SCAN))
    with torch.no_grad():
        model.maps.weight.zero_()
        model.maps.bias.fill_(-9.0)
        model.maps.weight[1, SCAN.n_slices - 1], model.maps.weight[1, -1] = 5.0, -5.0
    return model


@pytest.fixture
def job():
    renderer = ProbeParticleModel(SCAN)
    atom = AFMData(z=torch.tensor([6]), pos=torch.tensor([[1.0, -0.5, 0.0]]), charge=torch.zeros(1))
    return renderer(atom, z_top=Z_TOP), renderer, Z_TOP


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_it_is_loaded_by_its_entry_point_and_searched_with(search, model, job, folder):
    model.save_pretrained(folder / "weights")
    Generator.registry.pop("DifferenceNetwork")
    sys.modules.pop("my_network")
    loaded = load_generator(folder / "weights")
    assert type(loaded).__name__ == "DifferenceNetwork" and loaded.config.height == 0.0
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True))
    found = generate(loaded, *job, search=search)
    assert found.graph.z.tolist() == [6] and found.graph.pos.tolist() == [[1.0, -0.5, 0.0]]
    assert found.graph.confidence > 0.5 and "sigma" not in found.graph
    assert len(found.context.z) == 0 and len(found.steps) == 2


def test_bonds_are_drawn_by_distance(model, job):
    """Neighboring pixels of 0.5 Å: two atoms of a C-C bond's distance are bonded."""
    _, renderer, _ = job
    pair = AFMData(z=torch.tensor([6, 6]), pos=torch.tensor([[0.0, 0.0, 0.0], [1.5, 0.0, 0.0]]))
    pair.charge = torch.zeros(2)
    found = generate(model, renderer(pair, z_top=Z_TOP), renderer, Z_TOP, max_atoms=2)
    assert len(found.graph.z) == 2 and found.graph.edge_index.tolist() == [[0, 1], [1, 0]]
    torch.testing.assert_close(found.graph.bond_probability, found.graph.confidence.prod().expand(2))


def test_the_whole_road(model, job):
    found = predict_structure(model, *job)
    assert found.graph.pos.tolist() == [[1.0, -0.5, 0.0]] and found.graph.bond_order.shape == (0,)
    with pytest.raises(InputError, match="views: expected 1 of this DifferenceNetwork, got 8"):
        predict_structure(model, *job, views=8)


def test_commands_take_it(model, folder, monkeypatch):
    """Scored as a network that proposes any number of atoms: no tables of single-atom steps."""
    model.save_pretrained(folder / "weights")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    smiles = ["C", "CC", "CO", "O", "N", "CN", "C#N", "C=O", "CF", "CCl", "C=C", "C#C", "OO"]
    (folder / "few.smi").write_text("\n".join(smiles))
    options = {"weights": "weights", "molecules": "few.smi", "out": "scores", "predictions": 2}
    monkeypatch.chdir(folder)
    assert main(["evaluate", *(f"--{key}={value}" for key, value in options.items())]) == 0
    scores = json.loads((folder / "scores" / "scores.json").read_text())
    assert "steps" not in scores and scores["predictions"]["model"]["all"]["predictions"] == 2


def test_settings_by_the_name_of_the_entry_point(folder):
    config = generator_config("difference")
    assert type(make_generator(config)).__name__ == "DifferenceNetwork"
    with pytest.raises(
        InputError, match="expected one of spatial, scan, thesis, literal, small, difference, got"
    ):
        generator_config("indifference")


def test_the_command_trains_it_with_settings_of_its_own(folder):
    (folder / "few.smi").write_text("\n".join("C" * n for n in range(1, 8)))
    scan = ["--model.scan.pixels", "[17,17]", "--model.scan.n_slices", "3", "--model.height", "-0.1"]
    run = [
        "--epochs",
        "1",
        "--epoch_samples",
        "2",
        "--val_samples",
        "1",
        "--batch_size",
        "2",
        "--rotations",
        "1",
    ]
    where = ["--workers", "0", "--progress", "false", "--accelerator", "cpu", "--out", str(folder / "run")]
    options = ["--preset", "difference", "--molecules", str(folder / "few.smi"), "--loss.map_weight", "2"]
    assert main(["train", *options, *scan, *run, *where]) == 0
    assert load_generator(folder / "run" / "model").config.height == -0.1
    settings = json.loads((folder / "run" / "train.json").read_text())
    assert settings["loss"] == {"map_weight": 2.0} and settings["model"]["scan"]["pixels"] == [17, 17]


def test_its_loss_learns(model):
    draws = StepDraws(classes=model.classes, z_min=model.z_targets)
    data = AFMDataset([water()], SCAN, draws, rotations=1)[0]
    loss = model.make_loss(model.LossConfig(map_weight=2.0))
    terms = loss(model(data), data)
    torch.testing.assert_close(terms.total, 2 * terms.map)
    terms.total.backward()
    assert model.maps.weight.grad.abs().max() > 0


def test_an_entry_point_that_cannot_be_imported_is_one_clear_error(folder):
    (folder / "my_network.py").write_text("import no_such_module\n")
    with pytest.raises(InputError, match="difference: expected a network at the entry point my_network"):
        generator_config("difference")


def test_a_name_is_given_once(folder):
    with pytest.raises(TypeError, match="spatial has a generator of this name"):
        type("SpatialGenerator", (Generator,), {})
