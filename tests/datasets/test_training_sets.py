import json

import numpy as np
import pytest
import torch

from torch_afm.config import Scan, TranslatorConfig
from torch_afm.data import from_smiles
from torch_afm.datasets import (
    CacheConfig,
    StepDataset,
    StepDraws,
    StoredReferences,
    build_training_set,
    write_cache,
)
from torch_afm.io.hdf5 import SampleFile
from torch_afm.models import StyleTranslator
from torch_afm.transforms import Augment, change_stacks
from torch_afm.utils import InputError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Rendered stacks in two files, and two translations."""
    root = tmp_path_factory.mktemp("sets")
    scan = Scan(pixels=(16, 20), n_slices=3)
    config = CacheConfig(scan=scan, rotations=3, candidates=6, file_samples=4, storage="float16")
    write_cache(root / "rendered", [from_smiles("O"), from_smiles("CO")], config, backend="torch")
    for seed in (0, 1):
        torch.manual_seed(seed)
        StyleTranslator(TranslatorConfig(width=2, blocks=1, noise=True)).save_pretrained(
            root / f"style{seed}"
        )
    return root


def stacks(folder):
    files = [SampleFile(path) for path in sorted(folder.glob("*.h5"))]
    return torch.stack([file.stack(i) for file in files for i in range(len(file))])


def drawn(folder):
    return [row for path in sorted(folder.glob("*.drawn.json")) for row in json.loads(path.read_text())]


def close(got, expected):
    # Stored as float16 of a slice's deviations over their standard deviation.
    spread = expected.std((-2, -1), keepdim=True)
    assert float(((got - expected) / spread).abs().max()) < 6e-3


@pytest.mark.parametrize("kind", ["pure", "handcrafted", "style", "hybrid"])
def test_stacks_are_what_the_manifest_says(folders, tmp_path, kind):
    weights = [folders / "style0", folders / "style1"] if kind in ("style", "hybrid") else []
    assert build_training_set(kind, folders / "rendered", tmp_path, weights, "published", seed=5) == 2
    manifest = json.loads((tmp_path / "training_set.json").read_text())
    assert (manifest["kind"], manifest["seed"], manifest["samples"]) == (kind, 5, 6)
    assert len(manifest["weights_sha256"]) == len(weights)
    assert len(manifest["perturbations"]) == (4 if kind in ("handcrafted", "hybrid") else 0)
    expected = []
    for stack, record in zip(stacks(folders / "rendered"), drawn(tmp_path), strict=True):
        if weights:
            stack = StyleTranslator.from_pretrained(weights[record["weights"]])(stack[None], record["seed"])[
                0
            ]
        if "steps" in record:
            mean, std = stack.mean((-2, -1), keepdim=True), stack.std((-2, -1), keepdim=True, correction=0)
            stack = change_stacks(stack[None], [[]], [record["steps"]])[0] * std + mean
        expected.append(stack)
    close(stacks(tmp_path), torch.stack(expected))
    before = SampleFile(folders / "rendered" / "stacks-00000.h5")[2]
    after = SampleFile(tmp_path / "stacks-00000.h5")[2]
    assert torch.equal(before.graph.pos, after.graph.pos) and before.tilt == after.tilt
    if weights:
        assert {record["weights"] for record in drawn(tmp_path)} == {0, 1}


def test_a_data_set_trains_on_it(folders, tmp_path):
    build_training_set("hybrid", folders / "rendered", tmp_path, [folders / "style0"], seed=1)
    stored = StoredReferences(tmp_path, "torch")
    sample = StepDataset(stored.molecules, StepDraws(augment=Augment(stack=())), stored)[1]
    values = stacks(tmp_path)[1].double().numpy()
    expected = (values - values.mean((-2, -1), keepdims=True)) / values.std((-2, -1), keepdims=True)
    np.testing.assert_allclose(sample.reference[0].numpy(), expected, atol=1e-4)


def test_goes_on_where_it_stopped_and_refuses_another_set(folders, tmp_path):
    source, style = folders / "rendered", [folders / "style0"]
    assert build_training_set("handcrafted", source, tmp_path, seed=3) == 2
    first = (tmp_path / "stacks-00001.h5").read_bytes()
    (tmp_path / "stacks-00001.h5").unlink()
    assert build_training_set("handcrafted", source, tmp_path, seed=3) == 1
    assert (tmp_path / "stacks-00001.h5").read_bytes() == first
    with pytest.raises(InputError, match=r"another training set \(seed\)"):
        build_training_set("handcrafted", source, tmp_path, seed=4)
    with pytest.raises(InputError, match="kind, perturbations, weights_sha256"):
        build_training_set("style", source, tmp_path, style, seed=3)


def test_wrong_input(folders, tmp_path):
    with pytest.raises(InputError, match="kind: expected one of pure"):
        build_training_set("best", folders / "rendered", tmp_path)
    with pytest.raises(InputError, match="weights: expected at least one folder for style"):
        build_training_set("style", folders / "rendered", tmp_path)
    with pytest.raises(InputError, match="weights: expected none for pure"):
        build_training_set("pure", folders / "rendered", tmp_path, [folders / "style0"])
    with pytest.raises(InputError, match=r"manifest\.json"):
        build_training_set("pure", tmp_path, tmp_path / "out")
